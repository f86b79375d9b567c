"""The verdict on each variant, and on the experiment: ship, stop, inconclusive or invalid, with its reasons.

An experiment that cannot be trusted is invalid, whatever it shows. Else the declared rule of stopping decides: by the
p-values of a fixed horizon, or by the always-valid ones. A variant ships if it is better and every guardrail is known
to hold; it is stopped if it is worse, breaks a guardrail, or cannot be better by as much as is worth having.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from decisions.always_valid_size import z_for_power
from decisions.experiments import StoppingRule
from decisions.sequences import Tuning
from insights.experiments.people import People
from insights.experiments.question import Question
from insights.experiments.result import (
    Decision,
    Effect,
    GuardCheck,
    Held,
    Needed,
    NextHypothesis,
    RatioCheck,
    SegmentEffect,
    Verdict,
)
from insights.experiments.say import say_change, say_slice
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate

FEWEST_PER_ARM = 100
"""With fewer people in an arm nothing is said."""
FEWEST_HITS = 20
"""A rate of all arms together needs so many people for whom it happened, and for whom it did not."""
NEARLY_ALL = 0.98
"""A fixed horizon is reached with so much of its people: the last few change nothing, and some are always left out."""
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What verdicts go by."""

    people: People
    question: Question
    tuning: Tuning
    primary: Sequence[Effect]
    guards: Sequence[GuardCheck]
    ratio: RatioCheck
    segments: Sequence[SegmentEffect]
    refused: Mapping[str, str]
    """Covariates that were asked for, and were not used, with the reason."""


def decide(found: Found) -> tuple[Decision, dict[str, Decision]]:
    """Return the experiment's verdict and each variant's: the best of those that ship, else of those still open."""
    doubts = tuple(_doubts(found))
    if doubts:
        decision = Decision(Verdict.INVALID, None, doubts)
        return decision, {effect.variant: Decision(Verdict.INVALID, effect.variant, doubts) for effect in found.primary}
    by_variant = {effect.variant: _of_variant(found, effect) for effect in found.primary}
    for verdict in (Verdict.SHIP, Verdict.INCONCLUSIVE, Verdict.STOP):
        those = [effect for effect in found.primary if by_variant[effect.variant].verdict is verdict]
        if those:
            return by_variant[max(those, key=_better).variant], by_variant
    raise ValueError("there is no variant to decide about")


def needed_for(effect: Effect, question: Question, change: float, comparisons: int) -> int:
    """Return the people in each arm by whom the rule finds a change, given the variance that was observed."""
    counts = effect.control.people, effect.treated.people
    # What one person of each arm adds to the variance, if the arms were of one size.
    per_person = effect.standard_error**2 * 2 / (1 / counts[0] + 1 / counts[1])
    return math.ceil(per_person * (expected_z(question, comparisons) / change) ** 2)


def expected_z(question: Question, comparisons: int) -> float:
    """Return the z-statistic that has to be expected for the wanted power by the declared rule."""
    from scipy.special import ndtri

    alpha = question.alpha / comparisons
    if question.rule is StoppingRule.ALWAYS_VALID:
        return z_for_power(alpha, question.power)
    return float(ndtri(1 - alpha / 2) + ndtri(question.power))


def _doubts(found: Found) -> list[str]:
    """Return why the experiment cannot be trusted, the gravest first."""
    people, question, ratio = found.people, found.question, found.ratio
    doubts = []
    if ratio.failed:
        doubts.append(_off(ratio))
    counts = ratio.observed
    fewest = min(counts, key=lambda name: counts[name])
    if counts[fewest] < FEWEST_PER_ARM:
        doubts.append(f"too few: {counts[fewest]:,} people in {fewest!r}; nothing is said below {FEWEST_PER_ARM}")
    doubts += _too_rare(found)
    everybody = len(people) + people.counts.crossed_dropped
    share = people.counts.crossed / everybody if everybody else 0.0
    if share > question.most_crossed:
        doubts.append(
            f"crossovers: {people.counts.crossed:,} people ({share:.1%}) met two variants; the limit is "
            f"{question.most_crossed:.1%}"
        )
    doubts += [f"the covariate {name!r} cannot be used: it was {why}" for name, why in found.refused.items()]
    if question.rule is StoppingRule.FIXED:
        doubts += _too_early(found)
    return doubts


