"""Replicas behind nginx: what two bear of what one does, and what is left when one is killed, hangs or is renewed.

    python -m benchmarks replicas
    python -m benchmarks.replicas --home DROPOFF_HOME --picture replicas.png

The load, nginx, PostgreSQL and Redis share the machine's cores with the replicas, so that on two cores two replicas
cannot bear twice what one does. Linear is what can be seen beside that: that a second of a replica's own time answers
as many requests, however many replicas there are. Faults come at a load of a third of what one replica bears.
"""

import argparse
import json
import random
import resource
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks.load import Capacity, closed_loop
from benchmarks.processes import cpu_seconds
from benchmarks.replica_load import Checked, Seen, SessionLoad, check
from benchmarks.replica_picture import Mark, draw_timeline
from benchmarks.replica_set import SHARE, Replica, ReplicaSet, replica_set
from benchmarks.report import Figure, Report, as_table
from benchmarks.serving import first_events
from decisions.budget import BURST
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate

_VISITORS, _BODIES = 200, 400
_CALM_SECONDS, _AFTER_SECONDS, _HANGING_SECONDS = 6.0, 8.0, 14.0
_USUAL_SECONDS = _CALM_SECONDS - 1.0


@dataclass(frozen=True, slots=True)
class Borne:
    """What so many replicas bear of one route, and what every part took for it, in seconds of a core."""

    capacity: Capacity
    requests: float
    took: Mapping[str, float]

    @property
    def per_replica_second(self) -> float:
        """Requests for each second that a replica itself worked."""
        return self.requests / self.took["replicas"]


@dataclass(frozen=True, slots=True)
class Survived:
    """A load with faults in it, what the database holds of it, and how long the 99th percentile was above the usual."""

    seen: Seen
    checked: Checked
    marks: tuple[Mark, ...]
    p99_before_ms: float
    recovery_seconds: Mapping[str, float]
    passed_on: int


