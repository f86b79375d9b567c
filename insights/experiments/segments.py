"""The primary metric in segments: by blocker, stage, cohort. What stands out there is a hypothesis, not a finding.

P-values are corrected over all segments and variants together (Benjamini and Hochberg 1995). Differences are also drawn
towards that of all people: segments of one name are taken to differ by a variance that is estimated from them
(DerSimonian and Laird 1986), which is none where they differ no more than chance alone makes them.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from decisions.logged import BoolArray
from decisions.sequences import Tuning
from features.events import FloatArray
from insights.comparisons import Correction, adjust
from insights.experiments.compare import ROUNDING, compare
from insights.experiments.effects import Measured, sequence_interval, student_interval, two_sided_p
from insights.experiments.moments import gather
from insights.experiments.people import People
from insights.experiments.question import Question
from insights.experiments.result import ArmValue, SegmentEffect

FEWEST_PER_ARM = 100
"""Smaller segments are not shown."""
_MOST_VALUES = 50


def effects_in_segments(
    measured: Measured, people: People, question: Question, tuning: Tuning
) -> tuple[SegmentEffect, ...]:
    """Return the primary metric in every segment that is large enough."""
    names = people.slices if question.segments is None else question.segments
    found = [
        one
        for name in names
        if name in people.slices
        for arm in range(1, len(people.variants))
        for one in _of_name(measured, people, question, tuning, name, arm)
    ]
    adjusted = adjust([one.p_fixed for one in found], Correction.DISCOVERY)
    return tuple(replace(one, adjusted_p=p) for one, p in zip(found, adjusted, strict=True))


def _of_name(
    measured: Measured, people: People, question: Question, tuning: Tuning, name: str, arm: int
) -> Iterator[SegmentEffect]:
    import pandas as pd

    codes, values = pd.factorize(people.slices[name], sort=True)
    if not 1 < len(values) <= _MOST_VALUES:
        return
    moments = gather(measured.rows, people.arm, len(people.variants), codes.astype(np.int64), len(values))
    found = compare(moments.of_arm(0), moments.of_arm(arm))
    smaller = np.minimum(found.control_people, found.treated_people)
    # Where everybody does the same, rounding leaves a variance that is none.
    least = ROUNDING * float(measured.against_control(arm).variance[0])
    usable = (smaller >= FEWEST_PER_ARM) & (found.variance > least)
    overall = float(measured.against_control(arm).difference[0])
    shrunk = shrink(found.difference, found.variance, usable, overall)
    for place in np.flatnonzero(usable):
        difference, error = float(found.difference[place]), float(np.sqrt(found.variance[place]))
        freedom = float(found.freedom[place])
        people_here = (int(found.control_people[place]), int(found.treated_people[place]))
        yield SegmentEffect(
            name=name,
            value=str(values[place]) or "(unknown)",
            variant=people.variants[arm],
            control=ArmValue(people.variants[0], people_here[0], float(found.plain_control[place])),
            treated=ArmValue(people.variants[arm], people_here[1], float(found.plain_treated[place])),
            difference=student_interval(difference, error, freedom, question.alpha),
            always_valid=sequence_interval(
                difference, error, min(people_here), sum(people_here), tuning, question.alpha
            ),
            p_fixed=two_sided_p(difference, error, freedom),
            adjusted_p=None,
            shrunk=float(shrunk[place]),
        )


def shrink(differences: FloatArray, variances: FloatArray, usable: BoolArray, overall: float) -> FloatArray:
    """Return differences drawn towards the overall one, by how much of their spread chance explains."""
    if usable.sum() < 2:
        return np.where(usable, differences, overall)
    weights, values = 1 / variances[usable], differences[usable]
    mean = weights @ values / weights.sum()
    spread = weights @ (values - mean) ** 2 - (usable.sum() - 1)
    between = max(0.0, spread / (weights.sum() - weights @ weights / weights.sum()))
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = between / (between + variances)
    found: FloatArray = overall + np.where(usable, kept, 0.0) * (np.nan_to_num(differences) - overall)
    return found
