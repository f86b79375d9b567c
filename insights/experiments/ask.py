"""The question of an analysis, from what people write: options, or a plan as it was declared."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from decisions.experiments import ExperimentPlan, StoppingRule
from decisions.experiments import Metric as Declared
from features.duration import parse_duration
from features.events import US_PER_SECOND
from insights.experiments.measures import measure_of
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import AnalysisError, Guard, Measure, Question
from insights.experiments.read_plan import read_plan
from insights.experiments.sizing import MetricKind

_GOALS = ("goal", "converted", "conversion", "purchase", "reached_goal", "order")
_MONEY = re.compile(r"revenue|spend|amount|value|price|sales", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """What people ask, as they write it: metrics are ``[KIND:]NAME[/PER]``, guardrails ``METRIC:MARGIN``.

    A plan stands in place of all that it declares.
    """

    metric: str | None = None
    guardrails: Sequence[str] = ()
    secondary: Sequence[str] = ()
    less_is_better: Sequence[str] = ()
    control: str | None = None
    shares: str | None = None
    rule: str = StoppingRule.ALWAYS_VALID.value
    alpha: float = 0.05
    power: float = 0.8
    minimum_effect: float | None = None
    planned_per_arm: int | None = None
    ends: str | None = None
    within: str | None = None
    covariates: Sequence[str] | None = None
    before: bool = False
    slices: Sequence[str] | None = None
    segments: Sequence[str] | None = None
    plan: Path | None = None


def from_options(asked: Asked, exposures: ExposureTable, outcomes: OutcomeTable) -> Question:
    """Return the question that is asked of these tables; raises :class:`AnalysisError`."""
    plan = None if asked.plan is None else read_plan(asked.plan)
    primary = (
        declared_measure(plan.primary_metric, outcomes)
        if plan is not None and plan.primary_metric
        else read_measure(asked.metric or _guess(outcomes), outcomes, asked.less_is_better)
    )
    for name in (*(asked.slices or ()), *(asked.segments or ())):
        if name not in exposures.slices and name != "day":
            known = ", ".join(exposures.slices) or "none"
            raise AnalysisError(f"there is no slice {name!r}: the exposures have {known}")
    # In a table that is both, what came of people would tell the arms apart as if they had come in another ratio.
    known_before = tuple(name for name in exposures.slices if name not in outcomes.values)
    question = Question(
        primary,
        guards=tuple(_read_guard(text, outcomes, asked.less_is_better) for text in asked.guardrails),
        secondary=tuple(read_measure(text, outcomes, asked.less_is_better) for text in asked.secondary),
        control=asked.control,
        shares={} if asked.shares is None else read_shares(asked.shares),
        alpha=asked.alpha,
        power=asked.power,
        minimum_effect=asked.minimum_effect,
        rule=read_rule(asked.rule),
        planned_per_arm=asked.planned_per_arm,
        ends_us=None if asked.ends is None else _moment_us(asked.ends),
        window_us=None if asked.within is None else _duration_us(asked.within),
        covariates=None if asked.covariates is None else tuple(asked.covariates),
        before=asked.before,
        slices=("day", *known_before) if asked.slices is None else tuple(asked.slices),
        segments=known_before if asked.segments is None else tuple(asked.segments),
    )
    if question.window_us is not None and (exposures.at_us is None or outcomes.at_us is None):
        raise AnalysisError("a window needs the times of exposures and outcomes: name their columns, or leave it out")
    return question if plan is None else ask_plan(plan, exposures, outcomes, question)


def ask_plan(plan: ExperimentPlan, exposures: ExposureTable, outcomes: OutcomeTable, question: Question) -> Question:
    """Return the question that a declared plan asks of these tables; what it does not say stays as it is.

    The end of a fixed horizon is the planned duration, and the window, after the first exposure.
    """
    window = round(plan.window_seconds * 1e6) if outcomes.at_us is not None and exposures.at_us is not None else None
    ends = question.ends_us
    if plan.planned_duration and exposures.at_us is not None and ends is None:
        ends = int(exposures.at_us[exposures.at_us > np.iinfo(np.int64).min].min()) + round(plan.planned_seconds * 1e6)
    return replace(
        question,
        secondary=tuple(declared_measure(name, outcomes) for name in plan.secondary_metrics),
        guards=tuple(
            Guard(declared_measure(one.metric, outcomes), one.margin, one.absolute) for one in plan.guardrails
        ),
        control=plan.variants[0].name if plan.variants else question.control,
        shares=dict(zip((one.name for one in plan.variants), plan.shares, strict=True)) or question.shares,
        alpha=plan.alpha,
        power=plan.power,
        minimum_effect=plan.minimum_effect if plan.minimum_effect is not None else question.minimum_effect,
        rule=plan.stopping_rule or question.rule,
        window_us=question.window_us if question.window_us is not None else window,
        ends_us=ends,
        hypothesis=plan.hypothesis,
    )


def declared_measure(name: str, outcomes: OutcomeTable) -> Measure:
    """Return the metric that a plan names: one of a journey's, or an outcome."""
    if name not in tuple(Declared):
        return read_measure(name, outcomes, ())
    return measure_of(name)