def _off(ratio: RatioCheck) -> str:
    text = (
        f"sample ratio mismatch: {say_slice(ratio.observed, ratio.expected)} (p = {ratio.p:.2g})"
        if ratio.alarm
        else "sample ratio mismatch in a part of the people"
    )
    where = [f"{one.name} {one.value}: {say_slice(one.observed, one.expected)}" for one in ratio.named[:3]]
    return f"{text}; it is off in {'; '.join(where)}" if where else text


def _too_rare(found: Found) -> list[str]:
    for effect in found.primary[:1]:
        if effect.kind is MetricKind.PROPORTION:
            arms = [effect.control, *(one.treated for one in found.primary)]
            hits = sum(arm.value * arm.people for arm in arms)
            rest = sum(arm.people for arm in arms) - hits
            if min(hits, rest) < FEWEST_HITS:
                what = "reached it" if hits < rest else "did not"
                return [f"too few: {min(hits, rest):,.0f} people {what} in all arms; {FEWEST_HITS} are needed"]
        elif effect.standard_error == 0:
            return [f"nothing to compare: {effect.measure} is {effect.control.value:,.4g} for everybody"]
    return []


def _too_early(found: Found) -> list[str]:
    question = found.question
    if question.planned_per_arm is None and question.ends_us is None:
        return [
            "a fixed horizon without a planned size or end: nothing tells that this is its one look; say which was "
            "planned, or go by the always-valid rule"
        ]
    counts = found.ratio.observed
    mean = sum(counts.values()) / len(counts)
    if question.planned_per_arm is not None and mean < NEARLY_ALL * question.planned_per_arm:
        return [
            f"looked at before its end: the fixed horizon is {question.planned_per_arm:,} people per arm, there are "
            f"{mean:,.0f}; wait for them, or declare an always-valid rule next time"
        ]
    if question.ends_us is not None and found.people.ends_us is not None and found.people.ends_us < question.ends_us:
        days = (question.ends_us - found.people.ends_us) / _DAY_US
        return [
            f"looked at before its end, {days:,.1f} days early; wait for it, or declare an always-valid rule next time"
        ]
    recent = found.people.counts.too_recent
    if question.ends_us is not None and recent > (1 - NEARLY_ALL) * (recent + sum(counts.values())):
        return [f"looked at before its end: {recent:,} people may still do something within the window; wait for it"]
    return []


def _of_variant(found: Found, effect: Effect) -> Decision:
    question, variant = found.question, effect.variant
    valid = question.rule is StoppingRule.ALWAYS_VALID
    p_value = effect.adjusted_p_always_valid if valid else effect.adjusted_p_fixed
    clear = p_value is not None and p_value < question.alpha
    better = _better(effect) > 0
    interval = effect.always_valid if valid else effect.difference
    guards = [guard for guard in found.guards if guard.effect.variant == variant]
    change = say_change(effect, interval or effect.difference)
    broken = [guard for guard in guards if guard.held is Held.BROKEN]
    if broken:
        names = ", ".join(guard.effect.measure for guard in broken)
        return Decision(Verdict.STOP, variant, (f"{variant} breaks the guardrail {names}", change))
    if clear and not better:
        return Decision(Verdict.STOP, variant, (f"{variant} is worse: {change}",))
    minimum = _minimum_change(effect, question)
    pending = [guard for guard in guards if guard.held is Held.OPEN]
    if clear and not pending:
        reasons = [f"{variant} is better: {change}"]
        if guards:
            reasons.append(f"{_and([guard.effect.measure for guard in guards])} kept within the margin")
        if minimum is not None and interval is not None and _most(effect, interval) < abs(minimum):
            reasons.append("it is better by less than was declared to be worth having")
        return Decision(Verdict.SHIP, variant, tuple(reasons))
    if not clear and minimum is not None and interval is not None and _most(effect, interval) < abs(minimum):
        reason = f"a change worth having ({_relative(question)}) is ruled out for {variant}: {change}"
        return Decision(Verdict.STOP, variant, (reason,), None, _next(found, effect))
    reasons = [f"{variant} may be better or worse: {change}"]
    if clear:
        names = _and([guard.effect.measure for guard in pending])
        reasons = [f"{variant} is better, but whether {names} keeps its margin is open", change]
    elif valid and interval is None:
        reasons = [
            f"the sequence starts at {found.tuning.start_per_arm:,} people per arm; there are "
            f"{min(effect.control.people, effect.treated.people):,}"
        ]
    return Decision(
        Verdict.INCONCLUSIVE, variant, tuple(reasons), _needed(found, effect, minimum), _next(found, effect)
    )


