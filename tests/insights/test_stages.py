"""Stages of a few sessions made by hand: browse, product, cart, checkout, address, payment."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.filters import Filters
from insights.intervals import estimate_share
from insights.stages import count_days, count_stages, measure_dwell

MADE = (
    MadeSession(stage=0, dwell=[30], device="mobile"),
    MadeSession(stage=1, dwell=[10, 50], device="mobile"),
    MadeSession(stage=1, dwell=[20, 70], outcome="open"),
    MadeSession(stage=2, dwell=[40, 90, 5], outcome="competing", started_at=BEGIN + timedelta(days=1)),
    MadeSession(stage=5, dwell=[60, 80, 7, 1, 1, 1], outcome="goal", started_at=BEGIN + timedelta(days=1)),
    MadeSession(stage=-1, outcome="abandoned"),
)


def test_exits_are_counted_at_the_furthest_stage_and_open_sessions_left_out(tmp_path: Path) -> None:
    with write_facts(tmp_path / "facts", MADE).connect() as connection:
        browse, product, cart, *_, payment = count_stages(SHOP, connection)
    assert (browse.stage, browse.reached, browse.advanced, browse.exited, browse.open) == ("browse", 5, 4, 1, 0)
    # Of four who saw a product one is still there, one left, two got further.
    assert (product.reached, product.advanced, product.exited, product.open) == (4, 2, 1, 1)
    assert product.exit_rate == estimate_share(1, 3)
    assert product.advance_rate == estimate_share(2, 3)
    # A session that ended otherwise has neither left nor got further, but its end is known.
    assert (cart.reached, cart.advanced, cart.exited, cart.competing) == (2, 1, 0, 1)
    assert cart.exit_rate == estimate_share(0, 2)
    assert (payment.reached, payment.advanced) == (1, 1)
    assert browse.reached_share == estimate_share(5, 6)


def test_stays_are_those_of_the_stage_and_of_who_left_there(tmp_path: Path) -> None:
    with write_facts(tmp_path / "facts", MADE).connect() as connection:
        browse, product, *_ = count_stages(SHOP, connection)
    assert browse.dwell is not None
    assert browse.dwell_of_exits is not None
    assert (browse.dwell.count, browse.dwell.median) == (5, 30.0)
    assert (browse.dwell.lower_quartile, browse.dwell.upper_quartile) == (20.0, 40.0)
    assert (browse.dwell_of_exits.count, browse.dwell_of_exits.median) == (1, 30.0)
    assert product.dwell_of_exits is not None
    assert product.dwell_of_exits.median == 50.0


def test_the_interval_of_a_median_is_one_of_ranks() -> None:
    # Of 10 values the 2nd and 9th: P(at most one of ten below the median) is 11 / 1024 < .025 (Thompson 1936).
    dwell = measure_dwell(np.arange(10.0, 0.0, -1.0))
    assert dwell is not None
    assert (dwell.low, dwell.median, dwell.high) == (2.0, 5.5, 9.0)


def test_days_are_those_on_which_sessions_began(tmp_path: Path) -> None:
    with write_facts(tmp_path / "facts", MADE).connect() as connection:
        days = {(day.day, day.stage): day for day in count_days(SHOP, connection)}
    monday, tuesday = date(2026, 6, 1), date(2026, 6, 2)
    assert (days[monday, "browse"].reached, days[monday, "browse"].exited) == (3, 1)
    assert days[monday, "product"].exit_rate == estimate_share(1, 1)
    assert days[monday, "browse"].median_seconds == 20.0
    assert (days[tuesday, "cart"].reached, days[tuesday, "cart"].exited) == (2, 0)
    assert (monday, "cart") not in days


@pytest.mark.parametrize(("device", "reached"), [("mobile", 2), ("tablet", 0)])
def test_filters_apply(tmp_path: Path, device: str, reached: int) -> None:
    facts = write_facts(tmp_path / "facts", MADE)
    with facts.connect(Filters(cohort=(("device", device),))) as connection:
        stages = count_stages(SHOP, connection)
        assert len(count_days(SHOP, connection)) == reached
    assert [stage.stage for stage in stages] == [stage.name for stage in SHOP.stages]
    assert stages[0].reached == reached
