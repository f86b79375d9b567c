"""How long the pages' figures of a long log take to make, and how long a page takes to open.

    python -m benchmarks.pages --sessions 420000

Simulates a log, trains on the start of another, makes the facts as the service does, and asks a running service for its
first page: the very first time, for another period, and again.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.report import Figure, Report
from benchmarks.service import free_port, wait_until_ready
from decisions.risk import RiskModel
from insights.build_facts import build_facts
from insights.current import publish_building
from insights.pages.site import PAGES
from journeys.load import load_journey
from storage.models import champion_folder
from training.pipeline import train
from training.simulator import simulate

_ROOT = Path(__file__).parents[1]
_TRAINED_SESSIONS = 20_000


def run(sessions: int = 420_000, seed: int = 3) -> Report:
    """Simulate, train, make the facts, and ask for every page."""
    journey = load_journey("ecommerce")
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        home = folder / "home"
        simulate(journey.name, sessions=_TRAINED_SESSIONS, seed=seed + 1, out=folder / "learnt")
        train(journey, folder / "learnt" / "events", home=home, mlruns=folder / "mlruns", resamples=0)
        simulate(journey.name, sessions=sessions, seed=seed, out=folder / "shop")
        model = RiskModel.load(champion_folder(home, journey.name), journey.table)
        began = time.monotonic()
        built = build_facts(journey, folder / "shop" / "events", home / "insights" / journey.name / "made", model)
        seconds = time.monotonic() - began
        facts = publish_building(home, journey.name, built.folder, 0, seconds)
        size = sum(path.stat().st_size for path in facts.folder.iterdir())
        opened = _open_pages(home, journey.name)
    figures = [
        Figure("events, sessions", f"{facts.events:,}, {facts.sessions:,}"),
        Figure(
            "making the figures, risk and blockers included", f"{seconds:.0f} s, {facts.events / seconds:,.0f} events/s"
        ),
        Figure("figures on disk", f"{size / 1e6:.0f} MB"),
        Figure("the first page, the very first time", f"{opened['first']:.2f} s", "1 s"),
        Figure("the first page of another period", f"{opened['other']:.2f} s", "1 s"),
        Figure("the first page again", f"{opened['again'] * 1_000:.0f} ms"),
        *(
            Figure(f"the page {title}, the first time", f"{opened[title]:.1f} s")
            for title in opened
            if title[0].isupper()
        ),
    ]
    return Report("The pages on a long log", f"python -m benchmarks.pages --sessions {sessions}", figures)


def _open_pages(home: Path, journey: str) -> dict[str, float]:
    """Return the seconds that a service takes for its first page, and each other page's, by title."""
    port = free_port()
    environment = {**os.environ, "DROPOFF_HOME": str(home.resolve()), "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-c", f"from serving.run import serve; serve({journey!r}, port={port})"]
    service = subprocess.Popen(command, env=environment)
    try:
        wait_until_ready(port, service)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            seconds = {
                "first": _ask(client, "/"),
                "other": _ask(client, "/?since=2026-03-10&device=mobile"),
                "again": _ask(client, "/"),
            }
            for entry in PAGES[1:]:
                try:
                    seconds[entry.title] = _ask(client, f"/{entry.slug}")
                except httpx.HTTPStatusError:
                    # BentoML gives up after a minute.
                    seconds[entry.title] = float("inf")
            return seconds
    finally:
        service.terminate()
        service.wait(30)


def _ask(client: httpx.Client, address: str) -> float:
    began = time.perf_counter()
    client.get(address).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=420_000)
    Console().print(as_table(run(parser.parse_args().sessions)))
