"""Experiments as they are declared: who takes part, what is compared, and when it is over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from features.duration import parse_duration

SECONDS_PER_DAY = 86_400.0
DEFAULT_LAYER = "default"


class PlanError(ValueError):
    """An experiment that cannot be declared, started or stopped as asked; the text says what to do."""


class Metric(StrEnum):
    """What is measured of each person, from the first exposure to the end of the window."""

    GOAL = "goal"
    """Whether the journey's goal was reached."""
    REVENUE = "revenue"
    """What the goals brought, by the journey's revenue property; winsorised."""
    NET_VALUE = "net_value"
    """The goals at the journey's goal value, less the interventions' costs and annoyance."""
    DISMISSED = "dismissed"
    """Whether an intervention was dismissed."""
    GOALS_PER_SESSION = "goals_per_session"
    """Goals divided by sessions; a ratio."""

    @property
    def more_is_better(self) -> bool:
        """Whether a rise is good."""
        return self is not Metric.DISMISSED


class StoppingRule(StrEnum):
    """When a verdict may be read."""

    FIXED = "fixed"
    """Once, when the planned size is reached."""
    ALWAYS_VALID = "always-valid"
    """At any time: intervals hold at all looks together."""


class TreatmentKind(StrEnum):
    """What a variant does where it decides."""

    AS_USUAL = "as usual"
    """What the live policy says."""
    NOTHING = "nothing"
    INTERVENTION = "intervention"
    """The named intervention, where it is eligible."""
    POLICY = "policy"
    """What the named version of the policy says."""
    NAMED_BLOCKER = "named blocker"
    """An intervention that treats the first blocker that was named."""
    OTHER_BLOCKER = "other blocker"
    """An intervention that treats another blocker, and not the one that was named."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a variant does; ``named`` is the intervention's name or the policy's version, else None."""

    kind: TreatmentKind
    named: str | None = None

    def describe(self) -> str:
        """Return the treatment in words."""
        return str(self.kind) if self.named is None else f"{self.kind} {self.named}"


AS_USUAL, NOTHING = Treatment(TreatmentKind.AS_USUAL), Treatment(TreatmentKind.NOTHING)
NAMED_BLOCKER, OTHER_BLOCKER = Treatment(TreatmentKind.NAMED_BLOCKER), Treatment(TreatmentKind.OTHER_BLOCKER)


def show(intervention: str) -> Treatment:
    """Return the treatment of recommending one intervention wherever it is eligible."""
    return Treatment(TreatmentKind.INTERVENTION, intervention)


def decide_by(policy_version: str) -> Treatment:
    """Return the treatment of deciding by a version of the policy."""
    return Treatment(TreatmentKind.POLICY, policy_version)


