"""Serving, simulated request by request: a worker's loop and writer, the database's turn, Redis, and their processors.

What each step takes comes from measured costs; how long requests wait for each other comes out. It needs simpy.
"""

import random
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from capacity.costs import RequestCost

if TYPE_CHECKING:
    import simpy

Steps = Generator[Any, Any, None]

_MOST_WRITES_PER_COMMIT = 256
"""As many as the service's writer commits together."""
_WARM_UP = 0.1


class SimulationError(ValueError):
    """A simulation cannot be made; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """What serves: workers with a core each, one Redis, and one PostgreSQL.

    ``together`` where PostgreSQL, Redis and whoever sends the load share ``postgres_cores``, as in a measurement on one
    machine; else Redis has a core of its own, and the load comes from elsewhere.
    """

    workers: int = 1
    postgres_cores: int = 1
    together: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent for so many seconds: a rate of each kind at random moments, or ``connections`` that never rest.

    With connections, ``rates`` are only the ratios of the kinds.
    """

    rates: Mapping[str, float]
    seconds: float
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of it: latencies (ms) by kind, requests a second, how busy each part was, and writes a commit."""

    latencies_ms: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
    per_second: float
    busy: Mapping[str, float]
    writes_per_commit: float

    def quantile_ms(self, quantile: float, kind: str | None = None) -> float:
        """Return a quantile of the latencies of one kind or of all; NaN where none was answered."""
        found = np.concatenate([*self.latencies_ms.values()]) if kind is None else self.latencies_ms[kind]
        return float(np.quantile(found, quantile)) if len(found) else float("nan")


def simulate_serving(costs: Mapping[str, RequestCost], site: Site, load: Load, seed: int = 1) -> Simulated:
    """Return what a site answers to a load; the first tenth of the time is not counted.

    Raises :class:`SimulationError` where simpy is absent.
    """
    try:
        import simpy
    except ImportError as error:
        raise SimulationError("a simulation needs simpy: pip install 'simpy>=4.1,<5'") from error
    serving = _Serving(simpy.Environment(), costs, site, load, random.Random(seed))
    return serving.run()


class _Part:
    """So many cores, or a turn, that one request after the other has; counts how long it was had."""

    def __init__(self, environment: "simpy.Environment", cores: int, since_ms: float) -> None:
        import simpy

        self.cores = cores
        self.resource = simpy.Resource(environment, cores)
        self._environment = environment
        self._since_ms = since_ms
        self.had_ms = 0.0

    def have(self, milliseconds: float) -> Steps:
        if milliseconds > 0:
            with self.resource.request() as turn:
                yield turn
                yield self._environment.timeout(milliseconds)
            self.count(milliseconds)

    def count(self, milliseconds: float) -> None:
        """Note how long it was had, of what lies after the warm-up."""
        self.had_ms += max(0.0, min(milliseconds, self._environment.now - self._since_ms))


class _Worker:
    """One process: its core, and the writes that wait for its writer."""

    def __init__(self, environment: "simpy.Environment", since_ms: float) -> None:
        import simpy

        self.core = _Part(environment, 1, since_ms)
        self.writes: simpy.Store = simpy.Store(environment)


@dataclass(frozen=True, slots=True)
class _Write:
    cost: RequestCost
    factor: float
    done: "simpy.Event"


class _Serving:
    def __init__(
        self,
        environment: "simpy.Environment",
        costs: Mapping[str, RequestCost],
        site: Site,
        load: Load,
        source: random.Random,
    ) -> None:
        self._environment, self._costs, self._load, self._source = environment, costs, load, source
        self._warm_ms, self._end_ms = 1e3 * _WARM_UP * load.seconds, 1e3 * load.seconds
        self._turn = _Part(environment, 1, self._warm_ms)
        self._postgres = _Part(environment, site.postgres_cores, self._warm_ms)
        self._redis = self._postgres if site.together else _Part(environment, 1, self._warm_ms)
        self._client = self._postgres if site.together else None
        self._workers = [_Worker(environment, self._warm_ms) for _ in range(site.workers)]
        self._next_worker = 0
        self._latencies: dict[str, list[float]] = {kind: [] for kind in load.rates}
        self._answered = self._commits = self._committed = 0
        for worker in self._workers:
            environment.process(self._write(worker))

    def run(self) -> Simulated:
        kinds, weights = list(self._load.rates), list(self._load.rates.values())
        if self._load.connections:
            for _ in range(self._load.connections):
                self._environment.process(self._go_on(lambda: self._source.choices(kinds, weights)[0]))
        else:
            for kind, rate in self._load.rates.items():
                self._environment.process(self._come(kind, rate))
        self._environment.run(self._end_ms)
        counted_ms = self._end_ms - self._warm_ms
        parts: dict[str, tuple[Sequence[_Part], int]] = {
            "worker": ([worker.core for worker in self._workers], len(self._workers)),
            "postgres": ([self._postgres], self._postgres.cores),
            "turn": ([self._turn], 1),
        }
        if self._redis is not self._postgres:
            parts["redis"] = ([self._redis], 1)
        return Simulated(
            {kind: np.array(found) for kind, found in self._latencies.items()},
            self._answered / (1e-3 * counted_ms),
            {name: sum(one.had_ms for one in had) / (count * counted_ms) for name, (had, count) in parts.items()},
            self._committed / self._commits if self._commits else 0.0,
        )

    def _come(self, kind: str, rate: float) -> Steps:
        while True:
            yield self._environment.timeout(1e3 * self._source.expovariate(rate))
            self._environment.process(self._serve(kind))

    def _go_on(self, choose: Callable[[], str]) -> Steps:
        while True:
            yield from self._serve(choose())

    def _serve(self, kind: str) -> Steps:
        cost, due = self._costs[kind], self._environment.now
        worker = self._workers[self._next_worker]
        self._next_worker = (self._next_worker + 1) % len(self._workers)
        factor = self._source.choice(cost.spread)
        if self._client is not None:
            yield from self._client.have(cost.client_ms / 2)
        # Half is done before anything is waited for: reading the request and finding what it is about.
        yield from worker.core.have(factor * cost.loop_ms / 2)
        if cost.writes:
            write = _Write(cost, factor, self._environment.event())
            yield worker.writes.put(write)
            yield write.done
        else:
            yield from worker.core.have(factor * cost.threads_ms)
            yield from self._postgres.have(factor * cost.postgres_ms)
        yield from self._redis.have(factor * cost.redis_ms)
        yield from worker.core.have(factor * cost.loop_ms / 2)
        yield self._environment.timeout(factor * cost.rest_ms)
        if self._client is not None:
            yield from self._client.have(cost.client_ms / 2)
        if due >= self._warm_ms:
            self._latencies[kind].append(self._environment.now - due)
        if self._environment.now >= self._warm_ms:
            self._answered += 1

    def _write(self, worker: _Worker) -> Steps:
        """Commit what waits, together, as the service's writer does: while one group is written the next gathers."""
        while True:
            group: list[_Write] = [(yield worker.writes.get())]
            while worker.writes.items and len(group) < _MOST_WRITES_PER_COMMIT:
                group.append((yield worker.writes.get()))
            with self._turn.resource.request() as turn:
                yield turn
                since = self._environment.now
                for write in group:
                    yield from self._write_one(worker, write)
                # What a transaction takes however many writes it holds: its beginning, and the disk at its commit.
                fixed = max(write.factor * (write.cost.turn_alone_ms - write.cost.turn_ms) for write in group)
                yield self._environment.timeout(max(0.0, fixed))
                self._turn.count(self._environment.now - since)
            if self._environment.now >= self._warm_ms:
                self._commits, self._committed = self._commits + 1, self._committed + len(group)
            for write in group:
                write.done.succeed()

    def _write_one(self, worker: _Worker, write: _Write) -> Steps:
        cost = write.cost
        own = min(cost.threads_ms, cost.turn_ms)
        theirs = min(cost.postgres_ms, cost.turn_ms - own)
        yield from worker.core.have(write.factor * own)
        yield from self._postgres.have(write.factor * theirs)
        if (rest := cost.turn_ms - own - theirs) > 0:
            yield self._environment.timeout(write.factor * rest)
