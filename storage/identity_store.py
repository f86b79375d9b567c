"""Links between visitors and users in the database, with those that were asked for last in memory."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, insert, or_, select

from features.claims import IdentityError, Limits, claim_of, hear, undo
from features.events import Event
from features.identity import Kind, Link, users_of
from storage.database import reading
from storage.identity_tables import identity_links

_IDS_PER_QUERY = 500
_NEWEST = 2**62
_LONGEST_UNTOLD_SECONDS = 1.0
_LONGEST_REMEMBERED_SECONDS = 60.0

_COLUMNS = (
    identity_links.c.position,
    identity_links.c.kind,
    identity_links.c.visitor_id,
    identity_links.c.user_id,
    identity_links.c.previous_id,
    identity_links.c.event_id,
    identity_links.c.session_id,
    identity_links.c.at_us,
    identity_links.c.received_us,
    identity_links.c.reason,
)
_Key = tuple[str, str]


class NotRemembered(LookupError):
    """What is asked for is not in memory."""


class IdentityStore:
    """The links of one journey: a ``LinkBook`` for any thread.

    Writing methods take the writer's connection. What other processes have written is seen after :meth:`catch_up`:
    at once where processes are ``shared``, else within a second; what they have erased, within a minute.
    """

    def __init__(
        self,
        engine: Engine,
        journey: str,
        limits: Limits | None = None,
        *,
        shared: bool = False,
        memory_links: int = 200_000,
    ) -> None:
        self.journey = journey
        self.limits = limits or Limits()
        self._engine = engine
        self._shared = shared
        self._memory_links = memory_links
        self._guard = threading.Lock()
        self._known: OrderedDict[_Key, tuple[Link, ...]] = OrderedDict()
        self._weight = 0
        self._changes = 0
        self._position = -1
        self._told_at = self._emptied_at = float("-inf")

    def __len__(self) -> int:
        """How much is in memory: links, and a place for each id."""
        return self._weight

    def of_visitor(self, visitor_id: str) -> Sequence[Link]:
        """Return the rows about a visitor, aliases excepted, in the order of arrival."""
        return self._remembered(("visitor", visitor_id))

    def of_user(self, user_id: str) -> Sequence[Link]:
        """Return the links to a user, and all rows of aliases that name it on either side."""
        return self._remembered(("user", user_id))

    @property
    def remembered(self) -> "Remembered":
        """What is in memory of the links, as a ``LinkBook`` that never asks the database."""
        return Remembered(self)

    def recall(self, key: _Key) -> tuple[Link, ...] | None:
        """Return what is in memory about a visitor or a user; None where nothing is."""
        with self._guard:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
            return known

    def catch_up(self) -> None:
        """Forget what is no longer all there is; to be called before an answer is made of what is known."""
        now = monotonic()
        if now - self._emptied_at > _LONGEST_REMEMBERED_SECONDS:
            self.forget()
            self._emptied_at = now
        if not self._shared and now - self._told_at < _LONGEST_UNTOLD_SECONDS:
            return
        self._told_at = now
        with reading(self._engine) as connection:
            newest = _newest(connection)
            if newest == self._position:
                return
            query = select(*_COLUMNS).where(
                identity_links.c.journey == self.journey, identity_links.c.position > self._position
            )
            rows = [] if self._position < 0 else [_link(row) for row in connection.execute(query)]
        if self._position < 0:
            self.forget()
        self.learn(rows)
        self._position = newest

    def learn(self, links: Iterable[Link]) -> None:
        """Have the next reading find links that have been committed."""
        with self._guard:
            for link in links:
                self._changes += 1
                self._drop(("visitor", link.visitor_id))
                for user_id in (link.user_id, link.previous_id):
                    if user_id is not None:
                        self._drop(("user", user_id))

    def forget(self) -> None:
        """Drop everything from memory; the database is not touched."""
        with self._guard:
            self._known.clear()
            self._weight = 0
            self._changes += 1

    def record(self, connection: Connection, events: Iterable[Event]) -> list[Link]:
        """Insert the rows that new events make, and return them; :meth:`learn` has to follow once they are committed.

        In the transaction that inserts the events, and in the order of their arrival.
        """
        claims = [claim for event in events if (claim := claim_of(event)) is not None]
        if not claims:
            return []
        draft = _Draft(connection, self.journey)
        draft.fetch_visitors({claim.visitor_id for claim in claims})
        for claim in claims:
            hear(draft, claim, self.limits)
        if draft.added:
            connection.execute(insert(identity_links), [_row(self.journey, link) for link in draft.added])
        return draft.added

    def undo(self, connection: Connection, number: int, now_us: int) -> Link:
        """Insert the row that undoes a link; raises :class:`features.claims.IdentityError`."""
        link = self.link(connection, number)
        if link is None:
            raise IdentityError(f"there is no link {number}: `dropoff identity show ID` tells the numbers")
        draft = _Draft(connection, self.journey)
        undo(draft, link, now_us, self.limits)
        [added] = draft.added
        connection.execute(insert(identity_links), _row(self.journey, added))
        return added

    def link(self, connection: Connection, number: int) -> Link | None:
        """Return the row of that number."""
        query = select(*_COLUMNS).where(identity_links.c.journey == self.journey, identity_links.c.position == number)
        row = connection.execute(query).first()
        return None if row is None else _link(row)

    def rows_about(self, identity: str) -> list[Link]:
        """Return all rows that name an id, as a visitor, a user or an earlier id; the oldest first."""
        columns = (identity_links.c.visitor_id, identity_links.c.user_id, identity_links.c.previous_id)
        with reading(self._engine) as connection:
            found = {
                row.position: _link(row)
                for column in columns
                for row in connection.execute(
                    select(*_COLUMNS).where(identity_links.c.journey == self.journey, column == identity)
                )
            }
        return [found[number] for number in sorted(found)]

    def erase_visitor(self, connection: Connection, visitor_id: str) -> dict[str, int]:
        """Delete the rows that name a visitor; return how many."""
        names = or_(identity_links.c.visitor_id == visitor_id, identity_links.c.previous_id == visitor_id)
        found = connection.execute(delete(identity_links).where(identity_links.c.journey == self.journey, names))
        return {"identity_links": found.rowcount}

    def _remembered(self, key: _Key) -> tuple[Link, ...]:
        with self._guard:
            changes = self._changes
        known = self.recall(key)
        if known is not None:
            return known
        with reading(self._engine) as connection:
            found = tuple(_fetch(connection, self.journey, key))
        with self._guard:
            # What has changed meanwhile may not be in it.
            if changes == self._changes and key not in self._known:
                self._known[key] = found
                self._weight += 1 + len(found)
                while self._weight > self._memory_links and len(self._known) > 1:
                    self._drop(next(iter(self._known)))
        return found

    def _drop(self, key: _Key) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._weight -= 1 + len(known)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The links that are in memory; raises :class:`NotRemembered` for those that are not."""

    store: IdentityStore

    def of_visitor(self, visitor_id: str) -> Sequence[Link]:
        """Return the rows about a visitor, as the store does."""
        return self._recalled(("visitor", visitor_id))

    def of_user(self, user_id: str) -> Sequence[Link]:
        """Return the rows about a user, as the store does."""
        return self._recalled(("user", user_id))

    def _recalled(self, key: _Key) -> Sequence[Link]:
        found = self.store.recall(key)
        if found is None:
            raise NotRemembered(key[1])
        return found