def read_treatment(text: str) -> Treatment:
    """Return the treatment that people write as ``as_usual``, ``policy:VERSION`` or an intervention's name."""
    kind, found, version = text.partition(":")
    if found:
        if kind != TreatmentKind.POLICY:
            raise PlanError(f"{text!r} is no treatment: write policy:VERSION, or an intervention's name")
        return decide_by(version)
    plain = {str(one.kind).replace(" ", "_"): one for one in (AS_USUAL, NOTHING, NAMED_BLOCKER, OTHER_BLOCKER)}
    return plain.get(text) or show(text)


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm; people are divided among the variants in proportion to their weights."""

    name: str
    treatment: Treatment
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Population:
    """Who takes part: decisions in one of the stages, with one of the blockers named first, of one of the cohorts.

    Empty means all. ``cohorts`` maps a column (``device``) or a property to the values that take part, by the session's
    first known value. ``share`` is the part of the layer's people, 0 to 1.
    """

    stages: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    cohorts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    share: float = 1.0

    def describe(self) -> str:
        """Return who takes part in words."""
        parts = [
            f"stage {' or '.join(self.stages)}" if self.stages else "",
            f"blocker {' or '.join(self.blockers)}" if self.blockers else "",
            *(f"{name} {' or '.join(values)}" for name, values in self.cohorts.items()),
        ]
        who = "; ".join(part for part in parts if part) or "everybody"
        return who if self.share == 1 else f"{self.share:.0%} of {who}"


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A metric that must not get worse by ``margin``: relative to the first variant's (0.05 is 5 %) or absolute."""

    metric: str
    margin: float
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """An experiment as it is declared, complete or not (:func:`decisions.plan_checks.refusals` says what is missing).

    The first variant is the one that the others are compared with. ``minimum_effect`` is the least change of the
    primary metric that is worth finding, relative to the first variant's (0.2 is a rise by a fifth); ``window`` is how
    long after the first exposure outcomes count, ``planned_duration`` how long people are taken in ("14d").
    Experiments of one ``layer`` exclude each other; those of different layers are independent.
    """

    name: str
    hypothesis: str = ""
    variants: tuple[Variant, ...] = ()
    population: Population = field(default_factory=Population)
    layer: str = DEFAULT_LAYER
    primary_metric: str = ""
    secondary_metrics: tuple[str, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    minimum_effect: float | None = None
    alpha: float = 0.05
    power: float = 0.8
    planned_duration: str = ""
    window: str = "7d"
    owner: str = ""
    stopping_rule: StoppingRule | None = None

    @property
    def planned_seconds(self) -> float:
        """How long people are taken in; raises ValueError where that is not declared."""
        return parse_duration(self.planned_duration)

    @property
    def window_seconds(self) -> float:
        """How long after the first exposure outcomes count."""
        return parse_duration(self.window)

    @property
    def shares(self) -> tuple[float, ...]:
        """Each variant's part of the people; they sum to one."""
        total = sum(variant.weight for variant in self.variants)
        return tuple(variant.weight / total for variant in self.variants)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that is looked at, the primary first, each once."""
        guarded = (guardrail.metric for guardrail in self.guardrails)
        return tuple(dict.fromkeys((self.primary_metric, *self.secondary_metrics, *guarded)))

    @property
    def policy_versions(self) -> tuple[str, ...]:
        """The versions of the policy that variants decide by."""
        kind = TreatmentKind.POLICY
        return tuple(one.treatment.named or "" for one in self.variants if one.treatment.kind is kind)

    @property
    def is_explanation_trial(self) -> bool:
        """Whether it compares treating the named blocker with treating another one."""
        kinds = {variant.treatment.kind for variant in self.variants}
        return {TreatmentKind.NAMED_BLOCKER, TreatmentKind.OTHER_BLOCKER} <= kinds


def to_json(plan: ExperimentPlan) -> dict[str, Any]:
    """Return the plan as JSON has it; :func:`from_json` reads it."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(plan))
    return found


def from_json(content: Mapping[str, Any]) -> ExperimentPlan:
    """Return the plan that :func:`to_json` wrote or somebody else; raises :class:`PlanError`, naming the field."""
    unknown = sorted(_unknown(content, msgspec.to_builtins(_EXAMPLE)))
    if unknown:
        raise PlanError(f"the experiment has no field {unknown[0]!r}: leave it out, or see `dropoff experiment new`")
    try:
        return msgspec.convert(content, ExperimentPlan)
    except msgspec.ValidationError as error:
        raise PlanError(f"the experiment cannot be read: {error}") from error


def explanation_trial(
    owner: str, *, planned_duration: str = "28d", stopping_rule: StoppingRule = StoppingRule.ALWAYS_VALID
) -> ExperimentPlan:
    """Return the built-in trial of whether explanations are right: the named blocker is treated, another, or none."""
    return ExperimentPlan(
        name="explanation_trial",
        hypothesis="Treating the blocker that the diagnosis names brings more goals than treating another one.",
        variants=(
            Variant("nothing", NOTHING),
            Variant("named", NAMED_BLOCKER),
            Variant("other", OTHER_BLOCKER),
        ),
        primary_metric=Metric.GOAL.value,
        guardrails=(Guardrail(Metric.DISMISSED.value, 0.05, absolute=True),),
        minimum_effect=0.2,
        planned_duration=planned_duration,
        owner=owner,
        stopping_rule=stopping_rule,
    )


_EXAMPLE = ExperimentPlan("example", variants=(Variant("as_usual", AS_USUAL),), guardrails=(Guardrail("goal", 0.1),))


def _unknown(given: Any, known: Any, where: str = "") -> list[str]:
    """Return the paths of members that no plan has; what is a list is compared with the first of the example's."""
    if isinstance(given, Mapping) and isinstance(known, Mapping) and where != "population.cohorts":
        found = []
        for name, value in given.items():
            path = f"{where}.{name}" if where else str(name)
            found += _unknown(value, known[name], path) if name in known else [path]
        return found
    if isinstance(given, list | tuple) and isinstance(known, list | tuple) and known:
        return [path for one in given for path in _unknown(one, known[0], where)]
    return []
