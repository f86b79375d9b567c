"""What keeps an experiment from being started: all that is missing or wrong about its plan, in sentences."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from decisions.experiments import ExperimentPlan, Metric, TreatmentKind
from features.duration import parse_duration
from features.table import nearest

_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Declared:
    """The names that a plan may use: stages, frictions and interventions of the journey.

    ``cohorts`` are the columns and properties that the live service can tell people apart by, as a feature reads them
    as a category or key.
    """

    stages: tuple[str, ...]
    frictions: tuple[str, ...]
    interventions: tuple[str, ...]
    cohorts: tuple[str, ...]
    has_revenue: bool


def refusals(plan: ExperimentPlan, declared: Declared) -> list[str]:
    """Return everything that has to be put right before a plan can be started: what is missing, then what is wrong."""
    return [*missing(plan), *wrong(plan, declared)]


def missing(plan: ExperimentPlan) -> list[str]:
    """Return what the plan does not say yet, each as a sentence that says what to write."""
    wanted = {
        "the hypothesis is missing: write what is expected, and of whom": plan.hypothesis.strip(),
        "there are fewer than two variants: give at least two with a treatment each": len(plan.variants) >= 2,
        f"the primary metric is missing: choose one of {', '.join(Metric)}": plan.primary_metric,
        "no guardrail is declared: name a metric that must not get worse, and by how much at most": plan.guardrails,
        "the minimum effect is missing: write the least relative change that is worth finding, such as 0.1": (
            plan.minimum_effect is not None
        ),
        "the planned duration is missing: write how long people are taken in, such as '14d'": plan.planned_duration,
        "the owner is missing: write who answers for the experiment": plan.owner.strip(),
        "the stopping rule is missing: choose fixed or always-valid": plan.stopping_rule is not None,
    }
    return [sentence for sentence, given in wanted.items() if not given]


def wrong(plan: ExperimentPlan, declared: Declared) -> list[str]:
    """Return what the plan says that cannot be, each as a sentence."""
    return [*_names(plan), *_population(plan, declared), *_variants(plan, declared), *_metrics(plan, declared)]


def is_name(text: str) -> bool:
    """Return whether an experiment, a layer or a variant may be called so."""
    plain = text.replace("_", "").replace("-", "")
    return plain.isascii() and plain.isalnum() and len(text) <= _LONGEST_NAME


def _names(plan: ExperimentPlan) -> Iterator[str]:
    for what, name in (("name", plan.name), ("layer", plan.layer), *(("variant", one.name) for one in plan.variants)):
        if not is_name(name):
            yield f"the {what} {name[:_LONGEST_NAME]!r} is no name: use letters, digits, _ and -, at most 60"
    for what, text in (("planned duration", plan.planned_duration), ("window", plan.window)):
        if text or what == "window":
            try:
                parse_duration(text)
            except ValueError as error:
                yield f"the {what}: {error}"


def _population(plan: ExperimentPlan, declared: Declared) -> Iterator[str]:
    who = plan.population
    if not 0 < who.share <= 1:
        yield f"the population's share {who.share:g} is none: write a number above 0, and at most 1"
    for stage in who.stages:
        if stage not in declared.stages:
            yield f"the stage {stage!r} is not declared: did you mean {_nearest(stage, declared.stages)}?"
    for blocker in who.blockers:
        if blocker not in declared.frictions:
            yield f"the blocker {blocker!r} is not declared: did you mean {_nearest(blocker, declared.frictions)}?"
    for name, values in who.cohorts.items():
        if name not in declared.cohorts:
            known = f"did you mean {_nearest(name, declared.cohorts)}?" if declared.cohorts else "there is none"
            yield f"the cohort {name!r} is read by no feature, so it is not seen while people are there: {known}"
        if not values:
            yield f"the cohort {name!r} has no value: write those that take part"


def _variants(plan: ExperimentPlan, declared: Declared) -> Iterator[str]:
    names = [variant.name for variant in plan.variants]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"the variant {name!r} is declared twice: rename one"
    treatments = [variant.treatment for variant in plan.variants]
    if len(treatments) > 1 and len(set(treatments)) == 1:
        yield "all variants do the same: give them different treatments"
    for variant in plan.variants:
        treatment, where = variant.treatment, f"the variant {variant.name!r}"
        if not 0 < variant.weight < math.inf:
            yield f"{where} has the weight {variant.weight:g}: write a positive number"
        needs_name = treatment.kind in (TreatmentKind.INTERVENTION, TreatmentKind.POLICY)
        if needs_name and not treatment.named:
            yield f"{where} does not name its {treatment.kind}"
        elif not needs_name and treatment.named is not None:
            yield f"{where} names {treatment.named!r}, which the treatment {treatment.kind} does not take"
        elif treatment.kind is TreatmentKind.INTERVENTION and treatment.named not in declared.interventions:
            known = _nearest(treatment.named or "", declared.interventions)
            yield f"{where} shows {treatment.named!r}, which is no intervention: did you mean {known}?"


def _metrics(plan: ExperimentPlan, declared: Declared) -> Iterator[str]:
    for metric in filter(None, plan.metrics):
        if metric not in tuple(Metric):
            yield f"the metric {metric!r} is unknown: choose one of {', '.join(Metric)}"
        if metric == Metric.REVENUE and not declared.has_revenue:
            yield "the journey declares no revenue property, so revenue cannot be a metric"
    for guardrail in plan.guardrails:
        if not 0 < guardrail.margin < (math.inf if guardrail.absolute else 1):
            yield f"the guardrail {guardrail.metric!r} has the margin {guardrail.margin:g}: write 0.05 for 5 %"
    if plan.minimum_effect is not None and not 0 < abs(plan.minimum_effect) < math.inf:
        yield f"the minimum effect {plan.minimum_effect:g} is no change: write 0.1 for a rise by a tenth"
    if not 0 < plan.alpha < 1:
        yield f"alpha {plan.alpha:g} is no error rate: write a number between 0 and 1, such as 0.05"
    elif not plan.alpha < plan.power < 1:
        yield f"the power {plan.power:g} must lie between alpha, {plan.alpha:g}, and 1: 0.8 is usual"


def _nearest(name: str, candidates: Sequence[str]) -> str:
    return " or ".join(repr(candidate) for candidate in nearest(name, tuple(candidates)))
