"""The page about blockers: what stands in people's way, how many are expected to leave for it, and how sure it is."""

from insights.blockers import (
    Blocker,
    Blockers,
    Part,
    Step,
    describe_blockers,
    find_phrases,
    find_typical,
    follow_blocker,
    split_blocker,
)
from insights.cohorts import ENDINGS, name_value
from insights.days import day_of
from insights.filters import FilterError, dimensions
from insights.pages.figure import Bars, Column, Field, Figure, Heat, Lines, Mark, Page, Table, Unit, View
from insights.playbook.names import name_tactic
from insights.playbook.related import tactics_against
from insights.sessions import tell_session

CAVEAT = (
    "The interval says within what the number lies if every confidence is right. It does not say how right they are: "
    "on a simulated shop, where that is known, the four planted blockers stood in their true order, with 24 % to 57 % "
    "of their true numbers, and one that was not planted stood among them. Read an order here rather than a count."
)
LIMITS = (
    "A blocker is named for what a session shows, compared with what is usual at its stage. On a simulated shop the "
    "right one of four was named at the end of 73 % of the sessions that a blocker ended, and in 54 % while something "
    "could still be done; of abandoned sessions without any blocker, 43 % showed as much as four in five of the "
    "blocked ones. Do not act on a single session's blocker; test an intervention on many."
)
NO_MODEL = "No model has named blockers here: train one and make the figures anew."
_WEEKS_FROM_DAYS = 35
_SPANS = (Column("low", "From", Unit.SHARE), Column("high", "To", Unit.SHARE))


def page(view: View) -> Page:
    """Return the page; raises :class:`FilterError` for a choice that cannot be shown."""
    found = describe_blockers(view.facts, view.journey, view.filters)
    names = [blocker.friction for blocker in found.blockers]
    beginnings = tuple(name for name in dimensions(view.journey) if name not in ENDINGS)
    friction = _choose(view, "friction", names, names[0] if names else "")
    dimension = _choose(view, "by", beginnings, "device" if "device" in beginnings else beginnings[0])
    step = Step(_choose(view, "step", tuple(Step), _usual_step(view)))
    figures = [_all(found), _certainty(found), _stages(found)]
    if friction and view.records.tactics:
        figures.append(_tactics(view, friction))
    if friction:
        figures += [
            _trend(view, friction, step),
            _cohorts(view, friction, dimension),
            _phrases(view, friction),
            _typical(view, friction),
        ]
    choices = (
        Field("friction", "Blocker", options=tuple(names), value=friction, required=bool(names)),
        Field("by", "by", options=beginnings, value=dimension),
        Field("step", "over time by", options=tuple(map(str, Step)), value=str(step)),
    )
    lede = (
        "What probably stood in the way of people who left: how many are expected to have left for it, where, who and "
        "since when. An association of what sessions show with leaving, not a proof."
    )
    return Page("blockers", "Blockers", lede, tuple(figures), choices=choices)


def _choose(view: View, name: str, known: "list[str] | tuple[str, ...]", usual: str) -> str:
    chosen = view.chosen(name)
    if not chosen:
        return usual
    if chosen not in known:
        raise FilterError(f"{name}={chosen[:40]!r} cannot be shown here; there is {', '.join(known) or 'nothing'}")
    return chosen


def _usual_step(view: View) -> Step:
    days = (view.facts.last_at_us - view.facts.first_at_us) / 86_400e6
    if view.filters.since and view.filters.until:
        days = (view.filters.until - view.filters.since).days
    return Step.DAY if days <= _WEEKS_FROM_DAYS else Step.WEEK


