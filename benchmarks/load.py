"""How much one worker bears: requests a second of each route, and latency at rising shares of that.

    python -m benchmarks load

The most that a route answers is what `wrk` reaches with sixteen connections (a closed loop: each waits for its
answer). Latencies are those of an open loop, which charges a stall to every request that it held up.
"""

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks.report import Figure, Report, as_table
from benchmarks.service import free_port, running, serving
from benchmarks.serving import VISITORS, drive, first_events
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate

CONNECTIONS = 16
RISING = (0.1, 0.25, 0.5, 0.75, 0.9, 1.1)
"""Shares of the most that `/v1/recommend` answers."""
_BODIES = 400
_SCRIPT = """
local bodies = {}
for line in io.lines("%s") do bodies[#bodies + 1] = line end
local number = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
%s
request = function()
  number = number + 1
  return wrk.format(nil, nil, nil, bodies[number %% #bodies + 1])
end
"""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a closed loop reached: requests a second, milliseconds, and answers other than 2xx or 3xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass(frozen=True, slots=True)
class Step:
    """What an open loop saw at one rate."""

    rate: float
    p50_ms: float
    p99_ms: float
    errors: int
    requests: int


@dataclass(frozen=True, slots=True)
class Measured:
    """All routes' capacities by name, and the steps of `/v1/recommend`."""

    capacities: Mapping[str, Capacity]
    steps: Sequence[Step]


def run(sessions: int = 24_000, seconds: int = 8) -> Report:
    """Train on a simulated log as the demo does, and measure the service with it."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        return report(measure("ecommerce", folder / "home", seconds=seconds))


def measure(journey: str, home: Path, *, seconds: int = 8) -> Measured:
    """Return what one worker on one core bears; the load comes from another. Needs `wrk`."""
    if shutil.which("wrk") is None:
        raise SystemExit("there is no wrk; install it with: apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    capacities: dict[str, Capacity] = {}
    with tempfile.TemporaryDirectory(prefix="dropoff-load-") as name:
        folder = Path(name)
        with _bento(cores[0]) as port:
            capacities["empty default @bentoml.api"] = closed_loop(port, "/empty", ["{}"], folder, seconds, cores[-1])
        with serving(journey, home, folder, cores[0]) as (port, _):
            visitors = fill_visitors(port, journey)
            asking = [json.dumps({"visitor_id": visitors[number % VISITORS]}) for number in range(_BODIES)]
            for route, address, bodies in (
                ("empty mounted route", "/bench/empty", ["{}"]),
                ("/v1/score", "/v1/score", asking),
                ("/v1/recommend", "/v1/recommend", asking),
            ):
                capacities[route] = closed_loop(port, address, bodies, folder, seconds, cores[-1])
            most = capacities["/v1/recommend"].per_second
            steps = [_open_loop(port, journey, share * most, seconds, cores[-1]) for share in RISING]
    return Measured(capacities, steps)


def report(measured: Measured) -> Report:
    """Return what was measured as figures, with the bars."""
    found = measured.capacities
    score = found["/v1/score"].per_second
    of_empty = score / found["empty mounted route"].per_second
    of_bento = score / found["empty default @bentoml.api"].per_second
    figures = [
        Figure(
            f"{name}: requests a second, p50, p99",
            f"{one.per_second:,.0f}, {one.p50_ms:.2f} ms, {one.p99_ms:.2f} ms; {one.errors} errors",
        )
        for name, one in found.items()
    ]
    figures += [
        Figure("/v1/score: share of an empty mounted route", f"{of_empty:.2f}", ">= .5 (reach .8)"),
        Figure("/v1/score: multiple of an empty default @bentoml.api", f"{of_bento:.1f} x", ">= 2 x (reach 4 x)"),
    ]
    figures += [
        Figure(
            f"/v1/recommend at {step.rate:,.0f} a second ({share:.0%} of the most): p50, p99, errors",
            f"{step.p50_ms:.1f} ms, {step.p99_ms:.1f} ms, {step.errors} of {step.requests:,}",
            "p99 <= 15 ms (reach 8)" if share == 0.5 else "",
        )
        for share, step in zip(RISING, measured.steps, strict=True)
    ]
    return Report("What one worker bears, on one core, loaded from the other", "python -m benchmarks load", figures)


def closed_loop(
    port: int,
    address: str,
    bodies: Sequence[str],
    folder: Path,
    seconds: int,
    core: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Capacity:
    """Return the most that an address answers to sixteen connections of ``wrk``, on a core of its own or on any."""
    added = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in (headers or {}).items())
    lines, script = folder / "bodies.jsonl", folder / "post.lua"
    lines.write_text("\n".join(bodies) + "\n", encoding="utf-8")
    script.write_text(_SCRIPT % (lines, added), encoding="utf-8")
    url = f"http://127.0.0.1:{port}{address}"
    pinned = [] if core is None else ["taskset", "-c", str(core)]
    command = [*pinned, "wrk", "-t1", f"-c{CONNECTIONS}", "--latency", "-s", str(script)]
    for length in (2, seconds):
        said = subprocess.run([*command, f"-d{length}s", url], check=True, capture_output=True, text=True).stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Capacity(
        float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        _milliseconds(_found(r"(?m)^\s+50%\s+(\S+)", said)),
        _milliseconds(_found(r"(?m)^\s+99%\s+(\S+)", said)),
        int(errors.group(1)) if errors else 0,
    )


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk said nothing of {pattern}: {text}")
    return found.group(1)


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 1e-3), ("ms", 1.0), ("s", 1e3)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise RuntimeError(f"wrk said {text}")


def _open_loop(port: int, journey: str, rate: float, seconds: int, core: int) -> Step:
    found = drive(journey, port, rate=rate, seconds=seconds, core=core, only="/v1/recommend")["routes"]
    one = found["/v1/recommend"]
    return Step(rate, one["p50_ms"], one["p99_ms"], one["failures"], one["requests"])


def fill_visitors(port: int, journey: str) -> list[str]:
    """Send some visitors' first events and return who they are."""
    declared, chance = load_journey(journey), random.Random(1)
    visitors = [f"bench-{number}" for number in range(VISITORS)]
    for visitor in visitors:
        batch = first_events(declared, visitor, chance)
        httpx.post(f"http://127.0.0.1:{port}/v1/batch", json=batch, timeout=30).raise_for_status()
    return visitors


@contextmanager
def _bento(core: int) -> Iterator[int]:
    """Serve an empty BentoML service with its defaults, but for reporting to anybody."""
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "benchmarks.empty_bento:Empty", "--host", "127.0.0.1"]
    with running([*command, "--port", str(port)], port, {"BENTOML_DO_NOT_TRACK": "True"}, core):
        yield port


def main() -> None:
    """Run from the command line with a champion that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journey")
    parser.add_argument("--home", type=Path, default=Path(".dropoff"))
    parser.add_argument("--seconds", type=int, default=8)
    given = parser.parse_args()
    Console().print(as_table(report(measure(given.journey, given.home, seconds=given.seconds))))


if __name__ == "__main__":
    main()
