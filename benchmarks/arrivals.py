"""Alarms on the data: how many are false, and which planted flaws are found: ``python -m benchmarks arrivals``."""

import tempfile
from pathlib import Path

import duckdb

from benchmarks.report import Figure, Report
from insights.measure_quality import LOOKED_BACK_DAYS, quality_of_log
from journeys.load import load_journey
from training.simulator import simulate

SEEDS = range(1, 6)
SIZES = (2_000, 20_000)
_DAY = "occurred_at >= TIMESTAMPTZ '2026-03-27 23:00:00+00' AND occurred_at < TIMESTAMPTZ '2026-03-28 23:00:00+00'"
_HALF, _THIRD, _FIFTH, _FIFTIETH = (f"hash(event_id) % {part} = 0" for part in (2, 3, 5, 50))
FLAWS = {
    "price is missing in add_to_cart": "UPDATE log "
    "SET properties = regexp_replace(properties, '\"price\":[0-9.]+,?', '') "
    f"WHERE {_DAY} AND name = 'add_to_cart' AND {_HALF}",
    "email: duplicates": f"INSERT INTO log SELECT * FROM log WHERE {_DAY} AND channel = 'email' AND {_FIFTH}",
    "on_site: no event": "DELETE FROM log "
    f"WHERE {_DAY} AND channel = 'on_site' AND hour(occurred_at) BETWEEN 11 AND 14",
    "unknown events": f"UPDATE log SET name = 'scrol' WHERE {_DAY} AND name = 'scroll' AND {_THIRD}",
    "in_app: clock skew": "UPDATE log SET received_at = occurred_at - INTERVAL 1 HOUR "
    f"WHERE {_DAY} AND channel = 'in_app'",
    "purchase: 0 events": f"DELETE FROM log WHERE {_DAY} AND name = 'purchase'",
    "ads: late events": "UPDATE log SET received_at = occurred_at + INTERVAL 2 HOUR "
    f"WHERE {_DAY} AND channel = 'ads' AND {_THIRD}",
    "refused rows": f"UPDATE log SET visitor_id = '', user_id = NULL WHERE {_DAY} AND {_FIFTIETH}",
}
"""What is done to the log's last whole day, a Saturday, by what the alarm then says; one at a time."""


def run() -> Report:
    """Measure on simulated shops: every day of logs without a flaw, and the last day with each flaw."""
    journey = load_journey("ecommerce")
    figures, found, planted = [], 0, 0
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        for sessions in SIZES:
            alarms = 0
            for seed in SEEDS:
                folder = Path(name) / f"{sessions}-{seed}"
                simulate("ecommerce", sessions=sessions, seed=seed, out=folder)
                quality, _ = quality_of_log(journey, folder / "events")
                alarms += len(quality.alarms) + len(quality.earlier)
            what = f"alarms in {len(SEEDS)} logs of {sessions:,} sessions in {LOOKED_BACK_DAYS} days, without a flaw"
            figures.append(Figure(what, f"{alarms}"))
        for seed in SEEDS[:2]:
            for said, change in FLAWS.items():
                planted += 1
                found += _finds(
                    Path(name) / f"{SIZES[-1]}-{seed}" / "events", Path(name) / "flawed.parquet", change, said
                )
    figures.append(
        Figure(f"flaws found of those planted in one day of logs of {SIZES[-1]:,} sessions", f"{found} of {planted}")
    )
    return Report("Alarms on the data", "python -m benchmarks arrivals", figures)


def _finds(events: Path, flawed: Path, change: str, said: str) -> bool:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE log AS SELECT * FROM read_parquet('{events}/*.parquet')")
        connection.execute("DELETE FROM log WHERE occurred_at >= TIMESTAMPTZ '2026-03-28 23:00:00+00'")
        connection.execute(change)
        connection.execute(f"COPY (SELECT * FROM log ORDER BY received_at) TO '{flawed}' (FORMAT parquet)")
    quality, _ = quality_of_log(load_journey("ecommerce"), flawed)
    return any(said in check.describe() for check in quality.alarms)


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    Console().print(as_table(run()))
