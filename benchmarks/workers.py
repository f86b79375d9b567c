"""What two workers bear, as a multiple of what one does, and how much memory each takes.

    python -m benchmarks workers

The load has no core of its own: on a machine of two cores, two workers and `wrk` share them, so that the multiple is a
lower bound. One worker keeps sessions in its memory; two ask the database before every answer.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Capacity, closed_loop, fill_visitors
from benchmarks.processes import resident_bytes
from benchmarks.report import Figure, Report
from benchmarks.service import serving
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate

_BODIES = 400
_BATCH_EVENTS = 100
_MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Measured:
    """Capacities by route, and the memory in megabytes of each process: the supervisor's, where there is one, first."""

    capacities: Mapping[str, Capacity]
    memory_mb: tuple[float, ...]


def run(sessions: int = 24_000, seconds: int = 8) -> Report:
    """Train on a simulated log as the demo does, and measure one worker and two with it."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        return report(*(measure("ecommerce", folder / "home", count, seconds=seconds) for count in (1, 2)))


def measure(journey: str, home: Path, workers: int, *, seconds: int = 8) -> Measured:
    """Return what so many workers bear."""
    with tempfile.TemporaryDirectory(prefix="dropoff-workers-") as name:
        folder = Path(name)
        with serving(journey, home, folder, workers=workers) as (port, process):
            visitors = fill_visitors(port, journey)
            asking = [json.dumps({"visitor_id": visitors[number % len(visitors)]}) for number in range(_BODIES)]
            capacities = {
                "/v1/score": closed_loop(port, "/v1/score", asking, folder, seconds),
                f"/v1/batch of {_BATCH_EVENTS}": closed_loop(port, "/v1/batch", _batches(), folder, seconds),
            }
            return Measured(capacities, tuple(resident_bytes(one) / _MEGABYTE for one in _family(process.pid)))


def report(one: Measured, two: Measured) -> Report:
    """Return what was measured as figures."""
    figures = [
        Figure(
            f"{route}: two workers, as a multiple of one",
            f"{two.capacities[route].per_second / alone.per_second:.2f} x ({two.capacities[route].per_second:,.0f} and "
            f"{alone.per_second:,.0f} requests/s; errors {two.capacities[route].errors + alone.errors})",
        )
        for route, alone in one.capacities.items()
    ]
    supervisor, *each = two.memory_mb
    figures += [
        Figure("memory of one worker alone (shared pages divided)", f"{one.memory_mb[0]:,.0f} MB"),
        Figure("memory of the supervisor", f"{supervisor:,.0f} MB"),
        Figure("memory of each of two workers", ", ".join(f"{amount:,.0f} MB" for amount in each)),
    ]
    return Report("Several workers on one database", "python -m benchmarks workers", figures)


def _batches() -> list[str]:
    def call(number: int, place: int) -> dict[str, object]:
        # Without an id of its own each event is a new one, however often it is sent.
        name = ("page_view", "view_product", "add_to_cart", "scroll")[place % 4]
        return {"type": "track", "anonymousId": f"batch-{number}-{place % 10}", "event": name}

    return [json.dumps({"batch": [call(number, place) for place in range(_BATCH_EVENTS)]}) for number in range(_BODIES)]


def _family(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(int(one) for one in children if b"serving.worker" in Path(f"/proc/{one}/cmdline").read_bytes())]
