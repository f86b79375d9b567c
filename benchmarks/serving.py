"""Latency of the live routes: one worker on one core, requests at a fixed rate from the other.

    python -m benchmarks.serving ecommerce --home .dropoff

A request's latency counts from the moment it was due, so a stall is charged to every request that it held up.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.report import Figure, Report, as_table
from benchmarks.service import ROOT, serving
from journeys.journey import Journey
from journeys.load import load_journey

ROUTES = {
    "empty @bentoml.api": "/bench/empty_api",
    "empty mounted route": "/bench/empty",
    "/v1/track": "/v1/track",
    "/v1/score": "/v1/score",
    "/v1/recommend": "/v1/recommend",
}
VISITORS = 200
_EVENTS_EACH = 12
_CONNECTIONS = 16
# The event loop's timer is late by up to a millisecond or two, which is not the service's doing.
_TIMER_SECONDS = 0.003
_VALUES = {"available": True, "accepted": False, "in_stock": True}


def run(
    journey: str = "ecommerce",
    home: Path = Path(".dropoff"),
    *,
    rate: float = 100.0,
    seconds: float = 20.0,
    seed: int = 1,
) -> dict[str, Any]:
    """Start the service with the journey's champion, drive each route in turn, and return milliseconds.

    The result has, per route, ``p50_ms``, ``p99_ms``, ``requests`` and ``failures``, and ``advice``: how many of the
    recommendations had blockers.
    """
    cores = sorted(os.sched_getaffinity(0))
    # Making figures beside the service is measured on its own: set it to see both together.
    refresh = os.environ.get("DROPOFF_INSIGHTS_REFRESH", "0")
    with (
        tempfile.TemporaryDirectory(prefix="dropoff-bench-") as folder,
        serving(journey, home, Path(folder), cores[0], insights_refresh=refresh) as (port, _),
    ):
        return drive(journey, port, rate=rate, seconds=seconds, seed=seed, core=cores[-1])


def drive(
    journey: str, port: int, *, rate: float, seconds: float, core: int, seed: int = 1, only: str = ""
) -> dict[str, Any]:
    """Drive the routes, or only one of them, at a fixed rate from a process on another core; see :func:`run`."""
    load = [sys.executable, "-m", "benchmarks.serving", journey, "--drive", str(port), "--only", only]
    load += ["--rate", str(rate), "--seconds", str(seconds), "--seed", str(seed), "--core", str(core)]
    done = subprocess.run(load, cwd=ROOT, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def report(result: dict[str, Any], command: str, rate: float) -> Report:
    """Return what :func:`run` measured as figures."""
    figures = [
        Figure(
            f"{name}: p50, p99 of {row['requests']:,} requests, failures",
            f"{row['p50_ms']:.2f} ms, {row['p99_ms']:.2f} ms, {row['failures']}",
            "4 ms, 20 ms, 0" if name == "/v1/recommend" else "",
        )
        for name, row in result["routes"].items()
    ]
    advice = result["advice"]
    figures.append(Figure("recommendations with blockers", f"{advice['with_blockers']} of {advice['asked']}"))
    return Report(f"The service, one worker on one core, {rate:.0f} requests a second from the other", command, figures)


async def _drive(journey: Journey, port: int, rate: float, seconds: float, seed: int, only: str) -> dict[str, Any]:
    random_source = random.Random(seed)
    clients = [await _Client.connect(port) for _ in range(_CONNECTIONS)]
    visitors = [f"bench-{number}" for number in range(VISITORS)]
    for visitor in visitors:
        await clients[0].post("/v1/batch", first_events(journey, visitor, random_source))
    advice = [json.loads((await clients[0].post("/v1/recommend", {"visitor_id": one}))[1]) for one in visitors]
    routes = {}
    for name, address in ROUTES.items():
        if only not in ("", name):
            continue
        bodies = [
            _body(name, journey, random_source.choice(visitors), random_source) for _ in range(int(rate * seconds))
        ]
        routes[name] = await _open_loop(clients, address, bodies, rate)
    with_blockers = sum(bool(answer.get("blockers")) for answer in advice)
    return {"routes": routes, "advice": {"asked": len(advice), "with_blockers": with_blockers}}


def first_events(journey: Journey, visitor: str, random_source: random.Random) -> dict[str, Any]:
    """Return a batch of a visitor's first events."""
    return {"batch": [call_of(journey, visitor, random_source) | {"type": "track"} for _ in range(_EVENTS_EACH)]}


def _body(name: str, journey: Journey, visitor: str, random_source: random.Random) -> dict[str, Any]:
    if name.startswith("empty"):
        return {}
    return call_of(journey, visitor, random_source) if name == "/v1/track" else {"visitor_id": visitor}


def call_of(journey: Journey, visitor: str, random_source: random.Random) -> dict[str, Any]:
    """Return a track call of a visitor: some event of the journey that ends nothing."""
    ends = {*journey.ends.all_names}
    properties = {
        name: _VALUES.get(name, round(random_source.uniform(1, 50), 2)) for name in list(journey.properties)[:6]
    }
    return {
        "messageId": str(uuid.UUID(int=random_source.getrandbits(128))),
        "anonymousId": visitor,
        "event": random_source.choice([name for name in journey.events if name not in ends]),
        "properties": properties,
        "context": {"userAgent": "Mozilla/5.0 (iPhone)", "campaign": {"source": "email"}},
    }


async def _open_loop(clients: list["_Client"], address: str, bodies: list[Any], rate: float) -> dict[str, Any]:
    free: asyncio.Queue[_Client] = asyncio.Queue()
    for client in clients:
        free.put_nowait(client)
    latencies: list[float] = []
    failures = 0
    start = time.perf_counter() + 0.1

    async def one(number: int, body: Any) -> None:
        nonlocal failures
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter() - _TIMER_SECONDS))
        while time.perf_counter() < due:
            await asyncio.sleep(0)
        client = await free.get()
        status, _ = await client.post(address, body)
        latencies.append(1_000 * (time.perf_counter() - due))
        failures += status != 200
        free.put_nowait(client)

    await asyncio.gather(*(one(number, body) for number, body in enumerate(bodies)))
    latencies.sort()
    return {
        "p50_ms": latencies[len(latencies) // 2],
        "p99_ms": latencies[int(len(latencies) * 0.99)],
        "requests": len(latencies),
        "failures": failures,
    }


class _Client:
    """One kept-alive connection; the plainest HTTP, so that the load costs little."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int) -> "_Client":
        """Open a connection."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, address: str, body: Any) -> tuple[int, bytes]:
        """Return status and content."""
        content = json.dumps(body).encode()
        head = (
            f"POST {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        answered = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answered.split("content-length:")[1].split("\r\n")[0])
        return int(answered.split(" ")[1]), await self._reader.readexactly(length)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journey")
    parser.add_argument("--home", type=Path, default=Path(".dropoff"))
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drive", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--only", default="", help="Drive this route alone, such as /v1/score.")
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        os.sched_setaffinity(0, [given.core])
        driven = _drive(load_journey(given.journey), given.drive, given.rate, given.seconds, given.seed, given.only)
        print(json.dumps(asyncio.run(driven)))
        return
    measured = run(given.journey, given.home, rate=given.rate, seconds=given.seconds, seed=given.seed)
    command = f"python -m benchmarks.serving {given.journey} --home HOME"
    Console().print(as_table(report(measured, command, given.rate)))


if __name__ == "__main__":
    main()
