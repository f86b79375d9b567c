"""Sums of people's values and of their products, by arm: all that estimates need, and they may be added up.

A person has a row z = (1, y, d, x1, ..., xq): what is counted, what it is divided by (1 for a mean) and covariates.
Values are taken from what they are on average over everybody, which changes no difference and keeps digits.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.events import FloatArray, IntArray
from insights.experiments.people import People
from insights.experiments.question import AnalysisError, Measure
from insights.experiments.sizing import MetricKind

WINSORISED = 0.99
"""Revenue above this quantile of all people who brought any, of all arms together, counts as that much."""
ONE, COUNTED, DIVIDED, COVARIATES = 0, 1, 2, 3
"""Places in a row; covariates begin at the last."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Every person's row (N, K), what was taken from what is counted for each unit of what it is divided by."""

    values: FloatArray
    shift: float
    weights: FloatArray | None
    winsorised_at: float | None = None
    rare: float = 1.0
    """The share of people for whom it is not nothing; of a proportion, for whom it did or did not happen, if fewer."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Of groups of people, any shape G: ``count`` (G,), and (G, K, K) sums of w z z' and of w^2 z z'."""

    count: FloatArray
    first: FloatArray
    second: FloatArray
    shift: float

    def of_arm(self, arm: int) -> "Moments":
        """Return the moments of one arm, the last of the groups' axes."""
        return Moments(self.count[..., arm], self.first[..., arm, :, :], self.second[..., arm, :, :], self.shift)

    def cumulative(self) -> "Moments":
        """Return the moments of each group and all before it, along the first axis."""
        return Moments(
            np.cumsum(self.count, axis=0), np.cumsum(self.first, axis=0), np.cumsum(self.second, axis=0), self.shift
        )


def rows_of(people: People, measure: Measure, covariates: Mapping[str, FloatArray]) -> Rows:
    """Return each person's row for a metric; raises :class:`AnalysisError` for an outcome that nobody has."""
    counted = sum_of(people, measure.outcome, measure)
    cap = None
    if measure.kind is MetricKind.PROPORTION:
        counted = (counted > 0).astype(np.float64)
    if measure.kind is MetricKind.REVENUE and np.any(counted > 0):
        cap = float(np.quantile(counted[counted > 0], WINSORISED))
        # One refund that was written down wrong would move an arm as much as one order would.
        counted = np.clip(counted, -cap, cap)
    rare = float(np.mean(counted != 0)) if len(counted) else 1.0
    if measure.kind is MetricKind.PROPORTION:
        rare = min(rare, 1 - rare)
    divided = np.ones(len(people)) if measure.per is None else sum_of(people, measure.per, measure)
    if not divided.sum() > 0:
        raise AnalysisError(f"the metric {measure.name!r} is divided by {measure.per!r}, of which there is none")
    shift = float(counted.sum() / divided.sum())
    columns = [np.ones(len(people)), counted - shift * divided, divided]
    for values in covariates.values():
        known = ~np.isnan(values)
        # Who has no value gets the mean of the others, and a mark where it is some of the people.
        columns.append(np.where(known, values, values[known].mean()) - values[known].mean())
        if not known.all():
            columns.append(known - known.mean())
    weights = None if people.propensities is None else people.weights
    return Rows(np.column_stack(columns), shift, weights, cap, rare)


def sum_of(people: People, outcome: str, measure: Measure) -> FloatArray:
    """Return everybody's sum of an outcome; raises :class:`AnalysisError` for one that there is not."""
    if outcome not in people.sums:
        known = ", ".join(people.sums) or "none"
        raise AnalysisError(f"the metric {measure.name!r} needs the outcome {outcome!r}: the outcomes have {known}")
    return people.sums[outcome]


def gather(rows: Rows, arm: IntArray, arms: int, group: IntArray | None = None, groups: int = 1) -> Moments:
    """Return the moments of every group and arm, shaped (groups, arms); people of a negative group are left out."""
    place = arm if group is None else group * arms + arm
    chosen = slice(None) if group is None or group.min(initial=0) >= 0 else group >= 0
    place, values = place[chosen], rows.values[chosen]
    weights = None if rows.weights is None else rows.weights[chosen]
    cells, width = groups * arms, values.shape[1]
    first, second = np.zeros((cells, width, width)), np.zeros((cells, width, width))
    for one in range(width):
        for other in range(one, width):
            product = values[:, one] * values[:, other]
            weighted = product if weights is None else product * weights
            first[:, one, other] = first[:, other, one] = np.bincount(place, weighted, cells)
            if weights is not None:
                second[:, one, other] = second[:, other, one] = np.bincount(place, weighted * weights, cells)
    shape = (groups, arms, width, width)
    count = np.bincount(place, minlength=cells).reshape(groups, arms).astype(np.float64)
    return Moments(count, first.reshape(shape), (first if weights is None else second).reshape(shape), rows.shift)
