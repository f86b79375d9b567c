"""The declared events and ends against the real log: names, and the base rates that its description states."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from journeys.load import load_journey

LOG = Path(__file__).parents[3] / "shared" / "data" / "bpic2012" / "events.parquet"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not LOG.exists(), reason="the BPI Challenge 2012 log is not beside the checkout"),
]

EVENTS = f"""
    SELECT case_id, epoch_us(timestamp) AS at_us, lower(replace(activity, ' ', '_'))
            || CASE WHEN activity LIKE 'W%' THEN '_' || lower(lifecycle) ELSE '' END AS name,
        row_number() OVER (PARTITION BY case_id ORDER BY timestamp, file_row_number) AS place
    FROM read_parquet('{LOG}', file_row_number = true)
"""


def test_the_declared_events_are_exactly_those_of_the_log() -> None:
    names = {name for (name,) in duckdb.sql(f"SELECT DISTINCT name FROM ({EVENTS})").fetchall()}
    assert set(load_journey("loan_application").events) == names


def test_the_ends_give_the_base_rates_of_the_published_split() -> None:
    ends = load_journey("loan_application").ends
    final = (*ends.goal, *ends.abandoned, *ends.competing)
    cases = duckdb.execute(
        f"""
        WITH e AS ({EVENTS}),
        c AS (
            SELECT case_id, min(at_us) AS start_us, min(at_us) FILTER (name IN $final) AS end_us,
                arg_min(name, place) FILTER (name IN $final) AS end_name,
                min(place) FILTER (name IN $closing) - 1 AS prefixes
            FROM e GROUP BY case_id
        )
        SELECT start_us, end_us, end_name, prefixes FROM c WHERE end_us IS NOT NULL AND prefixes > 0
        """,
        {"final": list(final), "closing": list(ends.all_names)},
    ).fetchnumpy()
    starts = cases["start_us"]
    # The last quarter of the applications that have ended, by their start.
    cut = np.sort(starts)[int(len(starts) * 0.75)]
    test, training = starts >= cut, (starts < cut) & (cases["end_us"] < cut)
    abandoned = np.isin(cases["end_name"].astype(str), ends.abandoned)

    def base_rate(chosen: np.ndarray) -> float:
        return float(np.average(abandoned[chosen], weights=cases["prefixes"][chosen]))

    assert base_rate(test) == pytest.approx(0.245, abs=0.0005)
    assert base_rate(training) == pytest.approx(0.314, abs=0.0005)
