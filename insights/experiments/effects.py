"""Effects by both rules side by side, from the comparison of two arms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from decisions.sequences import Tuning, always_valid_p, multiplier
from insights.comparisons import Correction, adjust
from insights.experiments.bayes import of_difference, of_rates
from insights.experiments.compare import Compared, compare
from insights.experiments.moments import Moments, Rows, gather, rows_of
from insights.experiments.people import People
from insights.experiments.question import Measure, Question
from insights.experiments.result import ArmValue, Effect, Role
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate

FEWEST_AT_START = 10
"""A sequence starts when so many people are expected in the smaller arm for whom a rare thing happened."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric's rows and moments of all arms, kept for its sequence and segments."""

    measure: Measure
    rows: Rows
    moments: Moments
    covariates: tuple[str, ...]

    def against_control(self, arm: int) -> Compared:
        """Return the comparison of an arm with the control."""
        return compare(self.moments.of_arm(0), self.moments.of_arm(arm))


def measure_arms(people: People, measure: Measure, covariates: Sequence[str]) -> Measured:
    """Return a metric's moments in every arm, adjusted by the named covariates of the people."""
    used = {name: people.covariates[name] for name in covariates}
    rows = rows_of(people, measure, used)
    return Measured(measure, rows, gather(rows, people.arm, len(people.variants)), tuple(covariates))


def tuning_for(measured: Measured, tuning: Tuning) -> Tuning:
    """Return the tuning of a metric's sequence: it starts no sooner than with :data:`FEWEST_AT_START` rare people.

    The rare ones, such as those who buy, decide when a mean is nearly normal. Their share in all arms says nothing of
    the difference between the arms, so that the start may depend on it.
    """
    if not measured.rows.rare > 0:
        return tuning
    return replace(tuning, start_per_arm=max(tuning.start_per_arm, math.ceil(FEWEST_AT_START / measured.rows.rare)))


def effects_of(measured: Measured, people: People, question: Question, tuning: Tuning, role: Role) -> list[Effect]:
    """Return the effect of each variant but the control.

    Those of the primary metric share alpha between the variants, in intervals by Bonferroni, in p-values by Holm.
    """
    others = len(people.variants) - 1
    alpha = question.alpha / others if role is Role.PRIMARY else question.alpha
    found = [_effect(measured, people, arm, alpha, tuning, role) for arm in range(1, others + 1)]
    return _corrected(found, Correction.EVERY) if role is Role.PRIMARY else found


def correct(effects: Sequence[Effect]) -> list[Effect]:
    """Return secondary effects with Benjamini and Hochberg's p-values over all metrics and variants."""
    return _corrected(list(effects), Correction.DISCOVERY)


def student_interval(value: float, standard_error: float, freedom: float, alpha: float) -> Estimate:
    """Return Student's interval about a value; the value alone where there is no error."""
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 1 - alpha / 2)) * standard_error if standard_error > 0 else 0.0
    return Estimate(value, value - half, value + half)


def sequence_interval(
    value: float, standard_error: float, smaller: float, both: float, tuning: Tuning, alpha: float
) -> Estimate | None:
    """Return the confidence sequence's interval; None before its start."""
    if smaller < tuning.start_per_arm:
        return None
    half = standard_error * float(multiplier(both, 2 * tuning.narrowest_per_arm, alpha))
    return Estimate(value, value - half, value + half)


def two_sided_p(value: float, standard_error: float, freedom: float) -> float | None:
    """Return Student's p-value of no difference; None where there is no error to go by."""
    from scipy.special import stdtr

    return 2 * float(stdtr(freedom, -abs(value) / standard_error)) if standard_error > 0 else None


def _effect(measured: Measured, people: People, arm: int, alpha: float, tuning: Tuning, role: Role) -> Effect:
    both = measured.against_control(arm)
    found = replace(both, **{name: value[0] for name, value in _arrays(both).items()})
    measure = measured.measure
    difference, error = float(found.difference), math.sqrt(float(found.variance))
    freedom, counts = float(found.freedom), (int(found.control_people), int(found.treated_people))
    p_fixed = two_sided_p(difference, error, freedom)
    p_valid = 1.0
    if min(counts) >= tuning.start_per_arm and error > 0:
        p_valid = float(always_valid_p(difference / error, sum(counts), 2 * tuning.narrowest_per_arm, alpha))
    valid = sequence_interval(difference, error, min(counts), sum(counts), tuning, alpha)
    plain_error = math.sqrt(float(found.plain_variance))
    more = measure.more_is_better
    bayes = of_difference(difference, error, more_is_better=more)
    plain = not measured.covariates and people.propensities is None and min(counts) > 0
    if measure.kind is MetricKind.PROPORTION and plain:
        hits, treated_hits = round(float(found.control) * counts[0]), round(float(found.treated) * counts[1])
        bayes = of_rates(hits, counts[0], treated_hits, counts[1], more_is_better=more)
    return Effect(
        measure=measure.name,
        kind=measure.kind,
        role=role,
        variant=people.variants[arm],
        more_is_better=more,
        control=ArmValue(people.variants[0], counts[0], float(found.plain_control)),
        treated=ArmValue(people.variants[arm], counts[1], float(found.plain_treated)),
        difference=student_interval(difference, error, freedom, alpha),
        always_valid=valid,
        relative=_relative(found, _student_reach(freedom, alpha)),
        relative_always_valid=None
        if valid is None
        else _relative(found, float(multiplier(sum(counts), 2 * tuning.narrowest_per_arm, alpha))),
        unadjusted=student_interval(float(found.plain_difference), plain_error, freedom, alpha),
        standard_error=error,
        p_fixed=p_fixed,
        p_always_valid=p_valid,
        adjusted_p_fixed=p_fixed,
        adjusted_p_always_valid=p_valid,
        variance_removed=float(found.removed) if measured.covariates else 0.0,
        covariates=measured.covariates,
        bayes=bayes,
        winsorised_at=measured.rows.winsorised_at,
    )


def _arrays(found: Compared) -> dict[str, np.ndarray]:
    return {name: np.atleast_1d(getattr(found, name)) for name in found.__dataclass_fields__}


def _student_reach(freedom: float, alpha: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - alpha / 2))


def _relative(found: Compared, reach: float) -> Estimate | None:
    """Return treated over control, less one; the logarithm of a ratio of two means is nearly normal."""
    control, treated = float(found.control), float(found.treated)
    if not (control > 0 and treated > 0):
        return None
    squared = float(found.control_variance) / control**2 + float(found.treated_variance) / treated**2
    ratio, factor = treated / control, math.exp(min(700.0, reach * math.sqrt(squared)))
    return Estimate(ratio - 1, ratio / factor - 1, ratio * factor - 1)


def _corrected(effects: list[Effect], correction: Correction) -> list[Effect]:
    fixed = adjust([one.p_fixed for one in effects], correction)
    valid = adjust([one.p_always_valid for one in effects], correction)
    return [
        replace(one, adjusted_p_fixed=first, adjusted_p_always_valid=1.0 if second is None else second)
        for one, first, second in zip(effects, fixed, valid, strict=True)
    ]
