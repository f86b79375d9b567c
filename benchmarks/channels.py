"""Channel credit: how fast it is, and what each model says beside the planted truth.

python -m benchmarks.channels --sessions 60000

The simulated shop has e-mails and calls that raise the odds to convert, ads aimed at people who would convert anyway,
and messages that do nothing. A model that told effects would credit the last two with nothing beside the visits; none
can be expected to, as credit is association.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.report import Figure, Report
from features.events import US_PER_SECOND
from insights.channels.contribution import measure_contribution
from insights.channels.credit import MODELS, credit_channels
from insights.channels.paths import Conversions, Touches
from training.simulator import simulate

_DAY_US = 86_400 * US_PER_SECOND
_CHANNELS = 12


def run(sessions: int = 60_000, touches: int = 1_000_000, seed: int = 1) -> Report:
    """Credit a simulated log with touchpoints, and made touches by every model."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=seed, out=folder)
        planted = pq.read_table(folder / "touchpoints_truth.parquet").to_pylist()
        events = sum(
            pq.read_metadata(file).num_rows for part in ("events", "touchpoints") for file in (folder / part).iterdir()
        )
        started = time.perf_counter()
        found = measure_contribution(folder, "purchase", models=tuple(MODELS))
        seconds = time.perf_counter() - started
    channels = [row["channel"] for row in planted]
    pulls = [row["channel"] for row in planted if row["pull"]]
    figures = [
        Figure(
            f"conversions that the touches add as planted: {', '.join(channels)}",
            ", ".join(f"{row['extra_conversions']:.0f}" for row in planted),
        )
    ]
    for model, credit in found.goal.conversions.items():
        off_site = sum(abs(credit[channel]) for channel in channels)
        share = f"{sum(credit[channel] for channel in pulls) / off_site:.0%}" if off_site else "none"
        figures.append(
            Figure(
                f"credit by {model}, of {found.goal.total:,} conversions; share of it with those that pull",
                f"{', '.join(f'{credit[channel]:.0f}' for channel in channels)}; {share}",
            )
        )
    figures.append(Figure(f"a log of {events:,} events, reading included, eight models", f"{seconds:.1f} s"))
    return Report("Channel credit", f"python -m benchmarks.channels --sessions {sessions}", [*figures, *_time(touches)])


def _time(touches: int) -> list[Figure]:
    """Return how long each model takes for made touches; a third of them stand before a conversion."""
    source = np.random.default_rng(1)
    people = touches // 4
    person = np.sort(source.integers(0, people, touches))
    at_us = source.integers(0, 90 * _DAY_US, touches)
    order = np.lexsort((at_us, person))
    made = Touches(
        tuple(f"channel {number:02}" for number in range(_CHANNELS)),
        person[order],
        at_us[order],
        source.integers(0, _CHANNELS, touches)[order],
    )
    count = touches // 4
    reached = Conversions(source.integers(0, people, count), source.integers(0, 90 * _DAY_US, count), np.ones(count))
    figures = []
    for model in MODELS:
        started = time.perf_counter()
        credit_channels("goal", made, reached, models=(model,))
        seconds = time.perf_counter() - started
        figures.append(
            Figure(
                f"{model}, paths included: {touches:,} touches on {_CHANNELS} channels, {count:,} conversions",
                f"{seconds:.1f} s",
            )
        )
    return figures


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=60_000)
    parser.add_argument("--touches", type=int, default=1_000_000)
    given = parser.parse_args()
    Console().print(as_table(run(given.sessions, given.touches)))
