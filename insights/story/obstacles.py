"""What stood in people's way: the blockers of the week, and the most typical sessions of the foremost one retold."""

from collections.abc import Sequence
from typing import Any

from insights.blockers import describe_blockers, find_typical
from insights.pages.figure import Bars, Column, Figure, Table, Unit, Value
from insights.story.section import Retold, Section, Telling
from insights.story.sentence import Sentence, cell, say

TOLD = 3
"""So many blockers are told of; the figure has all."""
LATEST_STEPS = 12
"""Of a session so many steps are told, its last."""


def tell_obstacles(telling: Telling) -> Section:
    """Return what stood in people's way; without a model nothing did that anybody knows of."""
    figure = _obstacles(telling)
    said = list[Sentence]()
    for row in range(min(TOLD, len(figure.table.rows))):
        cells = {name: cell(figure, row, name) for name in ("people", "low", "high", "what", "stage")}
        said += say(
            "In an expected {people} of the abandoned sessions ({low} to {high}) what stood in the way is this: "
            "{what}; most often at {stage}.",
            **cells,
        )
    if not figure.table.rows:
        return Section("obstacles", "What stood in their way", (), (figure,))
    sessions, steps = _typical(telling, str(figure.table.column("blocker")[0]))
    retold = _retell(telling, sessions, steps)
    figures = (figure, sessions, steps) if retold else (figure,)
    return Section("obstacles", "What stood in their way", tuple(said), figures, retold)


def _obstacles(telling: Telling) -> Figure:
    found = describe_blockers(telling.facts, telling.journey, telling.week.filters)
    described = {friction.name: friction.description for friction in telling.journey.frictions}
    rows: list[tuple[Value, ...]] = []
    for one in found.blockers:
        stages = [part for part in one.stages if part.name and part.expected]
        most = max(stages, key=lambda part: part.expected.value if part.expected else 0.0, default=None)
        number = one.expected
        rows.append(
            (
                one.friction,
                described.get(one.friction, one.friction),
                one.problem_type,
                number.value,
                number.low,
                number.high,
                one.share.value,
                most.name if most else None,
            )
        )
    columns = (
        Column("blocker", "Blocker"),
        Column("what", "What it is"),
        Column("problem_type", "Problem"),
        Column("people", "Sessions, expected", Unit.COUNT),
        Column("low", "from", Unit.COUNT),
        Column("high", "to", Unit.COUNT),
        Column("share", "Of all abandoned", Unit.SHARE),
        Column("stage", "Most often at"),
    )
    return Figure(
        "obstacles",
        "What stood in their way",
        "The expected number of the week's abandoned sessions in which each blocker was what stood in the way: the sum "
        "of the model's calibrated probabilities, with the interval of their number.",
        Table(columns, tuple(rows)),
        Bars("blocker", ("people",), low="low", high="high", horizontal=True) if rows else None,
    )


def _typical(telling: Telling, friction: str) -> tuple[Figure, Figure]:
    """The week's most typical sessions of a blocker, and their steps."""
    typical = list(find_typical(telling.facts, friction, telling.week.filters))
    with telling.facts.connect() as connection:
        sessions = connection.execute(
            """SELECT session, list_position(?, session_id), started_at, events, epoch(last_at - started_at), stage
            FROM sessions WHERE session_id IN (SELECT unnest(?)) ORDER BY 2""",
            [typical, typical],
        ).fetchall()
        steps = connection.execute(
            f"""WITH retold AS (
                SELECT *, row_number() OVER (PARTITION BY session ORDER BY place DESC) AS from_end
                FROM timelines WHERE session IN (SELECT unnest(?))
            )
            SELECT session, place + 1, epoch(occurred_at - started_at), name, stage, risk, phrase
            FROM retold AS timelines JOIN (SELECT session, started_at FROM sessions) USING (session)
            WHERE from_end <= {LATEST_STEPS} ORDER BY session, place""",
            [[key for key, *_ in sessions]],
        ).fetchall()
    return _typical_figure(sessions), _steps_figure(telling, sessions, steps)


def _typical_figure(sessions: Sequence[tuple[Any, ...]]) -> Figure:
    columns = (
        Column("number", "Session", Unit.COUNT),
        Column("began", "Began", Unit.TIME),
        Column("events", "Events", Unit.COUNT),
        Column("lasted", "Lasted", Unit.SECONDS),
        Column("stage", "Abandoned at"),
    )
    rows = tuple(
        (number, began.isoformat(), events, lasted, stage) for _, number, began, events, lasted, stage in sessions
    )
    return Figure(
        "typical",
        "The most typical sessions",
        "Of the week's sessions that were abandoned at that stage with the foremost blocker, those nearest to the "
        "medians of their events, their length and the probability of the blocker.",
        Table(columns, rows),
        retells=True,
    )


def _steps_figure(telling: Telling, sessions: Sequence[tuple[Any, ...]], steps: Sequence[tuple[Any, ...]]) -> Figure:
    number_of = {key: number for key, number, *_ in sessions}
    columns = (
        Column("number", "Session", Unit.COUNT),
        Column("step", "Step", Unit.COUNT),
        Column("elapsed", "After", Unit.SECONDS),
        Column("event", "Event"),
        Column("what", "What happens"),
        Column("stage", "Stage"),
        Column("risk", "Risk after it", Unit.SHARE),
        Column("sign", "Strongest sign"),
    )
    rows = [
        (number_of[key], step, elapsed, name, telling.journey.events.get(name, name), stage, risk, sign)
        for key, step, elapsed, name, stage, risk, sign in steps
    ]
    return Figure(
        "steps",
        "The most typical sessions, step by step",
        f"The last {LATEST_STEPS} events of each, with the risk of abandonment right after each and the strongest sign "
        "of what may be in the way.",
        Table(columns, tuple(sorted(rows, key=lambda row: row[:2]))),
        retells=True,
    )


def _retell(telling: Telling, sessions: Figure, steps: Figure) -> tuple[Retold, ...]:
    zone = telling.facts.timezone
    retold = []
    for row, number in enumerate(sessions.table.column("number")):
        cells = {name: cell(sessions, row, name, zone) for name in ("number", "began", "events", "lasted", "stage")}
        heading = say(
            "Session {number} began on {began}, had {events} events in {lasted} and ended at {stage}.", **cells
        )
        told = list[Sentence]()
        known = None
        for place, owner in enumerate(steps.table.column("number")):
            if owner != number:
                continue
            step = {name: cell(steps, place, name) for name in ("elapsed", "what", "risk", "sign")}
            sign, risk = step.pop("sign"), step.pop("risk")
            if risk is None:
                told += say("After {elapsed}: {what}.", **step)
            elif sign is None or sign.text == known:
                told += say("After {elapsed}: {what}; the risk is {risk}.", **step, risk=risk)
            else:
                told += say(
                    "After {elapsed}: {what}; the risk is {risk}, the strongest sign: {sign}.",
                    **step,
                    risk=risk,
                    sign=sign,
                )
                known = sign.text
        if heading and told:
            retold.append(Retold(heading[0], tuple(told)))
    return tuple(retold)
