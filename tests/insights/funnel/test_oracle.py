"""Funnels of whole logs against SQL that says the definitions naively, over every pair and triple of events."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_funnels import NOW, TEN_US, table_of

from insights.funnel.declare import declare
from insights.funnel.measure import measure_funnel

WINDOW, STEP_WINDOW = 5, 3
# Of one event id the first received stays; events are numbered in their total order.
_USED = """
CREATE TABLE used AS SELECT *, row_number() OVER (PARTITION BY visitor_id ORDER BY occurred_at, event_id) AS place
FROM (SELECT * FROM (SELECT *, row_number() OVER () AS row FROM log)
      QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY received_at NULLS LAST, row) = 1)
"""
_PAIRS = """
CREATE TABLE pairs AS SELECT one.visitor_id, one.place, two.place AS next_place, one.name, two.name AS next_name,
    one.occurred_at AS begun_at, two.occurred_at AS next_at, one.device
FROM used AS one JOIN used AS two ON one.visitor_id = two.visitor_id AND one.place < two.place
"""
_ORDERED = """
SELECT (SELECT count(DISTINCT visitor_id) FROM used WHERE name = 'a'),
    (SELECT count(DISTINCT visitor_id) FROM pairs
     WHERE name = 'a' AND next_name = 'b' AND next_at - begun_at <= INTERVAL {window} SECOND {step_ab}),
    (SELECT count(DISTINCT one.visitor_id) FROM pairs AS one JOIN pairs AS two
        ON one.visitor_id = two.visitor_id AND one.next_place = two.place
     WHERE one.name = 'a' AND two.name = 'b' AND two.next_name = 'c'
        AND two.next_at - one.begun_at <= INTERVAL {window} SECOND {step_abc})
"""
_STRICT = """
SELECT count(DISTINCT visitor_id) FILTER (name = 'a'),
    count(DISTINCT visitor_id) FILTER (name = 'a' AND b = 'b' AND b_at - occurred_at <= INTERVAL {window} SECOND),
    count(DISTINCT visitor_id) FILTER (name = 'a' AND b = 'b' AND c = 'c'
        AND c_at - occurred_at <= INTERVAL {window} SECOND)
FROM (SELECT *, lead(name) OVER w AS b, lead(occurred_at) OVER w AS b_at, lead(name, 2) OVER w AS c,
    lead(occurred_at, 2) OVER w AS c_at FROM used WINDOW w AS (PARTITION BY visitor_id ORDER BY place))
"""
_UNORDERED = """
SELECT (SELECT count(DISTINCT visitor_id) FROM used WHERE name = 'a'),
    (SELECT count(DISTINCT a.visitor_id) FROM used AS a JOIN used AS b USING (visitor_id)
     WHERE a.name = 'a' AND b.name = 'b'
        AND greatest(a.occurred_at, b.occurred_at) - least(a.occurred_at, b.occurred_at) <= INTERVAL {window} SECOND),
    (SELECT count(DISTINCT a.visitor_id) FROM used AS a JOIN used AS b USING (visitor_id)
        JOIN used AS c USING (visitor_id)
     WHERE a.name = 'a' AND b.name = 'b' AND c.name = 'c'
        AND greatest(a.occurred_at, b.occurred_at, c.occurred_at) - least(a.occurred_at, b.occurred_at, c.occurred_at)
            <= INTERVAL {window} SECOND)
"""
_ALL_EVENTS = """
SELECT device, count(DISTINCT visitor_id), (SELECT count(DISTINCT one.visitor_id) FROM used AS one JOIN used AS two
    ON one.visitor_id = two.visitor_id AND one.place < two.place
    AND one.device IS NOT DISTINCT FROM two.device AND one.device IS NOT DISTINCT FROM entered.device
    WHERE one.name = 'a' AND two.name = 'b' AND two.occurred_at - one.occurred_at <= INTERVAL {window} SECOND)
