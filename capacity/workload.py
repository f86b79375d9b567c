"""How much is to be served: sessions a day, what each sends and asks, and how much busier the busiest minutes are."""

from collections.abc import Mapping
from dataclasses import dataclass

from capacity.costs import EVENT, RECOMMEND, SCORE, Costs, RequestCost

SECONDS_PER_DAY = 86_400


class WorkloadError(ValueError):
    """A workload that cannot be; the text says which part of it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be served; ``peak`` is how much more comes in the busiest minutes than on average.

    Events come ``events_per_request`` together, as clients gather them. A session stays open for ``open_minutes``,
    its silence at the end included.
    """

    sessions_per_day: float
    events_per_session: float = 12.0
    events_per_request: float = 1.0
    decisions_per_session: float = 1.0
    scores_per_session: float = 0.0
    peak: float = 3.0
    open_minutes: float = 36.0

    def __post_init__(self) -> None:
        for name, least in (
            ("sessions_per_day", 1),
            ("events_per_session", 1),
            ("events_per_request", 1),
            ("decisions_per_session", 0),
            ("scores_per_session", 0),
            ("peak", 1),
            ("open_minutes", 0),
        ):
            value = getattr(self, name)
            # NaN is less than nothing and no more either.
            if not least <= value < float("inf"):
                raise WorkloadError(f"{name.replace('_', ' ')} must be {least} or more, not {value:g}")

    @property
    def events_per_day(self) -> float:
        """How many events come a day."""
        return self.sessions_per_day * self.events_per_session

    @property
    def open_sessions(self) -> float:
        """How many sessions are open in the busiest minutes (Little's law)."""
        return self.sessions_per_day / SECONDS_PER_DAY * self.peak * self.open_minutes * 60

    @property
    def requests_per_session(self) -> Mapping[str, float]:
        """How many requests of each kind a session makes; those that it never makes are left out."""
        made = {
            EVENT: self.events_per_session / self.events_per_request,
            SCORE: self.scores_per_session,
            RECOMMEND: self.decisions_per_session,
        }
        return {kind: count for kind, count in made.items() if count}

    @property
    def peak_rates(self) -> Mapping[str, float]:
        """Requests a second of each kind in the busiest minutes."""
        sessions = self.sessions_per_day / SECONDS_PER_DAY * self.peak
        return {kind: sessions * count for kind, count in self.requests_per_session.items()}

    def costs(self, measured: Costs) -> Mapping[str, RequestCost]:
        """Return what each kind of its requests takes."""
        return {
            kind: measured.of_events(self.events_per_request) if kind == EVENT else measured.requests[kind]
            for kind in self.requests_per_session
        }
