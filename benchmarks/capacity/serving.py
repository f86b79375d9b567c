"""What a request takes of a worker, Redis and PostgreSQL: the real service on one core, everything else on another.

Processor time and bytes hold on a busy machine too; latencies and the writers' turn need one that is quiet.
"""

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from benchmarks.capacity import traffic
from benchmarks.capacity.drive import Drive, Driven, drive
from benchmarks.capacity.turns import TurnWatch
from benchmarks.capacity.wire import counted
from benchmarks.processes import cpu_seconds, resident_bytes, thread_seconds
from benchmarks.service import serving
from benchmarks.stores import Store, connect, postgres_store, redis_store
from capacity.costs import KINDS, SCORE, RequestCost
from journeys.load import load_journey

JOURNEY = "ecommerce"
MANY = 32
"""Connections with which a worker always has something to do, and commits many writes together."""
_BYTES_SECONDS = 3.0
_DATABASE_SIZE = "SELECT pg_database_size('dropoff')"
_JOURNAL_PLACE = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"


@dataclass(frozen=True, slots=True)
class Running:
    """A service with its stores: where it listens, its process, and what is sent how."""

    port: int
    pid: int
    postgres: Store
    redis: Store
    load: Drive

    def send(self, kinds: Mapping[str, float], seconds: float, connections: int, **given: float) -> Driven:
        """Send requests of some kinds from the other core; raises RuntimeError where one of them is refused."""
        rate, first = given.get("rate", 0.0), int(given.get("first", 0))
        sent = msgspec.structs.replace(
            self.load, weights=dict(kinds), seconds=seconds, connections=connections, rate=rate, first=first
        )
        driven = drive(sent)
        if failures := sum(kind.failures for kind in driven.kinds.values()):
            raise RuntimeError(f"{failures} requests were refused; a cost of refusing is none of answering")
        return driven


@contextmanager
def running(home: Path, folder: Path, *, count_bytes: bool = False) -> Iterator[tuple[Running, Callable[[], int]]]:
    """Serve with Redis and PostgreSQL until the end of the block, with visitors to ask about.

    Yields it with what says how many bytes went to PostgreSQL and came back; 0 unless ``count_bytes``, which is slow.
    """
    cores = sorted(os.sched_getaffinity(0))
    place = folder / f"stores-{time.monotonic_ns()}"
    place.mkdir()
    # PostgreSQL's own account has to find its way.
    folder.chmod(0o755)
    bodies = place / "bodies"
    traffic.write_bodies(load_journey(JOURNEY), bodies)
    with (
        postgres_store(place, cores[-1]) as postgres,
        redis_store(place, cores[-1]) as redis,
        counted(postgres.port) as wire,
    ):
        url = postgres.url.replace(f":{postgres.port}/", f":{wire.port}/") if count_bytes else postgres.url
        settings = {"database_url": url, "redis_url": redis.url, "shared": 1}
        with serving(JOURNEY, home, place, cores[0], **settings) as (port, process):
            load = Drive(port, str(bodies), traffic.ADDRESSES, {}, 1, 0.0, core=cores[-1])
            found = Running(port, process.pid, postgres, redis, load)
            _fill(found)
            yield found, lambda: wire.bytes


def measure_requests(home: Path, folder: Path, seconds: float) -> tuple[Mapping[str, RequestCost], float]:
    """Return what each kind of request takes, and the bytes of a worker before anything was asked of it."""
    with running(home, folder) as (service, _):
        empty = float(resident_bytes(service.pid))
        found = {kind: _cost(service, kind, seconds) for kind in KINDS}
    with running(home, folder, count_bytes=True) as (service, passed):
        return {kind: _with_bytes(service, kind, cost, passed) for kind, cost in found.items()}, empty