def _needed(found: Found, effect: Effect, minimum: float | None) -> Needed | None:
    """Return the sample for the minimum effect; where that is there already, or none is declared, for what is seen."""
    here = min(effect.control.people, effect.treated.people)
    seen = effect.difference.value if _better(effect) > 0 else None
    for change in (minimum, seen):
        if change and effect.standard_error > 0:
            per_arm = needed_for(effect, found.question, change, len(found.primary))
            if per_arm > here or change is seen:
                further = max(0, per_arm - here)
                return Needed(per_arm, further, change, _days(found, further))
    return None


def _days(found: Found, further: int) -> int | None:
    exposed = found.people.exposed_us
    if exposed is None or len(exposed) < 2 or exposed[-1] == exposed[0]:
        return None
    per_us = min(found.ratio.observed.values()) / float(exposed[-1] - exposed[0])
    return math.ceil(further / per_us / _DAY_US) if per_us > 0 else None


def _next(found: Found, effect: Effect) -> NextHypothesis | None:
    """Return the most promising segment as a hypothesis: the largest difference after it is drawn to that of all."""
    sign = 1 if effect.more_is_better else -1
    own = [one for one in found.segments if one.variant == effect.variant]
    if not own:
        return None
    # Among those that are drawn all the way, the one that differs most for its size is as good a guess as any.
    best = max(own, key=lambda one: (sign * one.shrunk, -(one.p_fixed if one.p_fixed is not None else 1.0)))
    expected = sign * best.shrunk
    if not expected > 0:
        return None
    where = f"{best.name.replace('_', ' ')} {best.value}"
    people = best.control.people, best.treated.people
    per_person = _error(best) ** 2 * 2 / (1 / people[0] + 1 / people[1])
    per_arm = math.ceil(per_person * (expected_z(found.question, 1) / best.shrunk) ** 2)
    verb = "rises" if best.shrunk > 0 else "falls"
    amount = (
        f"{100 * abs(best.shrunk):.2f} points" if effect.kind is MetricKind.PROPORTION else f"{abs(best.shrunk):.3g}"
    )
    sentence = (
        f"Among people of {where}, {effect.measure} {verb} by {amount} with {effect.variant}: to be tested in an "
        f"experiment of its own, {per_arm:,} people per arm."
    )
    return NextHypothesis(sentence, best.name, best.value, effect.variant, best.shrunk, per_arm)


def _error(segment: SegmentEffect) -> float:
    from scipy.special import stdtrit

    freedom = segment.control.people + segment.treated.people - 2
    # The level does not matter: the same one made the interval, of nearly as many degrees of freedom.
    return (segment.difference.high - segment.difference.low) / 2 / float(stdtrit(freedom, 0.975))


def _minimum_change(effect: Effect, question: Question) -> float | None:
    """Return the least change worth having in the metric's unit, in the direction that is good."""
    if question.minimum_effect is None or not effect.control.value:
        return None
    size = abs(question.minimum_effect * effect.control.value)
    return size if effect.more_is_better else -size


def _most(effect: Effect, interval: Estimate) -> float:
    return interval.high if effect.more_is_better else -interval.low


def _better(effect: Effect) -> float:
    return effect.difference.value if effect.more_is_better else -effect.difference.value


def _relative(question: Question) -> str:
    return f"{abs(question.minimum_effect or 0.0):.3g} of the control's"


def _and(names: Sequence[str]) -> str:
    return " and ".join(dict.fromkeys(names))
