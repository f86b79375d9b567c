"""Guardrails: whether a metric is known not to be worse than the control's by its margin (non-inferiority).

A relative margin m is a contrast of the two arms, treated - (1 - m) control for a metric that should not fall, so that
the control's own error counts. Each guardrail is tested at alpha, one-sided: a variant ships only if all of them hold,
and a test of all together needs no correction (Berger 1982, Technometrics 24).
"""

import math

from decisions.experiments import StoppingRule
from decisions.sequences import Tuning, always_valid_p, multiplier
from insights.experiments.effects import Measured
from insights.experiments.people import People
from insights.experiments.question import Guard, Question
from insights.experiments.result import Effect, GuardCheck, Held


def check_guard(
    guard: Guard, measured: Measured, effect: Effect, people: People, question: Question, tuning: Tuning
) -> GuardCheck:
    """Return whether a variant keeps a guardrail, by the declared rule of stopping."""
    found = measured.against_control(people.variants.index(effect.variant))
    control, treated = float(found.control[0]), float(found.treated[0])
    control_variance, treated_variance = float(found.control_variance[0]), float(found.treated_variance[0])
    sign = 1.0 if guard.measure.more_is_better else -1.0
    if guard.absolute or control <= 0:
        factor, room = 1.0, guard.margin if guard.absolute else guard.margin * abs(control)
    else:
        factor, room = 1.0 - sign * guard.margin, 0.0
    # How far the variant is from being worse by the margin; above zero it keeps it.
    kept = sign * (treated - factor * control) + room
    error = math.sqrt(treated_variance + factor**2 * control_variance)
    counts = effect.control.people, effect.treated.people
    if math.isnan(error):
        return GuardCheck(effect, guard.margin, guard.absolute, Held.OPEN, 1.0)
    if not error > 0:
        held = Held.HELD if kept > 0 else Held.BROKEN
        return GuardCheck(effect, guard.margin, guard.absolute, held, float(kept <= 0))
    z, narrowest = kept / error, 2 * tuning.narrowest_per_arm
    if question.rule is StoppingRule.ALWAYS_VALID:
        # One side of a two-sided sequence at twice the error is a one-sided one.
        alpha = 2 * question.alpha
        started = min(counts) >= tuning.start_per_arm
        p_value = float(always_valid_p(z, sum(counts), narrowest, alpha)) / 2 if started and z > 0 else 1.0
        reach = float(multiplier(sum(counts), narrowest, alpha)) if started else math.inf
    else:
        from scipy.special import stdtr, stdtrit

        freedom = float(found.freedom[0])
        p_value, reach = float(stdtr(freedom, -z)), float(stdtrit(freedom, 1 - question.alpha))
    held = Held.HELD if z > reach else Held.BROKEN if z < -reach else Held.OPEN
    return GuardCheck(effect, guard.margin, guard.absolute, held, p_value)