def read_measure(text: str, outcomes: OutcomeTable, less_is_better: Sequence[str]) -> Measure:
    """Return a metric of ``[KIND:]NAME[/PER]``; without a kind, what the outcomes' numbers suggest."""
    kind_text, colon, rest = text.partition(":")
    has_kind = bool(colon) and kind_text in tuple(MetricKind)
    name = rest if has_kind else text
    outcome, slash, per = name.partition("/")
    for part in (outcome, per) if slash else (outcome,):
        if part not in outcomes.values:
            known = ", ".join(outcomes.values) or "none"
            raise AnalysisError(f"there is no outcome {part!r} for the metric {text!r}: there are {known}")
    more = name not in less_is_better and outcome not in less_is_better
    if slash:
        return Measure(name, MetricKind.RATIO, outcome, per, more)
    kind = MetricKind(kind_text) if has_kind else _guess_kind(outcome, outcomes)
    if kind is MetricKind.RATIO:
        raise AnalysisError(f"the ratio {name!r} needs what it is divided by: write {name}/sessions")
    return Measure(name, kind, outcome, None, more)


def read_shares(text: str) -> Mapping[str, float]:
    """Return planned shares of ``control=.5,treatment=.5``; raises :class:`AnalysisError`."""
    found = {}
    for part in text.split(","):
        name, equals, share = part.partition("=")
        try:
            found[name.strip()] = float(share)
        except ValueError as error:
            raise AnalysisError(f"{part!r} is no share: write control=.5,treatment=.5") from error
        if not equals or not found[name.strip()] > 0:
            raise AnalysisError(f"{part!r} is no share: write control=.5,treatment=.5")
    return found


def read_rule(text: str) -> StoppingRule:
    """Return a rule of stopping; raises :class:`AnalysisError`."""
    try:
        return StoppingRule(text)
    except ValueError as error:
        raise AnalysisError(f"{text!r} is no rule of stopping: there are {', '.join(StoppingRule)}") from error


def _duration_us(text: str) -> int:
    try:
        return round(parse_duration(text) * US_PER_SECOND)
    except ValueError as error:
        raise AnalysisError(f"--within: {error}") from error


def _moment_us(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise AnalysisError(f"{text!r} is no time; write it as 2026-03-17 or 2026-03-17T08:00") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * US_PER_SECOND)


def _read_guard(text: str, outcomes: OutcomeTable, less_is_better: Sequence[str]) -> Guard:
    name, colon, margin = text.rpartition(":")
    absolute = margin.startswith("=")
    try:
        found = float(margin.removeprefix("="))
    except ValueError as error:
        raise AnalysisError(
            f"{text!r} is no guardrail: write METRIC:.05 for at most 5 % worse, or METRIC:=.01 in its own unit"
        ) from error
    if not colon:
        raise AnalysisError(f"the guardrail {text!r} names no metric: write METRIC:.05 for at most 5 % worse")
    return Guard(read_measure(name, outcomes, less_is_better), found, absolute)


def _guess(outcomes: OutcomeTable) -> str:
    if len(outcomes.values) == 1:
        return next(iter(outcomes.values))
    found = next((name for name in _GOALS if name in outcomes.values), None)
    if found is None:
        raise AnalysisError(f"which metric decides? Name it with --metric: there are {', '.join(outcomes.values)}")
    return found


def _guess_kind(outcome: str, outcomes: OutcomeTable) -> MetricKind:
    values = outcomes.values[outcome]
    known = values[~np.isnan(values)]
    if np.all((known == 0) | (known == 1)):
        return MetricKind.PROPORTION
    return MetricKind.REVENUE if _MONEY.search(outcome) else MetricKind.MEAN
