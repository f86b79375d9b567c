"""What channels are credited with among the facts: for the goal and each stage, of the sessions a page is about."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np

from features.events import US_PER_SECOND
from insights.channels.credit import MODELS, Credit, credit_channels
from insights.channels.paths import Touches, Window
from insights.facts import Facts
from insights.filters import Filters
from insights.touches import load_goals, load_stage, load_touches
from journeys.journey import Journey

MOST_NAMES = 20
"""So many channels are told apart, those with the most touches; a year's campaigns would be no page."""
OTHERS = "all others"
_FAR_US = 1 << 61
_KNOWN: dict[tuple[str, int, Filters, str], "JourneyCredit"] = {}
_MOST_KNOWN = 8


@dataclass(frozen=True, slots=True)
class JourneyCredit:
    """Credit by all models for the goal, and for each stage in their order."""

    goal: Credit
    stages: tuple[Credit, ...]


def credit_facts(facts: Facts, journey: Journey, filters: Filters, by: str) -> JourneyCredit:
    """Return the credit of sessions that the filters let through; the latest answers are kept in memory.

    Paths reach back before the period. Touches without a conversion count where they lie in it, and with cohorts where
    their person has a session among those. Beyond :data:`MOST_NAMES` the rarer channels are one, :data:`OTHERS`.
    """
    key = (str(facts.folder), facts.built_at_us, filters, by)
    if key not in _KNOWN:
        found = _credit(facts, journey, filters, by)
        while len(_KNOWN) >= _MOST_KNOWN:
            del _KNOWN[next(iter(_KNOWN))]
        _KNOWN[key] = found
    return _KNOWN[key]


def _credit(facts: Facts, journey: Journey, filters: Filters, by: str) -> JourneyCredit:
    window_us = _window(facts, filters)
    with facts.connect(filters) as connection:
        touches = load_touches(connection, by)
        if filters.cohort:
            touches = _of_sessions(connection, touches)
        touches = group_rare(touches)
        goals = load_goals(connection, journey)
        reached = {stage.name: load_stage(connection, place) for place, stage in enumerate(journey.stages)}
    models = tuple(MODELS)
    with_value = bool(journey.revenue) and bool(goals.value.any())
    goal = journey.ends.goal[0] if journey.ends.goal else "goal"
    return JourneyCredit(
        credit_channels(goal, touches, goals, models=models, with_value=with_value, window_us=window_us),
        tuple(
            credit_channels(name, touches, found, models=models, window_us=window_us) for name, found in reached.items()
        ),
    )


def group_rare(touches: Touches, most: int = MOST_NAMES) -> Touches:
    """Return the touches with all but so many channels under one name, which stands last; nothing else changes."""
    if len(touches.names) <= most:
        return touches
    counts = np.bincount(touches.channel, minlength=len(touches.names))
    kept = np.sort(np.argsort(-counts, kind="stable")[: most - 1])
    places = np.full(len(touches.names), len(kept), np.int64)
    places[kept] = np.arange(len(kept))
    names = (*(touches.names[place] for place in kept.tolist()), OTHERS)
    return replace(touches, names=names, channel=places[touches.channel])


def _of_sessions(connection: duckdb.DuckDBPyConnection, touches: Touches) -> Touches:
    """Return the touches of persons who have a session."""
    people = connection.sql("SELECT DISTINCT person FROM persons").fetchnumpy()["person"]
    ours = np.isin(touches.person, people)
    return replace(touches, person=touches.person[ours], at_us=touches.at_us[ours], channel=touches.channel[ours])


def _window(facts: Facts, filters: Filters) -> Window | None:
    if filters.since is None and filters.until is None:
        return None
    zone = ZoneInfo(facts.timezone)

    def begin_us(day: date) -> int:
        moment = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
        return round(moment.timestamp()) * US_PER_SECOND

    return (
        begin_us(filters.since) if filters.since else -_FAR_US,
        begin_us(filters.until + timedelta(days=1)) if filters.until else _FAR_US,
    )