def _all(found: Blockers) -> Figure:
    columns = (
        Column("blocker", "Blocker", link="blockers?friction={}"),
        Column("problem_type", "Problem type"),
        Column("expected", "Expected exits", Unit.COUNT),
        Column("low", "From", Unit.COUNT),
        Column("high", "To", Unit.COUNT),
        Column("share", "Of all exits", Unit.SHARE),
        Column("named_first", "Named first", Unit.COUNT),
    )
    rows = tuple(
        (
            one.friction,
            one.problem_type,
            one.expected.value,
            one.expected.low,
            one.expected.high,
            one.share.value,
            one.named_first,
        )
        for one in found.blockers
    )
    definition = (
        "Expected exits are the sum of a blocker's confidences over all abandoned sessions: the confidence is the "
        "probability that a visitor who left did so for it. Named first counts the sessions in which it led, "
        "however small its confidence was. The 95 % interval is that of a sum of so many coins."
    )
    chart = Bars("blocker", ("expected",), "low", "high", horizontal=True) if rows else None
    return Figure("blockers", "What stands in the way", definition, Table(columns, rows), chart, _told_of_all(found))


def _told_of_all(found: Blockers) -> str:
    if not found.has_model:
        return NO_MODEL
    if found.exits is None or found.unexplained is None or found.nothing_named is None:
        return "Too few visitors left to be shown."
    return (
        f"Of {found.exits:,} exits, {found.unexplained:,.0f} are expected to be for none of these, and in "
        f"{found.nothing_named:,} no blocker is named. {CAVEAT}"
    )


def _certainty(found: Blockers) -> Figure:
    columns = (
        Column("blocker", "Blocker"),
        Column("named_first", "Named first", Unit.COUNT),
        Column("expected", "Of those, expected to be for it", Unit.COUNT),
        Column("share", "Share", Unit.SHARE),
        *_SPANS,
    )
    rows = tuple(_certain(one) for one in found.blockers if one.named_first)
    definition = (
        "Where a blocker is named first, the mean of its confidence: of so many of those sessions it is expected that "
        "the visitor left for it. The others left for another blocker or for none, and only showed the same signs."
    )
    chart = Bars("blocker", ("share",), "low", "high", horizontal=True) if rows else None
    return Figure("certainty", "How sure the names are", definition, Table(columns, rows), chart, LIMITS)


def _certain(one: Blocker) -> tuple[str, int, float, float, float, float]:
    expected, named = one.expected_where_named, one.named_first
    return (
        one.friction,
        named,
        expected.value,
        expected.value / named,
        expected.low / named,
        min(1.0, expected.high / named),
    )


def _stages(found: Blockers) -> Figure:
    columns = (
        Column("blocker", "Blocker"),
        Column("stage", "Stage"),
        Column("exits", "Exits", Unit.COUNT),
        Column("expected", "Expected to be for it", Unit.COUNT),
        Column("share", "Share of the exits", Unit.SHARE),
        *_SPANS,
    )
    rows = tuple(
        (one.friction, name_value("stage", part.name), *_numbers(part)) for one in found.blockers for part in one.stages
    )
    definition = (
        "Of the sessions abandoned at each stage, how many are expected to have been left for each blocker. Empty "
        "where too few visitors left, or where a figure would tell of such a stage."
    )
    chart = Heat("stage", "blocker", "share") if rows else None
    return Figure("stages", "Where", definition, Table(columns, rows), chart)


def _tactics(view: View, friction: str) -> Figure:
    columns = (
        Column("tactic", "Tactic", link="playbook?tactic={}"),
        Column("status", "Status"),
        Column("learning", "What is known"),
        Column("owner", "Owner"),
    )
    rows = tuple(
        (name_tactic(one), one.status.value, one.learning or "not tested yet", one.owner)
        for one in tactics_against(view.records.tactics, friction)
    )
    definition = f"The tactics of the playbook against {friction}, those that have come furthest first. Not filtered."
    note = "" if rows else "The playbook has no tactic against it yet."
    return Figure("tactics", f"What to do about it: {friction}", definition, Table(columns, rows), note=note)


