"""A day's traffic in some minutes: does the service's memory stay flat?

    python -m benchmarks.soak --sessions 100000

The service keeps as many events in memory as its bound says; what matters is what happens once that is reached. So the
bound is set to a tenth of the day's events, and memory is compared from the first quarter of the day on. Beside the
events go questions, outcomes, erasures, refused events and scrapes, as in a real day.
"""

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console

from benchmarks.report import Figure, Report, as_table
from benchmarks.service import serving
from benchmarks.traffic import batches
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate

BATCH_EVENTS = 50
_EVENTS_A_SESSION = 12
_SAMPLES = 60
_SETTLED = 0.25
"""The share of the day after which the bound of memory has been reached for long."""
_ASKED_AFTER_A_BATCH = 1
_REFUSED = b'{"batch":[{"type":"track","event":"","anonymousId":"refused"},{"type":"page","anonymousId":"refused"}]}'


@dataclass(frozen=True, slots=True)
class Soaked:
    """Resident memory (MB) at even steps of the day, and what was sent and answered."""

    resident_mb: Sequence[float]
    events: int
    asked: int
    errors: int
    seconds: float

    @property
    def settled(self) -> Sequence[float]:
        """The samples after the first quarter."""
        return self.resident_mb[int(_SETTLED * len(self.resident_mb)) :]

    @property
    def spread(self) -> float:
        """How far the settled samples lie from their median, as a share of it."""
        middle = float(np.median(self.settled))
        return max(max(self.settled) - middle, middle - min(self.settled)) / middle

    @property
    def growth(self) -> float:
        """What a straight line through the settled samples gains from end to end, as a share of the median."""
        places = np.arange(len(self.settled))
        slope = float(np.polyfit(places, self.settled, 1)[0])
        return slope * len(self.settled) / float(np.median(self.settled))


def run(sessions: int = 100_000) -> Report:
    """Simulate a day, train on a part of it as the demo does, and soak the service in it."""
    with tempfile.TemporaryDirectory(prefix="dropoff-soak-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=24_000, seed=7, out=folder / "train")
        train(load_journey("ecommerce"), folder / "train" / "events", home=folder / "home", mlruns=folder / "mlruns")
        simulate("ecommerce", sessions=sessions, seed=8, out=folder / "day")
        soaked = soak("ecommerce", folder / "home", folder / "day" / "events", folder, sessions)
    return report(soaked, sessions)


def soak(journey: str, home: Path, log: Path, folder: Path, sessions: int) -> Soaked:
    """Send a log's events to a real service, ask it meanwhile, and sample its memory."""
    expected = sessions * _EVENTS_A_SESSION
    settings = {"memory_events": expected // 10, "future_tolerance_seconds": 3_600}
    with (
        serving(journey, home, folder, **settings) as (port, process),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        return _drive(client, process.pid, batches(log, BATCH_EVENTS), expected)


def _drive(client: httpx.Client, pid: int, bodies: Iterator[bytes], expected: int) -> Soaked:
    chance = random.Random(3)
    resident, events, asked, errors = list[float](), 0, 0, 0
    step = expected // (_SAMPLES * BATCH_EVENTS)
    started = time.perf_counter()
    for number, body in enumerate(bodies):
        answer = client.post("/v1/batch", content=body)
        errors += answer.status_code != 200
        events += BATCH_EVENTS
        visitors = _visitors(body)
        for visitor in itertools.islice(visitors, _ASKED_AFTER_A_BATCH):
            errors += _ask(client, visitor, chance)
            asked += 1
        if number % 200 == 0:
            client.post("/v1/batch", content=_REFUSED)
            client.request("DELETE", f"/v1/visitors/{next(visitors, 'nobody')}")
            client.get("/metrics")
        if number % step == step - 1:
            resident.append(_resident_mb(pid))
    return Soaked(resident, events, asked, errors, time.perf_counter() - started)


def _visitors(body: bytes) -> Iterator[str]:
    for part in body.split(b'"anonymousId":"')[1:]:
        yield part.split(b'"', 1)[0].decode()


def _ask(client: httpx.Client, visitor: str, chance: random.Random) -> int:
    """Ask for advice, or the risk alone, and report what became of a nudge; return how many answers were errors."""
    route = "/v1/recommend" if chance.random() < 0.5 else "/v1/score"
    answer = client.post(route, json={"visitor_id": visitor})
    errors = int(answer.status_code not in (200, 404))
    if answer.status_code == 200 and answer.json().get("recommendation"):
        outcome = {"decision_id": answer.json()["decision_id"], "outcome": "shown"}
        errors += client.post("/v1/outcome", json=outcome).status_code != 200
    return errors


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no memory of process {pid} is told")


def report(soaked: Soaked, sessions: int) -> Report:
    """Return what was measured as figures."""
    settled = soaked.settled
    figures = [
        Figure(
            f"sent in {soaked.seconds:.0f} s: events, questions, errors",
            f"{soaked.events:,}, {soaked.asked:,}, {soaked.errors}",
        ),
        Figure("memory after a quarter of the day", f"{settled[0]:.0f} MB"),
        Figure("memory at its end", f"{settled[-1]:.0f} MB"),
        Figure("farthest from the median since then", f"{soaked.spread:.1%}", "flat within 5 %"),
        Figure("growth since then, by a straight line", f"{soaked.growth:+.1%}"),
    ]
    return Report(
        f"A day of {sessions:,} sessions, as fast as it goes",
        f"python -m benchmarks.soak --sessions {sessions}",
        figures,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000, help="How many sessions the day has.")
    Console().print(as_table(run(parser.parse_args().sessions)))


if __name__ == "__main__":
    main()
