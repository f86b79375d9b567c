"""Facts of a simulated shop against plain SQL over its log: not one session may differ."""

from pathlib import Path

import duckdb
import pytest

from insights.build_facts import build_facts
from insights.facts import Facts
from journeys.ecommerce import JOURNEY
from training.simulator.simulate import simulate

SESSIONS = 3_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate("ecommerce", sessions=SESSIONS, seed=5, out=folder)
    return folder / "events"


@pytest.fixture(scope="module")
def facts(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return build_facts(JOURNEY, log, tmp_path_factory.mktemp("facts") / "facts")


@pytest.fixture(scope="module")
def plain(log: Path) -> duckdb.DuckDBPyConnection:
    """The same sessions in SQL: furthest stage and outcome, written without a line of the project's."""
    stages = [
        ("page_view", "view_category", "search"),
        ("view_product",),
        ("add_to_cart", "view_cart"),
        ("begin_checkout",),
        ("edit_field", "submit_address"),
        ("view_payment", "choose_payment_method", "submit_payment"),
    ]
    rank = " ".join(f"WHEN name IN {(*names, '')} THEN {place}" for place, names in enumerate(stages))
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        f"""CREATE TABLE once AS SELECT *, CASE {rank} ELSE -1 END AS rank FROM (
            SELECT DISTINCT ON (event_id) * FROM read_parquet('{log}/*.parquet') ORDER BY event_id, received_at)"""
    )
    connection.execute(
        """CREATE TABLE expected AS
        WITH goals AS (
            SELECT session_id, min((occurred_at, event_id)) AS goal FROM once WHERE name = 'purchase' GROUP BY ALL
        ), log AS (SELECT max(occurred_at) AS ends FROM once)
        SELECT session_id, count(*) AS events,
            coalesce(max(rank) FILTER (goal IS NULL OR (occurred_at, event_id) < goal), -1) AS stage_index,
            CASE WHEN any_value(goal) IS NOT NULL THEN 'goal'
                WHEN max(occurred_at) + INTERVAL 30 MINUTE <= (SELECT ends FROM log) THEN 'abandoned'
                ELSE 'open' END AS outcome,
            min(occurred_at) AS started_at
        FROM once LEFT JOIN goals USING (session_id) GROUP BY session_id"""
    )
    return connection


def test_every_session_has_the_stage_and_the_outcome_of_plain_sql(
    facts: Facts, plain: duckdb.DuckDBPyConnection
) -> None:
    columns = "session_id, events, stage_index, outcome, epoch_us(started_at)"
    with facts.connect() as connection:
        found = connection.execute(f"SELECT {columns} FROM sessions ORDER BY session_id").fetchall()
    expected = plain.execute(f"SELECT {columns} FROM expected ORDER BY session_id").fetchall()
    assert len(found) == SESSIONS
    assert found == expected
    assert {row[3] for row in found} >= {"goal", "abandoned"}


def test_as_many_reach_and_leave_each_stage_as_in_plain_sql(facts: Facts, plain: duckdb.DuckDBPyConnection) -> None:
    with facts.connect() as connection:
        found = connection.execute(
            "SELECT stage_index, count(*), count(*) FILTER (exited) FROM stages WHERE stage_index >= 0 "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert (
        found
        == plain.execute(
            """SELECT stage, count(*) FILTER (stage_index >= stage),
            count(*) FILTER (stage_index = stage AND outcome = 'abandoned')
        FROM expected, range(6) AS stages(stage) GROUP BY stage ORDER BY stage"""
        ).fetchall()
    )


def test_the_hours_hold_every_event_once(facts: Facts, plain: duckdb.DuckDBPyConnection) -> None:
    with facts.connect() as connection:
        found = connection.execute(
            "SELECT CAST(local_day AS VARCHAR), local_hour, sum(events)::BIGINT FROM hours GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    # Summer time begins in Berlin within the log, on 29 March at one o'clock in UTC.
    summer = "occurred_at >= TIMESTAMPTZ '2026-03-29 01:00:00+00'"
    assert plain.execute(f"SELECT count(DISTINCT {summer}) FROM once").fetchall() == [(2,)]
    local = f"occurred_at::TIMESTAMP + CASE WHEN {summer} THEN INTERVAL 2 HOUR ELSE INTERVAL 1 HOUR END"
    expected = f"SELECT CAST(({local})::DATE AS VARCHAR), hour({local}), count(*) FROM once GROUP BY ALL ORDER BY ALL"
    assert found == plain.execute(expected).fetchall()


def test_what_orders_brought_is_the_revenue_of_the_log(facts: Facts, plain: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT round(sum((properties::JSON->>'revenue')::DOUBLE), 6) FROM once WHERE name = 'purchase'"
    with facts.connect() as connection:
        found = connection.execute("SELECT round(sum(value), 6) FROM sessions").fetchall()
    assert found == plain.execute(query).fetchall()
