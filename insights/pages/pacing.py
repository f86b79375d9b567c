"""The page about pacing: where interest rises and fades, where people hesitate, and the best moment for a nudge."""

from insights.pacing.measure import Pacing, measure_pacing
from insights.pacing.nudge import Nudge, NudgePoint
from insights.pacing.words import name_of_stage, say_hesitation
from insights.pages.figure import Bars, Column, Figure, Lines, Page, Table, Unit, View

STEPS_OF_A_STAGE = 8
"""Of each stage's pairs of events so many are shown, the commonest."""
GONE = 0.97
"""Curves are shown until so many of those silent are leaving."""
HESITATIONS_SHOWN = 20
"""Of all moments of hesitation, those whose difference is the least likely to be chance."""


def page(view: View) -> Page:
    """Return the page."""
    with view.facts.connect(view.filters) as connection:
        pacing = measure_pacing(view.journey, connection)
    return Page(
        "pacing",
        "Pacing",
        "Where interest rises and fades inside the journey, where people hesitate, and from when on a "
        "silence says that somebody is about to leave.",
        (
            _moments(pacing),
            _leaving(pacing),
            _silence(pacing),
            _hesitations(pacing),
            _curve(pacing, from_end=False),
            _curve(pacing, from_end=True),
            _stages(pacing),
            _steps(pacing),
        ),
    )


def _until_gone(nudge: Nudge) -> tuple[NudgePoint, ...]:
    """The points up to the first at which nearly everybody who is silent has gone: nothing changes after it."""
    gone = [place for place, point in enumerate(nudge.points) if point.leaving >= GONE]
    return nudge.points[: gone[0] + 1] if gone else nudge.points


def _moments(pacing: Pacing) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("best_seconds", "Best silence", Unit.SECONDS),
        Column("leaving", "About to leave, of those silent", Unit.SHARE),
        Column("reached", "Reached, of all actions", Unit.SHARE),
        Column("interrupted", "Interrupted needlessly", Unit.SHARE),
        Column("rises_fastest_seconds", "Rises fastest around", Unit.SECONDS),
    )
    rows = []
    for nudge in pacing.nudges:
        best = nudge.best
        told = (best.idle_seconds, best.leaving, best.reached, best.interrupted) if best else (None,) * 4
        rows.append((name_of_stage(nudge.stage), *told, nudge.rises_fastest_seconds))
    return Figure(
        "moments",
        "The best moment for a nudge",
        f"The shortest silence after an action at which {pacing.threshold:.0%} of those silent are about to leave: "
        "earlier a nudge bothers too many who would go on, later it finds fewer people there. Who leaves is taken to "
        "stay as long as those who act again wait until they do. Empty where so few leave at every silence.",
        Table(columns, tuple(rows)),
        Bars("stage", ("best_seconds",)) if rows else None,
        "Whether a nudge then keeps anybody is for an experiment to say.",
    )


def _leaving(pacing: Pacing) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("idle_seconds", "Silence", Unit.SECONDS),
        Column("leaving", "Leaving soon", Unit.SHARE),
        Column("low", "Lowest tenth below", Unit.SHARE),
        Column("high", "Highest tenth above", Unit.SHARE),
        Column("observed", "Left soon, as observed", Unit.SHARE),
        Column("moments", "Moments sampled", Unit.COUNT),
    )
    rows = tuple(
        (
            name_of_stage(point.stage),
            point.idle_seconds,
            point.leaving,
            point.low,
            point.high,
            point.observed,
            point.moments,
        )
        for nudge in pacing.nudges
        for point in _until_gone(nudge)
    )
    return Figure(
        "leaving",
        "Who is silent for so long is probably leaving",
        "The mean of the model's probability that the visitor has acted for the last time by "
        f"{pacing.leaving_within_seconds:g} s from now and abandons, over real moments of so many seconds of silence; "
        "and how many of these did. Without a model both are what was observed.",
        Table(columns, rows),
        Lines("idle_seconds", ("leaving",), series="stage") if rows else None,
    )


def _silence(pacing: Pacing) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("idle_seconds", "Silence", Unit.SECONDS),
        Column("silent", "Still silent", Unit.SHARE),
        Column("present", "Still there, of those who act again", Unit.SHARE),
        Column("acting_again", "Act again each second", Unit.SHARE),
        Column("reached", "Reached by a nudge", Unit.SHARE),
        Column("interrupted", "Interrupted needlessly", Unit.SHARE),
    )
    rows = tuple(
        (
            name_of_stage(point.stage),
            point.idle_seconds,
            point.silent,
            point.present,
            point.acting_again,
            point.reached,
            point.interrupted,
        )
        for nudge in pacing.nudges
        for point in _until_gone(nudge)
    )
    return Figure(
        "silence",
        "Who acts again, and when",
        "Of all actions at a stage, the share after which nothing has come by then (Kaplan and Meier); the same of "
        "those after which something comes; and the hazard of the next action since the silence before. No model takes "
        "part.",
        Table(columns, rows),
        Lines("idle_seconds", ("silent",), series="stage") if rows else None,
    )


