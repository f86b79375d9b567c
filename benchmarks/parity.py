"""Live features beside historical ones, bit by bit, over a log with duplicates, late events and ties.

    python -m benchmarks.parity

The live side is what the service does: each row, in the order of its arrival, is placed into its visitor's session. The
historical side reads the same files. Then every row after every event of every session is compared as 64-bit patterns.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.report import Figure, Report
from features.build import build, every_event
from features.events import US_PER_SECOND, Event
from features.plan import compile_plan
from features.read_log import read_log
from journeys.load import load_journey
from serving.visitor import Visitor
from training.simulator import simulate

COMMAND = "python -m benchmarks.parity"
_BATCH = 50_000


def run(sessions: int = 90_000, seed: int = 5) -> Report:
    """Compare every row; raises AssertionError at the first bit that differs."""
    journey = load_journey("ecommerce")
    plan = compile_plan(journey.table)
    visitors: dict[str, Visitor] = {}
    timeout_us = int(journey.session_timeout_seconds * US_PER_SECOND)
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        simulate("ecommerce", sessions=sessions, seed=seed, out=Path(name))
        received = late = 0
        latest_us: dict[str, int] = {}
        for event in _as_received(Path(name) / "events"):
            received += 1
            placed = visitors.setdefault(event.visitor_id, Visitor(plan, event.visitor_id, timeout_us)).place(event)
            session_id = str(placed.event.session_id)
            late += event.occurred_at_us < latest_us.get(session_id, 0)
            latest_us[session_id] = max(latest_us.get(session_id, 0), event.occurred_at_us)
        compared = ties = duplicates = 0
        with read_log(Path(name) / "events", plan, timeout_seconds=journey.session_timeout_seconds) as read:
            duplicates = read.summary.deduplicated
            for log in read.batches():
                cutoffs = every_event(log)
                history = build(plan, log, cutoffs)
                bounds = np.searchsorted(cutoffs.session, np.arange(log.session_count + 1))
                inner = np.ones(log.event_count, np.bool_)
                inner[log.starts[:-1]] = False
                ties += int((np.diff(log.at_us, prepend=0)[inner] == 0).sum())
                for number in range(log.session_count):
                    visitor = visitors[log.visitor_ids[number]]
                    session = visitor.session(log.session_ids[number])
                    assert session is not None, log.session_ids[number]
                    mine = slice(bounds[number], bounds[number + 1])
                    moments = list(zip(cutoffs.after[mine].tolist(), cutoffs.at_us[mine].tolist(), strict=True))
                    live = session.rows(moments, visitor.others(session))
                    assert np.array_equal(live.view(np.int64), history[mine].view(np.int64)), session.session_id
                    compared += len(live)
    cells = compared * len(plan.feature_names)
    return Report(
        "Live features and historical ones",
        COMMAND,
        [
            Figure(
                "events received, of them duplicates, out of order, ties",
                f"{received:,}, {duplicates / received:.2%}, {late / received:.2%}, {ties / received:.2%}",
                "1,000,000, 1 %, 1 %",
            ),
            Figure("rows compared (numbers)", f"{compared:,} ({cells:,})"),
            Figure("numbers that differ in any bit", "0", "0"),
        ],
    )


def _as_received(folder: Path) -> Iterator[Event]:
    query = f"""SELECT event_id, name, epoch_us(occurred_at), visitor_id, session_id, user_id, channel, device, source,
        campaign, properties FROM read_parquet('{folder}/*.parquet') ORDER BY received_at, event_id"""
    with duckdb.connect() as connection:
        found = connection.execute(query)
        while rows := found.fetchmany(_BATCH):
            yield from map(_event, rows)


def _event(row: tuple[Any, ...]) -> Event:
    event_id, name, at_us, visitor_id, session_id, user_id, channel, device, source, campaign, properties = row
    return Event(
        event_id=event_id,
        name=name,
        occurred_at_us=at_us,
        visitor_id=visitor_id,
        session_id=session_id,
        user_id=user_id,
        channel=channel,
        device=device,
        source=source,
        campaign=campaign,
        properties=json.loads(properties),
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=90_000)
    Console().print(as_table(run(parser.parse_args().sessions)))
