"""What it costs to trace requests and to tell of them in the log: CPU time of the service, by what is switched on.

    python -m benchmarks traces
    python -m benchmarks.traces ecommerce --home .dropoff

One service for each way to run it, all on one core and all at once; each is asked in turn, a round after the other, so
that whatever else the machine does meets all of them. What is compared is the CPU time that each has taken, over all of
its threads, from the beginning of its turn to that of its next, as spans are sent later than they are recorded; of the
ratios of all rounds the median is told.
"""

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Thread

from rich.console import Console

from benchmarks.processes import thread_seconds
from benchmarks.report import Figure, Report, as_table
from benchmarks.service import free_port, running
from benchmarks.serving import first_events
from journeys.journey import Journey
from journeys.load import load_journey
from serving.spans import record, span, tell
from training.pipeline import train
from training.simulator import simulate

_SESSIONS = 6_000
_VISITORS = 100
_ROUNDS, _REQUESTS = 16, 60
_SENT_SECONDS = 2.0
_ROUTES = ("/v1/recommend", "/v1/score", "/v1/track")
_WATCHED_CALLS = 14
"""Places in the code that look whether somebody observes a recommendation."""
_QUIET = ("sweep", "reward", "learn", "policy_watch", "model_watch")
_WITH_BENTOML_TRACING = "import serving.without_tracing as own; own.leave_out_bentoml_tracing = lambda: None; "
NOTHING = "nothing switched on"
_SERVING = "from serving.run import serve; serve({journey!r}, port={port})"


@dataclass
class _Way:
    """One way to run the service, and the CPU seconds of each of its turns so far, by route."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    before: str = ""
    port: int = 0
    process: int = 0
    seconds: dict[str, list[float]] = field(default_factory=lambda: {route: [] for route in _ROUTES})
    began: float = 0.0
    asked: str = ""

    def begin(self, route: str) -> None:
        """Begin a turn, which ends the one before."""
        now = sum(thread_seconds(self.process).values())
        if self.asked:
            self.seconds[self.asked].append(now - self.began)
        self.began, self.asked = now, route


def run(journey: str = "ecommerce", home: Path | None = None) -> Report:
    """Measure with the champion under ``home``; by default of a small simulated shop."""
    with tempfile.TemporaryDirectory(prefix="dropoff-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        if home is None:
            home = folder / "home"
            simulate(journey, sessions=_SESSIONS, seed=7, out=folder)
            train(load_journey(journey), folder / "events", home=home, mlruns=folder / "mlruns")
        url = stack.enter_context(_collecting())
        ways = [
            _Way(NOTHING),
            _Way("with BentoML's own middleware in place, switched off", before=_WITH_BENTOML_TRACING),
            _Way("logs as JSON, a line a request", {"logs": "json"}),
            *(
                _Way(f"traces of {share:.0%} of the requests", {"traces_url": url, "traces_sample": share})
                for share in (0.01, 0.1, 1.0)
            ),
        ]
        for number, way in enumerate(ways):
            stack.enter_context(_serving(way, journey, home, folder / f"{number}.db"))
        _drive(load_journey(journey), ways)
    base = ways[0].seconds
    figures = [
        Figure(f"{way.name}: CPU of {', '.join(_ROUTES)}", ", ".join(_compared(way, base, route) for route in _ROUTES))
        for way in ways
    ]
    idle_us = _WATCHED_CALLS * _idle_us()
    recommend_us = 1e6 * median(base["/v1/recommend"]) / _REQUESTS
    figures.append(
        Figure(
            f"{_WATCHED_CALLS} looks whether a recommendation is traced, where it is not",
            f"{idle_us:.1f} us, {idle_us / recommend_us:.2%} of it",
            "1 %",
        )
    )
    return Report("Traces and logs: what they cost", "python -m benchmarks traces", figures)


def _compared(way: _Way, base: Mapping[str, list[float]], route: str) -> str:
    took = f"{1e6 * median(way.seconds[route]) / _REQUESTS:,.0f} us"
    if way.seconds is base:
        return took
    ratios = [one / other for one, other in zip(way.seconds[route], base[route], strict=True)]
    return f"{took} ({median(ratios):.2f} x)"


@contextmanager
def _serving(way: _Way, journey: str, home: Path, database: Path) -> Iterator[None]:
    own: dict[str, object] = {"home": home.resolve(), "database_url": f"sqlite:///{database}", "insights_refresh": 0}
    own |= {f"{name}_seconds": 0 for name in _QUIET} | dict(way.settings)
    way.port = free_port()
    program = way.before + _SERVING.format(journey=journey, port=way.port)
    # Lines of the log are written, and nobody reads them.
    command = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", sys.executable, "-c", program]
    environment = {f"DROPOFF_{name.upper()}": str(value) for name, value in own.items()} | {"OTEL_SDK_DISABLED": "true"}
    with running(command, way.port, environment, min(os.sched_getaffinity(0))) as process:
        way.process = process.pid
        yield


def _drive(journey: Journey, ways: list[_Way]) -> None:
    source = random.Random(1)
    visitors = [f"bench-{number}" for number in range(_VISITORS)]
    for way in ways:
        for visitor in visitors:
            _ask(way, [("/v1/batch", first_events(journey, visitor, random.Random(visitor)))])
        _ask(way, [("/v1/recommend", {"visitor_id": visitor}) for visitor in visitors])
    for number in range(_ROUNDS):
        for route in _ROUTES:
            chosen = [source.choice(visitors) for _ in range(_REQUESTS)]
            asked: list[tuple[str, object]] = [(route, {"visitor_id": visitor}) for visitor in chosen]
            if route == "/v1/track":
                asked = [(route, {"anonymousId": visitor, "event": "view_product"}) for visitor in chosen]
            # Nobody is always asked right after the same other one.
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                way.begin(route)
                _ask(way, asked)
    time.sleep(_SENT_SECONDS)
    for way in ways:
        way.begin("")


def _ask(way: _Way, asked: list[tuple[str, object]]) -> None:
    client = http.client.HTTPConnection("127.0.0.1", way.port)
    for route, body in asked:
        client.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{way.name}: {route} was answered with {answer.status}")
    client.close()


def _idle_us() -> float:
    def look() -> None:
        with span("step"):
            record("step", 0.0)
        tell(decision_id="d")

    count = 20_000
    # Three looks.
    return min(timeit.repeat(look, number=count, repeat=7)) / count / 3 * 1e6


@contextmanager
def _collecting() -> Iterator[str]:
    """Yield the address of a collector that throws away what it gets."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journey")
    parser.add_argument("--home", type=Path, default=Path(".dropoff"))
    given = parser.parse_args()
    Console().print(as_table(run(given.journey, given.home)))


if __name__ == "__main__":
    main()
