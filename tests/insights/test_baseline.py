"""Baselines recover what was put in, and find nothing where there is nothing."""

import numpy as np
import pytest

from features.events import FloatArray, IntArray
from insights.baseline import Baseline, fit_baseline
from insights.calendar import Calendar, Step, make_calendar

MONDAY_US = 1_772_409_600_000_000
DAY_US = 86_400_000_000
DAYS = 28


def hours(days: int = DAYS, timezone: str = "UTC") -> Calendar:
    return make_calendar(MONDAY_US, MONDAY_US + days * DAY_US - 1, Step.HOUR, timezone)


def fit(calendar: Calendar, entered: IntArray, exited: IntArray, parent: tuple[int, ...] = (-1,)) -> Baseline:
    every = np.arange(len(calendar))
    return fit_baseline(entered, exited, np.array(parent), calendar, every, np.ones(entered.shape, bool))


def draw(rates: FloatArray, n: int, seed: int) -> tuple[IntArray, IntArray]:
    entered = np.full(rates.shape, n)
    return entered, np.random.default_rng(seed).binomial(entered, rates)


def test_weekdays_hours_and_trend_come_back() -> None:
    calendar = hours()
    weekday = np.array([1.1, 1.0, 0.9, 1.0, 1.0, 1.2, 0.8])
    hour = 1 + 0.2 * np.sin(2 * np.pi * np.arange(24) / 24)
    drift = np.exp(0.01 * (calendar.day - 13.5))
    rates = 0.2 * weekday[calendar.weekday] * hour[calendar.hour] * drift
    found = fit(calendar, *draw(rates[None, :], 3_000, 1))
    # 28 * 24 * 3000 sessions: a rate of an hour is known to some half a per cent.
    assert found.rates(calendar, np.arange(len(calendar)))[0] == pytest.approx(rates, rel=0.03)
    assert found.weekday[0] / found.weekday[0].mean() == pytest.approx(weekday / weekday.mean(), rel=0.02)
    assert found.hour[0] / found.hour[0].mean() == pytest.approx(hour / hour.mean(), rel=0.03)
    assert found.trend[0] == pytest.approx(0.01, abs=4 * found.trend_error[0])


def test_the_trend_goes_on_in_days_that_were_not_learnt_from() -> None:
    calendar = hours(35)
    rates = 0.2 * np.exp(0.01 * calendar.day)[None, :]
    entered, exited = draw(rates, 3_000, 2)
    learnt = np.flatnonzero(calendar.day < 28)
    found = fit_baseline(entered, exited, np.array([-1]), calendar, learnt, np.ones(entered.shape, bool))
    later = np.flatnonzero(calendar.day == 34)
    assert found.rates(calendar, later)[0] == pytest.approx(rates[0, later], rel=0.03)
    assert found.errors(34)[0] > found.errors(14)[0]


def test_where_there_is_no_pattern_none_is_learnt() -> None:
    calendar = hours()
    rates = np.full((40, len(calendar)), 0.3)
    entered, exited = draw(rates, 20, 3)
    found = fit(calendar, entered, exited, (-1,) * 40)
    spread = found.rates(calendar, np.arange(168)).std(axis=1) / 0.3
    raw = np.stack([exited[:, calendar.hour == hour].mean(axis=1) / 20 for hour in range(24)]).std(axis=0) / 0.3
    assert np.median(spread) < 0.3 * np.median(raw)
    assert np.median(np.abs(found.trend)) < 0.001


def test_hours_that_stray_together_are_measured() -> None:
    calendar, rho, rate = hours(), 0.02, 0.3
    source = np.random.default_rng(4)
    chance = source.beta(rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho, (30, len(calendar)))
    entered = np.full(chance.shape, 100)
    found = fit(calendar, entered, source.binomial(entered, chance), (-1,) * 30)
    # 84 blocks of eight hours each: every estimate is good to a quarter, the median of thirty to a twentieth.
    assert np.median(found.rho) == pytest.approx(rho, rel=0.2)
    plain = fit(calendar, entered, source.binomial(entered, rate), (-1,) * 30)
    assert np.median(plain.rho) < 0.001


def test_a_small_cohort_takes_its_stages_pattern_and_its_own_level() -> None:
    calendar = hours()
    hour = 1 + 0.3 * np.cos(2 * np.pi * calendar.hour / 24)
    rates = np.stack([0.3 * hour, 0.45 * hour])
    source = np.random.default_rng(5)
    entered = np.stack([np.full(len(calendar), 2_000), np.full(len(calendar), 6)])
    found = fit(calendar, entered, source.binomial(entered, rates), (-1, 0))
    day = found.rates(calendar, np.arange(24))
    assert day[1] == pytest.approx(rates[1, :24], rel=0.1)
    assert found.level[1] / found.level[0] == pytest.approx(1.5, rel=0.05)


def test_steps_at_which_something_else_was_going_on_are_left_out() -> None:
    calendar = hours()
    rates = np.full((1, len(calendar)), 0.2)
    rates[0, 300:400] = 0.9
    entered, exited = draw(rates, 500, 6)
    usable = np.ones(entered.shape, bool)
    usable[0, 300:400] = False
    found = fit_baseline(entered, exited, np.array([-1]), calendar, np.arange(len(calendar)), usable)
    assert found.level[0] == pytest.approx(0.2, rel=0.02)


def test_hours_are_local_and_none_is_lost_when_clocks_change() -> None:
    # On 29 March 2026 Berlin has no hour from 2 to 3.
    day_us = int(np.datetime64("2026-03-29T12:00", "us").astype(np.int64))
    calendar = make_calendar(day_us, day_us, Step.HOUR, "Europe/Berlin")
    assert calendar.hour.tolist() == [0, 1, *range(3, 24)]
    assert set(calendar.weekday.tolist()) == {6}
    assert np.diff(calendar.starts_us).tolist() == [3_600_000_000] * 23


def test_days_start_at_local_midnight() -> None:
    first = int(np.datetime64("2026-03-28T12:00", "us").astype(np.int64))
    calendar = make_calendar(first, first + 2 * DAY_US, Step.DAY, "Europe/Berlin")
    assert [str(np.datetime64(at, "us"))[:16] for at in calendar.starts_us.tolist()] == [
        "2026-03-27T23:00", "2026-03-28T23:00", "2026-03-29T22:00", "2026-03-30T22:00",
    ]  # fmt: skip
    assert calendar.weekday.tolist() == [5, 6, 0]
