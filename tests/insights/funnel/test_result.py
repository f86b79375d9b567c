"""Shares, times and how a result is written and shown."""

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from small_funnels import Told, run

from insights.funnel.result import FunnelResult
from insights.funnel.show import show_funnel
from insights.funnel.times import QUANTILES, measure_durations

SECOND = 1_000_000


def converted(*seconds: float) -> list[Told]:
    """A visitor for each number of seconds from a to b, and one who stops at a."""
    times = [(f"v{place}", name, at) for place, end in enumerate(seconds) for name, at in (("a", 0.0), ("b", end))]
    return [*times, ("stuck", "a", 0.0)]


def shown(result: FunnelResult) -> str:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    for part in show_funnel(result):
        console.print(part)
    console.file.close()
    return console.export_text()


def test_shares_have_wilsons_intervals() -> None:
    # Wilson 1927 with 3 of 4 and z = 1.959964: the middle is (.75 + z2/8) / (1 + z2/4), half of the width
    # z sqrt(.75 .25 / 4 + z2/64) / (1 + z2/4).
    add = run("a,b", converted(1, 2, 3)).steps[1]
    z2 = 1.959963984540054**2
    middle, half = (0.75 + z2 / 8) / (1 + z2 / 4), (z2 * (0.75 * 0.25 / 4 + z2 / 64)) ** 0.5 / (1 + z2 / 4)
    assert add.step_conversion is not None
    assert add.drop_off is not None
    assert (add.step_conversion.low, add.step_conversion.high) == pytest.approx((middle - half, middle + half))
    assert (add.drop_off.low, add.drop_off.value, add.drop_off.high) == pytest.approx(
        (1 - middle - half, 0.25, 1 - middle + half)
    )
    assert add.dropped == 1


@given(st.lists(st.integers(0, 400 * 86_400 * SECOND), min_size=1, max_size=60))
def test_quantiles_are_those_of_duckdb(durations: list[int]) -> None:
    found = measure_durations(np.array(durations))
    assert found is not None
    levels = ", ".join(map(str, QUANTILES))
    [(wanted, mean)] = duckdb.execute(
        f"SELECT quantile_cont(us / 1e6, [{levels}]), avg(us / 1e6) FROM (SELECT unnest(?::BIGINT[]) AS us)",
        [durations],
    ).fetchall()
    assert [value for _, value in found.quantiles] == pytest.approx(wanted)
    assert found.mean == pytest.approx(mean)
    assert found.median == pytest.approx(wanted[2])


def test_a_bar_holds_its_lower_edge_and_not_its_upper() -> None:
    found = measure_durations(np.array([0, SECOND - 1, SECOND, 60 * SECOND - 1, 60 * SECOND, 10**15]))
    assert found is not None
    bars = {bar.from_seconds: (bar.to_seconds, bar.count) for bar in found.histogram}
    assert bars[0] == (1, 2)
    assert bars[1] == (2, 1)
    assert bars[2] == (5, 0)
    assert bars[30] == (60, 1)
    assert bars[60] == (120, 1)
    assert bars[365 * 86_400] == (None, 1)


def test_nobody_takes_no_time() -> None:
    assert measure_durations(np.array([], np.int64)) is None
    result = run("a,b", [("v", "a", 0), ("w", "b", 0)])
    assert result.time is None
    assert result.to_json()["steps"][1]["time_seconds"] is None


def test_a_funnel_that_nobody_enters_is_told_without_shares() -> None:
    result = run("a,b", [("v", "b", 0), ("v", "a", 1)], since="2026-03-18")
    assert [step.count for step in result.steps] == [0, 0]
    assert result.conversion is None
    assert result.steps[1].step_conversion is None
    assert "0" in shown(result)


def test_the_whole_is_timed_over_those_who_took_every_required_step() -> None:
    result = run("a,b,c", [("v", "a", 0), ("v", "b", 1), ("v", "c", 7), ("w", "a", 0), ("w", "b", 3)])
    assert result.time is not None
    assert (result.time.count, result.time.median) == (1, 7.0)
    assert result.steps[1].time is not None
    assert (result.steps[1].time.count, result.steps[1].time.median) == (2, 2.0)


def test_the_table_shows_counts_groups_and_who_was_left_out() -> None:
    events = [(visitor, name, at, {"device": "mobile"}) for visitor, name, at in converted(30, 90)]
    events += [("v9", "a", 0, {}), ("v9", "x", 1, {}), ("v8", "a", 86_400, {}), ("v8", "b", 86_500, {})]
    text = shown(run("a,b", events, by="device", exclude="x", window="1h"))
    for words in ("a 4", "mobile 3 2", "(none) 1 1", "2026-03-17 3 2", "2026-03-18 1 1", "1 visitors are left out"):
        assert words in " ".join(text.split()), text
