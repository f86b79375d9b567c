"""Milestones: what is to be done by a day, and by whom."""

from collections.abc import Iterator, Sequence
from datetime import date

from sqlalchemy import Engine

from insights.days import day_of
from journeys.journey import Journey
from storage.database import writing
from storage.history import account
from storage.record_store import RecordStore
from storage.records import Milestone

SOON_DAYS = 14
"""A milestone that is due within two weeks is talked about."""


def today_of(journey: Journey, now_us: int) -> date:
    """Return the day that it is in the journey's time zone."""
    return day_of(now_us, journey.timezone)


def state_of(milestone: Milestone, today: date) -> str:
    """Return ``done``, ``overdue``, ``due soon`` or ``later``."""
    if milestone.done_us is not None:
        return "done"
    days = (milestone.due - today).days
    return "overdue" if days < 0 else "due soon" if days <= SOON_DAYS else "later"


def add_milestone(engine: Engine, journey: Journey, *, title: str, due: date, owner: str, now_us: int) -> Milestone:
    """Write a milestone down and return it; raises ``storage.records.RecordError`` without words or an owner."""
    store = RecordStore(engine, journey.name)
    with writing(engine) as connection:
        return store.add_milestone(connection, due=due, title=title, owner=owner, actor=account(), now_us=now_us)


def complete_milestone(engine: Engine, journey: Journey, number: int, now_us: int) -> Milestone:
    """Say that a milestone is done; raises ``storage.records.RecordError`` where there is none of this number."""
    store = RecordStore(engine, journey.name)
    with writing(engine) as connection:
        return store.complete_milestone(connection, number, actor=account(), now_us=now_us)


def move_milestone(engine: Engine, journey: Journey, number: int, due: date, now_us: int) -> Milestone:
    """Put a milestone on another day; raises ``storage.records.RecordError`` where there is none of this number."""
    store = RecordStore(engine, journey.name)
    with writing(engine) as connection:
        return store.move_milestone(connection, number, due, actor=account(), now_us=now_us)


def say_milestone(milestone: Milestone, today: date) -> str:
    """Return a milestone in a line."""
    return f"{milestone.id}. {milestone.due}  {milestone.title} ({milestone.owner}), {state_of(milestone, today)}"


def say_milestones(milestones: Sequence[Milestone], today: date) -> Iterator[str]:
    """Yield a line for each milestone, those that are not done first."""
    if not milestones:
        yield "No milestone yet: add one with a title, --due DAY and --owner NAME."
    for one in sorted(milestones, key=lambda one: (one.done_us is not None, one.due, one.id)):
        yield say_milestone(one, today)
