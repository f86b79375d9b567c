"""The page about cohorts: for whom the journey breaks, and what goes with going on."""

from insights.associations import find_associations
from insights.cohort_pairs import Chosen, Comparison, compare_cohorts
from insights.cohort_tables import CAVEAT, MOST_ROWS, OF_ENDINGS, STEPS, cohort_notes, corrected
from insights.cohorts import CohortError, Cohorts, describe_cohorts, name_value
from insights.filters import FilterError, dimensions
from insights.pages.contrast_figures import contrast_figures
from insights.pages.figure import Bars, Column, Field, Figure, Heat, Page, Table, Unit, View

_FIRST = "device"


def page(view: View) -> Page:
    """Return the page; raises :class:`FilterError` for a choice that cannot be shown."""
    known = dimensions(view.journey)
    dimension = view.chosen("by") or (_FIRST if _FIRST in known else known[0])
    stages = [stage.name for stage in view.journey.stages]
    try:
        cohorts = describe_cohorts(view.facts, view.journey, dimension, view.filters)
        compared = _compare(view, cohorts)
        # It reads all events: a page of the service waits until it is asked for, a report cannot be asked.
        stage = view.chosen("progress_from") or ("" if view.live else _leakiest(cohorts, stages))
        progress = [_progress(view, stage)] if stage else []
    except CohortError as error:
        raise FilterError(str(error)) from error
    names = tuple(name_value(dimension, cohort.value) for cohort in cohorts.cohorts)
    notes = " ".join([*cohort_notes(cohorts), CAVEAT])
    figures = [
        _sizes(cohorts, notes),
        *([_mixes(cohorts)] if cohorts.is_ending else [_rates(view, cohorts), _exits(cohorts)]),
        *(_side_by_side(compared) if compared else []),
        *contrast_figures(
            "differences",
            "What sets each apart from all others",
            [one for one in cohorts.against_rest if one.is_finding],
            f"Only what differs by more than chance. {corrected(cohorts.correction, len(cohorts.against_rest))}",
        ),
        *progress,
    ]
    choices = (
        Field("by", "Tell sessions apart by", options=known, value=dimension),
        Field("one", "Compare", options=names, value=view.chosen("one"), required=False),
        Field("other", "with", options=names, value=view.chosen("other"), required=False),
        Field("progress_from", "What goes with going on from", options=tuple(stages), value=stage, required=False),
    )
    lede = "For whom the journey breaks: how far each group of sessions gets, where it leaves, and what it differs in."
    return Page("cohorts", "Cohorts", lede, tuple(figures), choices=choices)


def _compare(view: View, cohorts: Cohorts) -> Comparison | None:
    names = view.chosen("one"), view.chosen("other")
    if not all(names):
        return None
    values = {name_value(cohorts.dimension, cohort.value): cohort.value for cohort in cohorts.cohorts}
    one, other = (Chosen(cohorts.dimension, values.get(name, name)) for name in names)
    return compare_cohorts(view.facts, view.journey, one, other, view.filters)


