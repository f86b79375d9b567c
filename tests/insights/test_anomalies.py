"""What is found in counts with a planted change, and that nothing is found where nothing changed."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.made_counts import Change, World, draw_counts, of
from insights.anomalies import Watched, watch_rates
from insights.change_point import evidence_of, find_change, measure_size
from insights.counts import Counts
from insights.cusum import increments, move_on
from insights.episodes import Closing, Direction

AT_NINE = 24 * 24 + 9


def watched(counts: Counts) -> Watched:
    # A threshold that none of 240 tests is likely to reach by chance in a month spares finding theirs for each test.
    return watch_rates(counts, thresholds=np.full((2, len(counts.cells)), 13.0))


@pytest.mark.parametrize(("stage", "ratio"), [("cart", 1.3), ("payment", 1.5), ("product", 1 / 1.3)])
def test_a_planted_change_is_found_at_its_stage_and_hour(stage: str, ratio: float) -> None:
    counts = draw_counts(World(), 27, np.random.default_rng(1), (Change(stage, AT_NINE, ratio),))
    seen = watched(counts)
    found = seen.found
    assert [(one.cell, one.direction) for one in found] == [
        (of(counts, stage), Direction.RISE if ratio > 1 else Direction.FALL)
    ]
    [one] = found
    assert AT_NINE <= one.detected <= AT_NINE + 10
    assert one.change.earliest <= AT_NINE <= one.change.latest
    # A day later the hour is known better.
    refined = seen.refine(one)
    assert abs(refined.place - AT_NINE) <= 2
    assert refined.earliest <= AT_NINE <= refined.latest
    assert refined.latest - refined.earliest < 12
    assert one.closed is None


def test_the_stages_after_a_change_see_fewer_people_and_give_no_alarm() -> None:
    change = (Change("product", AT_NINE, 1.5),)
    counts = draw_counts(World(), 30, np.random.default_rng(2), change)
    usual = draw_counts(World(), 30, np.random.default_rng(2))
    later = of(counts, "payment")
    assert counts.entered[later, AT_NINE:].sum() < 0.7 * usual.entered[later, AT_NINE:].sum()
    assert {counts.cells[one.cell].stage for one in watched(counts).found} == {"product"}


def test_a_change_of_one_cohort_is_named_as_such() -> None:
    mobile = ("device", "mobile")
    counts = draw_counts(World(), 28, np.random.default_rng(3), (Change("cart", AT_NINE, 1.4, mobile),))
    found = watched(counts).found
    assert [counts.cells[one.cell].cohort for one in found] == [mobile]


def test_cohorts_of_a_stage_that_moved_as_a_whole_are_part_of_its_alarm() -> None:
    counts = draw_counts(World(), 28, np.random.default_rng(4), (Change("payment", AT_NINE, 1.6),))
    [one] = watched(counts).found
    assert counts.cells[one.cell].cohort is None
    assert {counts.cells[cell].stage for cell in one.together} == {"payment"}
    assert one.together


def test_nothing_is_found_where_hours_stray_and_nothing_changed() -> None:
    counts = draw_counts(World(rho=0.004), 44, np.random.default_rng(6))
    calm = watch_rates(counts)
    assert calm.found == []
    assert calm.baseline is not None
    assert calm.baseline.rho[of(counts, "browse")] == pytest.approx(0.004, rel=0.4)
    # Were the same counts taken for binomial ones, they would look like changes.
    llr = increments(counts.entered[:6], counts.exited[:6], np.nan_to_num(calm.rates[:6], nan=0.5), np.zeros(6), 1.3)
    sums, most = np.zeros(6), 0.0
    for step in range(calm.first_step, len(counts.calendar)):
        sums = move_on(sums, llr[:, step])
        most = max(most, float(sums.max()))
    assert most > 13.0


@pytest.mark.parametrize("sessions_a_day", [2, 10, 43])
def test_of_too_few_sessions_nothing_is_told(sessions_a_day: float) -> None:
    for seed in range(3):
        counts = draw_counts(World(sessions_a_day=sessions_a_day), 28, np.random.default_rng(seed))
        seen = watch_rates(counts)
        assert seen.found == []
        # Of the payment, of which a few a day are heard, nothing could show for months.
        assert np.isinf(seen.thresholds[:, of(counts, "payment")]).all()


def test_an_alarm_is_a_change_that_its_interval_tells_from_none() -> None:
    # A threshold so low that chance reaches it: what is told must hold all the same.
    counts = draw_counts(World(sessions_a_day=2_000), 30, np.random.default_rng(7))
    seen = watch_rates(counts, thresholds=np.full((2, len(counts.cells)), 2.0))
    assert seen.found
    for one in seen.found:
        size = seen.size(one.cell, one.since, one.detected)
        assert size.low > 1 if one.direction is Direction.RISE else size.high < 1


def test_an_alarm_is_over_when_the_rate_is_back() -> None:
    changes = (Change("payment", AT_NINE, 1.5), Change("payment", AT_NINE + 72, 1 / 1.5))
    counts = draw_counts(World(), 32, np.random.default_rng(6), changes)
    [one] = watched(counts).found
    assert one.how is Closing.RETURNED
    assert one.closed is not None
    assert AT_NINE + 72 <= one.closed <= AT_NINE + 72 + 24


def test_what_has_lasted_for_two_weeks_is_what_is_usual() -> None:
    counts = draw_counts(World(), 60, np.random.default_rng(7), (Change("payment", AT_NINE, 1.5),))
    seen = watched(counts)
    assert [(counts.cells[one.cell].stage, one.how) for one in seen.found] == [("payment", Closing.STAYED)]
    last = seen.rates[of(counts, "payment"), -24 * 7 :].mean()
    first = seen.rates[of(counts, "payment"), AT_NINE - 24 * 7 : AT_NINE].mean()
    assert last / first == pytest.approx(1.5, rel=0.06)


def test_a_log_that_grows_tells_the_same_story() -> None:
    counts = draw_counts(World(), 30, np.random.default_rng(8), (Change("cart", AT_NINE, 1.4),))
    whole = watched(counts).found
    cut = watched(replace(counts, matured=whole[0].detected + 1)).found
    assert [(one.cell, one.since, one.detected) for one in cut] == [
        (one.cell, one.since, one.detected) for one in whole[:1]
    ]
    assert watched(replace(counts, matured=whole[0].detected)).found == []


def test_thresholds_are_found_for_every_stage_and_for_cohorts_that_are_large_enough() -> None:
    world = World(sessions_a_day=600.0)
    seen = watch_rates(draw_counts(world, 17, np.random.default_rng(9)))
    limits = dict(zip(seen.counts.cells, seen.thresholds[0].tolist(), strict=True))
    assert all(np.isfinite(limit) for cell, limit in limits.items() if cell.cohort is None)
    assert np.isfinite(limits[seen.counts.cells[of(seen.counts, "browse", ("device", "mobile"))]])
    assert np.isinf(limits[seen.counts.cells[of(seen.counts, "payment", ("country", "FR"))]])


def test_the_likeliest_ratio_is_that_of_the_counts() -> None:
    n, rates, scale = np.array([100.0, 300.0]), np.full(2, 0.2), np.ones(2)
    evidence, ratio = evidence_of(n, np.array([30.0, 90.0]), rates, scale)
    assert ratio == pytest.approx(120 / 80)
    assert evidence == pytest.approx(120 * np.log(0.3 / 0.2) + 280 * np.log(0.7 / 0.8))


def test_the_size_of_a_change_has_the_interval_of_a_binomial_share() -> None:
    size = measure_size(np.array([400.0]), np.array([120.0]), np.array([0.2]), np.ones(1), 0.0)
    assert (size.before, size.after, size.ratio) == pytest.approx((0.2, 0.3, 1.5))
    # Var(log x) = n p q / x^2 = 400 * .3 * .7 / 120^2
    wide = np.exp(1.96 * np.sqrt(84) / 120)
    assert (size.low, size.high) == pytest.approx((1.5 / wide, 1.5 * wide), rel=1e-4)


def test_nineteen_of_twenty_intervals_hold_the_change() -> None:
    source, held = np.random.default_rng(10), 0
    n, rates, scale = np.full(60, 80.0), np.full(60, 0.3), np.ones(60)
    for _ in range(200):
        exited = source.binomial(80, np.where(np.arange(60) < 45, 0.3, 0.42)).astype(float)
        change = find_change(n, exited, rates, scale)
        held += change.earliest <= 45 <= change.latest
    # A share of .95 of 200 is within .92 and .98 with a chance of nineteen in twenty.
    assert 0.9 <= held / 200 <= 0.995
