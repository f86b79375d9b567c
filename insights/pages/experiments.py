"""The page about experiments: how far each has come, what it found, and whether explanations are right."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from decisions.experiments import ExperimentPlan, StoppingRule, from_json
from insights.experiments.kept import analysis_of
from insights.experiments.page import analysis_page, value_unit
from insights.experiments.result import Analysis, Effect
from insights.experiments.say import VERDICTS
from insights.intervals import Estimate, estimate_difference
from insights.pages.explanation_figures import explanation_figures
from insights.pages.figure import Bars, Column, Field, Figure, Page, Sentences, Table, Unit, Value, View
from insights.pages.next_steps import ends_of
from storage.experiment_store import KeptExperiment, Status
from storage.records import HoldoutCounts

SLUG = "experiments"
_ORDER = (Status.RUNNING, Status.STOPPED, Status.DRAFT)


@dataclass(frozen=True, slots=True)
class Shown:
    """One experiment as the page shows it; ``analysis`` is the latest that was made, None before there is one."""

    kept: KeptExperiment
    plan: ExperimentPlan
    analysis: Analysis | None


def page(view: View) -> Page:
    """Return all experiments, the explanation trial, the holdout, and one experiment in detail: the chosen one."""
    found = [_shown(one) for status in _ORDER for one in view.records.experiments if one.status is status]
    analysed = [one for one in found if one.analysis is not None]
    names = tuple(one.plan.name for one in analysed)
    chosen = next((one for one in analysed if one.plan.name == view.chosen("experiment")), None)
    chosen = chosen or (analysed[0] if analysed else None)
    figures = [_list(found), *([_compared(analysed)] if analysed else [])]
    for one in reversed(found):
        trial = (one.kept.result or {}).get("explanation_trial")
        if trial:
            figures += explanation_figures(one.plan, trial)
            break
    counts = view.records.count_holdout()
    figures += [_holdout(counts)] if counts is not None else []
    if chosen is not None and chosen.analysis is not None:
        figures += analysis_page(chosen.analysis, chosen.plan.name, SLUG).figures
    choices = (Field("experiment", "In detail", options=names, value=chosen.plan.name),) if chosen else ()
    lede = (
        "What is being tried at random, what has been found, and what would be needed to know: each with its verdict, "
        "its interval and the people it rests on. Filters do not apply here."
    )
    return Page(SLUG, "Experiments", lede, tuple(figures), choices=choices)


def _shown(kept: KeptExperiment) -> Shown:
    result = (kept.result or {}).get("analysis")
    return Shown(kept, from_json(kept.declaration), analysis_of(result) if result else None)


def _list(found: Sequence[Shown]) -> Figure:
    columns = (
        Column("experiment", "Experiment"),
        Column("status", "Status"),
        Column("verdict", "Verdict"),
        Column("hypothesis", "Hypothesis"),
        Column("owner", "Owner"),
        Column("who", "Who takes part"),
        Column("variants", "Variants"),
        Column("started", "Since", Unit.TIME),
        Column("stopped", "Until", Unit.TIME),
        Column("people", "People so far", Unit.COUNT),
        Column("planned", "People planned", Unit.COUNT),
        Column("rule", "May be read"),
        Column("layer", "Layer"),
        Column("reason", "Why"),
    )
    rows = tuple(
        (
            one.plan.name,
            str(one.kept.status),
            VERDICTS[one.analysis.decision.verdict] if one.analysis else None,
            one.plan.hypothesis,
            one.plan.owner,
            one.plan.population.describe(),
            "; ".join(f"{variant.name}: {variant.treatment.describe()}" for variant in one.plan.variants),
            _moment(one.kept.started_us),
            _moment(one.kept.stopped_us),
            sum(one.analysis.people.values()) if one.analysis else None,
            one.kept.planned_per_arm * len(one.plan.variants) if one.kept.planned_per_arm else None,
            str(one.plan.stopping_rule) if one.plan.stopping_rule else None,
            one.plan.layer,
            one.kept.stopped_for or (one.analysis.decision.reasons[0] if one.analysis else None),
        )
        for one in found
    )
    definition = (
        "Experiments of this journey: those that run, then those that were stopped, then drafts. People are those "
        "whose outcome is known. A fixed rule may be read once, at its planned size, an always-valid one at any time."
    )
    note = "" if found else "There is none yet: `dropoff experiment new` declares one."
    return Figure("experiments", "All experiments", definition, Table(columns, rows), note=note)


def _compared(found: Sequence[Shown]) -> Figure:
    unit = value_unit([effect for one in found if one.analysis is not None for effect in one.analysis.primary])
    columns = (
        Column("what", "Experiment and variant"),
        Column("relative", "Relative difference", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("metric", "Metric"),
        Column("value", "Value", unit),
        Column("control", "Control", unit),
        Column("people", "People", Unit.COUNT),
        Column("verdict", "Verdict"),
        Column("from", "First exposed", Unit.TIME),
        Column("until", "Last exposed", Unit.TIME),
    )
    rows = tuple(
        (
            f"{one.plan.name}, {effect.variant}",
            *ends_of(_interval(one.analysis, effect)),
            effect.measure.replace("_", " "),
            effect.treated.value,
            effect.control.value,
            effect.treated.people + effect.control.people,
            VERDICTS[one.analysis.by_variant[effect.variant].verdict],
            _moment(one.analysis.began_us),
            _moment(one.analysis.ended_us),
        )
        for one in found
        if one.analysis is not None
        for effect in one.analysis.primary
    )
    definition = (
        "Each variant's primary metric against its control, randomised, with the 95 % interval of the rule that was "
        "declared: at a fixed horizon, or valid at any time. Not shown before an always-valid one starts."
    )
    shown = any(row[1] is not None for row in rows)
    chart = Bars("what", ("relative",), "low", "high", horizontal=True) if shown else None
    return Figure("compared", "What they found", definition, Table(columns, rows), chart)


def _interval(analysis: Analysis, effect: Effect) -> Estimate | None:
    return effect.relative if analysis.rule is StoppingRule.FIXED else effect.relative_always_valid


def _holdout(counts: HoldoutCounts) -> Figure:
    columns = (
        Column("sentence", "Against the holdout"),
        Column("visitors", "Could be shown something", Unit.COUNT),
        Column("goals", "Reached the goal", Unit.COUNT),
        Column("held_out", "Held out", Unit.COUNT),
        Column("held_out_goals", "Reached the goal, of these", Unit.COUNT),
        Column("difference", "Difference", Unit.SHARE),
        Column("low", "From", Unit.SHARE),
        Column("high", "To", Unit.SHARE),
        Column("since", "Since", Unit.TIME),
    )
    difference = estimate_difference(counts.converted, counts.visitors, counts.held_out_converted, counts.held_out)
    told = "Nobody is held out yet, or nobody else has come so far."
    if difference is not None:
        more = "more" if difference.value >= 0 else "fewer"
        told = (
            f"Of those who could be shown something {100 * abs(difference.value):.1f} points {more} reached the goal "
            "than of those held out at random "
            f"(95 % interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f})."
        )
    row = (
        told,
        counts.visitors,
        counts.converted,
        counts.held_out,
        counts.held_out_converted,
        *ends_of(difference),
        _moment(counts.first_us),
    )
    definition = (
        "A share of people is held out at random and never shown anything, whatever else runs: what recommending is "
        "worth in all. Interval of 95 % (Newcombe)."
    )
    return Figure("holdout", "Against the holdout", definition, Table(columns, (row,)), Sentences("sentence"))


def _moment(at_us: int | None) -> Value:
    return None if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")