def _sizes(cohorts: Cohorts, notes: str) -> Figure:
    columns = (
        Column("cohort", "Cohort"),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("visitors", "Visitors", Unit.COUNT),
        Column("share", "Share", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("seconds", "Median time", Unit.SECONDS),
        Column("blocker", "Expected most to leave for"),
        Column("of_exits", "Of its exits", Unit.SHARE),
    )
    rows = tuple(
        (
            name_value(cohorts.dimension, one.value),
            one.sessions,
            one.visitors,
            one.share.value,
            one.share.low,
            one.share.high,
            one.seconds.value if one.seconds else None,
            one.blocker.friction if one.blocker else None,
            one.blocker.share_of_exits if one.blocker else None,
        )
        for one in cohorts.cohorts
    )
    of = "abandoned sessions" if cohorts.is_ending else "sessions"
    definition = (
        f"{of.capitalize()} of the period by {cohorts.dimension.replace('_', ' ')}. The share is of all {of}, with its "
        "95 % interval (Wilson, wider where visitors come often). Time is the median from the first event to the last. "
        "The blocker is the friction whose confidences sum to most over the cohort's exits."
    )
    return Figure("cohorts", "The cohorts", definition, Table(columns, rows), _bars(rows, "share"), notes)


def _rates(view: View, cohorts: Cohorts) -> Figure:
    columns = (
        Column("cohort", "Cohort"),
        Column("conversion", "Conversion", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("abandonment", "Abandonment", Unit.SHARE),
    )
    money = (Column("revenue", "Revenue a session", Unit.MONEY),) if view.journey.revenue else ()
    rows = tuple(
        (
            name_value(cohorts.dimension, one.value),
            *((one.conversion.value, one.conversion.low, one.conversion.high) if one.conversion else (None,) * 3),
            one.abandonment.value if one.abandonment else None,
            *((one.revenue.value if one.revenue else None,) if money else ()),
        )
        for one in cohorts.cohorts
    )
    definition = (
        "Of the sessions that have ended, those that reached the goal (with the 95 % interval) and those that were "
        "abandoned; sessions still open are left out."
    )
    if money:
        definition += " Revenue is the mean of these sessions, nought without a goal or where its value is not known."
    return Figure("rates", "How they end", definition, Table((*columns, *money), rows), _bars(rows, "conversion"))


def _exits(cohorts: Cohorts) -> Figure:
    columns = (
        Column("cohort", "Cohort"),
        Column("stage", "Stage"),
        Column("reached", "Reached it", Unit.COUNT),
        Column("exits", "Left there", Unit.COUNT),
        Column("exit_rate", "Exit rate", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("dwell", "Median dwell", Unit.SECONDS),
    )
    rows = tuple(
        (
            name_value(cohorts.dimension, one.value),
            stage.stage,
            stage.reached,
            stage.exits,
            *((stage.exit_rate.value, stage.exit_rate.low, stage.exit_rate.high) if stage.exit_rate else (None,) * 3),
            stage.dwell.value if stage.dwell else None,
        )
        for one in cohorts.cohorts
        for stage in one.stages
    )
    definition = (
        "Of the sessions that reached or skipped a stage and whose stay there is over, those that were abandoned "
        "there, with the 95 % interval. The dwell is the median of those that did not skip it. Empty where fewer than "
        f"{cohorts.least_visitors} visitors got there, or where a figure would tell of such a stage."
    )
    chart = Heat("stage", "cohort", "exit_rate") if rows else None
    return Figure("exits", "Where they leave", definition, Table(columns, rows), chart)


def _mixes(cohorts: Cohorts) -> Figure:
    columns = (
        Column("cohort", "Cohort"),
        Column("kind", "By"),
        Column("label", "Value"),
        Column("share", "Share of its exits", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
    )
    rows = tuple(
        (
            name_value(cohorts.dimension, one.value),
            mix.kind.replace("_", " "),
            mix.label,
            *((mix.share.value, mix.share.low, mix.share.high) if mix.share else (None,) * 3),
        )
        for one in cohorts.cohorts
        for mix in one.mix
    )
    definition = (
        "Of a cohort's abandoned sessions, how many were left at each stage, with each device and so on, with the 95 % "
        f"interval. Empty where that is fewer than {cohorts.least_visitors} visitors, or would tell of such a number."
    )
    chart = Heat("label", "cohort", "share") if rows else None
    return Figure("mixes", "Where and with what they left", definition, Table(columns, rows), chart, OF_ENDINGS)


def _side_by_side(compared: Comparison) -> list[Figure]:
    sizes = f"{compared.sessions[0]:,} and {compared.sessions[1]:,} sessions"
    note = f"{sizes}. {corrected(compared.correction, len(compared.contrasts))}"
    names = [name_value(one.dimension, one.value) for one in (compared.one, compared.other)]
    return contrast_figures("compared", f"{names[0]} less {names[1]}", compared.contrasts, note)


def _leakiest(cohorts: Cohorts, stages: list[str]) -> str:
    """Return the stage at which most sessions were left, as far as that is shown."""
    exits = dict.fromkeys(stages, 0)
    for cohort in cohorts.cohorts:
        for stage in cohort.stages:
            exits[stage.stage] += stage.exits or 0
    return max(stages, key=lambda stage: exits[stage])


def _progress(view: View, stage: str) -> Figure:
    associations = find_associations(view.facts, view.journey, view.filters, stage=stage)
    columns = (
        Column("what", "What"),
        Column("when", "When"),
        Column("sessions", "Sessions", Unit.COUNT),
        Column("with_it", "Went on with it", Unit.SHARE),
        Column("without", "Without it", Unit.SHARE),
        Column("difference", "Difference", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("ratio", "Ratio", Unit.NUMBER),
        Column("chance", "Adjusted p-value", Unit.NUMBER),
    )
    rows = tuple(
        (
            f"{one.what}, {one.when}",
            str(one.when),
            one.sessions_with,
            one.contrast.of_one.value,
            one.contrast.of_other.value,
            one.contrast.difference.value,
            one.contrast.difference.low,
            one.contrast.difference.high,
            one.contrast.ratio.value if one.contrast.ratio else None,
            one.contrast.adjusted,
        )
        for one in associations.findings[:MOST_ROWS]
    )
    definition = (
        f"Of the {associations.sessions[stage]:,} sessions that stood in {stage} and whose stay there is over, how "
        "many of those that did something, or were something from their start, went on to a later stage or the goal, "
        "and of those that did not. Only what came before the stage was left counts. The largest differences that are "
        "more than chance, with 95 % intervals (Newcombe)."
    )
    told = corrected(associations.correction, len(associations.associations))
    note = f"{told} {STEPS} {CAVEAT}"
    chart = Bars("what", ("difference",), "low", "high", horizontal=True) if rows else None
    return Figure("progress", f"What goes with going on from {stage}", definition, Table(columns, rows), chart, note)


def _bars(rows: tuple[tuple[object, ...], ...], value: str) -> Bars | None:
    return Bars("cohort", (value,), "low", "high", horizontal=True) if rows else None