def run(sessions: int = 24_000, seconds: int = 8) -> Report:
    """Train on a simulated log as the demo does, and measure with it."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        borne = {count: bear(folder / "home", count, seconds) for count in (1, 2)}
        rate = _bearable(borne[1])
        return report(borne, survive(folder / "home", rate), rate)


def bear(home: Path, count: int, seconds: int) -> Mapping[str, Borne]:
    """Return what so many replicas bear through nginx, by route."""
    with _servers() as servers, replica_set(count, home, *servers.shared, "ecommerce") as running:
        asking = [json.dumps({"visitor_id": one}) for one in _fill(running)]
        return {route: _bear(running, servers, route, asking, seconds) for route in ("/v1/score", "/v1/recommend")}


def survive(home: Path, rate: float) -> Survived:
    """Kill a replica under load, start it again, hang the other, and renew both one after the other."""
    with _servers() as servers, replica_set(2, home, *servers.shared) as running:
        load = SessionLoad(running.nginx.port, running.key, rate)
        load.start()
        try:
            marks = _faults(running)
        finally:
            seen = load.finish()
        killed, started, hung, woken = (one.at for one in marks[:4])
        return Survived(
            seen,
            check(servers.database_url, seen, share=SHARE, at_once=BURST, session_cap=2, pause_seconds=300.0),
            tuple(marks),
            seen.p99_ms(killed - _USUAL_SECONDS, killed),
            {
                "killed": seen.recovery_seconds(killed, started, _USUAL_SECONDS),
                "hung": seen.recovery_seconds(hung, woken, _USUAL_SECONDS),
            },
            running.nginx.passed_on(),
        )


def _faults(running: ReplicaSet) -> list[Mark]:
    first, second = running.replicas
    marks: list[Mark] = []

    def mark(what: str) -> None:
        marks.append(Mark(time.monotonic(), what))

    time.sleep(_CALM_SECONDS)
    mark("killed")
    first.send(signal.SIGKILL)
    time.sleep(_AFTER_SECONDS)
    mark("started again")
    _start(first)
    time.sleep(_CALM_SECONDS)
    mark("the other hangs")
    second.send(signal.SIGSTOP)
    time.sleep(_HANGING_SECONDS)
    mark("wakes")
    second.send(signal.SIGCONT)
    time.sleep(_CALM_SECONDS)
    mark("both renewed")
    for one in running.replicas:
        one.stop()
        _start(one)
    mark("done")
    time.sleep(_CALM_SECONDS / 2)
    return marks


def report(borne: Mapping[int, Mapping[str, Borne]], survived: Survived, rate: float) -> Report:
    """Return what was measured as figures, with the bars."""
    figures: list[Figure] = []
    for route, two in borne[2].items():
        one = borne[1][route]
        figures += [
            Figure(
                f"{route}: two replicas, as a multiple of one",
                f"{two.capacity.per_second / one.capacity.per_second:.2f} x ({two.capacity.per_second:,.0f} and "
                f"{one.capacity.per_second:,.0f} requests/s; errors {two.capacity.errors + one.capacity.errors})",
            ),
            Figure(
                f"{route}: requests for each second of a replica's own time, two against one",
                f"{two.per_replica_second / one.per_replica_second:.2f} x ({two.per_replica_second:,.0f} and "
                f"{one.per_replica_second:,.0f})",
                "linear: >= .9",
            ),
            Figure(f"{route}: what shared the cores, one replica and two", f"{_shares(one)}; {_shares(two)}"),
        ]
    seen, checked = survived.seen, survived.checked
    figures += [
        Figure(
            f"killed, hung and renewed at {rate:,.0f} requests/s: requests, failed, sent to a second replica",
            f"{len(seen.answers):,}, {len(seen.failed)}, {survived.passed_on}",
            "0 failed",
        ),
        Figure(
            "events acknowledged, lost, repeated; decisions answered, lost",
            f"{len(seen.acknowledged):,}, {checked.lost_events}, {checked.repeated_events}; "
            f"{len(seen.decided):,}, {checked.lost_decisions}",
            "0 lost",
        ),
        Figure(
            "nudges too close, beyond a session's cap, beyond the budget; not counted by it",
            f"{checked.close_nudges}, {checked.over_session_cap}, {max(0.0, checked.over_budget):g}; "
            f"{checked.uncounted:g} (of {checked.treated} in {checked.choices:,} choices)",
            "0",
        ),
        Figure("p99 before", f"{survived.p99_before_ms:.0f} ms"),
        Figure("one killed: p99 as before after", f"{survived.recovery_seconds['killed']:.1f} s", "< 5 s"),
        Figure("one hung: p99 as before after", f"{survived.recovery_seconds['hung']:.1f} s"),
    ]
    return Report("Replicas behind nginx", "python -m benchmarks replicas", figures)


def _bearable(one: Mapping[str, Borne]) -> float:
    """Return a load that a single replica bears with ease, in requests a second."""
    return one["/v1/recommend"].capacity.per_second / 3


def _shares(borne: Borne) -> str:
    total = sum(borne.took.values())
    return ", ".join(f"{name} {took / total:.0%}" for name, took in borne.took.items())


def _bear(running: ReplicaSet, servers: "_Servers", route: str, bodies: list[str], seconds: int) -> Borne:
    nginx = running.nginx.process
    watched = {
        "replicas": [one.process.pid for one in running.replicas if one.process],
        "nginx": [nginx.pid] if nginx else [],
        **{name: [process] for name, process in servers.processes.items()},
    }

    def took() -> dict[str, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = {name: sum(map(cpu_seconds, processes)) for name, processes in watched.items()}
        return found | {"load": children.ru_utime + children.ru_stime}

    headers = {"Authorization": f"Bearer {running.key}"}
    before = took()
    began = time.monotonic()
    capacity = closed_loop(running.nginx.port, route, bodies, servers.folder, seconds, headers=headers)
    after, lasted = took(), time.monotonic() - began
    spent = {name: after[name] - before[name] for name in after}
    # What was counted includes the first two seconds, in which everything gets warm.
    return Borne(capacity, capacity.per_second * lasted, spent)


def _fill(running: ReplicaSet) -> list[str]:
    declared, chance = load_journey("ecommerce"), random.Random(1)
    visitors = [f"bench-{number}" for number in range(_VISITORS)]
    headers = {"Authorization": f"Bearer {running.key}"}
    for visitor in visitors:
        batch = first_events(declared, visitor, chance)
        address = f"http://127.0.0.1:{running.nginx.port}/v1/batch"
        httpx.post(address, json=batch, headers=headers, timeout=30).raise_for_status()
    return [visitors[number % _VISITORS] for number in range(_BODIES)]


def _start(replica: Replica) -> None:
    replica.start()
    replica.wait()


@dataclass(frozen=True, slots=True)
class _Servers:
    """What replicas share: a database and a Redis of their own, with their processes by name, and a folder."""

    folder: Path
    database_url: str
    redis_url: str
    processes: Mapping[str, int]

    @property
    def shared(self) -> tuple[Path, str, str]:
        """What :func:`benchmarks.replica_set.replica_set` takes of it."""
        return self.folder, self.database_url, self.redis_url


@contextmanager
def _servers() -> Iterator[_Servers]:
    from tests.servers import PostgresServer, RedisServer

    with tempfile.TemporaryDirectory(prefix="dropoff-replicas-") as name:
        folder = Path(name)
        (folder / "postgres").mkdir()
        database, redis = PostgresServer(folder / "postgres"), RedisServer(folder)
        try:
            database.start()
            redis.start()
            processes = {"PostgreSQL": database.pid, "Redis": redis.pid}
            yield _Servers(folder, database.url, redis.url, processes)
        finally:
            redis.stop()
            database.stop()


def main() -> None:
    """Run from the command line with a champion that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="DROPOFF_HOME with a champion for ecommerce")
    parser.add_argument("--seconds", type=int, default=8, help="how long to load each route")
    parser.add_argument("--rate", type=float, help="requests a second while replicas are killed, instead of a third")
    parser.add_argument("--picture", type=Path, help="the PNG of the load over time to write")
    given = parser.parse_args()
    borne = {count: bear(given.home, count, given.seconds) for count in (1, 2)}
    rate = given.rate or _bearable(borne[1])
    survived = survive(given.home, rate)
    if given.picture:
        draw_timeline(survived.seen, survived.marks, given.picture)
    Console().print(as_table(report(borne, survived, rate)))
    if survived.seen.failed:
        Console().print(f"failed: {survived.seen.failed[:5]}")


if __name__ == "__main__":
    main()
