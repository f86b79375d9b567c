"""Opportunities as points of an agenda: what is open, by who owns it, and what waits to be accepted or dismissed."""

from collections.abc import Iterator

from insights.opportunities import Opportunities, Opportunity
from insights.opportunity_status import OPEN, Status

MOST = 10
"""So many of the best open opportunities are talked about."""
MOST_DECISIONS = 3
"""So many of the best proposed ones are to be decided on at once."""


def open_opportunities(found: Opportunities) -> list[Opportunity]:
    """Return the best open opportunities that have a plan, owner by owner, each owner's best first."""
    best = [one for one in found.ranked if one.plan is not None and one.status in OPEN][:MOST]
    return sorted(best, key=lambda one: one.owner)


def undecided(found: Opportunities) -> Iterator[Opportunity]:
    """Yield the best opportunities of all that nobody has decided on yet."""
    best = [one for one in found.ranked if one.plan is not None and one.status in OPEN][:MOST]
    yield from [one for one in best if one.status is Status.PROPOSED][:MOST_DECISIONS]


def say_opportunity(one: Opportunity) -> str:
    """Return an opportunity in a sentence: who is affected, what is planned, and what that is expected to bring."""
    told = f"{name_of(one)}, {one.status}: {one.per_week.value:,.0f} people a week"
    if one.plan is None:
        return f"{told}; no intervention may be shown there."
    gain = one.plan.gain.value
    return (
        f"{told}; {one.plan.intervention.title!r}, expected net gain a week {gain.value:,.0f} "
        f"(95 % interval {gain.low:,.0f} to {gain.high:,.0f})."
    )


def name_of(one: Opportunity) -> str:
    """Return what an opportunity is about: blocker, stage and cohort."""
    cohort = "" if one.cohort is None else f" ({one.cohort[0].replace('_', ' ')}: {one.cohort[1]})"
    return f"{one.friction.name} at {one.stage}{cohort}"
