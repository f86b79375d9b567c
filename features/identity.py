"""Who is who: visitors linked by users, as known at a moment; pure rules, without any input or output.

A **person** is a set of visitors (a visitor is one browser or device) that users connect. What connects them are
claims: an event that names a user beside its visitor, and an alias, which says that an earlier id and a user are one
(Segment's ``previousId`` and ``userId``). A claim becomes a row, a link or a refusal with its reason, in the order of
arrival; rows are never changed, and what is known at a moment is a fold over the rows that had arrived by then.

* *Turns.* A visitor may have several users, one after the other. A session belongs to the user that it names last;
  where it names none, to the user that the visitor had when it began; before the first, to the first.
* *Bounds.* A link that would make a person too large is refused. The visitor's sessions of a refused or undone link
  belong to that visitor and user alone: to no person, and not to the user before either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol


class Kind(StrEnum):
    """What a row says."""

    LINK = "link"
    REFUSAL = "refusal"
    UNDOING = "undoing"


class Reason(StrEnum):
    """Why a link was refused."""

    PLACEHOLDER = "placeholder"
    TOO_MANY_VISITORS = "too_many_visitors"
    TOO_MANY_USERS = "too_many_users"
    TOO_MANY_TURNS = "too_many_turns"
    REFUSED_BEFORE = "refused_before"


@dataclass(frozen=True, slots=True)
class Link:
    """A row: ``visitor_id`` has the user ``user_id``; with ``previous_id``, that id and the user are one.

    ``number`` is its place in the order of arrival. A row without an event is somebody's undoing, or an undoing undone.
    """

    number: int
    kind: Kind
    visitor_id: str
    user_id: str
    previous_id: str | None
    event_id: str | None
    session_id: str | None
    at_us: int
    received_us: int
    reason: str | None = None

    @property
    def known_us(self) -> int:
        """From when on it is known: nothing is before it has happened, and has been received."""
        return max(self.at_us, self.received_us)

    @property
    def is_turn(self) -> bool:
        """Whether the visitor has this user from ``at_us`` on."""
        return self.event_id is not None and self.previous_id is None and self.reason != Reason.PLACEHOLDER


class LinkBook(Protocol):
    """The rows, by whom they are about; each time in the order of arrival."""

    def of_visitor(self, visitor_id: str) -> Sequence[Link]:
        """Return the rows about a visitor, aliases excepted."""

    def of_user(self, user_id: str) -> Sequence[Link]:
        """Return the links to a user, and all rows of aliases that name it on either side."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a session is: a user's on a visitor, or the visitor's where no user is known.

    ``joined`` says whether the user's person has it; else it stands for itself.
    """

    visitor_id: str
    user_id: str | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """The visitors and users that are one person; without users it is ``alone``: of one visitor only."""

    visitors: tuple[str, ...]
    users: frozenset[str]
    alone: Owner | None = None

    def has(self, owner: Owner) -> bool:
        """Whether a session of this owner is this person's."""
        if self.alone is not None:
            return owner == self.alone
        return owner.joined and owner.user_id in self.users


