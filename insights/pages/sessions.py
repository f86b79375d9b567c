"""Live sessions: who is on the way, and one session retold with its risk after each event and why."""

from collections.abc import Sequence
from dataclasses import replace

from insights.filters import FilterError
from insights.pages.figure import Column, Field, Figure, Lines, Page, Table, Unit, View
from insights.sessions import ListedSession, ToldSession, list_sessions, retold_sessions, tell_session

_RETOLD_IN_REPORTS = 6
_MOST_LISTED = 200
_ORDERS = ("latest", "riskiest")


def page(view: View) -> Page:
    """Return the list of sessions, and above it the session that was chosen.

    A report cannot look a session up, so it retells those that are typical.
    """
    text, least = view.chosen("find").strip(), _least_risk(view.chosen("risk"))
    order, session_id = view.chosen("order") or _ORDERS[0], view.chosen("session")
    if order not in _ORDERS:
        raise FilterError(f"order={order[:40]!r} is no order of sessions; write {' or '.join(_ORDERS)}")
    figures: list[Figure] = []
    with view.facts.connect(view.filters) as connection:
        listed = list_sessions(connection, text=text, least_risk=least, by_risk=order == _ORDERS[1], most=_MOST_LISTED)
        if session_id:
            told = (view.live.tell(session_id) if view.live else None) or tell_session(connection, session_id)
            if told is None:
                raise FilterError(f"no session {session_id[:80]!r} is in the log, or it is not among those retold")
            figures += _tell(told, "timeline")
        elif view.live is None:
            for number, one in enumerate(retold_sessions(connection, _RETOLD_IN_REPORTS), start=1):
                told = tell_session(connection, one)
                figures += _tell(told, f"timeline_{number}") if told else []
    if text and view.live is not None:
        figures.append(_found(view.live.find(text), text))
    figures.append(_list(listed, linked=view.live is not None))
    choices = (
        Field("find", "Session, visitor or user", value=text, required=False),
        Field("risk", "Risk of at least, in %", "number", value=view.chosen("risk"), required=False),
        Field("order", "Order", options=_ORDERS, value=order),
        Field("session", "Session", "hidden", value=session_id),
    )
    lede = "Who was on the way, how far they came, and how likely each was to leave. Choose one to see it step by step."
    shown = tuple(replace(figure, retells=True) for figure in figures)
    return Page("sessions", "Live sessions", lede, shown, choices=choices)


def _least_risk(text: str) -> float:
    if not text:
        return 0.0
    try:
        percent = float(text)
    except ValueError as error:
        raise FilterError(f"risk={text[:40]!r} is no number; write a percentage such as risk=80") from error
    if not 0 <= percent <= 100:
        raise FilterError(f"risk={text[:40]!r} is no percentage; write a number from 0 to 100")
    return percent / 100


def _list(listed: tuple[ListedSession, ...], *, linked: bool) -> Figure:
    columns = (
        Column("session_id", "Session", link="sessions?session={}" if linked else ""),
        Column("last_at", "Last event", Unit.TIME),
        Column("stage", "Furthest stage"),
        Column("outcome", "Outcome"),
        Column("risk", "Risk", Unit.SHARE),
        Column("blocker", "Blocker"),
        Column("events", "Events", Unit.COUNT),
        Column("visitor_id", "Visitor"),
        Column("user_id", "User"),
    )
    rows = tuple(
        (
            one.session_id,
            one.last_at,
            one.stage,
            one.outcome,
            one.risk,
            one.blocker,
            one.events,
            one.visitor_id,
            one.user_id,
        )
        for one in listed
    )
    definition = (
        "Sessions of the period in the order chosen, at most 200. Risk is the calibrated probability of abandonment as "
        "it stood at the last event before the end; a session is open until it has been silent for the journey's "
        "timeout. The blocker is the friction that leaving at that stage goes with most, by the traces of the session."
    )
    return Figure("list", "Sessions", definition, Table(columns, rows))


def _found(session_ids: Sequence[str], text: str) -> Figure:
    rows = tuple((one,) for one in session_ids)
    table = Table((Column("session_id", "Session", link="sessions?session={}"),), rows)
    definition = "Sessions of exactly this session, visitor or user id in the service's log, the latest first."
    return Figure("found", f"In the log right now: {text[:60]}", definition, table)


def _tell(told: ToldSession, name: str) -> list[Figure]:
    columns = (
        Column("number", "Event", Unit.COUNT),
        Column("at", "Time", Unit.TIME),
        Column("event", "What happened"),
        Column("stage", "Stage"),
        Column("risk", "Risk", Unit.SHARE),
        Column("leaving_soon", "Leaving soon", Unit.SHARE),
        Column("blocker", "Blocker"),
        Column("sign", "Strongest sign"),
    )
    rows = tuple(
        (number, step.at, step.name, step.stage, step.risk, step.leaving_soon, step.blocker, step.phrase)
        for number, step in enumerate(told.steps, start=1)
    )
    whose = f"user {told.user_id}" if told.user_id else f"visitor {told.visitor_id}"
    definition = (
        "Risk is the calibrated probability that the session is abandoned, right after each event; leaving soon is the "
        "probability that the visitor has then acted for the last time before the session is abandoned. The blocker is "
        "the friction that leaving at this stage goes with most, and the sign its strongest trace. Nothing is foreseen "
        "once an end has been reached."
    )
    title = f"Session {told.session_id}"
    note = f"{len(told.steps):,} events of {whose}."
    foreseen = any(step.risk is not None for step in told.steps)
    known_soon = any(step.leaving_soon is not None for step in told.steps)
    lines = Lines("number", ("risk", "leaving_soon") if known_soon else ("risk",)) if foreseen else None
    figures = [Figure(name, title, definition, Table(columns, rows), lines, note=note)]
    if lines:
        steps = tuple((row[0], row[1], row[2], row[3], row[4], row[6], row[7]) for row in rows)
        kept = tuple(column for column in columns if column.name != "leaving_soon")
        figures.append(Figure(f"{name}_steps", f"{title}, step by step", definition, Table(kept, steps)))
    if told.touches:
        figures.append(_touched(told, name))
    if told.advice:
        figures.append(_decisions(told, name))
    return figures


def _touched(told: ToldSession, name: str) -> Figure:
    columns = (
        Column("at", "Time", Unit.TIME),
        Column("what", "What happened"),
        Column("channel", "Channel"),
        Column("campaign", "Campaign"),
    )
    rows = tuple((one.at, one.name, one.channel, one.campaign) for one in told.touches)
    definition = (
        "What happened to the same person outside of sessions, before or during this one: e-mails, ads, calls, chats, "
        "deals and tickets, found by the user or by the id of a campaign's click."
    )
    return Figure(f"{name}_touches", "Outside of sessions", definition, Table(columns, rows))


def _decisions(told: ToldSession, name: str) -> Figure:
    columns = (
        Column("at", "Time", Unit.TIME),
        Column("stage", "Stage"),
        Column("risk", "Risk", Unit.SHARE),
        Column("chosen", "Recommended"),
        Column("reason", "Reason"),
        Column("experiment", "Experiment: variant"),
        Column("outcomes", "Outcomes"),
        Column("narrative", "What was said"),
    )
    rows = tuple(
        (
            one.at,
            one.stage,
            one.risk,
            one.chosen or "nothing",
            one.reason,
            one.experiment,
            ", ".join(one.outcomes),
            one.narrative,
        )
        for one in told.advice
    )
    definition = "Every recommendation that was asked for, with its reason and what became of it, from the ledger."
    return Figure(f"{name}_decisions", "Decisions about this session", definition, Table(columns, rows))
