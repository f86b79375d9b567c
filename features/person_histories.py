"""Which sessions of a log make up each session's history, where it is not simply the visitor's earlier ones.

The historical side of ``features.histories``: the same rules over the same rows of links, for all sessions of a log at
once. A session needs an entry here only where users have been on several visitors, or several users on one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.events import IntArray
from features.identity import Kind, Known, Links, Owner

UNNAMED = "\x00"
"""The session of an event that names none, until it is known which one the event lies in."""


@dataclass(frozen=True, slots=True)
class PersonHistories:
    """``K`` entries, ordered by session and moment, over the sessions of one log.

    From ``from_us[k]`` on, until the next entry of the same session, the history of ``session[k]`` is made of the
    sessions ``members[starts[k]:starts[k + 1]]``, in the order in which they began. Before its first entry, and for a
    session without any, it is the visitor's earlier sessions.
    """

    session: IntArray
    from_us: IntArray
    starts: IntArray
    members: IntArray

    def __len__(self) -> int:
        return len(self.session)

    def entry_of(self, session: IntArray, at_us: IntArray) -> IntArray:
        """Return the entry that holds for each session at a moment, (R,); -1 where none does."""
        if not len(self):
            return np.full(len(session), -1, np.int64)
        # One sorting of both: the entry before the first that is later, if it is of the same session.
        order = np.lexsort(
            (
                np.append(np.zeros(len(self)), np.ones(len(session))),
                np.append(self.from_us, at_us),
                np.append(self.session, session),
            )
        )
        is_entry = order < len(self)
        before = np.cumsum(is_entry) - 1
        found = np.full(len(session), -1, np.int64)
        asked = order[~is_entry] - len(self)
        entry = before[~is_entry]
        holds = (entry >= 0) & (self.session[np.maximum(entry, 0)] == session[asked])
        found[asked[holds]] = entry[holds]
        return found

    def keep(self, chosen: NDArray[np.bool_]) -> "PersonHistories":
        """Return the entries for a log of which only the ``chosen`` sessions (S,) are left, as whole persons."""
        number = np.cumsum(chosen) - 1
        kept = np.flatnonzero(chosen[self.session])
        return self._take(kept, lambda sessions: number[sessions])

    def shift(self, sessions: int) -> "PersonHistories":
        """Return the entries for a log before which so many sessions were put."""
        return PersonHistories(self.session + sessions, self.from_us, self.starts, self.members + sessions)

    def _take(self, entries: IntArray, renumber: Callable[[IntArray], IntArray]) -> "PersonHistories":
        parts = [self.members[self.starts[entry] : self.starts[entry + 1]] for entry in entries]
        return PersonHistories(
            renumber(self.session[entries]),
            self.from_us[entries],
            np.concatenate(([0], np.cumsum([len(part) for part in parts]))).astype(np.int64),
            renumber(np.concatenate([np.array([], np.int64), *parts])),
        )


def join_histories(parts: Sequence[PersonHistories]) -> PersonHistories:
    """Return the entries of several logs that have been put one after the other, each shifted already."""
    offsets = np.cumsum([0, *(len(part.members) for part in parts)])
    none = np.array([], np.int64)
    starts = [part.starts[:-1] + offset for part, offset in zip(parts, offsets, strict=False)]
    return PersonHistories(
        np.concatenate([none, *(part.session for part in parts)]),
        np.concatenate([none, *(part.from_us for part in parts)]),
        np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
        np.concatenate([none, *(part.members for part in parts)]),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """A session of the log: its number, and what tells whose it is."""

    number: int
    visitor_id: str
    session_id: str
    first_us: int
    last_us: int
    is_named: bool


def find_histories(spans: Sequence[Span], links: Links) -> PersonHistories:
    """Return the entries for sessions, of which all of a person are there, ordered by their numbers."""
    of_visitor: dict[str, list[Span]] = {}
    for span in spans:
        if links.of_visitor(span.visitor_id):
            of_visitor.setdefault(span.visitor_id, []).append(span)
    book = _with_sessions(links, of_visitor)
    shared = {visitor: own for visitor, own in of_visitor.items() if _is_shared(book, visitor)}
    owners = {span.number: _owners(book, span) for own in shared.values() for span in own}
    of_user: dict[str, list[Span]] = {}
    for own in shared.values():
        for span in own:
            for user in {owner.user_id for _, owner in owners[span.number] if owner.joined and owner.user_id}:
                of_user.setdefault(user, []).append(span)
    entries: list[tuple[int, int, list[int]]] = []
    for own in shared.values():
        for span in own:
            entries.extend(_entries(book, span, own, owners, of_user))
    entries.sort(key=lambda entry: entry[:2])
    return PersonHistories(
        np.array([entry[0] for entry in entries], np.int64),
        np.array([entry[1] for entry in entries], np.int64),
        np.cumsum([0, *(len(entry[2]) for entry in entries)]).astype(np.int64),
        np.array([member for entry in entries for member in entry[2]], np.int64),
    )


_Owners = Sequence[tuple[int, Owner]]
"""Whose a session is, from which moment on; the first from its beginning."""


def _entries(
    book: Links, span: Span, own: Sequence[Span], owners: dict[int, _Owners], of_user: dict[str, list[Span]]
) -> Iterator[tuple[int, int, list[int]]]:
    usual = _in_order(one for one in own if one.first_us < span.first_us)
    users = {owner.user_id for _, owner in owners[span.number] if owner.joined and owner.user_id}
    joined = set().union(*(_ever_joined(book, user) for user in users)) if users else set[str]()
    kin = {one.number: one for user in joined for one in of_user.get(user, ())} | {one.number: one for one in own}
    before = [one for one in kin.values() if one.first_us < span.first_us]
    moments = {moment for one in (*before, span) for moment, _ in owners[one.number] if moment > span.first_us}
    moments |= {row.known_us for user in joined for row in book.of_user(user) if row.previous_id is not None}
    latest = usual
    for moment in sorted({span.first_us, *(one for one in moments if one > span.first_us)}):
        owner = _owner_at(owners[span.number], moment)
        person = _person(book, owner, moment)
        members = _in_order(one for one in before if person(_owner_at(owners[one.number], moment)))
        if members != latest:
            latest = members
            yield span.number, moment, members


def _person(book: Links, owner: Owner, moment: int) -> Callable[[Owner], bool]:
    if owner.user_id is None or not owner.joined:
        return lambda other: other == owner
    users = Known(book, moment).users(owner.user_id)
    return lambda other: other.joined and other.user_id in users


def _owners(book: Links, span: Span) -> _Owners:
    known: list[tuple[int, Owner]] = []
    for moment in sorted({span.first_us, *_changes(book, span)}):
        owner = Known(book, moment).owner(span.visitor_id, span.session_id, span.first_us)
        if not known or known[-1][1] != owner:
            known.append((moment, owner))
    return known


def _changes(book: Links, span: Span) -> Iterator[int]:
    """Yield the moments after a session's beginning at which it may get another owner."""
    earliest_us: int | None = None
    for row in sorted(book.of_visitor(span.visitor_id), key=lambda row: row.known_us):
        is_first = row.is_turn and (earliest_us is None or row.at_us < earliest_us)
        if is_first:
            earliest_us = row.at_us
        counts = is_first or row.at_us <= span.first_us or row.session_id == span.session_id
        # A refusal or an undoing takes the user's other sessions away as well.
        if row.known_us > span.first_us and (counts or row.kind is not Kind.LINK or not row.is_turn):
            yield row.known_us