def _trend(view: View, friction: str, step: Step) -> Figure:
    columns = (
        Column("period", "Week from" if step is Step.WEEK else "Day", Unit.DAY),
        Column("exits", "Exits", Unit.COUNT),
        Column("expected", "Expected to be for it", Unit.COUNT),
        Column("share", "Share of the exits", Unit.SHARE),
        *_SPANS,
    )
    followed = follow_blocker(view.facts, friction, step, view.filters)
    rows = tuple((day.isoformat(), *_numbers(part)) for day, part in followed)
    definition = (
        f"Of the exits of sessions that began in each {step} (in the time zone {view.facts.timezone}), the share that "
        f"is expected to be for {friction}. The first and the last may be incomplete."
    )
    days = [day for day, _ in followed]
    marks = tuple(
        Mark(day.isoformat(), note.text)
        for note in view.records.annotations
        for day in [day_of(note.at_us, view.facts.timezone)]
        if days and days[0] <= day <= days[-1]
    )
    chart = Lines("period", ("share",), "low", "high", marks=marks) if rows else None
    return Figure("trend", f"Since when: {friction}", definition, Table(columns, rows), chart)


def _cohorts(view: View, friction: str, dimension: str) -> Figure:
    columns = (
        Column("cohort", dimension.replace("_", " ").capitalize()),
        Column("exits", "Exits", Unit.COUNT),
        Column("expected", "Expected to be for it", Unit.COUNT),
        Column("share", "Share of the exits", Unit.SHARE),
        *_SPANS,
    )
    parts = split_blocker(view.facts, friction, dimension, view.filters)
    rows = tuple((name_value(dimension, part.name), *_numbers(part)) for part in parts)
    definition = (
        f"Of the exits of each cohort, the share that is expected to be for {friction}, with the 95 % interval. Small "
        "cohorts, and those that would tell of them, are left out."
    )
    chart = Bars("cohort", ("share",), "low", "high", horizontal=True) if rows else None
    return Figure("cohorts", f"Who: {friction}", definition, Table(columns, rows), chart)


def _phrases(view: View, friction: str) -> Figure:
    phrases, retold = find_phrases(view.facts, friction, view.filters)
    columns = (Column("phrase", "What the session showed"), Column("sessions", "Sessions", Unit.COUNT))
    rows = tuple((one.phrase, one.sessions) for one in phrases)
    definition = (
        f"The strongest sign of {friction} that the last moment at which it was named showed, of the {retold} "
        "abandoned sessions with it that are retold; signs that differ in their numbers only count together. Sessions "
        "for which it is named without a sign, for their stage alone, are not counted."
    )
    chart = Bars("phrase", ("sessions",), horizontal=True) if rows else None
    return Figure("phrases", f"What they showed: {friction}", definition, Table(columns, rows), chart)


def _typical(view: View, friction: str) -> Figure:
    columns = (
        Column("session", "Session", link="sessions?session={}" if view.live else ""),
        Column("at", "Time", Unit.TIME),
        Column("event", "What happened"),
        Column("stage", "Stage"),
        Column("risk", "Risk", Unit.SHARE),
        Column("blocker", "Blocker"),
        Column("sign", "Strongest sign"),
    )
    rows = []
    chosen = find_typical(view.facts, friction, view.filters)
    with view.facts.connect(view.filters) as connection:
        for session_id in chosen:
            told = tell_session(connection, session_id)
            for step in told.steps if told else ():
                rows.append((session_id, step.at, step.name, step.stage, step.risk, step.blocker, step.phrase))
    definition = (
        f"The {len(chosen)} sessions that lie nearest to the medians of events, duration and confidence of those left "
        f"in the latest weeks with {friction} at the stage where it is named most often, event by event. The blocker "
        "is what was named after each event."
    )
    return Figure("typical", f"Typical sessions: {friction}", definition, Table(columns, tuple(rows)), retells=True)


def _numbers(part: Part) -> tuple[int | float | None, ...]:
    if part.expected is None or part.share is None:
        return (None,) * 5
    return part.exits, part.expected.value, part.share.value, part.share.low, part.share.high
