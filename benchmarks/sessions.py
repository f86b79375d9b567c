"""Memory of open sessions, in process and in Redis, and what it takes to find one where it is.

    python -m benchmarks.sessions --sessions 100000

Each store runs in a process of its own, on a database of its own. Finding a visitor counts up to the rows that a model
predicts from; what a prediction takes comes on top, and is the same everywhere.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import redis

from benchmarks.report import Figure, Report
from benchmarks.stores import redis_store
from features.events import US_PER_SECOND, Event
from features.packing import Packing
from features.plan import compile_plan
from journeys.load import load_journey
from serving.database_sessions import DatabaseStore
from serving.redis_sessions import RedisStore
from serving.redis_visitors import Appended, Lease, RedisVisitors
from serving.session_store import Limits, SessionStore
from serving.sessions import AloneStore
from serving.visitor import Visitor
from serving.visitor_memory import with_anchor
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.ledger import Ledger
from storage.visitor_log import Anchor, VisitorLog
from storage.writer import Writer

_ROOT = Path(__file__).parents[1]
EVENTS_EACH = 30
_ASKED = 400
_LOOSE_PIECES = 8
_START_US = 1_760_000_000 * US_PER_SECOND
_MB = 1e6
_NAMES = ("page_view", "search", "view_category", "view_product", "view_product", "add_to_cart", "view_cart")
_JOURNEY = load_journey("ecommerce")
_PLAN = compile_plan(_JOURNEY.table)
_TIMEOUT_US = int(_JOURNEY.session_timeout_seconds * US_PER_SECOND)


def run(sessions: int = 100_000) -> Report:
    """Measure memory and time of every store, each in a process of its own."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name, redis_store(Path(name)) as shared:
        for kind in ("memory", "redis-memory", "alone", "database", "redis"):
            found[kind] = measure_apart(kind, sessions, Path(name) / kind, shared.url)
    return Report(
        "Open sessions",
        f"python -m benchmarks.sessions --sessions {sessions}",
        [*_memory_figures(found, sessions), *_time_figures(found)],
    )


def _memory_figures(found: dict[str, dict[str, float]], sessions: int) -> list[Figure]:
    figures = []
    bar = 500 * sessions / 100_000
    for kind, name, where in (
        ("memory", "bytes", "in process"),
        ("redis-memory", "packed", "in Redis, each in one piece"),
        ("redis-memory", "loose", f"in Redis, with {_LOOSE_PIECES} events of each in pieces of their own"),
    ):
        taken = found[kind][name]
        each = f"{taken / sessions:,.0f} B a session, {taken / sessions / EVENTS_EACH:.0f} B an event"
        what = f"{sessions:,} sessions of {EVENTS_EACH} events {where}"
        figures.append(Figure(what, f"{taken / _MB:,.0f} MB: {each}", f"{bar:,.0f} MB"))
    return figures


def _time_figures(found: dict[str, dict[str, float]]) -> list[Figure]:
    at_hand = found["alone"]["at hand"]
    figures = []
    for kind in ("alone", "database", "redis"):
        for name, seconds in found[kind].items():
            told = f"{1e6 * seconds:,.0f} us, {seconds / at_hand:.1f} x"
            figures.append(Figure(f"{kind}: a visitor {name}, median and ratio to at hand alone", told))
    return figures


def measure_apart(kind: str, sessions: int, folder: Path, url: str, events_each: int = EVENTS_EACH) -> dict[str, float]:
    """Measure one store in a process of its own; see :func:`measure`."""
    command = [sys.executable, "-m", "benchmarks.sessions", "--measure", kind, "--sessions", str(sessions)]
    command += ["--folder", str(folder), "--redis", url, "--events", str(events_each)]
    told = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told)
    return found


def measure(
    kind: str, sessions: int, folder: Path, url: str, events_each: int = EVENTS_EACH
) -> dict[str, float] | dict[str, dict[str, float]]:
    """Measure one store in this process: bytes of sessions of so many events, or seconds by where a visitor is."""
    if kind == "memory":
        return _memory_alone(folder, sessions, events_each)
    if kind == "redis-memory":
        return asyncio.run(_memory_in_redis(url, sessions, events_each))
    return asyncio.run(_times(kind, folder, url))


def _memory_alone(folder: Path, sessions: int, events_each: int) -> dict[str, float]:
    engine, writer, store = _open("alone", folder, "", memory_events=2 * events_each * sessions)
    assert isinstance(store, AloneStore)
    source = random.Random(1)
    # What the process takes anyway is taken before: the first visitors load what every visitor needs.
    for event in (event for number in range(200) for event in _events(f"warm-{number}", source, events_each)):
        _place(store, event)
    before = _resident_bytes()
    for number in range(sessions):
        for event in _events(f"visitor-{number}", source, events_each):
            _place(store, event)
    taken = _resident_bytes() - before
    assert store.memory.event_count == (200 + sessions) * events_each
    writer.close()
    engine.dispose()
    return {"bytes": float(taken)}


def _place(store: AloneStore, event: Event) -> None:
    placed = store.place(event)
    assert placed is not None
    store.settle((placed,))