@dataclass(frozen=True, slots=True)
class Known:
    """What is known at the moment ``at_us``; None stands for everything that has arrived."""

    book: LinkBook
    at_us: int | None = None

    def owner(self, visitor_id: str, session_id: str | None, first_at_us: int) -> Owner:
        """Return whose a visitor's session is that began at ``first_at_us``."""
        turns = self.turns(visitor_id)
        if not turns:
            return Owner(visitor_id)
        named = [turn for turn in turns if session_id is not None and turn.session_id == session_id]
        user_id = named[-1].user_id if named else user_at(turns, first_at_us)
        return Owner(visitor_id, user_id, self.is_joined(visitor_id, user_id))

    def person(self, owner: Owner) -> Person:
        """Return whom the owner of a session is: with visitors in the order of their ids."""
        if owner.user_id is None or not owner.joined:
            return Person((owner.visitor_id,), frozenset(), owner)
        users = self.users(owner.user_id)
        return Person(self.visitors(users), users)

    def turns(self, visitor_id: str) -> Sequence[Link]:
        """Return a visitor's users in turn, by the time from which each holds."""
        rows = [row for row in self.book.of_visitor(visitor_id) if row.is_turn and self._knows(row)]
        return sorted(rows, key=lambda row: row.at_us)

    def is_joined(self, visitor_id: str, user_id: str) -> bool:
        """Whether the latest word about the two is a link."""
        row = self.latest(self.book.of_visitor(visitor_id), user_id)
        return row is not None and row.kind is Kind.LINK

    def users(self, user_id: str) -> frozenset[str]:
        """Return a user with all that aliases join to it."""
        found, open_ids = {user_id}, [user_id]
        while open_ids:
            one = open_ids.pop()
            rows = self.book.of_user(one)
            for row in rows:
                if row.previous_id is None or not self._knows(row):
                    continue
                latest = self.latest(rows, row.user_id, row.previous_id)
                other = row.previous_id if row.user_id == one else row.user_id
                if latest is not None and latest.kind is Kind.LINK and other not in found:
                    found.add(other)
                    open_ids.append(other)
        return frozenset(found)

    def visitors(self, users: frozenset[str]) -> tuple[str, ...]:
        """Return the visitors of users."""
        linked = {
            (row.visitor_id, row.user_id)
            for user_id in users
            for row in self.book.of_user(user_id)
            if row.previous_id is None and row.user_id == user_id and row.kind is Kind.LINK and self._knows(row)
        }
        return tuple(sorted({visitor for visitor, user in linked if self.is_joined(visitor, user)}))

    def latest(self, rows: Sequence[Link], user_id: str, previous_id: str | None = None) -> Link | None:
        """Return the latest word of the rows about a user and their visitor, or about the two ids of an alias."""
        for row in reversed(rows):
            if not self._knows(row):
                continue
            if row.user_id == user_id and row.previous_id == previous_id:
                return row
            # Of an alias, either side may have been named as the earlier one.
            if previous_id is not None and (row.user_id, row.previous_id) == (previous_id, user_id):
                return row
        return None

    def kin(self, visitor_id: str, user_id: str) -> frozenset[str]:
        """Return all ids of the persons that an id speaks of, be it a visitor's or a user's: it may be either.

        A user is its person; a visitor is itself, and the person of the user that it had last.
        """
        users = self.users(user_id)
        turns = self.turns(visitor_id)
        if turns and self.is_joined(visitor_id, turns[-1].user_id):
            users |= self.users(turns[-1].user_id)
        return frozenset({visitor_id, *users, *self.visitors(users)})

    def _knows(self, row: Link) -> bool:
        return self.at_us is None or row.known_us <= self.at_us


class Links:
    """A book in memory, in which rows are numbered from 1."""

    def __init__(self) -> None:
        self.rows: list[Link] = []
        self._of_visitor: dict[str, list[Link]] = {}
        self._of_user: dict[str, list[Link]] = {}

    def of_visitor(self, visitor_id: str) -> Sequence[Link]:
        """Return the rows about a visitor, aliases excepted."""
        return self._of_visitor.get(visitor_id, ())

    def of_user(self, user_id: str) -> Sequence[Link]:
        """Return the links to a user, and all rows of aliases that name it on either side."""
        return self._of_user.get(user_id, ())

    def add(self, link: Link) -> None:
        """Add a row; it gets the next number."""
        row = replace(link, number=len(self.rows) + 1)
        self.rows.append(row)
        if row.previous_id is None:
            self._of_visitor.setdefault(row.visitor_id, []).append(row)
        for user_id in users_of(row):
            self._of_user.setdefault(user_id, []).append(row)


def users_of(row: Link) -> tuple[str, ...]:
    """Return the users under which a book finds a row."""
    if row.previous_id is not None:
        return (row.user_id, row.previous_id)
    return (row.user_id,) if row.kind is Kind.LINK else ()


def user_at(turns: Sequence[Link], at_us: int) -> str:
    """Return which of the users in turn a visitor had at a moment; before the first it is the first."""
    before = [turn for turn in turns if turn.at_us <= at_us]
    return (before[-1] if before else turns[0]).user_id