FROM used AS entered WHERE name = 'a' GROUP BY device
"""


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to 30 rows of three visitors, with ties, some ids twice, and a few other events; every name occurs."""
    rows: list[dict[str, Any]] = []
    moments = {"x": 0, "y": 0, "z": 0}
    for number in range(draw(st.integers(0, 30))):
        visitor = draw(st.sampled_from(sorted(moments)))
        moments[visitor] += draw(st.sampled_from((0, 0, 1, 1, 2, 4)))
        rows.append(
            {
                "event_id": f"e{draw(st.permutations(range(3)))[0]}{number}" if draw(st.integers(0, 9)) else "twice",
                "visitor_id": visitor,
                "name": draw(st.sampled_from(("a", "b", "c", "other"))),
                "occurred_at_us": TEN_US + moments[visitor] * 1_000_000,
                "received_at_us": draw(st.sampled_from((None, 1, 2))),
                "device": draw(st.sampled_from(("mobile", "desktop", None))),
            }
        )
    named = [
        {"event_id": f"n{name}", "visitor_id": name, "name": name, "occurred_at_us": TEN_US, "device": "tv"}
        for name in ("a", "b", "c")
    ]
    return draw(st.permutations([*rows, *named]))


def asked(rows: Sequence[dict[str, Any]], query: str, **values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("log", table_of(rows))
        connection.execute(_USED)
        connection.execute(_PAIRS)
        return connection.execute(query.format(window=WINDOW, **values)).fetchall()


def measured(rows: Sequence[dict[str, Any]], steps: str = "a,b,c", **how: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        pq.write_table(table_of(rows), path, row_group_size=7)
        return measure_funnel(declare(steps, window=f"{WINDOW}s", **how), path, threads=2, now=NOW)


@settings(max_examples=25, deadline=None)
@given(logs())
def test_counts_are_those_of_naive_sql(rows: list[dict[str, Any]]) -> None:
    step = f"<= INTERVAL {STEP_WINDOW} SECOND"
    for how, query, values in (
        ({"order": "ordered"}, _ORDERED, {"step_ab": "", "step_abc": ""}),
        (
            {"order": "ordered", "step_window": f"{STEP_WINDOW}s"},
            _ORDERED,
            {
                "step_ab": f"AND next_at - begun_at {step}",
                "step_abc": f"AND one.next_at - one.begun_at {step} AND two.next_at - two.begun_at {step}",
            },
        ),
        ({"order": "strict"}, _STRICT, {}),
        ({"order": "unordered"}, _UNORDERED, {}),
    ):
        counts = tuple(step.count for step in measured(rows, **how).steps)
        assert [counts] == asked(rows, query, **values), how


@settings(max_examples=12, deadline=None)
@given(logs())
def test_a_funnel_for_each_value_is_that_of_naive_sql(rows: list[dict[str, Any]]) -> None:
    result = measured(rows, "a,b", by="device", attribution="all")
    found = {group.value: tuple(step.count for step in group.steps) for group in result.groups}
    assert found == {device: tuple(counts) for device, *counts in asked(rows, _ALL_EVENTS)}


@settings(max_examples=12, deadline=None)
@given(logs(), st.sampled_from(("ordered", "strict", "unordered")))
def test_groups_by_the_first_value_add_up_to_the_whole(rows: list[dict[str, Any]], order: str) -> None:
    for attribution in ("first", "last", "step"):
        result = measured(rows, by="device", attribution=attribution, order=order)
        for place, step in enumerate(result.steps):
            assert sum(group.steps[place].count for group in result.groups) == step.count


@pytest.mark.parametrize("seed", range(2))
def test_a_large_log_is_counted_as_a_small_one(seed: int) -> None:
    # 200,000 events in several row groups and vectors: what DuckDB hands over in no order.
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            "CREATE TABLE log AS SELECT printf('e%06d', hash(i) % 199000) AS event_id, "
            f"'v' || hash(i // 12 + {seed}) % 9000 AS visitor_id, NULL::TIMESTAMPTZ AS received_at, "
            f"['a', 'b', 'c', 'd'][1 + CAST(hash(i + {seed}) % 4 AS BIGINT)] AS name, 'tv' AS device, "
            "make_timestamptz(1704067200000000 + (i // 3) * 1000000) AS occurred_at FROM range(200000) AS rows(i)"
        )
        path = Path(folder) / "log.parquet"
        connection.execute(f"COPY log TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 20000)")
        connection.execute(_USED)
        connection.execute(_PAIRS)
        [counts] = connection.execute(_ORDERED.format(window=WINDOW, step_ab="", step_abc="")).fetchall()
        result = measure_funnel(declare("a,b,c", window=f"{WINDOW}s"), path, now=NOW)
    assert tuple(step.count for step in result.steps) == counts
    assert result.summary.deduplicated > 1_000
