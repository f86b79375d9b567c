"""Learn what is usual at each stage, and how much an unusual trace raises the odds to leave there."""

import numpy as np
from scipy.optimize import minimize

from decisions.expectations import EXPOSURES, Expectations, cells, directed, stage_rows
from features.events import FloatArray
from features.table import FeatureTable

MAX_ROWS = 150_000
"""More rows are sampled: some hundred weights need no more."""
SHRINKAGE_ROWS = 200
"""A cell of so many rows is believed half as much as the mean over all cells."""
RIDGE = 20.0
STAGE_RIDGE = 200.0
"""How strongly the weights of one stage are held to those over all stages."""
MIN_STAGE_ROWS = 200


def fit_expectations(table: FeatureTable, rows: FloatArray, leaves: FloatArray, *, seed: int) -> Expectations:
    """Return the expectations of raw rows (R, F) read right after an event.

    ``leaves`` (R,) is 1 where that event was the last of an abandoned session, else 0. The weights are those of a
    logistic regression of leaving on the surprises, not negative, with the odds of stage and length given: first over
    all stages, then stage by stage, held to the former by a ridge.
    """
    if len(rows) > MAX_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(rows), MAX_ROWS, replace=False))
        rows, leaves = rows[chosen], leaves[chosen]
    count, stages = len(table.features), len(table.stages) + 1
    means, spreads = _usual(table, rows, stages * EXPOSURES)
    blank = Expectations(means, spreads, np.zeros((stages, count)))
    counted = np.array([feature.friction.addressable and not feature.is_category for feature in table.features])
    surprise = blank.surprise(table, rows)[:, counted]
    odds = _cell_odds(cells(table, rows), leaves, stages * EXPOSURES)
    pooled = _fit_weights(surprise, leaves, odds, np.zeros(int(counted.sum())), RIDGE)
    weights = np.zeros((stages, count))
    stage = stage_rows(table, rows)
    for place in range(stages):
        here = stage == place
        enough = here.sum() >= MIN_STAGE_ROWS
        own = _fit_weights(surprise[here], leaves[here], odds[here], pooled, STAGE_RIDGE) if enough else pooled
        weights[place, counted] = own
    return Expectations(means, spreads, weights)


def _usual(table: FeatureTable, rows: FloatArray, cell_count: int) -> tuple[FloatArray, FloatArray]:
    """Return means and spreads by cell, drawn to those over all rows where a cell has few."""
    values = directed(table, rows)
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    cell = cells(table, rows)

    def sums(numbers: FloatArray) -> FloatArray:
        return np.stack([np.bincount(cell, column, cell_count) for column in numbers.T], axis=1)

    counts = sums(known.astype(np.float64))
    some = np.maximum(counts, 1.0)
    overall_count = np.maximum(counts.sum(axis=0), 1.0)
    overall_mean = filled.sum(axis=0) / overall_count
    overall_variance = np.where(known, (filled - overall_mean) ** 2, 0.0).sum(axis=0) / overall_count
    belief = counts / (counts + SHRINKAGE_ROWS)
    own_mean = sums(filled) / some
    own_variance = sums(np.where(known, (filled - own_mean[cell]) ** 2, 0.0)) / some
    means = belief * own_mean + (1 - belief) * overall_mean
    variances = belief * own_variance + (1 - belief) * overall_variance
    # What never varies surprises nobody.
    return means, np.sqrt(np.where(variances > 1e-12, variances, 1.0))


def _cell_odds(cell: np.ndarray[tuple[int], np.dtype[np.int64]], leaves: FloatArray, cell_count: int) -> FloatArray:
    left, all_rows = np.bincount(cell, leaves, cell_count), np.bincount(cell, minlength=cell_count)
    odds: FloatArray = np.log((left + 1.0) / (all_rows - left + 1.0))[cell]
    return odds


def _fit_weights(
    surprise: FloatArray, leaves: FloatArray, odds: FloatArray, prior: FloatArray, ridge: float
) -> FloatArray:
    """Return the weights, not negative, of least log loss plus ``ridge`` times the squared distance to ``prior``."""

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        weights, shift = parameters[:-1], parameters[-1]
        margin = odds + shift + surprise @ weights
        excess = 0.5 * (1 + np.tanh(0.5 * margin)) - leaves
        value = float(np.sum(np.logaddexp(0, margin) - leaves * margin) + ridge * np.sum((weights - prior) ** 2))
        return value, np.append(surprise.T @ excess + 2 * ridge * (weights - prior), excess.sum())

    bounds = [(0.0, None)] * len(prior) + [(None, None)]
    found = minimize(loss, np.append(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds)
    weights: FloatArray = found.x[:-1]
    return weights