def _hesitations(pacing: Pacing) -> Figure:
    columns = (
        Column("hesitation", "Hesitation"),
        Column("stage", "Stage"),
        Column("event", "Event"),
        Column("element", "Element"),
        Column("before", "Before"),
        Column("sessions", "Hesitated", Unit.COUNT),
        Column("left", "Left there afterwards", Unit.SHARE),
        Column("others", "Passed without", Unit.COUNT),
        Column("left_of_others", "Left there afterwards, of these", Unit.SHARE),
        Column("difference", "Difference", Unit.SHARE),
        Column("low", "from", Unit.SHARE),
        Column("high", "to", Unit.SHARE),
        Column("p_value", "p, corrected", Unit.NUMBER),
        Column("seconds", "Median gap", Unit.SECONDS),
        Column("normal_seconds", "Normal gap", Unit.SECONDS),
    )
    rows = []
    strongest = sorted(pacing.hesitations, key=lambda one: (one.p_value, -one.sessions))
    for one in strongest[:HESITATIONS_SHOWN]:
        left, others, gap = one.share_left, one.share_of_others, one.difference
        if left and others and gap:
            rows.append(
                (
                    f"{name_of_stage(one.stage)}: {say_hesitation(one)}",
                    name_of_stage(one.stage),
                    one.event,
                    one.element,
                    one.before,
                    one.sessions,
                    left.value,
                    one.others,
                    others.value,
                    gap.value,
                    gap.low,
                    gap.high,
                    one.p_value,
                    one.seconds,
                    one.normal_seconds,
                )
            )
    return Figure(
        "hesitations",
        "Where people hesitate",
        "A pause is a gap of two robust standard deviations above the median of its two events at that stage, and "
        "above the visitor's own pace; a third visit to the same place, going to and fro between two, and changing "
        "the same field again are the other signs. Compared are sessions that passed the same event without, and acted "
        f"again. Shown are the {HESITATIONS_SHOWN} moments, of thirty sessions on either side at least, whose "
        "difference is the least likely to be chance.",
        Table(columns, tuple(rows)),
        Bars("hesitation", ("difference",), low="low", high="high", horizontal=True) if rows else None,
        "An association: who hesitates may differ in other ways, too.",
    )


def _curve(pacing: Pacing, *, from_end: bool) -> Figure:
    columns = (
        Column("outcome", "Sessions that ended in"),
        Column("action", "Gaps before the end" if from_end else "Gap", Unit.COUNT),
        Column("ratio", "Times the normal gap", Unit.NUMBER),
        Column("low", "from", Unit.NUMBER),
        Column("high", "to", Unit.NUMBER),
        Column("own_ratio", "Times the visitor's own", Unit.NUMBER),
        Column("sessions", "Sessions", Unit.COUNT),
    )
    rows = tuple(
        (point.outcome, point.action, point.ratio, point.low, point.high, point.own_ratio, point.sessions)
        for point in pacing.curve
        if point.from_end == from_end
    )
    return Figure(
        "curve_end" if from_end else "curve",
        "Pace towards the end of a session" if from_end else "Pace from the start of a session",
        "The median gap between two actions as a multiple of what is normal for these two events at that stage, with "
        "its 95 % interval; below 1 people are quicker than usual, above 1 slower. 1 is the "
        + ("last gap that was seen." if from_end else "gap between the first action and the second."),
        Table(columns, rows),
        Lines("action", ("ratio",), low="low", high="high", series="outcome") if rows else None,
    )


def _stages(pacing: Pacing) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("gaps", "Gaps", Unit.COUNT),
        Column("median_seconds", "Median", Unit.SECONDS),
        Column("low_seconds", "from", Unit.SECONDS),
        Column("high_seconds", "to", Unit.SECONDS),
        Column("tenth_seconds", "A tenth below", Unit.SECONDS),
        Column("ninetieth_seconds", "A tenth above", Unit.SECONDS),
    )
    rows = tuple(
        (
            name_of_stage(one.stage),
            one.gaps,
            one.median_seconds,
            one.low_seconds,
            one.high_seconds,
            one.tenth_seconds,
            one.ninetieth_seconds,
        )
        for one in pacing.stages
    )
    return Figure(
        "stages",
        "The pace of each stage",
        "How long people take between two actions of their own, at the stage in which they stand after the first: the "
        "median with its 95 % interval.",
        Table(columns, rows),
        Bars("stage", ("median_seconds",), low="low_seconds", high="high_seconds") if rows else None,
    )


def _steps(pacing: Pacing) -> Figure:
    columns = (
        Column("stage", "Stage"),
        Column("event", "Event"),
        Column("next_event", "Next event"),
        Column("gaps", "Gaps", Unit.COUNT),
        Column("median_seconds", "Median", Unit.SECONDS),
        Column("tenth_seconds", "A tenth below", Unit.SECONDS),
        Column("ninetieth_seconds", "A tenth above", Unit.SECONDS),
    )
    seen: dict[str | None, int] = {}
    rows = []
    for one in pacing.steps:
        seen[one.stage] = seen.get(one.stage, 0) + 1
        if seen[one.stage] <= STEPS_OF_A_STAGE:
            rows.append(
                (
                    name_of_stage(one.stage),
                    one.event,
                    one.next_event,
                    one.gaps,
                    one.median_seconds,
                    one.tenth_seconds,
                    one.ninetieth_seconds,
                )
            )
    return Figure(
        "steps",
        "The normal pace of each step",
        f"The gap between two events that follow each other, of the {STEPS_OF_A_STAGE} commonest pairs of each stage.",
        Table(columns, tuple(rows)),
    )
