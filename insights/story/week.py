"""Weeks of a journey: from Monday to Sunday in its time zone."""

from dataclasses import dataclass
from datetime import date, timedelta

from insights.days import day_of
from insights.facts import Facts
from insights.filters import Filters

BASELINE_WEEKS = 4
"""The weeks before are the baseline, as many as the log has and at most so many."""
_DAY = timedelta(days=1)


class WeekError(ValueError):
    """There is no such week in the log; the text says what to ask for."""


@dataclass(frozen=True, slots=True)
class Week:
    """A week, the one before it and the baseline; None where the log does not reach so far back.

    All of them are of the sessions of ``cohort`` alone, where it names any.
    """

    since: date
    cohort: tuple[tuple[str, str], ...]
    before: Filters | None
    baseline: Filters | None

    @property
    def until(self) -> date:
        """The Sunday."""
        return self.since + 6 * _DAY

    @property
    def filters(self) -> Filters:
        """What begins in the week."""
        return Filters(self.since, self.until, self.cohort)


def find_week(facts: Facts, given: str = "", cohort: tuple[tuple[str, str], ...] = ()) -> Week:
    """Return the week that a day lies in; raises :class:`WeekError`.

    By default it is the last whole week of which nearly all sessions have ended, or else the last whole one in which a
    session began: where a journey takes weeks, the last events are those of sessions that began long before.
    """
    first, last = (day_of(at_us, facts.timezone) for at_us in (facts.first_at_us, facts.last_at_us))
    since = _monday(_parse(given)) if given else _latest_week(facts, first, last)
    if given and not (since <= last and since + 6 * _DAY >= first):
        raise WeekError(f"the log has nothing in the week of {since}; it goes from {first} to {last}")
    if not given and since < first:
        raise WeekError(f"the log, from {first} to {last}, holds no whole week; choose one of its weeks with --week")
    reach = max(first, since - 7 * BASELINE_WEEKS * _DAY)
    whole = reach + (7 - reach.weekday()) % 7 * _DAY
    previous = since - 7 * _DAY
    return Week(
        since,
        cohort,
        Filters(previous, since - _DAY, cohort) if previous >= first else None,
        Filters(whole, since - _DAY, cohort) if whole < previous else None,
    )


def _latest_week(facts: Facts, first: date, last: date) -> date:
    begun = min(_monday(last + _DAY) - 7 * _DAY, _monday(_last_begun(facts, last)))
    settled = _monday(facts.settled_day + _DAY) - 7 * _DAY
    return min(begun, settled) if settled >= first else begun


def whole_weeks(facts: Facts) -> tuple[str, ...]:
    """Return the Mondays of the whole weeks in a log, the latest first."""
    first, last = (day_of(at_us, facts.timezone) for at_us in (facts.first_at_us, facts.last_at_us))
    latest = _monday(last + _DAY) - 7 * _DAY
    count = max(0, (latest - first).days // 7 + 1) if latest >= first else 0
    return tuple((latest - 7 * place * _DAY).isoformat() for place in range(count))


def _monday(day: date) -> date:
    return day - day.weekday() * _DAY


def _last_begun(facts: Facts, otherwise: date) -> date:
    with facts.connect() as connection:
        latest: date | None = connection.execute("SELECT max(local_day) FROM sessions").fetchall()[0][0]
    return latest or otherwise


def _parse(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WeekError(f"{text[:40]!r} is no day; write the week's Monday like 2026-11-16") from error
