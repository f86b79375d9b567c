"""Running experiments at the moment of a decision: which variant decides, and how likely everything was.

Experiments lie around the policy like shells, the one that started first outermost: where its variant is to do as
usual, the next one is asked, and the policy last. An experiment takes part in a decision only where every variant could
be applied and not all give every option the same probability: whoever was never in such a situation could not be
touched by the variants, and is no exposure. The probability of an option is that over the draw of the variant and all
that is drawn within it, sum_v w_v P_v(option).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from decisions.assignment import uniform
from decisions.decision import Met, Reason
from decisions.eligibility import Eligibility
from decisions.experiments import ExperimentPlan, Population, TreatmentKind, Variant
from decisions.intervention import Intervention
from decisions.layers import Span, draw_variant, takes_part
from decisions.policy import NOTHING, Option, Policy, PolicySettings, Situation, choose
from features.encode import key

_T = TypeVar("_T")

FirstKey = Callable[[str], float]
"""Return the key of the session's first known value of a column or property; NaN where it has none."""


@dataclass(frozen=True, slots=True)
class RunningExperiment:
    """An experiment that takes people in: its buckets of the layer, and the policies of its variants by version."""

    plan: ExperimentPlan
    spans: tuple[Span, ...]
    policies: Mapping[str, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be done, with the probability of every option.

    ``option`` is the chosen intervention as the policy sees it, None for nothing. ``met`` are the variants that this
    decision exposes to, the outermost first; the last is the one that decided.
    """

    option: Option | None
    reason: Reason
    propensities: Mapping[str, float]
    drawn: float | None
    policy_version: str
    met: tuple[Met, ...] = ()


@dataclass(frozen=True)
class Moment:
    """What a decision is made of: the person's assignment, the situation, and what may be shown.

    ``identity`` is what is drawn by within a variant. ``allowed`` may be shown as the settings say; ``unmatched``
    returns what might be, whichever blockers it treats.
    """

    journey: str
    assignment: str
    identity: str
    situation: Situation
    allowed: Eligibility
    unmatched: Callable[[], Eligibility]
    first_key: FirstKey
    policy: Policy
    settings: PolicySettings

    @cached_property
    def all_allowed(self) -> tuple[Intervention, ...]:
        """What may be shown, whichever blockers it treats."""
        return self.allowed.eligible if not self.settings.only_matching else self.unmatched().eligible


def decide_among(experiments: Sequence[RunningExperiment], moment: Moment) -> Chosen:
    """Return what the experiments around the policy, and in the end the policy itself, decide."""
    if not experiments:
        return _by_policy(moment.policy, moment)
    first, inner = experiments[0], experiments[1:]
    plan = first.plan
    if not takes_part(moment.journey, plan.layer, first.spans, moment.assignment) or not _belongs(
        plan.population, moment
    ):
        return decide_among(inner, moment)
    as_usual = decide_among(inner, moment)
    pair = _pair(plan, moment)
    arms = [_apply(variant, first, moment, as_usual, pair) for variant in plan.variants]
    found = [arm for arm in arms if arm is not None]
    if len(found) < len(arms) or all(_same(arm.propensities, found[0].propensities) for arm in found):
        return as_usual
    variant, drawn = draw_variant(moment.journey, plan, moment.assignment)
    mine = found[plan.variants.index(variant)]
    met = Met(plan.name, variant.name, pair.other if pair else None)
    return Chosen(
        mine.option,
        mine.reason,
        _mix([arm.propensities for arm in found], plan.shares),
        drawn if mine.drawn is None else mine.drawn,
        mine.policy_version,
        (met, *mine.met),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """Interventions for the named blocker and for another, with the probability of each, and those that were drawn.

    Neither of the two treats the other's blocker. ``other`` is None where the plan has no use for it.
    """

    other: str | None
    named_odds: Mapping[str, float]
    named: Intervention
    other_odds: Mapping[str, float]
    instead: Intervention | None


def _pair(plan: ExperimentPlan, moment: Moment) -> _Pair | None:
    kinds = {variant.treatment.kind for variant in plan.variants}
    if not kinds & {TreatmentKind.NAMED_BLOCKER, TreatmentKind.OTHER_BLOCKER} or not moment.situation.blockers:
        return None
    named = moment.situation.blockers[0].friction.name
    drawn = uniform("treated", plan.name, moment.identity)
    if TreatmentKind.OTHER_BLOCKER not in kinds:
        fitting = [one for one in moment.allowed.eligible if any(named == friction.name for friction in one.treats)]
        return _Pair(None, _even([fitting]), _at(fitting, drawn), {}, None) if fitting else None
    treats = [(one, {friction.name for friction in one.treats}) for one in moment.all_allowed]
    pairs = {}
    for other in dict.fromkeys(name for one, _ in treats for name in (friction.name for friction in one.treats)):
        mine = [one for one, names in treats if named in names and other not in names]
        theirs = [one for one, names in treats if other in names and named not in names]
        if mine and theirs:
            pairs[other] = mine, theirs
    if not pairs:
        return None
    other_name = _at(list(pairs), uniform("other", plan.name, moment.identity))
    mine, theirs = pairs[other_name]
    return _Pair(
        other_name,
        _even([one for one, _ in pairs.values()]),
        _at(mine, drawn),
        _even([one for _, one in pairs.values()]),
        _at(theirs, drawn),
    )


def _apply(
    variant: Variant, running: RunningExperiment, moment: Moment, as_usual: Chosen, pair: _Pair | None
) -> Chosen | None:
    """Return what a variant decides; None where it cannot be applied."""
    treatment = variant.treatment
    match treatment.kind:
        case TreatmentKind.AS_USUAL:
            return as_usual
        case TreatmentKind.NOTHING:
            return Chosen(None, Reason.EXPERIMENT, {NOTHING: 1.0}, None, moment.policy.version)
        case TreatmentKind.POLICY:
            return _by_policy(running.policies[treatment.named or ""], moment)
        case TreatmentKind.INTERVENTION:
            named = [one for one in moment.allowed.eligible if one.name == treatment.named]
            return _showing(named[0], {named[0].name: 1.0}, moment) if named else None
        case TreatmentKind.NAMED_BLOCKER:
            return _showing(pair.named, pair.named_odds, moment) if pair else None
        case TreatmentKind.OTHER_BLOCKER:
            return _showing(pair.instead, pair.other_odds, moment) if pair and pair.instead else None


def _by_policy(policy: Policy, moment: Moment) -> Chosen:
    drawn = uniform("policy", policy.version, moment.identity)
    choice = choose(policy.assess(moment.allowed.eligible, moment.situation), moment.settings.exploration, drawn)
    options = {option.name: option for option in choice.options}
    reason = Reason.NOT_WORTH_IT if choice.chosen == NOTHING else Reason.BEST_VALUE
    return Chosen(
        options.get(choice.chosen),
        Reason.EXPLORED if choice.explored else reason,
        choice.propensities,
        drawn,
        policy.version,
    )


def _showing(intervention: Intervention, odds: Mapping[str, float], moment: Moment) -> Chosen:
    [option] = moment.policy.assess((intervention,), moment.situation).options
    return Chosen(option, Reason.EXPERIMENT, odds, None, moment.policy.version)


def _belongs(population: Population, moment: Moment) -> bool:
    situation = moment.situation
    if population.stages and situation.stage not in population.stages:
        return False
    first = situation.blockers[0].friction.name if situation.blockers else None
    if population.blockers and first not in population.blockers:
        return False
    return all(moment.first_key(name) in map(key, values) for name, values in population.cohorts.items())


def _even(groups: Sequence[Sequence[Intervention]]) -> dict[str, float]:
    """Return how likely each intervention is when first a group is drawn, and then one of it."""
    odds: dict[str, float] = {}
    for group in groups:
        for one in group:
            odds[one.name] = odds.get(one.name, 0.0) + 1.0 / (len(groups) * len(group))
    return odds


def _at(found: Sequence[_T], drawn: float) -> _T:
    return found[int(drawn * len(found))]


def _same(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    return all(first.get(name, 0.0) == second.get(name, 0.0) for name in {*first, *second})


def _mix(odds: Sequence[Mapping[str, float]], shares: Sequence[float]) -> dict[str, float]:
    names = dict.fromkeys((NOTHING, *(name for one in odds for name in one)))
    return {name: sum(share * one.get(name, 0.0) for one, share in zip(odds, shares, strict=True)) for name in names}
