"""The map of a journey: by which touchpoints people come to each stage, who goes on, what stops them, and who owns it.

Stages are those of today. Where the journey has versions, a stage that was not there throughout the period says so, and
its figures are of the days on which it was; before it came they are not measured. Retired stages stand at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb

from decisions.intervention import Intervention
from insights.affected import Period, period_of
from insights.comparable import stages_of, versions_between
from insights.facts import Facts
from insights.filters import Filters
from insights.intervals import Estimate
from insights.opportunities import Opportunity, find_opportunities
from insights.opportunity_status import Status
from insights.overview import StageExits, exits_by_stage
from journeys.journey import Journey
from journeys.versions import JourneyVersion, Life
from storage.records import Records

TOUCHED_WITHIN_DAYS = 7
"""Channels count that people touched at most so many days before they reached a stage."""
MOST_TOUCHPOINTS = 5
MOST_BLOCKERS = 3


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """A channel, in the journey or outside of it, and how many sessions' people touched it shortly before the stage."""

    channel: str
    sessions: int


@dataclass(frozen=True, slots=True)
class StopBlocker:
    """A friction at a stage, and how many sessions are expected to have been left there for it in the period."""

    opportunity: str
    friction: str
    sessions: Estimate


@dataclass(frozen=True, slots=True)
class Test:
    """A running test: an opportunity that somebody set to testing, and the intervention that it is about."""

    opportunity: str
    intervention: str
    author: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A stage on the map, with the sessions that reached it and have ended; ``share`` is of those at the first stage.

    ``exits`` is None where the stage was not measured in the period, as it came later. ``interventions`` are those with
    the best expectation for the listed blockers.
    """

    name: str
    description: str
    owner: str
    life: Life
    touchpoints: tuple[Touchpoint, ...]
    exits: StageExits | None
    share: float | None
    blockers: tuple[StopBlocker, ...]
    interventions: tuple[Intervention, ...]
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class JourneyMap:
    """The stages in order, how many sessions reached the goal, what was retired, and the versions within the period."""

    period: Period
    stops: tuple[Stop, ...]
    goals: int
    goal_share: float | None
    retired: tuple[Life, ...]
    versions: tuple[JourneyVersion, ...]


def map_journey(
    journey: Journey, facts: Facts, filters: Filters | None = None, records: Records | None = None
) -> JourneyMap:
    """Return the map of what the filters let through."""
    chosen = filters or Filters()
    period, lives = period_of(facts, chosen), stages_of(journey)
    today = {life.name: life for life in lives if life.until is None}
    seen: dict[date, _Seen] = {}
    stops = []
    for place, stage in enumerate(journey.stages):
        life = today[stage.name]
        since = max(period.first, life.since or period.first)
        if since <= period.last and since not in seen:
            seen[since] = _look(journey, facts, replace(chosen, since=since), records)
        stops.append(_stop(journey, place, life, seen.get(since)))
    with facts.connect(chosen) as connection:
        goals: int = connection.execute("SELECT count(*) FROM sessions WHERE outcome = 'goal'").fetchall()[0][0]
    first = next((one.exits.sessions for one in stops if one.exits and one.exits.sessions), 0)
    return JourneyMap(
        period=period,
        stops=tuple(stops),
        goals=goals,
        goal_share=goals / first if first else None,
        retired=tuple(life for life in lives if life.until is not None),
        versions=versions_between(journey, period.first, period.last),
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of all stages from a day on."""

    exits: tuple[StageExits, ...]
    touchpoints: Mapping[int, tuple[Touchpoint, ...]]
    opportunities: Sequence[Opportunity]


def _look(journey: Journey, facts: Facts, filters: Filters, records: Records | None) -> _Seen:
    found = find_opportunities(journey, facts, filters, records).ranked
    with facts.connect(filters) as connection:
        return _Seen(
            exits_by_stage(connection, [stage.name for stage in journey.stages]),
            _touchpoints(connection),
            [one for one in found if one.cohort is None],
        )


def _stop(journey: Journey, place: int, life: Life, seen: _Seen | None) -> Stop:
    stage = journey.stages[place]
    here = [one for one in seen.opportunities if one.stage == stage.name] if seen else []
    exits = seen.exits[place] if seen else None
    first = next((one.sessions for one in seen.exits if one.sessions), 0) if seen else 0
    return Stop(
        name=stage.name,
        description=stage.description,
        owner=stage.owner,
        life=life,
        touchpoints=seen.touchpoints.get(place, ()) if seen else (),
        exits=exits,
        share=exits.sessions / first if exits and first else None,
        blockers=_blockers(here),
        interventions=_interventions(here),
        tests=_tests(here),
    )


def measured_since(stop: Stop, period: Period) -> date | None:
    """Return the day from which on a stage's figures are, where that is within the period; None for all of it."""
    since = stop.life.since
    return since if since is not None and since > period.first else None


def _touchpoints(connection: duckdb.DuckDBPyConnection) -> Mapping[int, tuple[Touchpoint, ...]]:
    """Return for each stage the channels touched in the days before it was reached, the commonest first."""
    rows = connection.execute(
        f"""SELECT stage_index, name, count(DISTINCT session) AS sessions
        FROM stages JOIN persons USING (session) JOIN touches USING (person)
        WHERE stage_index >= 0 AND dimension = 'channel'
            AND occurred_at BETWEEN entered_at - INTERVAL {TOUCHED_WITHIN_DAYS} DAY AND entered_at
        GROUP BY stage_index, name
        QUALIFY row_number() OVER (PARTITION BY stage_index ORDER BY sessions DESC, name) <= {MOST_TOUCHPOINTS}
        ORDER BY stage_index, sessions DESC, name"""
    ).fetchall()
    found: dict[int, list[Touchpoint]] = {}
    for stage, channel, sessions in rows:
        found.setdefault(stage, []).append(Touchpoint(channel, sessions))
    return {stage: tuple(points) for stage, points in found.items()}


def _blockers(here: Sequence[Opportunity]) -> tuple[StopBlocker, ...]:
    largest = sorted(here, key=lambda one: (-one.affected.sessions.value, one.friction.name))[:MOST_BLOCKERS]
    return tuple(StopBlocker(one.id, one.friction.name, one.affected.sessions) for one in largest)


def _interventions(here: Sequence[Opportunity]) -> tuple[Intervention, ...]:
    """Return what treats the blockers that are listed, those with the best expectation."""
    listed = {one.opportunity for one in _blockers(here)}
    found = [one.plan.intervention for one in here if one.plan and one.id in listed]
    return tuple(dict.fromkeys(found))


def _tests(here: Sequence[Opportunity]) -> tuple[Test, ...]:
    return tuple(
        Test(one.id, one.plan.intervention.title if one.plan else one.friction.name, one.history[-1].author)
        for one in here
        if one.status is Status.TESTING
    )
