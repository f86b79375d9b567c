"""What becomes of an opportunity: proposed, accepted, testing, done or dismissed, as people set it over time."""

import time
from collections.abc import Sequence
from enum import StrEnum
from itertools import product

from sqlalchemy import Connection, Engine

from features.table import nearest
from insights.affected import Cohort, dimensions_of
from insights.comparable import frictions_of, stages_of
from journeys.journey import Journey
from storage.database import writing
from storage.history import account
from storage.record_store import RecordStore
from storage.records import OpportunityStatus


class Status(StrEnum):
    """How far an opportunity has come; one without a status is proposed."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    TESTING = "testing"
    DONE = "done"
    DISMISSED = "dismissed"


OPEN = (Status.PROPOSED, Status.ACCEPTED, Status.TESTING)
"""Statuses of what is still to be decided or done."""


class OpportunityError(ValueError):
    """A status that cannot be set; the text says what to write instead."""


def opportunity_id(stage: str, friction: str, cohort: Cohort | None = None) -> str:
    """Return an opportunity's name, which new data does not change: ``payment.form``, ``payment.form.device=phone``."""
    return ".".join([stage, friction, *([] if cohort is None else [f"{cohort[0]}={cohort[1]}"])])


def former_ids(journey: Journey, stage: str, friction: str, cohort: Cohort | None = None) -> tuple[str, ...]:
    """Return the names an opportunity had while its stage had others, the oldest first, and the one of today."""
    names = next((life.names for life in stages_of(journey) if life.name == stage and life.until is None), (stage,))
    return tuple(opportunity_id(name, friction, cohort) for name in names)


def parse_id(journey: Journey, given: str) -> tuple[str, str, Cohort | None]:
    """Return the stage of today, the friction and the cohort that a name stands for.

    Raises :class:`OpportunityError` for a name that no opportunity of the journey can have.
    """
    stages = {name: life.name for life in stages_of(journey) if life.until is None for name in life.names}
    frictions = [life.name for life in frictions_of(journey) if life.until is None]
    for stage, friction in product(stages, frictions):
        start = opportunity_id(stage, friction)
        if given == start:
            return stages[stage], friction, None
        if given.startswith(f"{start}."):
            return stages[stage], friction, _parse_cohort(journey, given.removeprefix(f"{start}."))
    known = nearest(given[:80], [opportunity_id(*pair) for pair in product(stages, frictions)])
    raise OpportunityError(f"{journey.name} has no opportunity {given[:80]!r}; did you mean {_listed(known)}?")


def parse_status(given: str) -> Status:
    """Return the status that is meant; raises :class:`OpportunityError`."""
    try:
        return Status(given)
    except ValueError:
        raise OpportunityError(f"{given[:40]!r} is no status; write one of {', '.join(Status)}") from None


def history_of(statuses: Sequence[OpportunityStatus], ids: Sequence[str]) -> tuple[OpportunityStatus, ...]:
    """Return the statuses of an opportunity under any of its names, the oldest first."""
    return tuple(status for status in statuses if status.opportunity_id in ids)


def set_status(
    connection: Connection,
    store: RecordStore,
    journey: Journey,
    given: str,
    status: str,
    *,
    reason: str = "",
    actor: str,
    now_us: int,
    at_us: int | None = None,
) -> OpportunityStatus:
    """Give an opportunity a status, in force from ``at_us``, by default now, and return it.

    Dismissing needs a reason. Raises :class:`OpportunityError` for what is no opportunity or status.
    """
    stage, friction, cohort = parse_id(journey, given)
    wanted = parse_status(status)
    if wanted is Status.DISMISSED and not reason.strip():
        raise OpportunityError(f"dismissing {given!r} needs a reason, so that nobody has to ask again next month")
    return store.set_opportunity_status(
        connection,
        opportunity_id=opportunity_id(stage, friction, cohort),
        status=wanted.value,
        reason=reason.strip(),
        actor=actor,
        now_us=now_us,
        at_us=at_us,
    )


def keep_status(
    engine: Engine,
    journey: Journey,
    given: str,
    status: str,
    *,
    reason: str = "",
    author: str | None = None,
    at_us: int | None = None,
) -> OpportunityStatus:
    """Give an opportunity a status in the database, as :func:`set_status`; the author is by default the account."""
    with writing(engine) as connection:
        return set_status(
            connection,
            RecordStore(engine, journey.name),
            journey,
            given,
            status,
            reason=reason,
            actor=account() if author is None else author,
            now_us=time.time_ns() // 1_000,
            at_us=at_us,
        )


def _parse_cohort(journey: Journey, given: str) -> Cohort:
    dimension, _, value = given.partition("=")
    if dimension not in dimensions_of(journey) or not value:
        raise OpportunityError(
            f"{given[:60]!r} is no cohort; write DIMENSION=VALUE with one of {', '.join(dimensions_of(journey))}"
        )
    return dimension, value


def _listed(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names) or "none, since no feature gives evidence of a friction"
