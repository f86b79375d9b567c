"""What figures propose for the playbook: an entry for each opportunity, and for what moved where an alarm is open.

An opportunity opens one entry: as long as that is not retired, it opens no other, even when another intervention
has come to look better. What people have retired is not opened again, by whatever figure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Engine

from insights.affected import Affected, Cohort, count_affected
from insights.effects.kept import kept_effects
from insights.effects.measured import measured_effects
from insights.episodes import Direction
from insights.facts import Facts
from insights.filters import Filters
from insights.moved import MovedKind
from insights.opportunities import Opportunities, Plan, find_opportunities, plan_best
from insights.opportunity_status import OPEN
from insights.playbook.change import new_tactic
from insights.playbook.names import audience_of_cohort, first_stage_name
from insights.playbook.standing import US_PER_DAY
from insights.suppression import min_cell
from journeys.journey import Journey
from storage.database import writing
from storage.playbook import Draft, Tactic, TacticStatus
from storage.playbook_store import PlaybookStore
from storage.records import Alarm, AlarmStatus, Records

ACTOR = "dropoff"
MOST = 10
"""So many of the best opportunities open an entry."""
RENEWED_DAYS = 28
"""A draft that has waited for so long is drafted anew from the figures of the day."""


def keep_proposals(
    engine: Engine, journey: Journey, facts: Facts, records: Records, *, now_us: int
) -> tuple[Tactic, ...]:
    """Open the entries that the figures propose, renew drafts that have waited for long, and return what was opened."""
    proposed = _proposed(journey, facts, records, now_us)
    store = PlaybookStore(engine, journey.name)
    with writing(engine) as connection:
        known = store.all_tactics(connection)
        for one in renewed_drafts(known, proposed, now_us):
            store.revise_tactic(connection, one, action="renew draft", actor=ACTOR, now_us=now_us)
        opened = [store.open_tactic(connection, one, actor=ACTOR) for one in new_entries(known, proposed)]
    return tuple(one for one in opened if one is not None)


def with_proposals(records: Records, facts: Facts, journey: Journey) -> Records:
    """Return the records, with the entries that the figures propose where the playbook is empty."""
    if records.tactics:
        return records
    now_us = facts.built_at_us
    return replace(records, tactics=tuple(new_entries((), _proposed(journey, facts, records, now_us))))


def from_opportunities(journey: Journey, found: Opportunities, now_us: int) -> list[Tactic]:
    """Return the entries that the best opportunities propose: those not decided on otherwise, with an expected gain."""
    worth = [one for one in found.ranked if one.status in OPEN and one.plan and one.plan.gain.value.value > 0]
    return [
        _entry(journey, one.affected, one.plan, f"opportunity {one.id}", now_us) for one in worth[:MOST] if one.plan
    ]


def from_alarms(
    journey: Journey, facts: Facts, alarms: Iterable[Alarm], found: Opportunities, now_us: int
) -> list[Tactic]:
    """Return the entries that open alarms of more exits propose: one each, against the blocker that rose most.

    Where no blocker rose with it, against the one with the best plan there; the draft is about the alarm's cohort.
    """
    proposed = []
    for alarm in alarms:
        if alarm.status is AlarmStatus.CLOSED or alarm.direction != Direction.RISE:
            continue
        stops = list(_stops_at(journey, facts, alarm, found))
        risen = _risen(alarm)
        ordered = sorted(stops, key=lambda stop: (-risen.get(stop[0].friction, 0.0), -stop[1].priority))
        if ordered:
            proposed.append(_entry(journey, *ordered[0], f"alarm {alarm.id}", now_us))
    return proposed


def new_entries(known: Sequence[Tactic], proposed: Sequence[Tactic]) -> list[Tactic]:
    """Return those of the proposed entries that are to be opened, beside those that there are."""
    keys = {one.key for one in known}
    sources = {one.source for one in known if one.status is not TacticStatus.RETIRED}
    fresh = []
    for one in proposed:
        if one.key not in keys and one.source not in sources:
            fresh.append(one)
            keys.add(one.key)
            sources.add(one.source)
    return fresh


def renewed_drafts(known: Sequence[Tactic], proposed: Sequence[Tactic], now_us: int) -> list[Tactic]:
    """Return the tactics, still proposed, whose draft has waited for long, each with a draft of today's figures."""
    drafts = {one.key: one.draft for one in reversed(proposed)}
    return [
        replace(one, draft=drafts[one.key])
        for one in known
        if one.status is TacticStatus.PROPOSED
        and one.draft is not None
        and one.key in drafts
        and now_us - one.draft.drafted_us >= RENEWED_DAYS * US_PER_DAY
    ]


def _proposed(journey: Journey, facts: Facts, records: Records, now_us: int) -> list[Tactic]:
    found = find_opportunities(journey, facts, records=records)
    return [
        *from_alarms(journey, facts, records.alarms, found, now_us),
        *from_opportunities(journey, found, now_us),
    ]


def _entry(journey: Journey, affected: Affected, plan: Plan, source: str, now_us: int) -> Tactic:
    proposal, size = plan.proposal, plan.proposal.size
    stage = first_stage_name(journey, journey.stages[affected.stage_index].name)
    key = (affected.friction, stage, audience_of_cohort(affected.cohort), plan.intervention.name)
    draft = Draft(
        hypothesis=proposal.hypothesis,
        metric=proposal.metric,
        per_arm=size.per_arm if size else None,
        people=size.total if size else None,
        days=size.days if size else None,
        reason=proposal.reason,
        drafted_us=now_us,
    )
    return replace(new_tactic(journey, key, source=source, now_us=now_us), draft=draft)


def _stops_at(journey: Journey, facts: Facts, alarm: Alarm, found: Opportunities) -> Iterator[tuple[Affected, Plan]]:
    """Yield the blockers at an alarm's stage, among its cohort, each with the plan that is expected to gain most."""
    cohort = _cohort_of(alarm)
    if cohort is None:
        affected = [one.affected for one in found.ranked if one.cohort is None]
    else:
        with facts.connect(Filters()) as connection:
            of_dimension = count_affected(connection, cohort[0], least_people=min_cell())
            affected = [one for one in of_dimension if one.cohort == cohort]
    known = {friction.name for friction in journey.frictions}
    measured = measured_effects(journey, kept_effects(facts.folder))
    for one in affected:
        if journey.stages[one.stage_index].name == alarm.stage and one.friction in known:
            plan = plan_best(journey, one, found.period, measured)
            if plan is not None and plan.gain.value.value > 0:
                yield one, plan


def _risen(alarm: Alarm) -> dict[str, float]:
    """Return by how much each blocker rose with an alarm, in expected exits per session at the stage."""
    blockers = [one for one in alarm.details.get("moved", ()) if one["kind"] == MovedKind.BLOCKER]
    return {one["name"]: one["after"] - one["before"] for one in blockers if one["after"] > one["before"]}


def _cohort_of(alarm: Alarm) -> Cohort | None:
    if alarm.cohort is None:
        return None
    dimension, _, value = alarm.cohort.partition("=")
    return dimension, value
