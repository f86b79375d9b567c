"""Governance: the agenda of the next review, milestones, who answers for what, and who changed what."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from features.events import US_PER_SECOND
from insights.agenda import Agenda, write_agenda
from insights.audit_words import say_change
from insights.milestones import state_of, today_of
from insights.owners import owners_of
from insights.pages.figure import Column, Field, Figure, Form, Page, Sentences, Table, Unit, View
from insights.rollouts.say import rollout_rows

MOST_ENTRIES = 500
"""The page shows so many changes, the latest first; ``dropoff audit`` shows all."""


def page(view: View) -> Page:
    """Return the page as of the moment at which the figures were made."""
    today = today_of(view.journey, view.facts.built_at_us)
    agenda = write_agenda(
        view.journey, view.records, view.facts, now_us=view.facts.built_at_us, since=view.filters.since
    )
    figures = (*_agenda(agenda), _milestones(view, today), _rollouts(view), _owners(view), _audit(view))
    lede = "What the next review has to talk about, what is due, who answers for what, and who changed what."
    return Page("governance", "Governance", lede, figures, tuple(_forms(view, today)))


def _agenda(agenda: Agenda) -> Iterator[Figure]:
    columns = (Column("said", "Point"), Column("who", "Who"), Column("page", "Page", link="{}"))
    definition = (
        f"For the next review: {agenda.since} to {agenda.until}, since the last one that was held, or a week. Shares "
        "stand beside those of as many days before. `dropoff agenda` writes all points as a file."
    )
    for section in agenda.sections:
        rows = tuple((item.said, item.who, item.page or None) for item in section.items)
        chart = Sentences("said", "page") if rows else None
        note = "" if rows else section.empty
        yield Figure(f"agenda_{section.name}", section.title, definition, Table(columns, rows), chart, note)


def _milestones(view: View, today: date) -> Figure:
    columns = (
        Column("number", "No.", Unit.COUNT),
        Column("due", "Due", Unit.DAY),
        Column("title", "What"),
        Column("owner", "Who"),
        Column("state", "State"),
        Column("done", "Done", Unit.DAY),
    )
    order = sorted(view.records.milestones, key=lambda one: (one.done_us is not None, one.due, one.id))
    rows = tuple(
        (
            one.id,
            str(one.due),
            one.title,
            one.owner,
            state_of(one, today),
            None if one.done_us is None else str(today_of(view.journey, one.done_us)),
        )
        for one in order
    )
    definition = "What is to be done by a day; due soon is within two weeks of the day on which the figures were made."
    return Figure("milestones", "Milestones", definition, Table(columns, rows), note="" if rows else "None yet.")


def _rollouts(view: View) -> Figure:
    columns = (
        Column("version", "Version"),
        Column("step", "Step"),
        Column("since", "Since"),
        Column("against", "Against"),
        Column("known", "What is known"),
    )
    definition = (
        "New versions of the policy that recommends, the latest change first: asked in the shadow of the one that "
        "decides, tried in an experiment, live, or taken back. `dropoff policy status` shows the gates."
    )
    rows = tuple(rollout_rows(view.records.rollouts))
    note = "" if rows else "No new version of the policy has been on its way yet."
    return Figure("rollouts", "Policy", definition, Table(columns, rows), note=note)


def _owners(view: View) -> Figure:
    columns = (
        Column("owner", "Who"),
        Column("stages", "Stages"),
        Column("interventions", "Interventions"),
        Column("data", "Data of"),
    )
    rows = tuple(
        (
            one.name,
            ", ".join((*(["the whole journey"] if one.name == view.journey.owner else []), *one.stages)),
            ", ".join(one.interventions),
            ", ".join(one.data),
        )
        for one in owners_of(view.journey)
    )
    definition = "Who answers for each stage, intervention and source of data, as the journey declares it."
    return Figure("owners", "Owners", definition, Table(columns, rows))


def _audit(view: View) -> Figure:
    columns = (
        Column("at", "When", Unit.TIME),
        Column("actor", "Who"),
        Column("action", "Did"),
        Column("subject", "To what"),
        Column("change", "What changed"),
    )
    latest = sorted(view.records.audit, key=lambda entry: -entry.at_us)[:MOST_ENTRIES]
    rows = tuple(
        (_iso(entry.at_us), entry.actor, entry.action, entry.subject, say_change(entry, view.journey.timezone))
        for entry in latest
    )
    definition = (
        "Every change of annotations, alarms, statuses, milestones and champions, and every erasure, the latest first. "
        "A visitor who was erased stands there as a salted hash."
    )
    return Figure("audit", "Who changed what", definition, Table(columns, rows), note="" if rows else "Nothing yet.")


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / US_PER_SECOND, UTC).isoformat()


def _forms(view: View, today: date) -> Iterator[Form]:
    teams = tuple(one.name for one in owners_of(view.journey))
    owner = Field("owner", "Who", options=teams) if teams else Field("owner", "Who")
    yield Form(
        "milestone",
        "Add a milestone",
        "Add",
        (Field("title", "What"), Field("due", "By", kind="date", value=str(today)), owner),
    )
    waiting = tuple(f"{one.id}: {one.title}" for one in view.records.milestones if one.done_us is None)
    if waiting:
        yield Form("done", "A milestone is done", "Done", (Field("number", "Milestone", options=waiting),))
    yield Form(
        "review",
        "The review was held",
        "Begin the next agenda after this day",
        (Field("until", "It looked at the days up to", kind="date", value=str(today)),),
    )
