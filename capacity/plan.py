"""What so many sessions a day need: groups of servers, what each group holds, and what is full first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from capacity.costs import Costs
from capacity.workload import Workload, WorkloadError

_MS = 1e-3
_WORKER_SESSION_BYTES = 320e6
"""``DROPOFF_MEMORY_EVENTS`` at its default: what is beyond is read again."""


class Grows(StrEnum):
    """How there comes to be more of something: by another group, by more of them in a group, or by a larger one."""

    APART = "groups"
    MORE = "more"
    LARGER = "larger"


@dataclass(frozen=True, slots=True)
class Terms:
    """How full machines may be in the busiest minutes, and for how long the database keeps what it has."""

    fullest: float = 0.6
    keep_days: float = 90.0

    def __post_init__(self) -> None:
        if not 0 < self.fullest < 1:
            raise WorkloadError(f"the fullest share must be above 0 and below 1, not {self.fullest:g}")
        if not 0 <= self.keep_days < math.inf:
            raise WorkloadError(f"days to keep must be 0 or more, not {self.keep_days:g}")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that is needed: how much in all (``amount`` of a unit), how many of them, and how full each then is.

    ``one_bears`` is how many sessions a day one of them bears; infinite where the amount alone counts.
    """

    name: str
    unit: str
    amount: float
    count: int
    full: float
    one_bears: float
    grows: Grows


@dataclass(frozen=True, slots=True)
class Plan:
    """What a workload needs: ``groups`` that share nothing, and every need, the one that is full first on top.

    A group is a PostgreSQL and a Redis with the workers on them. People are divided among the groups.
    """

    workload: Workload
    terms: Terms
    groups: int
    needs: Sequence[Need]
    history: Mapping[str, float]

    @property
    def bottleneck(self) -> Need:
        """What is full first."""
        return self.needs[0]

    @property
    def of_one_group(self) -> Workload:
        """What one group has to serve."""
        return replace(self.workload, sessions_per_day=max(1.0, self.workload.sessions_per_day / self.groups))

    def count(self, name: str) -> int:
        """Return how many of something are needed; raises KeyError for what no plan knows."""
        for need in self.needs:
            if need.name == name:
                return need.count
        raise KeyError(name)


# Whoever writes into a PostgreSQL has its turn: one transaction after the other, whatever process it is from.
TURN, REDIS, WORKERS, POSTGRES = "database's turn", "Redis core", "worker", "PostgreSQL core"
REDIS_MEMORY, WORKER_MEMORY, DISK, JOURNAL = "Redis memory", "worker memory", "disk", "journal"
NETWORK, INSIDE = "network outside", "network inside"


def make_plan(workload: Workload, costs: Costs, terms: Terms | None = None) -> Plan:
    """Return what a workload needs by measured costs."""
    terms = terms or Terms()
    taken = _Taken(workload, costs)
    turn, redis = taken.seconds("turn_ms"), taken.seconds("redis_ms")
    groups = max(1, _count(turn, terms), _count(redis, terms))
    sessions = workload.sessions_per_day

    def busy(name: str, seconds: float, grows: Grows, count: int | None = None) -> Need:
        # One in every group at least, or a group could not serve.
        needed = count or groups * max(1, _count(seconds / groups, terms))
        return Need(name, "busy", seconds, needed, seconds / needed, _bears(sessions, seconds, terms.fullest), grows)

    def amount(name: str, unit: str, much: float, grows: Grows) -> Need:
        return Need(name, unit, much, groups, math.nan, math.inf, grows)

    workers = busy(WORKERS, taken.seconds("worker_ms"), Grows.MORE)
    memory = costs.memory
    share = workload.events_per_session / memory.events
    open_bytes = workload.open_sessions * share * memory.worker_bytes
    each_worker = costs.memory.empty_worker_bytes + min(open_bytes / groups, _WORKER_SESSION_BYTES)
    apart = [busy(TURN, turn, Grows.APART, groups), busy(REDIS, redis, Grows.APART, groups)]
    more = [workers, busy(POSTGRES, taken.seconds("postgres_ms"), Grows.LARGER)]
    day_bytes = taken.bytes_per_session("disk_bytes") * sessions
    bits = 8.0
    return Plan(
        workload,
        terms,
        groups,
        [
            *sorted(apart, key=_borne),
            *sorted(more, key=_borne),
            amount(DISK, "bytes", day_bytes * terms.keep_days, Grows.LARGER),
            amount(JOURNAL, "bytes/s", taken.rate("journal_bytes"), Grows.LARGER),
            amount(REDIS_MEMORY, "bytes", workload.open_sessions * share * memory.redis_bytes, Grows.LARGER),
            amount(WORKER_MEMORY, "bytes", each_worker * workers.count, Grows.MORE),
            amount(NETWORK, "bits/s", bits * taken.rate("request_bytes", "answer_bytes"), Grows.MORE),
            amount(INSIDE, "bits/s", bits * taken.rate("redis_bytes", "postgres_bytes"), Grows.LARGER),
        ],
        _history(workload, costs),
    )


def _borne(need: Need) -> float:
    return need.one_bears


def _bears(sessions: float, seconds: float, fullest: float) -> float:
    return math.inf if seconds <= 0 else sessions * fullest / seconds


def _count(seconds: float, terms: Terms) -> int:
    # 0.6 / 0.6 must not become two by the last binary digit.
    return math.ceil(round(seconds / terms.fullest, 9))


def _history(workload: Workload, costs: Costs) -> Mapping[str, float]:
    """Return what a day's log takes: hours of one core for its features, and for a model of all of it; bytes."""
    millions, history = workload.events_per_day / 1e6, costs.history
    return {
        "features_core_hours": millions * history.features_seconds / 3_600,
        "training_core_hours": (history.training_fixed_seconds + millions * history.training_seconds) / 3_600,
        "log_bytes": 1e6 * millions * history.log_bytes,
        "rows_bytes": 1e6 * millions * history.rows_bytes,
    }


@dataclass(frozen=True, slots=True)
class _Taken:
    """What all requests of the busiest minutes take together."""

    workload: Workload
    costs: Costs

    def seconds(self, name: str) -> float:
        """Return how many of something are busy all the time: seconds a second."""
        found = self.workload.costs(self.costs)
        return sum(_MS * rate * float(getattr(found[kind], name)) for kind, rate in self.workload.peak_rates.items())

    def rate(self, *names: str) -> float:
        """Return bytes a second."""
        return 1e3 * sum(self.seconds(name) for name in names)

    def bytes_per_session(self, name: str) -> float:
        found = self.workload.costs(self.costs)
        made = self.workload.requests_per_session
        return sum(count * float(getattr(found[kind], name)) for kind, count in made.items())


def most_sessions_of_one_group(workload: Workload, costs: Costs, terms: Terms | None = None) -> float:
    """Return how many such sessions a day one PostgreSQL and one Redis bear, with as many workers as it takes."""
    plan = make_plan(workload, costs, terms)
    return min(need.one_bears for need in plan.needs if need.grows is Grows.APART)