def _owner_at(owners: _Owners, moment: int) -> Owner:
    return next(owner for since, owner in reversed(owners) if since <= moment)


def _ever_joined(book: Links, user_id: str) -> set[str]:
    found, open_ids = {user_id}, [user_id]
    while open_ids:
        for row in book.of_user(open_ids.pop()):
            for other in (row.user_id, row.previous_id):
                if row.previous_id is not None and other is not None and other not in found:
                    found.add(other)
                    open_ids.append(other)
    return found


def _is_shared(book: Links, visitor_id: str) -> bool:
    """Whether the histories of a visitor's sessions can be anything but its own earlier ones."""
    users = {row.user_id for row in book.of_visitor(visitor_id) if row.is_turn}
    if len(users) != 1:
        return bool(users)
    rows = book.of_user(*users)
    return any(row.previous_id is not None or row.visitor_id != visitor_id for row in rows)


def _with_sessions(links: Links, of_visitor: dict[str, list[Span]]) -> Links:
    """Return the links with the session of each event that named none: the one of its visitor in which it lies."""
    book = Links()
    for row in links.rows:
        session_id = row.session_id
        if session_id == UNNAMED:
            inside = (
                one.session_id
                for one in of_visitor.get(row.visitor_id, ())
                if not one.is_named and one.first_us <= row.at_us <= one.last_us
            )
            session_id = next(inside, None)
        book.add(row if session_id == row.session_id else replace(row, session_id=session_id))
    return book


def _in_order(spans: Iterable[Span]) -> list[int]:
    ordered = sorted(spans, key=lambda one: (one.first_us, one.session_id.encode("utf-8", "surrogatepass")))
    return [one.number for one in ordered]
