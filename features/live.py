"""One open session: an append-only list of encoded events, replayed through the same kernel as history."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from features import kernel
from features.encode import EncodedEvent
from features.events import CodeArray, EncodedLog, FloatArray, IntArray
from features.plan import Plan
from features.scan import ValueKind

_INITIAL_CAPACITY = 4
_State = tuple[FloatArray, IntArray, IntArray]


class SessionColumns(NamedTuple):
    """The events of a session in their total order: ids, times and codes (N,), values (N, P) of the plan's columns."""

    event_ids: Sequence[str]
    at_us: IntArray
    codes: CodeArray
    values: FloatArray


class LiveSession:
    """The events of one session received so far, in the total order ``(occurred_at, event_id)``."""

    def __init__(self, plan: Plan, session_id: str, visitor_id: str) -> None:
        self.plan = plan
        self.session_id = session_id
        self.visitor_id = visitor_id
        self._order: list[tuple[int, bytes]] = []
        self._ids: set[str] = set()
        self._at_us: IntArray = np.empty(_INITIAL_CAPACITY, np.int64)
        self._codes: CodeArray = np.empty(_INITIAL_CAPACITY, np.int32)
        self._values: FloatArray = np.empty((_INITIAL_CAPACITY, len(plan.columns)), np.float64)
        self._carried: tuple[object, _State] | None = None

    @classmethod
    def of_columns(cls, plan: Plan, session_id: str, visitor_id: str, columns: SessionColumns) -> "LiveSession":
        """Return the session that has these :attr:`columns`."""
        session = cls(plan, session_id, visitor_id)
        encoded = [event_id.encode("utf-8", "surrogatepass") for event_id in columns.event_ids]
        session._order = list(zip(columns.at_us.tolist(), encoded, strict=True))
        session._ids = set(columns.event_ids)
        session._at_us, session._codes, session._values = columns.at_us, columns.codes, columns.values
        return session

    def __len__(self) -> int:
        return len(self._order)

    @property
    def columns(self) -> SessionColumns:
        """The events as columns; views of what may change with the next event."""
        count = len(self)
        event_ids = [event_id.decode("utf-8", "surrogatepass") for _, event_id in self._order]
        return SessionColumns(event_ids, self._at_us[:count], self._codes[:count], self._values[:count])

    @property
    def first_at_us(self) -> int:
        """Time of the earliest event."""
        return self._order[0][0]

    @property
    def last_at_us(self) -> int:
        """Time of the latest event."""
        return self._order[-1][0]

    @property
    def span(self) -> tuple[str, int, int]:
        """The session's id, and the times of its earliest and latest event."""
        return self.session_id, self._order[0][0], self._order[-1][0]

    def append(self, event: EncodedEvent) -> bool:
        """Insert the event in its place and return True, or return False for an id that is already there."""
        if event.event_id in self._ids:
            return False
        place_key = (event.at_us, event.event_id.encode("utf-8", "surrogatepass"))
        count = len(self._order)
        place = bisect_left(self._order, place_key) if count and place_key < self._order[-1] else count
        if count == len(self._at_us):
            self._grow()
        if place < count:
            for column in (self._at_us, self._codes, self._values):
                column[place + 1 : count + 1] = column[place:count].copy()
        self._at_us[place], self._codes[place], self._values[place] = event.at_us, event.code, event.values
        self._order.insert(place, place_key)
        self._ids.add(event.event_id)
        return True

    def extend(self, other: "LiveSession") -> int:
        """Insert another's events in their places and return how many were not there."""
        columns = other.columns
        return sum(
            self.append(EncodedEvent(event_id, int(at_us), int(code), values))
            for event_id, at_us, code, values in zip(*columns, strict=True)
        )

    def has(self, event_id: str) -> bool:
        """Whether the event is in the session."""
        return event_id in self._ids

    def seen(self, at_us: int) -> int:
        """Return how many events had occurred by the moment."""
        return bisect_right(self._at_us[: len(self)], at_us)

    def happened(self, codes: Collection[int], at_us: int) -> bool:
        """Whether an event of one of these codes had occurred by the moment."""
        return not frozenset(codes).isdisjoint(self._codes[: self.seen(at_us)].tolist())

    def first_key(self, name: str, at_us: int) -> float:
        """Return the key of the first known value of a column or property by the moment; NaN where there is none.

        Only what a feature reads as a key or category is known of a session.
        """
        read = self.plan.context_columns.get(name, ()) or self.plan.property_columns.get(name, ())
        for place, kind in read:
            if kind is ValueKind.KEY:
                values = self._values[: self.seen(at_us), place]
                known = values[~np.isnan(values)]
                return float(known[0]) if len(known) else math.nan
        return math.nan

    def latest_us(self, at_us: int) -> int:
        """Return the time of the latest event that had occurred by the moment; the moment itself where none had."""
        seen = self.seen(at_us)
        return int(self._at_us[seen - 1]) if seen else at_us

    def row(self, at_us: int, earlier: Sequence["LiveSession"] = ()) -> FloatArray:
        """Return the features (F,) at a moment; ``earlier`` are the visitor's other sessions.

        Raises ValueError when nothing had occurred by then.
        """
        row: FloatArray = self.rows([(self.seen(at_us), at_us)], earlier)[0]
        return row

    def rows(self, moments: Sequence[tuple[int, int]], earlier: Sequence["LiveSession"] = ()) -> FloatArray:
        """Return the features (R, F) at several ``(events seen, moment)``, in ascending order, in one pass."""
        if not moments or min(moments)[0] < 1:
            raise ValueError(f"session {self.session_id!r} has no event at or before that moment")
        if any(after > len(self) or at_us < self._order[after - 1][0] for after, at_us in moments):
            raise ValueError(f"session {self.session_id!r} had not seen so many events by that moment")
        if any(later < former for former, later in pairwise(moments)):
            raise ValueError("the moments of a session must be in ascending order")
        plan = self.plan.arrays
        carried_cells, carried_generations, carried_seen = self._carry(earlier)
        cells, generations = carried_cells.copy(), carried_generations.copy()
        seen = kernel.with_room(carried_seen.copy(), generations, moments[-1][0])
        registers = np.empty(self.plan.register_count, np.float64)
        out = np.empty((len(moments), len(self.plan.feature_names)), np.float64)
        kernel.replay_session(
            plan,
            cells,
            generations,
            seen,
            self._at_us,
            self._codes,
            self._values,
            np.array([after for after, _ in moments], np.int64),
            np.array([at_us for _, at_us in moments], np.int64),
            registers,
            out,
        )
        return out

    def _carry(self, earlier: Sequence["LiveSession"]) -> _State:
        others = [
            session
            for session in earlier
            if session is not self and len(session) and session.first_at_us < self.first_at_us
        ]
        if not others or not self.plan.uses_visitor_history:
            return self.plan.fresh_state
        identity = (self.first_at_us, *sorted((session.session_id, len(session)) for session in others))
        if self._carried is None or self._carried[0] != identity:
            others.sort(key=lambda session: (session.first_at_us, session.session_id.encode("utf-8", "surrogatepass")))
            self._carried = (identity, self._carry_anew(others))
        return self._carried[1]

    def _carry_anew(self, others: Sequence["LiveSession"]) -> _State:
        fresh_cells, fresh_generations, fresh_seen = self.plan.fresh_state
        cells, generations, seen = fresh_cells.copy(), fresh_generations.copy(), fresh_seen.copy()
        starts = np.cumsum([0, *(len(session) for session in others)])
        seen = kernel.carry(
            self.plan.arrays,
            cells,
            generations,
            seen,
            np.concatenate([session._at_us[: len(session)] for session in others]),
            np.concatenate([session._codes[: len(session)] for session in others]),
            np.concatenate([session._values[: len(session)] for session in others]),
            starts,
            0,
            len(others),
            self.first_at_us,
        )
        return cells, generations, seen

    def as_log(self) -> EncodedLog:
        """Return the session as a log of one, without its users."""
        count = len(self)
        return EncodedLog(
            session_ids=np.array([self.session_id], object),
            visitor_ids=np.array([self.visitor_id], object),
            user_ids=np.array([None], object),
            starts=np.array([0, count], np.int64),
            at_us=self._at_us[:count].copy(),
            codes=self._codes[:count].copy(),
            values=self._values[:count].copy(),
            event_ids=np.array([event_id.decode("utf-8", "surrogatepass") for _, event_id in self._order], object),
        )

    def _grow(self) -> None:
        # Twice the room; numpy's own `resize` takes several times as long.
        self._at_us = np.concatenate((self._at_us, self._at_us))
        self._codes = np.concatenate((self._codes, self._codes))
        self._values = np.concatenate((self._values, self._values))
