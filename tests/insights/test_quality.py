"""The quality of data: days made by hand, one flaw at a time, and what is usual computed in the test."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from insights.arrival_days import Measure, Part
from insights.facts import FactsError
from insights.measure_quality import measure_quality
from insights.quality import Quality
from insights.quality_checks import Check
from insights.usual import bounds_of, limit_of, residuals_of, spread_of, usual_share, weekday_usual
from journeys.load import load_journey
from storage.records import RefusedRows

SHOP = load_journey("ecommerce")
FIRST = date(2026, 6, 1)
"""A Monday."""
BERLIN = ZoneInfo("Europe/Berlin")
DAYS = 22
LAST = FIRST + timedelta(DAYS - 1)
_SHORT, _LONG, _TEXT, _DAY = pa.int16(), pa.int64(), pa.string(), pa.date32()
ARRIVALS = pa.schema(
    [("local_day", _DAY), ("local_hour", _SHORT), ("channel", _TEXT), ("source", _TEXT), ("name", _TEXT)]
    + [("declared", pa.bool_())]
    + [(name, _LONG) for name in ("events", "duplicates", "timed", "late", "early")]
)
LATENESS = pa.schema(
    [("local_day", _DAY), ("channel", _TEXT), ("whole", pa.bool_()), ("timed", _LONG)]
    + [(name, pa.float64()) for name in ("p50", "p95", "p99", "most")]
)
FIELDS = pa.schema(
    [("local_day", _DAY), *((name, _TEXT) for name in ("channel", "source", "name", "field"))]
    + [("declared", pa.bool_())]
    + [(name, _LONG) for name in ("events", "missing")]
)
REFUSED = pa.schema([("local_day", _DAY), ("reason", _TEXT), ("rows", _LONG)])
Change = Callable[[int, dict[str, Any]], dict[str, Any] | None]
"""Given the number of the day and a row of arrivals, the row that is written, or None for none."""


@dataclass
class Made:
    """Days that are all alike: from 8 to 19 each hour has 100 page views, 10 purchases and 10 clicks in e-mails."""

    folder: Path
    days: int = DAYS
    change: Change = lambda _day, row: row
    fields: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    first: date = FIRST

    def write(self) -> Path:
        rows = []
        for number in range(self.days):
            for hour in range(8, 20):
                for channel, name, events in (
                    ("on_site", "page_view", 100),
                    ("on_site", "purchase", 10),
                    ("email", "email_click", 10),
                ):
                    row = {"local_day": self.first + timedelta(number), "local_hour": hour, "channel": channel}
                    row |= {"source": "search", "name": name, "declared": True, "events": events, "duplicates": 0}
                    changed = self.change(number, row | {"timed": events, "late": 0, "early": 0})
                    if changed is not None:
                        rows.append(changed)
        for name, schema, content in (
            ("arrivals", ARRIVALS, rows),
            ("lateness", LATENESS, []),
            ("fields", FIELDS, self.fields),
            ("refused", REFUSED, self.refused),
        ):
            pq.write_table(pa.Table.from_pylist(content, schema), self.folder / f"{name}.parquet")
        return self.folder

    def measure(self, hour: int = 23, **options: Any) -> Quality:
        end = datetime.combine(self.first + timedelta(self.days - 1), datetime.min.time(), BERLIN).replace(hour=hour)
        last_at_us = int((end.astimezone(UTC) + timedelta(minutes=30)).timestamp() * 1e6)
        return measure_quality(self.write(), SHOP, last_at_us, **options)


def on_the_last(**flaw: Any) -> Change:
    return lambda day, row: row | flaw if day == DAYS - 1 else row


def one(quality: Quality, measure: Measure, **part: str) -> Check:
    (found,) = [check for check in quality.checks if check.measure is measure and check.part == Part(**part)]
    return found


def told(quality: Quality) -> set[tuple[str, Part]]:
    return {(check.measure.value, check.part) for check in quality.alarms}


def test_days_that_are_all_alike_raise_no_alarm(tmp_path: Path) -> None:
    quality = Made(tmp_path).measure()
    assert (quality.day, quality.alarms, quality.earlier) == (LAST, (), ())
    assert len(quality.days) == DAYS
    assert {(one.events, one.duplicates, one.late) for one in quality.days} == {(12 * 120, 0.0, 0.0)}


def test_a_volume_stands_beside_yesterdays_and_the_median_of_the_same_weekday(tmp_path: Path) -> None:
    factors = (1, 1, 3)  # the three Mondays before the last day, which is one

    def change(day: int, row: dict[str, Any]) -> dict[str, Any]:
        factor = factors[day // 7] if day % 7 == 0 and day < 21 else 2 if day == 20 else 1
        return row | {"events": row["events"] * factor}

    check = one(Made(tmp_path, change=change).measure(), Measure.VOLUME)
    assert (check.value, check.yesterday, check.usual) == (1440, 2880, median([1440, 1440, 3 * 1440]))


def test_an_event_that_stops_coming_is_an_alarm_for_it_and_for_nothing_else(tmp_path: Path) -> None:
    lost = Made(tmp_path, change=lambda day, row: None if day == DAYS - 1 and row["name"] == "purchase" else row)
    quality = lost.measure()
    assert told(quality) == {("volume", Part(event="purchase"))}
    check = one(quality, Measure.VOLUME, event="purchase")
    assert (check.value, check.usual, check.steward, check.since) == (0, 120, "Web analytics", LAST)
    assert check.describe() == "purchase: 0 events, usually 120 events on a Monday"


def test_when_all_of_it_halves_that_is_told_once_and_not_for_every_event(tmp_path: Path) -> None:
    halved = Made(tmp_path, change=lambda day, row: row | {"events": row["events"] // 2} if day == DAYS - 1 else row)
    assert told(halved.measure()) == {("volume", Part())}


def test_a_channel_that_goes_quiet_is_told_as_a_silence_with_the_events_that_usually_come(tmp_path: Path) -> None:
    def change(day: int, row: dict[str, Any]) -> dict[str, Any] | None:
        return None if day == DAYS - 1 and row["channel"] == "email" and row["local_hour"] in range(10, 13) else row

    # From ten to one o'clock are thirty clicks; into the nights, which are longer, nothing falls.
    quality = Made(tmp_path, change=change).measure()
    check = one(quality, Measure.SILENCE, channel="email")
    assert check.describe() == "email: no event for 3 h, into which 30 events usually fall"
    assert (check.value, check.rows, check.steward) == (3, 30, "CRM")
    assert told(quality) == {("silence", Part(channel="email"))}
    assert not one(quality, Measure.SILENCE).alarm


def test_an_hour_that_daylight_saving_leaves_out_is_no_silence(tmp_path: Path) -> None:
    # On 29 March 2026 there is no local hour from two to three in Berlin.
    first = date(2026, 3, 8)

    def change(day: int, row: dict[str, Any]) -> dict[str, Any] | None:
        return row | {"local_hour": row["local_hour"] - 8} if day < DAYS - 1 or row["local_hour"] != 10 else None

    made = Made(tmp_path, change=change, first=first)
    assert first + timedelta(DAYS - 1) == date(2026, 3, 29)
    silence = one(made.measure(), Measure.SILENCE)
    assert not silence.alarm
    assert silence.rows == 0


@pytest.mark.parametrize(
    ("flaw", "measure"),
    [
        ({"late": 5}, Measure.LATE),
        ({"early": 5}, Measure.CLOCK),
        ({"duplicates": 5}, Measure.DUPLICATES),
        ({"declared": False}, Measure.UNKNOWN),
    ],
)
def test_a_flaw_of_every_event_in_two_is_an_alarm(tmp_path: Path, flaw: dict[str, Any], measure: Measure) -> None:
    change = on_the_last(**flaw)
    made = Made(tmp_path, change=lambda day, row: change(day, row) if row["channel"] == "email" else row)
    check = one(made.measure(), measure, channel="email")
    wanted = {Measure.DUPLICATES: 5 / 15, Measure.UNKNOWN: 1.0}.get(measure, 0.5)
    assert (check.value, check.yesterday, check.usual, check.alarm, check.steward) == (wanted, 0.0, 0.0, True, "CRM")


def test_a_share_that_is_always_high_is_no_alarm_until_it_rises(tmp_path: Path) -> None:
    def fields(missing_at_last: int) -> list[dict[str, Any]]:
        row = {"channel": "on_site", "source": "search", "name": "purchase", "field": "revenue", "declared": True}
        return [
            row
            | {
                "local_day": FIRST + timedelta(day),
                "events": 120,
                "missing": missing_at_last if day == DAYS - 1 else 60,
            }
            for day in range(DAYS)
        ]

    part = Part(event="purchase", field="revenue")
    assert told(Made(tmp_path, fields=fields(66)).measure()) == set()
    quality = Made(tmp_path, fields=fields(120)).measure()
    assert told(quality) == {("missing fields", part)}
    assert quality.alarms[0].describe() == "revenue is missing in purchase: 100.0%, usually 50.0%"


def test_rows_that_the_log_and_the_service_refused_are_counted_together(tmp_path: Path) -> None:
    in_the_log = [
        {"local_day": LAST, "reason": "no name", "rows": 10},
        {"local_day": None, "reason": "no time", "rows": 3},
    ]
    # Half past eleven at night in UTC is past midnight in Berlin, so the last day's.
    hour_us = int(datetime(2026, 6, 21, 23, tzinfo=UTC).timestamp()) * 1_000_000
    by_the_service = (RefusedRows(hour_us, "no name", 30), RefusedRows(hour_us, "no id", 20))
    quality = Made(tmp_path, refused=in_the_log).measure(refused=by_the_service)
    assert quality.refused == ((LAST, "no name", 40), (LAST, "no id", 20), (None, "no time", 3))
    check = one(quality, Measure.REFUSED)
    assert (check.value, check.rows, check.alarm) == (60 / (1440 + 60), 1500, True)


def test_a_day_in_progress_is_compared_with_the_same_hours_of_other_days(tmp_path: Path) -> None:
    made = Made(tmp_path, change=lambda day, row: row if day < DAYS - 1 or row["local_hour"] < 12 else None)
    quality = made.measure(hour=12)
    check = one(quality, Measure.VOLUME)
    assert (quality.day, quality.hours) == (LAST, 12)
    # From eight to twelve are four hours of 120 events.
    assert (check.value, check.usual, check.yesterday, check.alarm) == (480, 480, 480, False)


def test_before_six_in_the_morning_the_day_before_is_the_last_one(tmp_path: Path) -> None:
    quality = Made(tmp_path).measure(hour=3)
    assert (quality.day, quality.hours) == (LAST - timedelta(1), 24)


def test_another_day_can_be_judged_and_knows_nothing_of_what_came_later(tmp_path: Path) -> None:
    flawed = Made(tmp_path, change=lambda day, row: row | {"duplicates": row["events"]} if day >= 18 else row)
    before = flawed.measure(until=FIRST + timedelta(17))
    assert (before.day, before.alarms, len(before.days)) == (FIRST + timedelta(17), (), 18)
    after = flawed.measure(until=FIRST + timedelta(20))
    assert {check.since for check in after.alarms} == {FIRST + timedelta(18)}
    assert {check.day for check in after.earlier} == {FIRST + timedelta(18), FIRST + timedelta(19)}


def test_with_less_than_a_week_nothing_is_usual_and_the_report_says_so(tmp_path: Path) -> None:
    quality = Made(
        tmp_path, days=6, change=lambda day, row: row | {"late": row["events"]} if day == 5 else row
    ).measure()
    assert quality.alarms == ()
    assert "Nothing is usual yet: that takes at least 7 days." in quality.describe()


def test_names_that_never_came_and_names_that_nobody_declared_are_listed(tmp_path: Path) -> None:
    made = Made(
        tmp_path, change=lambda _, row: row | {"name": "x", "declared": False} if row["channel"] == "email" else row
    )
    quality = made.measure()
    assert quality.unknown == (("x", DAYS * 12 * 10),)
    assert set(quality.unseen) == set(SHOP.events) - {"page_view", "purchase"}


def test_facts_of_before_this_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="make the facts anew"):
        measure_quality(tmp_path, SHOP, 0)


def test_the_spread_is_that_of_the_days_before_and_at_least_two_poisson_deviations() -> None:
    # Residuals of 100 expected: 2 (sqrt(121.375) - sqrt(100.375)) and so on; their median absolute value is the middle.
    history = [100.0, 121.0, 144.0, 64.0, 81.0, 121.0, 169.0]
    residuals = [abs(2 * (math.sqrt(x + 0.375) - math.sqrt(100.375))) for x in history]
    expected = np.full((1, 8), 100.0)
    spread = spread_of(np.array([[*history, 500.0]]), expected)
    assert spread[0] == pytest.approx(1.4826 * median(residuals))
    assert spread_of(np.full((1, 8), 100.0), expected)[0] == 2.0
    # Five per cent of a million is more than its Poisson deviation: .05 sqrt(1,000,000) = 50.
    assert spread_of(np.full((1, 8), 1e6), np.full((1, 8), 1e6))[0] == pytest.approx(50)
    assert math.isnan(spread_of(np.full((1, 7), 100.0), np.full((1, 7), 100.0))[0])


def test_one_bad_day_does_not_stretch_the_limits() -> None:
    good = np.array([[100.0, 110.0, 90.0, 100.0, 105.0, 95.0, 100.0, 100.0]])
    bad = good.copy()
    bad[0, 3] = 10_000.0
    expected = np.full(good.shape, 100.0)
    assert spread_of(bad, expected)[0] == pytest.approx(spread_of(good, expected)[0], rel=0.5)


def test_a_limit_shares_one_false_alarm_in_eight_weeks_among_all_that_is_watched() -> None:
    assert t.sf(limit_of(days=29, watched=200), 28) == pytest.approx(1 / 56 / 200)


@given(
    st.lists(st.integers(0, 10_000), min_size=15, max_size=40),
    st.integers(0, 10_000),
    st.integers(0, 6),
)
def test_what_is_usual_does_not_depend_on_the_day_that_is_judged(history: list[int], last: int, first: int) -> None:
    weekdays = np.array([(first + day) % 7 for day in range(len(history) + 1)])
    usual = weekday_usual(np.array([[*map(float, history), float(last)]]), weekdays)
    assert np.isfinite(usual).sum() >= len(history) - 7
    other = weekday_usual(np.array([[*map(float, history), 0.0]]), weekdays)
    np.testing.assert_array_equal(usual, other)
    same = [count for count, weekday in zip(history, weekdays[:-1], strict=True) if weekday == weekdays[-1]]
    assert usual[0, -1] == median(same)


@given(st.floats(0, 1e7), st.floats(1, 100), st.floats(1, 10))
def test_a_count_at_its_bounds_is_off_by_just_the_limit(expected: float, spread: float, limit: float) -> None:
    low, high = bounds_of(np.array([expected]), np.array([spread]), limit)
    off = residuals_of(np.array([low[0], high[0]]), np.array([expected, expected])) / spread
    assert off[1] == pytest.approx(limit, rel=1e-6)
    if low[0] > 0:
        assert off[0] == pytest.approx(-limit, rel=1e-6)


def test_a_usual_share_needs_seven_days_with_rows() -> None:
    rows = np.array([[10.0] * 7 + [10.0], [10.0] * 6 + [0.0, 10.0]])
    bad = np.array([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0]] * 2)
    usual = usual_share(bad, rows)
    assert usual[0] == pytest.approx(0.4)
    assert math.isnan(usual[1])
