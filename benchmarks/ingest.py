"""How many events a second one worker keeps: real service, real HTTP, the load in a process of its own.

    python -m benchmarks.ingest --log DIR/events --home DROPOFF_HOME
    python -m benchmarks.ingest --log DIR/events --home DROPOFF_HOME --stored 5000000 --only NORMAL

An event counts once its batch has been answered, which is after the commit. Afterwards the rows in the database are
counted and compared with what was acknowledged.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from sqlalchemy import create_engine, func, select, text

from benchmarks.report import Figure, Report, as_table
from benchmarks.service import ROOT, serving
from benchmarks.traffic import batches
from journeys.load import load_journey
from storage.database import database_url, open_database
from storage.tables import events
from training.pipeline import train
from training.simulator import simulate

BATCH_EVENTS = 100
CONNECTIONS = 16
_SESSIONS = 30_000
_SINGLE_SECONDS = 4.0
_WARM_BATCHES = 50


@dataclass(frozen=True, slots=True)
class Way:
    """A database and when a commit counts as done."""

    name: str
    durability: str
    url: str = ""


SQLITE_WAYS = (
    Way("SQLite, NORMAL (survives kill -9)", "NORMAL"),
    Way("SQLite, FULL (survives power loss)", "FULL"),
)


def run(log: Path | None = None, home: Path | None = None, *, stored: int = 0, only: str = "") -> Report:
    """Drive a service over each database that there is, and return events a second and a batch's latency.

    Without a log and a trained home both are made first. ``stored`` events are in the database before the load.
    """
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        if log is None or home is None:
            simulate("ecommerce", sessions=_SESSIONS, seed=7, out=folder)
            log, home = folder / "events", folder / "home"
            train(load_journey("ecommerce"), log, home=home, mlruns=folder / "mlruns")
        bodies = folder / "bodies"
        bodies.write_bytes(msgspec.msgpack.encode(list(batches(log, BATCH_EVENTS))))
        figures: list[Figure] = []
        ways = (*SQLITE_WAYS, *_postgres_ways())
        for number, way in enumerate(way for way in ways if only in way.name):
            place = folder / f"run-{number}"
            place.mkdir()
            figures += _figures(way, _measure(way, home, place, bodies, stored), stored)
    command = "python -m benchmarks ingest"
    title = f"Ingest, one worker, {BATCH_EVENTS} events a batch, {CONNECTIONS} connections"
    return Report(title, command, figures)


def _postgres_ways() -> tuple[Way, ...]:
    url = os.environ.get("DROPOFF_BENCH_POSTGRES", "")
    return (Way("PostgreSQL", "NORMAL", url),) if url else ()


def _figures(way: Way, measured: dict[str, Any], stored: int) -> list[Figure]:
    bar = "20,000; reach for 50,000" if way.durability == "NORMAL" and not way.url else ""
    beside = f", {stored:,} stored before" if stored else ""
    batch = measured["batch"]
    return [
        Figure(f"{way.name}: events a second{beside}", f"{batch['events_per_second']:,.0f}", bar),
        Figure(f"{way.name}: a batch, p50, p99", f"{batch['p50_ms']:.1f} ms, {batch['p99_ms']:.1f} ms"),
        Figure(
            f"{way.name}: acknowledged, stored, failures",
            f"{batch['acknowledged']:,}, {measured['stored']:,}, {batch['failures']}",
            "equal, 0",
        ),
        Figure(
            f"{way.name}: one event a request, requests a second, p50, p99",
            f"{measured['single']['events_per_second']:,.0f}, {measured['single']['p50_ms']:.2f} ms, "
            f"{measured['single']['p99_ms']:.2f} ms",
        ),
        Figure(f"{way.name}: the service's processor time per event", f"{batch['processor_us']:.0f} us"),
    ]


def _measure(way: Way, home: Path, place: Path, bodies: Path, stored: int) -> dict[str, Any]:
    url = way.url or database_url(place)
    if stored:
        fill(url, stored)
    before = count_events(url)
    with serving("ecommerce", home, place, database_url=url, durability=way.durability) as (port, service):
        drive = [sys.executable, "-m", "benchmarks.ingest", "--drive", str(port), "--bodies", str(bodies)]
        drive += ["--service", str(service.pid)]
        done = subprocess.run(drive, cwd=ROOT, check=True, capture_output=True)
    driven: dict[str, Any] = json.loads(done.stdout)
    return driven | {"stored": count_events(url) - before - driven["single"]["acknowledged"]}


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def count_events(url: str) -> int:
    """Return how many events a database holds, of whatever journey; 0 where it has no tables yet."""
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(events)).scalar_one()
    finally:
        engine.dispose()


def fill(url: str, count: int) -> None:
    """Put made-up events of the journey into a SQLite database: random ids, some twelve events a session."""
    open_database(url).dispose()
    engine = create_engine(url)
    made = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) "
        "INSERT INTO events (journey, event_id, session_id, visitor_id, name, occurred_at_us, received_at_us, channel, "
        "device, source, properties) SELECT 'ecommerce', lower(hex(randomblob(16))), "
        "'s' || abs((i / 12) * 2654435761 % 4294967296), 'v' || abs((i / 12) * 2654435761 % 4294967296), "
        "'view_product', 1760000000000000 + i, 1760000000000000 + i, 'on_site', 'mobile', 'search', "
        """'{"country":"DE","product":"p198","price":80.99,"rating":4.9,"review_count":113,"in_stock":1}' FROM n"""
    )
    with engine.begin() as connection, Console().status(f"Storing {count:,} events beforehand"):
        connection.execute(text(made), {"count": count})
    engine.dispose()


async def _drive(port: int, bodies: list[bytes], service: int) -> dict[str, Any]:
    warm, rest = bodies[:_WARM_BATCHES], bodies[_WARM_BATCHES:]
    warmed = await _closed_loop(port, "/v1/batch", warm, seconds=60)
    spent = _processor_seconds(service)
    batch = await _closed_loop(port, "/v1/batch", rest, seconds=60)
    batch["processor_us"] = 1e6 * (_processor_seconds(service) - spent) / max(batch["acknowledged"], 1)
    batch["acknowledged"] += warmed["acknowledged"]
    singles = [_single(number) for number in range(200_000)]
    return {"batch": batch, "single": await _closed_loop(port, "/v1/track", singles, seconds=_SINGLE_SECONDS)}


def _single(number: int) -> bytes:
    visitor, event = number // 12, "view_product" if number % 3 else "page_view"
    return (
        f'{{"event":"{event}","messageId":"single-{number}","anonymousId":"single-{visitor}",'
        '"properties":{"product":"p198","price":80.99,"rating":4.9,"in_stock":1},'
        '"context":{"userAgent":"Mozilla/5.0 (iPhone)","campaign":{"source":"email"}}}'
    ).encode()


async def _closed_loop(port: int, address: str, bodies: list[bytes], seconds: float) -> dict[str, Any]:
    """Send from every connection as soon as its last answer has come; return the rate and the latencies."""
    waiting = iter(bodies)
    latencies: list[float] = []
    acknowledged = failures = 0
    start = time.perf_counter()

    async def connection() -> None:
        nonlocal acknowledged, failures
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            sent = time.perf_counter()
            if sent - start > seconds:
                break
            status, answer = await _post(reader, writer, address, body)
            latencies.append(1_000 * (time.perf_counter() - sent))
            if status == 200:
                said = json.loads(answer)
                acknowledged += said.get("accepted", 1)
                failures += said.get("quarantined", 0)
            else:
                failures += 1
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    elapsed = time.perf_counter() - start
    latencies.sort()
    return {
        "events_per_second": acknowledged / elapsed,
        "acknowledged": acknowledged,
        "failures": failures,
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[int(len(latencies) * 0.99)],
    }


async def _post(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, body: bytes
) -> tuple[int, bytes]:
    head = (
        f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(answered.split("content-length:")[1].split("\r\n")[0])
    return int(answered.split(" ")[1]), await reader.readexactly(length)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, help="folder of a simulated log's Parquet files; made where there is none")
    parser.add_argument("--home", type=Path, help="DROPOFF_HOME with a champion for ecommerce; trained where none")
    parser.add_argument("--stored", type=int, default=0, help="events that SQLite holds before the load")
    parser.add_argument("--only", default="", help="measure only what has this in its name, as NORMAL")
    parser.add_argument("--drive", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--bodies", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--service", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        bodies = msgspec.msgpack.decode(given.bodies.read_bytes(), type=list[bytes])
        print(json.dumps(asyncio.run(_drive(given.drive, bodies, given.service))))
        return
    Console().print(as_table(run(given.log, given.home, stored=given.stored, only=given.only)))


if __name__ == "__main__":
    main()
