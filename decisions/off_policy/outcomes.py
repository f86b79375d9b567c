"""The outcome model: how likely the goal is with each option, learnt from decisions about other people.

A ridge logistic regression: the odds of the goal go by risk, stage and the confidence in every friction, and each
option shifts them by an amount of its own and by one per friction. Small on purpose: at some thousands of decisions it
is closer than boosted trees, and what it gets wrong the doubly-robust estimators take out again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from decisions.logged import LoggedDecisions
from features.events import FloatArray, IntArray

FOLDS = 5
_PENALTY = 1.0
_MAX_STEPS = 50
_TOLERANCE = 1e-8
_LEAST_RISK = 1e-4


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fit: the rows it predicts and was not learnt from, its coefficients (D,) and inverse curvature (D, D)."""

    predicted: IntArray
    learnt: IntArray
    coefficients: FloatArray
    covariance: FloatArray


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Probabilities of the goal with each option (N, A), each by a model that has not seen the decision's person."""

    logged: LoggedDecisions
    probabilities: FloatArray
    folds: tuple[_Fold, ...] = ()

    def learning_error(self, sensitivity: FloatArray) -> FloatArray:
        """Return each decision's part (N,) in the error of sum(sensitivity x probabilities) by what was learnt.

        With (N, A) the sensitivity of a mean to the probabilities. Each fit solves sum s_j(b) = penalty, so that b
        moves by H^-1 s_j with decision j (the influence function of an M-estimator; Stefanski and Boos 2002, The
        American Statistician 56, equation 4). Zeros where the probabilities were given.
        """
        found = np.zeros(len(self.logged))
        base, shared = _base(self.logged), _shared(self.logged)
        for fold in self.folds:
            rows = fold.predicted
            slope = sensitivity[rows] * self.probabilities[rows] * (1.0 - self.probabilities[rows])
            gradient = np.concatenate(
                [slope.sum(axis=1) @ base[rows], *(slope[:, 1:].T @ shared[rows])], dtype=np.float64
            )
            design = _design(base[fold.learnt], shared[fold.learnt], self.logged.chosen[fold.learnt], self.options)
            missed = self.logged.converted[fold.learnt] - _sigmoid(design @ fold.coefficients)
            found[fold.learnt] += missed * (design @ (fold.covariance @ gradient))
        return found

    @property
    def options(self) -> int:
        """How many options there are."""
        return len(self.logged.options)


def given_outcomes(logged: LoggedDecisions, probabilities: FloatArray) -> Outcomes:
    """Return probabilities (N, A) of another model; they must not have been learnt from the decisions themselves."""
    if probabilities.shape != logged.propensities.shape:
        raise ValueError(f"probabilities have the shape {probabilities.shape}, not {logged.propensities.shape}")
    return Outcomes(logged, probabilities)


def learn_outcomes(logged: LoggedDecisions, *, folds: int = FOLDS, seed: int = 7) -> Outcomes:
    """Learn the outcome model in ``folds`` parts by person, each predicted by what was learnt from the others."""
    base, shared, options = _base(logged), _shared(logged), len(logged.options)
    whole = _design(base, shared, logged.chosen, options)
    start, _ = _fit(whole, logged.converted, np.zeros(whole.shape[1]))
    probabilities = np.empty((len(logged), options))
    fitted = []
    for predicted in _parts(logged.units, folds, seed):
        mask = np.ones(len(logged), np.bool_)
        mask[predicted] = False
        learnt = np.flatnonzero(mask)
        coefficients, covariance = _fit(whole[learnt], logged.converted[learnt], start)
        fitted.append(_Fold(predicted, learnt, coefficients, covariance))
        probabilities[predicted] = _predict(base[predicted], shared[predicted], coefficients, options)
    return Outcomes(logged, probabilities, tuple(fitted))


def _parts(units: IntArray, folds: int, seed: int) -> Iterator[IntArray]:
    """Yield the places of the decisions of each part of the people."""
    people, place = np.unique(units, return_inverse=True)
    number = min(folds, len(people))
    if number < 2:
        raise ValueError("decisions about a single person cannot be parted; more people are needed")
    part = np.random.default_rng(seed).permutation(len(people)) % number
    yield from (np.flatnonzero(part[place] == one) for one in range(number))


def _base(logged: LoggedDecisions) -> FloatArray:
    """Return what moves the odds whatever is shown (N, B): a one, the risk's log-odds, stages, confidences."""
    risk = np.clip(logged.risk, _LEAST_RISK, 1 - _LEAST_RISK)
    stages = logged.stage[:, None] == np.arange(len(logged.stages))
    return np.column_stack([np.ones(len(logged)), np.log(risk / (1 - risk)), stages, _scaled(logged.confidence)])


def _shared(logged: LoggedDecisions) -> FloatArray:
    """Return what an option's own shift of the odds goes by (N, E): a one and the confidences."""
    return np.column_stack([np.ones(len(logged)), _scaled(logged.confidence)])


def _scaled(confidence: FloatArray) -> FloatArray:
    """Return each friction's confidences (N, K) with a root mean square of one: small ones are penalised no more."""
    size = np.sqrt((confidence**2).mean(axis=0))
    found: FloatArray = confidence / np.where(size > 0, size, 1.0)
    return found


def _design(base: FloatArray, shared: FloatArray, chosen: IntArray, options: int) -> FloatArray:
    """Return the rows (N, D) of the regression; doing nothing has no shift of its own."""
    shifts = np.zeros((len(base), options - 1, shared.shape[1]))
    acted = np.flatnonzero(chosen > 0)
    shifts[acted, chosen[acted] - 1] = shared[acted]
    return np.hstack([base, shifts.reshape(len(base), -1)])


def _predict(base: FloatArray, shared: FloatArray, coefficients: FloatArray, options: int) -> FloatArray:
    own = base @ coefficients[: base.shape[1]]
    shifts = shared @ coefficients[base.shape[1] :].reshape(options - 1, shared.shape[1]).T
    return _sigmoid(own[:, None] + np.column_stack([np.zeros(len(base)), shifts]))


def _fit(design: FloatArray, converted: FloatArray, start: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the ridge logistic coefficients and the inverse of the penalised curvature, by Newton's method."""
    penalty = np.full(design.shape[1], _PENALTY)
    penalty[0] = 1e-6  # the level is free, but a log without any goal must have an end
    coefficients = start.copy()
    loss = _loss(design, converted, penalty, coefficients)
    curvature = np.eye(design.shape[1])
    for _ in range(_MAX_STEPS):
        expected = _sigmoid(design @ coefficients)
        curvature = (design * (expected * (1 - expected))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, design.T @ (converted - expected) - penalty * coefficients)
        size = 1.0
        while (reached := _loss(design, converted, penalty, coefficients + size * step)) > loss and size > 1e-6:
            size /= 2
        coefficients = coefficients + size * step
        if loss - reached < _TOLERANCE * (1 + abs(loss)):
            break
        loss = reached
    inverse: FloatArray = np.asarray(np.linalg.inv(curvature), np.float64)
    return coefficients, inverse


def _loss(design: FloatArray, converted: FloatArray, penalty: FloatArray, coefficients: FloatArray) -> float:
    margin = design @ coefficients
    likelihood = np.logaddexp(0.0, margin).sum() - converted @ margin
    return float(likelihood + 0.5 * (penalty * coefficients) @ coefficients)


def _sigmoid(margin: FloatArray) -> FloatArray:
    found: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * margin))
    return found
