"""Blockers as latent classes: what each does to the traces of a session, and to the odds that it is left now.

The risk model's contributions alone mislead: the traces of a late stage (a form error, a hover over the payment) also
mean progress, so a model of abandonment credits them against it. Here every session is taken to be stopped by one
friction or by none. A friction raises its own traces over what is usual at that stage after so many events, and it
raises the odds to leave at some stages; how much, how often and where is learnt from the log (``training.blockers``).
Bayes' rule then says what probably stands in the way, and how much of the leaving it accounts for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decisions.exposure import stage_rows
from features.events import FloatArray
from features.table import FeatureTable

EXPOSURE_TERMS = 5
"""One, the events so far and those at this stage, and the logarithms of both."""
LEAST_SURPRISE, MOST_SURPRISE = -3.0, 4.0


@dataclass(frozen=True)
class Usual:
    """What is usual of V features at each of S stages ("before the first" included) after so many events.

    Features that count are Poisson with the mean ``terms @ coefficients[stage]``, not below ``least``; the others are
    normal about it on the scale of :func:`directed`. ``spread`` (V,) is the variance over the mean of counts, and the
    standard deviation of the others.
    """

    counts: NDArray[np.bool_]
    coefficients: FloatArray
    least: FloatArray
    spread: FloatArray

    def expected(self, table: FeatureTable, rows: FloatArray) -> FloatArray:
        """Return the usual value of each feature, (R, V)."""
        stage, terms = stage_rows(table, rows), exposure_terms(table, rows)
        means = np.empty((len(rows), len(self.counts)))
        for place in np.unique(stage).tolist():
            here = stage == place
            means[here] = terms[here] @ self.coefficients[place]
        return np.where(self.counts, np.maximum(means, self.least), means)


@dataclass(frozen=True)
class BlockerModel:
    """How V features, S stages and K frictions hang together; class 0 of ``presence`` and ``leaving`` is "none".

    ``ordinary`` (V,) is the level of a trace where its friction does not stop the visitor, relative to the usual: a
    factor for counts, spreads for the others. ``raised`` (V,) is what the friction adds: the logarithm of a factor, or
    spreads. ``weights`` (V,) count traces that say the same only once. ``presence`` (S, K + 1) is how many of the
    visitors at a stage each class has, ``leaving`` (S, K + 1) the probability that one of them leaves after an event.
    """

    usual: Usual
    ordinary: FloatArray
    raised: FloatArray
    weights: FloatArray
    presence: FloatArray
    leaving: FloatArray

    def evidence(self, table: FeatureTable, rows: FloatArray) -> FloatArray:
        """Return by how much each feature of raw rows (R, F) speaks for its friction, in log-odds, (R, F)."""
        found = np.zeros((len(rows), len(table.features)))
        found[:, table.traces] = self.weights * log_ratios(self.usual, self.ordinary, self.raised, table, rows)
        return found

    def attribute(self, table: FeatureTable, rows: FloatArray, evidence: FloatArray) -> FloatArray:
        """Return the probability that each friction is what a visitor who leaves now leaves for, (R, K).

        The probability of the class among those who leave at the stage, times the share of its leaving that exceeds
        that of class "none": the rest would have left all the same.
        """
        stage = stage_rows(table, rows)
        probabilities = posterior(evidence @ table.belonging, np.log(self.presence * self.leaving)[stage])
        leaving = self.leaving[stage]
        attributed: FloatArray = probabilities[:, 1:] * (1 - leaving[:, :1] / leaving[:, 1:])
        return attributed

    def stopping(self, table: FeatureTable, rows: FloatArray, evidence: FloatArray) -> FloatArray:
        """Return the probability that each friction stands in the way, (R, K), whether or not the visitor leaves now.

        It is more than that of leaving for it: some go on all the same.
        """
        stopped: FloatArray = posterior(evidence @ table.belonging, np.log(self.presence)[stage_rows(table, rows)])
        return stopped[:, 1:]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        arrays = {**vars(self.usual), **{name: array for name, array in vars(self).items() if name != "usual"}}
        return {name: array.tolist() for name, array in arrays.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BlockerModel":
        """Return the model that :meth:`to_json` described."""
        plain = {name: np.array(numbers, np.float64) for name, numbers in data.items()}
        usual = Usual(plain["counts"] == 1, plain["coefficients"], plain["least"], plain["spread"])
        rest = ("ordinary", "raised", "weights", "presence", "leaving")
        return cls(usual, *(plain[name] for name in rest))

    def fits(self, table: FeatureTable) -> bool:
        """Whether the shapes are those of a journey's features and stages."""
        traces, stages, classes = len(table.traces), len(table.stages) + 1, len(table.frictions) + 1
        one_each = (self.usual.counts, self.usual.least, self.usual.spread, self.ordinary, self.raised, self.weights)
        return (
            all(array.shape == (traces,) for array in one_each)
            and self.usual.coefficients.shape == (stages, EXPOSURE_TERMS, traces)
            and self.presence.shape == self.leaving.shape == (stages, classes)
        )