async def _memory_in_redis(url: str, sessions: int, events_each: int) -> dict[str, float]:
    packing, source = Packing(_PLAN), random.Random(1)
    found = {}
    for name, loose in (("packed", 0), ("loose", _LOOSE_PIECES)):
        shared = RedisVisitors(url, _JOURNEY.name, packing.head, _TIMEOUT_US)
        with redis.Redis.from_url(url) as client:
            client.flushdb()
            before = client.info("memory")["used_memory"]
            for number in range(sessions):
                events = _events(f"visitor-{number}", source, events_each)
                await _put(shared, packing, f"visitor-{number}", events, loose)
            found[name] = float(client.info("memory")["used_memory"] - before)
            assert client.dbsize() == sessions
        await shared.close()
    return found


async def _put(shared: RedisVisitors, packing: Packing, visitor_id: str, events: Sequence[Event], loose: int) -> None:
    whole = len(events) - loose
    lease = await shared.read(visitor_id, b"")
    assert isinstance(lease, Lease)
    await shared.fill(visitor_id, lease, _piece(packing, visitor_id, events[:whole], whole))
    pending = [
        shared.append({visitor_id: Appended(place, _piece(packing, visitor_id, [events[place]], place + 1))})
        for place in range(whole, len(events))
    ]
    await asyncio.gather(*pending)


def _piece(packing: Packing, visitor_id: str, events: Sequence[Event], position: int) -> bytes:
    visitor = Visitor(_PLAN, visitor_id, _TIMEOUT_US)
    for event in events:
        visitor.place(event)
    return with_anchor(Anchor(position, 1), packing.pack(visitor.sessions))


async def _times(kind: str, folder: Path, url: str) -> dict[str, float]:
    engine, writer, store = _open(kind, folder, url, memory_events=1_000_000)
    source = random.Random(2)
    visitors = [f"asked-{number}" for number in range(_ASKED)]
    for visitor_id in visitors:
        await store.keep(_events(visitor_id, source), lambda _connection, _placements: None)

    async def ask() -> float:
        seconds = []
        for visitor_id in visitors:
            started = time.perf_counter()
            visitor = await store.visitor(visitor_id)
            session = visitor.latest()
            assert session is not None
            session.rows([(len(session), session.last_at_us), (len(session), session.last_at_us + 1)])
            seconds.append(time.perf_counter() - started)
        return sorted(seconds)[len(seconds) // 2]

    await ask()
    found = {"at hand": await ask()}
    for name, let_go in _ways_out_of_memory(kind, store, visitors, url):
        let_go()
        found[name] = await ask()
    await store.close()
    writer.close()
    engine.dispose()
    return found


def _ways_out_of_memory(
    kind: str, store: SessionStore, visitors: Sequence[str], url: str
) -> Iterator[tuple[str, Callable[[], None]]]:
    def drop() -> None:
        for visitor_id in visitors:
            store.memory.drop(visitor_id)

    def drop_and_flush() -> None:
        drop()
        with redis.Redis.from_url(url) as client:
            client.flushdb()

    yield "packed", store.memory.pack_all
    if kind == "redis":
        yield "known to Redis only", drop
    yield "put aside in the log", drop_and_flush if kind == "redis" else drop


def _open(kind: str, folder: Path, url: str, memory_events: int) -> tuple[Any, Writer, SessionStore]:
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(database_url(folder))
    writer = Writer(engine)
    log, ledger = EventLog(engine, _JOURNEY.name), Ledger(engine, _JOURNEY.name)
    known, limits = VisitorLog(engine, _JOURNEY.name), Limits(_TIMEOUT_US, 20_000, memory_events)
    if kind == "alone":
        return engine, writer, AloneStore(_PLAN, log, ledger, writer, limits)
    if kind == "database":
        return engine, writer, DatabaseStore(_PLAN, log, ledger, known, writer, limits)
    return engine, writer, RedisStore(_PLAN, log, ledger, known, writer, limits, url)


def _events(visitor_id: str, source: random.Random, events_each: int = EVENTS_EACH) -> list[Event]:
    device, channel = source.choice(["mobile", "desktop"]), source.choice(["email", "ads", "search"])
    at_us, events = _START_US + source.randrange(600 * US_PER_SECOND), []
    for _ in range(events_each):
        at_us += source.randrange(US_PER_SECOND, 40 * US_PER_SECOND)
        name = source.choice(_NAMES)
        properties: dict[str, Any] = {"load_seconds": round(source.uniform(0.3, 4), 3)} if name == "page_view" else {}
        if name in ("view_product", "add_to_cart"):
            properties = {"product": f"product-{source.randrange(2_000)}", "price": source.randrange(500, 20_000) / 100}
        if name in ("add_to_cart", "view_cart"):
            properties["basket_value"] = source.randrange(500, 50_000) / 100
        events.append(
            Event(
                str(uuid.UUID(int=source.getrandbits(128))),
                name,
                at_us,
                visitor_id,
                received_at_us=at_us,
                device=device,
                source=channel,
                properties=properties,
            )
        )
    return events


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4_096


def main() -> None:
    """Run from the command line."""
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--redis", default="", help=argparse.SUPPRESS)
    parser.add_argument("--events", type=int, default=EVENTS_EACH, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.sessions, given.folder, given.redis, given.events)))
        return
    Console().print(as_table(run(given.sessions)))


if __name__ == "__main__":
    main()
