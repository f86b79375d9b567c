"""What the other modules pass around: one event as received, and many sessions as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

if TYPE_CHECKING:
    from features.person_histories import PersonHistories

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CodeArray = NDArray[np.int32]
TextArray = NDArray[np.object_]

US_PER_SECOND = 1_000_000


class Event(Struct, frozen=True, gc=False):
    """One event in the canonical columns; times are microseconds since 1970 in UTC.

    A struct rather than a dataclass: services make several of each event, in a fifth of the time.
    """

    event_id: str
    name: str
    occurred_at_us: int
    visitor_id: str
    session_id: str | None = None
    user_id: str | None = None
    received_at_us: int | None = None
    channel: str | None = None
    device: str | None = None
    source: str | None = None
    campaign: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    def in_session(self, session_id: str) -> "Event":
        """Return the event as one of that session."""
        return self if session_id == self.session_id else replace(self, session_id=session_id)


@dataclass(frozen=True, slots=True)
class EncodedLog:
    """Sessions as flat arrays, in the total order ``(visitor, session start, session, occurred_at, event_id)``.

    ``S`` sessions and ``N`` events; session ``s`` owns the events ``starts[s]:starts[s + 1]``. The sessions of one
    visitor stand together, by their first event's time and then their id.
    """

    session_ids: TextArray
    """(S,) text."""
    visitor_ids: TextArray
    """(S,) text."""
    user_ids: TextArray
    """(S,) text or None: the latest known user of the session."""
    starts: IntArray
    """(S + 1,) offsets into the events."""
    at_us: IntArray
    """(N,) microseconds since 1970, UTC."""
    codes: CodeArray
    """(N,) event codes of the plan; 0 is an undeclared name."""
    values: FloatArray
    """(N, P) the plan's value columns, row-major; NaN where missing."""
    event_ids: TextArray
    """(N,) text."""
    context: Mapping[str, TextArray] = dataclass_field(default_factory=dict)
    """(S,) text or None per context column: the session's first known value. For cohorts, not for features."""
    details: Mapping[str, TextArray] = dataclass_field(default_factory=dict)
    """(N,) text or None per detail, where asked for: ``element``, what the event was about, and ``shared_name``, the
    name of an event that has no code of its own. For reports, not for features."""
    person_ids: TextArray | None = None
    """(S,) text: the same for all visitors that users ever connected, the smallest of their ids. None stands for the
    visitor's own, where nobody has looked for users."""
    histories: "PersonHistories | None" = None
    """Which sessions make up a session's history, where it is not simply the visitor's earlier ones."""

    @property
    def persons(self) -> TextArray:
        """(S,) text: equal for sessions that must not be torn apart, as one may be in the history of another."""
        return self.visitor_ids if self.person_ids is None else self.person_ids

    @property
    def session_count(self) -> int:
        """Number of sessions."""
        return len(self.starts) - 1

    @property
    def event_count(self) -> int:
        """Number of events."""
        return len(self.at_us)


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Moments at which rows are wanted, ordered by session, events seen and time.

    ``after[r]`` events of session ``session[r]`` have been seen (at least one), and the row is read at ``at_us[r]``,
    which is at or after the last of them and before the next.
    """

    session: IntArray
    after: IntArray
    at_us: IntArray

    def __len__(self) -> int:
        return len(self.session)

    def take(self, rows: NDArray[Any]) -> "Cutoffs":
        """Return the chosen rows; ``rows`` is a mask or ascending indices."""
        return Cutoffs(self.session[rows], self.after[rows], self.at_us[rows])