def log_ratios(
    usual: Usual, ordinary: FloatArray, raised: FloatArray, table: FeatureTable, rows: FloatArray
) -> FloatArray:
    """Return the log-likelihood ratio of each trace (R, V), its friction against none; 0 where it has not happened.

    Of a count x with mean m = ordinary * usual: x * raised - m * (exp(raised) - 1), over the dispersion; of a surprise
    z, in spreads: (z - ordinary) * raised - raised**2 / 2.
    """
    heard, expected = traces(usual, table, rows)
    return ratios_of(usual, ordinary, raised, heard, expected)


def ratios_of(
    usual: Usual, ordinary: FloatArray, raised: FloatArray, heard: FloatArray, compared: FloatArray
) -> FloatArray:
    """Return the log-likelihood ratios (R, V) of what :func:`traces` heard, see :func:`log_ratios`."""
    grown = np.where(usual.counts, ordinary * np.expm1(raised), ordinary * raised + raised * raised / 2)
    ratios: FloatArray = heard * raised - compared * grown
    return ratios


def traces(usual: Usual, table: FeatureTable, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return what was heard of each trace and what it is compared with, (R, V) each.

    Counts and expected counts, over their dispersion; surprises in spreads and 1. Both are 0 where a trace has not
    happened.
    """
    values, means = rows[:, table.traces], usual.expected(table, rows)
    surprise = np.clip((directed(table, rows) - means) / usual.spread, LEAST_SURPRISE, MOST_SURPRISE)
    known = np.isfinite(values)
    heard = np.where(usual.counts, values / usual.spread, surprise)
    compared = np.where(usual.counts, means / usual.spread, 1.0)
    return np.where(known, heard, 0.0), np.where(known, compared, 0.0)


def directed(table: FeatureTable, rows: FloatArray) -> FloatArray:
    """Return the traces (R, V) of raw rows with long tails drawn in by the logarithm, turned so that more is worse."""
    values = rows[:, table.traces]
    turned: FloatArray = table.directions[table.traces] * np.sign(values) * np.log1p(np.abs(values))
    return turned


def exposure_terms(table: FeatureTable, rows: FloatArray) -> FloatArray:
    """Return what the usual is linear in, (R, EXPOSURE_TERMS): how much a visitor has done so far, and at this stage.

    A journey without a feature ``stage_events`` has all its events for those at the stage.
    """
    so_far = np.maximum(rows[:, table.names.index("events_seen")], 1.0)
    at_stage = so_far
    if "stage_events" in table.names:
        at_stage = np.maximum(np.nan_to_num(rows[:, table.names.index("stage_events")]), 0.0)
    return np.stack((np.ones(len(rows)), so_far, at_stage, np.log1p(so_far), np.log1p(at_stage)), axis=1)


def posterior(evidence: FloatArray, log_prior: FloatArray) -> FloatArray:
    """Return the probabilities (R, K + 1) of "none" and the frictions from evidence (R, K) and priors (R, K + 1)."""
    logits = log_prior.copy()
    logits[:, 1:] += evidence
    logits -= logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    probabilities: FloatArray = odds / odds.sum(axis=1, keepdims=True)
    return probabilities