def _fill(service: Running) -> None:
    """Let every visitor that is asked about have a session, and PostgreSQL know how its tables are filled."""
    bodies = msgspec.msgpack.decode(Path(service.load.bodies).read_bytes(), type=dict[str, list[bytes]])
    address = f"http://127.0.0.1:{service.port}{traffic.ADDRESSES[traffic.FILL]}"
    with httpx.Client(timeout=60) as client:
        for body in bodies[traffic.FILL]:
            # On a machine that others use, too, Redis may be too slow for once: then it is sent again, as clients do.
            while (answered := client.post(address, content=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
                time.sleep(1)
            answered.raise_for_status()
    with connect(service.postgres.port) as connection:
        connection.execute("ANALYZE")


def _cost(service: Running, kind: str, seconds: float) -> RequestCost:
    chance = random.Random(kind)
    service.send({kind: 1.0}, 1.0, 4, first=chance.randrange(10_000))
    alone, _, turn_alone_ms = _watched(service, kind, seconds, 1, chance.randrange(10_000))
    many, spent, turn_ms = _watched(service, kind, seconds, MANY, chance.randrange(10_000))
    writes = kind not in (SCORE,)
    seen = alone.kinds[kind]
    requests = many.kinds[kind].requests
    each = {name: 1e3 * taken / requests for name, taken in spent.items()}
    parts = each["loop_ms"] + each["redis_ms"] + each["client_ms"]
    # A write alone holds the turn while its worker's and PostgreSQL's processor time goes by.
    turn_alone_ms = max(turn_alone_ms, turn_ms) if writes else 0.0
    parts += turn_alone_ms if writes else each["threads_ms"] + each["postgres_ms"]
    return RequestCost(
        **each,
        turn_ms=turn_ms if writes else 0.0,
        turn_alone_ms=turn_alone_ms,
        alone_ms=seen.mean_ms,
        rest_ms=max(0.0, seen.mean_ms - parts),
        # The slowest hundredth of a few hundred is as chance has it: the last quantile is left out.
        spread=tuple(one / seen.mean_ms for one in seen.quantiles_ms[:-1]),
        request_bytes=seen.request_bytes,
        answer_bytes=seen.answer_bytes,
        redis_bytes=0.0,
        postgres_bytes=0.0,
        disk_bytes=0.0,
        journal_bytes=0.0,
    )


def _watched(
    service: Running, kind: str, seconds: float, connections: int, first: int
) -> tuple[Driven, dict[str, float], float]:
    """Return what a load saw, the processor seconds of each part, and for how long a request held the turn (ms)."""
    threads, postgres = thread_seconds(service.pid), cpu_seconds(service.postgres.pid)
    # Redis does a request in less than the kernel's ticks tell; its threads are counted more finely.
    redis, watch = sum(thread_seconds(service.redis.pid).values()), TurnWatch(service.postgres.port)
    driven = service.send({kind: 1.0}, seconds, connections, first=first)
    taken, looking = watch.stop()
    after = thread_seconds(service.pid)
    loop = after[service.pid] - threads[service.pid]
    spent = {
        "loop_ms": loop,
        "threads_ms": sum(after.values()) - sum(threads.values()) - loop,
        "redis_ms": sum(thread_seconds(service.redis.pid).values()) - redis,
        "postgres_ms": max(0.0, cpu_seconds(service.postgres.pid) - postgres - looking),
        "client_ms": driven.processor_seconds,
    }
    return driven, spent, 1e3 * taken * driven.seconds / driven.kinds[kind].requests


def _with_bytes(service: Running, kind: str, cost: RequestCost, passed: Callable[[], int]) -> RequestCost:
    before, through = _stored(service), passed()
    driven = service.send({kind: 1.0}, _BYTES_SECONDS, 4)
    after, requests = _stored(service), driven.kinds[kind].requests
    disk, journal, redis = ((now - then) / requests for now, then in zip(after, before, strict=True))
    return msgspec.structs.replace(
        cost,
        disk_bytes=max(0.0, disk) if cost.writes else 0.0,
        journal_bytes=journal if cost.writes else 0.0,
        redis_bytes=redis,
        postgres_bytes=(passed() - through) / requests,
    )


def _stored(service: Running) -> tuple[float, float, float]:
    """Return bytes of the database with its indices, of its journal so far, and through Redis so far."""
    with connect(service.postgres.port) as connection:
        connection.execute("CHECKPOINT")
        sizes = [float(str(connection.execute(query).fetchone()[0])) for query in (_DATABASE_SIZE, _JOURNAL_PLACE)]  # type: ignore[index]
    return sizes[0], sizes[1], _through_redis(service.redis.url)


def _through_redis(url: str) -> float:
    import redis

    with redis.Redis.from_url(url) as client:
        said = client.info("stats")
    return float(said["total_net_input_bytes"] + said["total_net_output_bytes"])
