"""The page about channels: which ones people came by before they got further, as each model of credit tells it."""

from features.table import nearest
from insights.channels.contribution import CAVEAT
from insights.channels.credit import MODELS, Credit
from insights.channels.of_facts import JourneyCredit, credit_facts
from insights.channels.touch_log import DIMENSIONS
from insights.filters import FilterError
from insights.pages.figure import Bars, Column, Field, Figure, Heat, Page, Table, Unit, Value, View

Rows = tuple[tuple[Value, ...], ...]

SHOWN_MODEL = "linear"
"""Whose shares the map of channels and stages is coloured by."""
_NOTE = "This is association; whether a channel changes anything is for an experiment to say."
_TITLES = {
    "first": "First",
    "last": "Last",
    "linear": "Linear",
    "position": "Position",
    "time_decay": "Time decay",
    "markov": "Markov",
    "shapley": "Shapley",
    "shapley_rates": "Shapley of rates",
}


def page(view: View) -> Page:
    """Return the page; raises ``FilterError`` for a dimension that touches are not told apart by."""
    by = dict(view.query).get("by") or DIMENSIONS[0]
    if by not in DIMENSIONS:
        raise FilterError(f"channels cannot be told apart by {by[:60]!r}; did you mean {nearest(by[:60], DIMENSIONS)}?")
    credit = credit_facts(view.facts, view.journey, view.filters, by)
    figures = [_goal(credit.goal, by), _map(credit, by), _stages(credit, by), _touches(credit.goal, by)]
    if credit.goal.total_value is not None:
        figures.insert(1, _value(credit.goal, by))
    return Page(
        "channels",
        "Channels",
        "Which channels people came by before they got to each stage and to the goal. Every model shares out all that "
        "was reached, and each answers another question: where they differ, none is the truth.",
        tuple(figures),
        choices=(Field("by", "Told apart by", options=DIMENSIONS, value=by, required=False),),
    )


def _goal(credit: Credit, by: str) -> Figure:
    columns = (Column("channel", by.capitalize()), *_models(Unit.NUMBER), Column("all", "To share out", Unit.COUNT))
    rows: Rows = tuple(
        (name, *(shares[name] for shares in credit.conversions.values()), credit.total) for name in credit.channels
    )
    return Figure(
        "goal",
        f"Credit for {credit.target}",
        f"The {credit.total:,} times of {credit.target}, shared out among the touches of the 30 days before. "
        + _definitions(),
        Table(columns, rows),
        Bars("channel", tuple(MODELS)) if rows else None,
        CAVEAT,
    )


def _value(credit: Credit, by: str) -> Figure:
    columns = (Column("channel", by.capitalize()), *_models(Unit.MONEY))
    rows: Rows = tuple((name, *(shares[name] for shares in credit.values.values())) for name in credit.channels)
    return Figure(
        "value",
        f"Credit for the value of {credit.target}",
        "What the goals brought, shared out by the same models. " + _definitions(),
        Table(columns, rows),
        Bars("channel", tuple(MODELS)) if rows else None,
        _NOTE,
    )


def _map(credit: JourneyCredit, by: str) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("channel", by.capitalize()),
        Column("share", "Share of the credit", Unit.SHARE),
        Column("times", "Times its share at the first stage", Unit.NUMBER),
    )
    steps = [one for one in (*credit.stages, credit.goal) if one.total]
    rows: list[tuple[Value, ...]] = []
    for one in steps:
        for name in _all_channels(credit):
            share, first = _share(one, name), _share(steps[0], name)
            rows.append((one.target, name, share, share / first if first else None))
    return Figure(
        "map",
        "Which channels stand before people who get further",
        f"Of the {SHOWN_MODEL} credit for getting to each stage, and to the goal, the share of each {by}, and how many "
        "times its share at the first stage that is. Above 1, people whom it touched get further than others; below 1, "
        "less far. Empty where it had no share to begin with.",
        Table(columns, tuple(rows)),
        Heat("stage", "channel", "times") if rows else None,
        _NOTE,
    )


def _share(credit: Credit, channel: str) -> float:
    return credit.conversions[SHOWN_MODEL].get(channel, 0.0) / credit.total


def _stages(credit: JourneyCredit, by: str) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("channel", by.capitalize()),
        *_models(Unit.NUMBER),
        Column("all", "To share out", Unit.COUNT),
    )
    rows: Rows = tuple(
        (one.target, name, *(shares[name] for shares in one.conversions.values()), one.total)
        for one in (*credit.stages, credit.goal)
        for name in one.channels
    )
    return Figure(
        "stages",
        "Credit for each stage",
        "For every stage the sessions that got to it, or past it, once each, and every time of the goal, shared out "
        "among the touches of the 30 days before. " + _definitions(),
        Table(columns, rows),
        None,
        _NOTE,
    )


def _touches(credit: Credit, by: str) -> Figure:
    columns = (
        Column("channel", by.capitalize()),
        Column("touches", "Touches", Unit.COUNT),
        Column("persons", "Persons touched", Unit.COUNT),
        Column("conversions", f"Times of {credit.target} with it on the path", Unit.COUNT),
    )
    rows = tuple((one.channel, one.touches, one.persons, one.conversions) for one in credit.counts)
    return Figure(
        "touches",
        "How many were touched",
        f"A touch is an unbroken run of a person's events that name one {by}, until another, another session, or half "
        "an hour of silence. A path of several channels counts for each of them.",
        Table(columns, rows),
        Bars("channel", ("touches", "persons")) if rows else None,
    )


def _models(unit: Unit) -> tuple[Column, ...]:
    return tuple(Column(name, _TITLES[name], unit) for name in MODELS)


def _definitions() -> str:
    return "; ".join(f"{_TITLES[name]}: {told}" for name, told in MODELS.items()) + "."


def _all_channels(credit: JourneyCredit) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for one in (credit.goal, *credit.stages) for name in one.channels))
