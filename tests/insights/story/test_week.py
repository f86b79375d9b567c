"""Which week is told of, and what it is compared with."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from made_facts import MadeSession, write_facts

from insights.facts import Facts
from insights.filters import Filters
from insights.story.week import WeekError, find_week, whole_weeks


def log(folder: Path, first: datetime, last: datetime) -> Facts:
    return write_facts(folder / "facts", [MadeSession(started_at=one) for one in (first, last)])


def at(month: int, day: int, hour: int = 12) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def test_the_last_whole_week_is_the_default(tmp_path: Path) -> None:
    week = find_week(log(tmp_path, at(6, 1), at(6, 24)))
    assert (week.since, week.until) == (date(2026, 6, 15), date(2026, 6, 21))
    assert week.before == Filters(date(2026, 6, 8), date(2026, 6, 14))
    assert week.baseline == Filters(date(2026, 6, 1), date(2026, 6, 14))


def test_a_week_is_whole_when_its_sunday_is_in_the_log_in_the_time_zone_of_the_journey(tmp_path: Path) -> None:
    # 21 June 2026 is a Sunday; at 22:30 in UTC it is Monday in Berlin.
    assert find_week(log(tmp_path / "a", at(6, 1), at(6, 21, 12))).since == date(2026, 6, 15)
    assert find_week(log(tmp_path / "b", at(6, 1), at(6, 20, 23))).since == date(2026, 6, 15)
    assert find_week(log(tmp_path / "c", at(6, 1), at(6, 20, 12))).since == date(2026, 6, 8)


def test_a_week_in_which_no_session_began_is_not_the_default(tmp_path: Path) -> None:
    long = MadeSession(started_at=at(6, 2), events=[(0.0, "page_view", 0), (30 * 86_400.0, "purchase", 0)])
    facts = write_facts(tmp_path / "facts", [MadeSession(started_at=at(6, 1)), long])
    assert find_week(facts).since == date(2026, 6, 1)


def test_the_baseline_are_the_whole_weeks_before_and_at_most_four(tmp_path: Path) -> None:
    week = find_week(log(tmp_path / "a", at(3, 3), at(6, 24)))
    assert week.baseline == Filters(date(2026, 5, 18), date(2026, 6, 14))
    # From a Wednesday on there is one whole week before, which is the week before.
    short = find_week(log(tmp_path / "b", at(6, 3), at(6, 24)))
    assert short.before is not None
    assert short.baseline is None


def test_a_day_names_its_week_and_the_first_week_has_none_before_it(tmp_path: Path) -> None:
    week = find_week(log(tmp_path, at(6, 1), at(6, 24)), "2026-06-04")
    assert week.since == date(2026, 6, 1)
    assert week.before is week.baseline is None


def test_the_cohort_holds_for_the_weeks_before_too(tmp_path: Path) -> None:
    week = find_week(log(tmp_path, at(6, 1), at(6, 24)), cohort=(("device", "mobile"),))
    assert all(one and one.cohort == (("device", "mobile"),) for one in (week.filters, week.before, week.baseline))


@pytest.mark.parametrize(
    ("given", "said"), [("soon", "2026-11-16"), ("2026-05-31", "2026-06-01 to 2026-06-24"), ("2027-01-01", "nothing")]
)
def test_a_week_that_there_is_not_is_refused(tmp_path: Path, given: str, said: str) -> None:
    with pytest.raises(WeekError, match=said):
        find_week(log(tmp_path, at(6, 1), at(6, 24)), given)


def test_a_log_of_some_days_has_no_whole_week(tmp_path: Path) -> None:
    facts = log(tmp_path, at(6, 2), at(6, 9))
    with pytest.raises(WeekError, match="--week"):
        find_week(facts)
    assert whole_weeks(facts) == ()


def test_the_whole_weeks_of_a_log_are_listed_the_latest_first(tmp_path: Path) -> None:
    assert whole_weeks(log(tmp_path, at(6, 1), at(6, 24))) == ("2026-06-15", "2026-06-08", "2026-06-01")
    assert timedelta(days=7) == date(2026, 6, 15) - date(2026, 6, 8)