def read_undoings(connection: Connection, journey: str) -> list[Link]:
    """Return the rows that no event made, the oldest first."""
    return _read(connection, journey, identity_links.c.event_id.is_(None))


def journey_of_link(engine: Engine, number: int) -> str | None:
    """Return the journey whose row has a number, or None where none has."""
    with reading(engine) as connection:
        return connection.execute(
            select(identity_links.c.journey).where(identity_links.c.position == number)
        ).scalar_one_or_none()


class _Draft:
    """The book as a transaction sees it, with the rows that it is going to add."""

    def __init__(self, connection: Connection, journey: str) -> None:
        self.added: list[Link] = []
        self._connection = connection
        self._journey = journey
        self._known: dict[_Key, list[Link]] = {}

    def fetch_visitors(self, visitor_ids: Iterable[str]) -> None:
        ids = sorted(visitor_ids)
        self._known.update((("visitor", one), []) for one in ids)
        for start in range(0, len(ids), _IDS_PER_QUERY):
            chunk = ids[start : start + _IDS_PER_QUERY]
            for link in _read(self._connection, self._journey, identity_links.c.visitor_id.in_(chunk)):
                if link.previous_id is None:
                    self._known[("visitor", link.visitor_id)].append(link)

    def of_visitor(self, visitor_id: str) -> Sequence[Link]:
        return self._read(("visitor", visitor_id))

    def of_user(self, user_id: str) -> Sequence[Link]:
        return self._read(("user", user_id))

    def add(self, link: Link) -> None:
        numbered = replace(link, number=_NEWEST + len(self.added))
        # Read before it is added, so that it is there once.
        if link.previous_id is None:
            self._read(("visitor", link.visitor_id)).append(numbered)
        for user_id in users_of(link):
            self._read(("user", user_id)).append(numbered)
        self.added.append(numbered)

    def _read(self, key: _Key) -> list[Link]:
        if key not in self._known:
            found = _fetch(self._connection, self._journey, key)
            self._known[key] = found + [link for link in self.added if _concerns(link, key)]
        return self._known[key]


def _concerns(link: Link, key: _Key) -> bool:
    kind, name = key
    if kind == "visitor":
        return link.previous_id is None and link.visitor_id == name
    return name in users_of(link)


def _fetch(connection: Connection, journey: str, key: _Key) -> list[Link]:
    """Return the rows that a book has under a key."""
    kind, name = key
    if kind == "visitor":
        found = _read(connection, journey, identity_links.c.visitor_id == name)
    else:
        # Two look-ups: over an OR of two columns a database may read all rows.
        as_user = _read(connection, journey, identity_links.c.user_id == name)
        as_previous = _read(connection, journey, identity_links.c.previous_id == name)
        found = sorted({link.number: link for link in (*as_user, *as_previous)}.values(), key=_number)
    return [link for link in found if _concerns(link, key)]


def _read(connection: Connection, journey: str, condition: ColumnElement[bool]) -> list[Link]:
    """Return the rows of a condition that one index answers, in the order of arrival."""
    query = select(*_COLUMNS).where(identity_links.c.journey == journey, condition)
    # Sorted here: asked for an order, a database may walk through all rows in it.
    return sorted((_link(row) for row in connection.execute(query)), key=_number)


def _number(link: Link) -> int:
    return link.number


def _newest(connection: Connection) -> int:
    return connection.execute(select(func.max(identity_links.c.position))).scalar() or 0


def _link(row: Any) -> Link:
    number, kind, *rest = row
    return Link(number, Kind(kind), *rest)


def _row(journey: str, link: Link) -> dict[str, Any]:
    return {
        "journey": journey,
        "kind": link.kind.value,
        "visitor_id": link.visitor_id,
        "user_id": link.user_id,
        "previous_id": link.previous_id,
        "event_id": link.event_id,
        "session_id": link.session_id,
        "at_us": link.at_us,
        "received_us": link.received_us,
        "reason": link.reason,
    }
