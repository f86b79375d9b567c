"""Costs, and the simulation made of them, measured one after the other and told as figures."""

import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.capacity.check import Check, check
from benchmarks.capacity.history import measure_history
from benchmarks.capacity.memory import measure_memory
from benchmarks.capacity.serving import measure_requests
from benchmarks.report import Figure, Report
from capacity.costs import BATCH, BATCH_EVENTS, EVENT, SCORE, Costs
from capacity.plan import Need, make_plan
from capacity.show import show_amount, show_count
from capacity.workload import Workload

LARGE = 1e8
"""Sessions a day that the plan is for."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs, and how well a simulation made of them says what was measured apart from them."""

    costs: Costs
    check: Check


def run() -> Report:
    """Measure costs and check the simulation."""
    return report(measure())


def measure(
    seconds: float = 8.0, log_sessions: Sequence[int] = (20_000, 100_000), open_sessions: int = 100_000
) -> Measured:
    """Return what was measured: each load lasts for so many seconds."""
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="dropoff-capacity-") as name:
        folder = Path(name)
        with console.status("Features of two logs, and a model of each"):
            history = measure_history(folder, log_sessions)
        with console.status("Requests of every kind"):
            requests, empty_worker_bytes = measure_requests(folder / "home", folder, seconds)
        with console.status("Open sessions"):
            memory = measure_memory(folder, open_sessions, empty_worker_bytes)
        with console.status("The simulation beside the service"):
            checked = check(requests, folder / "home", folder, seconds)
    machine = f"{os.cpu_count()} shared cores, {platform.machine()}, Python {platform.python_version()}"
    return Measured(Costs(f"{datetime.now(UTC):%Y-%m-%d}", machine, requests, memory, history), checked)


def report(measured: Measured) -> Report:
    """Return what was measured as figures."""
    figures = [*_costs(measured.costs), *_checked(measured.check), *_plans(measured.costs)]
    return Report(
        "What serving and history take, and what is simulated of it", "python -m benchmarks capacity", figures
    )


def _costs(costs: Costs) -> list[Figure]:
    requests, history, memory = costs.requests, costs.history, costs.memory
    figures = []
    for name, kind, each in (
        ("a million events, one a request", EVENT, 1e6),
        (f"a million events, {BATCH_EVENTS} a request", BATCH, 1e6 / BATCH_EVENTS),
        ("a thousand decisions", "recommend", 1e3),
        ("a thousand scores", SCORE, 1e3),
    ):
        one = requests[kind]
        seconds = [1e-3 * each * part for part in (one.worker_ms, one.redis_ms, one.postgres_ms, one.turn_ms)]
        figures += [
            Figure(
                f"{name}: processor seconds of worker, Redis, PostgreSQL; seconds of the database's turn",
                ", ".join(f"{part:,.3g}" for part in seconds),
            ),
            Figure(
                f"{name}: on the wire outside, inside; on disk, in the journal",
                ", ".join(
                    show_amount(each * part, "bytes")
                    for part in (
                        one.request_bytes + one.answer_bytes,
                        one.redis_bytes + one.postgres_bytes,
                        one.disk_bytes,
                        one.journal_bytes,
                    )
                ),
            ),
        ]
    return [
        *figures,
        Figure(
            f"an open session of {memory.events} events: in a worker, in Redis",
            f"{memory.worker_bytes:,.0f} B, {memory.redis_bytes:,.0f} B",
        ),
        Figure("a worker without any", show_amount(memory.empty_worker_bytes, "bytes")),
        Figure(
            "a million events of a log: processor seconds of features; of a model, and what does not grow",
            f"{history.features_seconds:,.3g}; {history.training_seconds:,.3g}, {history.training_fixed_seconds:,.3g}",
        ),
        Figure(
            f"largest memory with {history.events:,} events: features, training",
            f"{show_amount(history.features_peak_bytes, 'bytes')}, {show_amount(history.training_peak_bytes, 'bytes')}",
        ),
    ]


def _checked(found: Check) -> list[Figure]:
    names = [f"{one.name}, as fast as it goes" for one in found.fastest]
    names += [f"mixed requests at {one.name} of that" for one in found.rising]
    figures = []
    for name, one in zip(names, [*found.fastest, *found.rising], strict=True):
        rate, half, slow = one.errors
        figures.append(
            Figure(
                f"{name}: requests a second, p50, p99 simulated (measured)",
                f"{one.simulated_per_second:,.0f} ({one.measured_per_second:,.0f}), "
                f"{one.simulated_ms[0]:.1f} ({one.measured_ms[0]:.1f}) ms, "
                f"{one.simulated_ms[1]:.1f} ({one.measured_ms[1]:.1f}) ms; {rate:+.0%}, {half:+.0%}, {slow:+.0%}",
            )
        )
    every = [one.errors for one in (*found.fastest, *found.rising)]
    means = [sum(abs(one[place]) for one in every) / len(every) for place in range(3)]
    figures.append(
        Figure("error of the simulation, mean: requests a second, p50, p99", ", ".join(f"{m:.0%}" for m in means))
    )
    return figures


def _plans(costs: Costs) -> list[Figure]:
    figures = []
    for gathered in (1, BATCH_EVENTS):
        plan = make_plan(Workload(LARGE, events_per_request=float(gathered)), costs)
        figures.append(
            Figure(
                f"{show_count(LARGE)} sessions a day, {gathered} events a request: groups, full first, which bears",
                f"{plan.groups:,}, {_named(plan.bottleneck)}",
            )
        )
    return figures


def _named(need: Need) -> str:
    return f"{need.name}, {show_count(need.one_bears)} sessions a day"
