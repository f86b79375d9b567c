"""Learn which frictions stop people, from nothing but traces and who left: a mixture of latent classes, by EM.

Dempster, Laird and Rubin 1977. The classes are anchored: a friction may raise only the traces that the journey declares
as evidence of it, and may only raise the odds to leave, never lower them.
"""

from dataclasses import dataclass

import numpy as np

from decisions.blockers import (
    EXPOSURE_TERMS,
    BlockerModel,
    Usual,
    directed,
    exposure_terms,
    posterior,
    ratios_of,
    traces,
)
from decisions.exposure import stage_rows
from features.events import FloatArray, IntArray
from features.table import FeatureTable

STEPS = 40
"""Steps of EM; the answers hardly move after half as many."""
STEPS_OF_SHARES = 3
"""For so many first steps only shares and odds are learnt, not what the frictions do to traces."""
RAISED_COUNT, RAISED_SPREADS = 2.0, 0.5
"""What a friction does to a trace before the log says otherwise: twice the count, half a spread more."""
ORDINARY_COUNT, ORDINARY_SPREADS = 0.8, -0.1
PRIOR_TRACES = 100.0
"""That counts as much as so many expected traces."""
ORDINARY_TRACES = 200.0
BLOCKED = 0.5
"""Before the log says otherwise half of the visitors are stopped, by each friction alike; as firm as one look at the
log."""
STAGE_ROWS = 1000.0
"""The shares at a stage with so many rows are believed half as much as those over all stages."""
LEAVING_ROWS = 20.0
"""A class has to leave this often before it counts as leaving more often than visitors whom nothing stops."""
UNSTOPPED_ROWS = 2000.0
"""At a stage with so many rows the visitors whom nothing stops are believed to leave half as much less than all do."""
LEAST_RATIO = 1.1
"""A friction makes a visitor leave at least this much more often: at stages where no effect is seen, its share among
the others still counts."""
MOST_ROWS_TO_LEARN_USUAL = 100_000
RIDGE = 1.0
LEAST_COUNT = 0.02
"""A count is never expected to be smaller than this part of its mean, so that one of it is no proof."""
SAME = 0.999
"""Traces that correlate more strongly are one and the same."""


@dataclass(frozen=True, slots=True)
class _Classes:
    """What EM learns step by step; the fields are those of ``BlockerModel``."""

    ordinary: FloatArray
    raised: FloatArray
    presence: FloatArray
    leaving: FloatArray


def fit_blockers(
    table: FeatureTable, rows: FloatArray, leaves: FloatArray, weights: FloatArray | None = None, *, seed: int
) -> BlockerModel:
    """Return the blockers of raw rows (R, F) read right after an event.

    ``leaves`` (R,) is 1 where that event was the last of an abandoned session, else 0; ``weights`` (R,) say how many
    rows of the log each stands for.
    """
    weight = np.ones(len(rows)) if weights is None else weights
    usual = fit_usual(table, rows, weight, seed=seed)
    heard, compared = traces(usual, table, rows)
    counting = count_once(table, heard - np.where(usual.counts, compared, 0.0))
    stage = stage_rows(table, rows)
    belonging = table.belonging[table.traces]
    found = _start(usual, stage, leaves, weight, len(table.stages) + 1, belonging.shape[1])
    for step in range(STEPS):
        ratios = ratios_of(usual, found.ordinary, found.raised, heard, compared)
        evidence = ratios @ (counting[:, None] * belonging)
        chance = np.where(leaves[:, None] == 1, found.leaving[stage], 1 - found.leaving[stage])
        members = posterior(evidence, np.log(found.presence[stage] * chance)) * weight[:, None]
        presence, leaving = _shares(members, leaves, stage, len(found.presence))
        found = _Classes(found.ordinary, found.raised, presence, leaving)
        if step >= STEPS_OF_SHARES:
            found = _effects(usual, heard, compared, members, weight, belonging, found)
    return BlockerModel(usual, found.ordinary, found.raised, counting, found.presence, found.leaving)


def fit_usual(table: FeatureTable, rows: FloatArray, weights: FloatArray, *, seed: int) -> Usual:
    """Return what is usual of the traces, by a ridge regression on the exposure at each stage."""
    if len(rows) > MOST_ROWS_TO_LEARN_USUAL:
        drawn = np.sort(np.random.default_rng(seed).choice(len(rows), MOST_ROWS_TO_LEARN_USUAL, replace=False))
        rows, weights = rows[drawn], weights[drawn]
    values = rows[:, table.traces]
    turned = table.directions[table.traces] < 0
    whole = np.isfinite(values) & (values >= 0) & (values == np.round(values))
    counts = whole.all(axis=0) & ~turned
    target = np.where(counts, values, directed(table, rows))
    terms, stage = exposure_terms(table, rows), stage_rows(table, rows)
    stages = len(table.stages) + 1
    coefficients = np.zeros((stages, EXPOSURE_TERMS, len(table.traces)))
    least, spread = np.zeros(len(table.traces)), np.ones(len(table.traces))
    for column in range(len(table.traces)):
        known = np.isfinite(target[:, column])
        if not known.any():
            continue
        # What is no count is drawn in by logarithms, and beyond the log's longest sessions only those stay in bounds.
        used = np.arange(EXPOSURE_TERMS) if counts[column] else np.array([0, 3, 4])
        y, x, w, place = target[known, column], terms[known][:, used], weights[known], stage[known]
        mean = float(np.average(y, weights=w))
        for s in range(stages):
            here = place == s
            scaled = x[here] * w[here, None]
            gram = scaled.T @ x[here] + RIDGE * np.eye(len(used))
            coefficients[s, used, column] = np.linalg.solve(gram, scaled.T @ (y[here] - mean))
        coefficients[:, 0, column] += mean
        fitted = np.einsum("rt,rt->r", x, coefficients[place][:, used, column])
        if counts[column]:
            least[column] = LEAST_COUNT * mean + 1e-3
            fitted = np.maximum(fitted, least[column])
            spread[column] = max(1.0, float(np.average((y - fitted) ** 2 / fitted, weights=w)))
        else:
            variance = float(np.average((y - fitted) ** 2, weights=w))
            # What never varies surprises nobody.
            spread[column] = np.sqrt(variance) if variance > 1e-12 else 1.0
    return Usual(counts, coefficients, least, spread)


def count_once(table: FeatureTable, surprises: FloatArray) -> FloatArray:
    """Return weights (V,) with which traces of one friction that move together count as one, from surprises (R, V).

    One over the sum of squared positive correlations with the traces of the same friction, itself included; of traces
    that are the same each takes an equal part of that, so that telling a trace twice changes nothing.
    """
    centred = surprises - surprises.mean(axis=0)
    size = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(size > 0, size, 1.0)
    together = (table.belonging @ table.belonging.T)[np.ix_(table.traces, table.traces)]
    correlation = np.maximum(unit.T @ unit, 0.0) * together
    np.fill_diagonal(correlation, 1.0)
    copies = (correlation > SAME).sum(axis=1)
    weights: FloatArray = 1.0 / (copies * (correlation**2 / copies).sum(axis=1))
    return weights


def _start(
    usual: Usual, stage: IntArray, leaves: FloatArray, weight: FloatArray, stages: int, frictions: int
) -> _Classes:
    overall = np.clip(np.average(leaves, weights=weight), 1e-3, 0.9)
    left, rows = np.bincount(stage, weight * leaves, stages), np.bincount(stage, weight, stages)
    base = (left + LEAVING_ROWS * overall) / (rows + LEAVING_ROWS)
    tilt = np.r_[0.85, np.full(frictions, 1.3)]
    return _Classes(
        ordinary=np.where(usual.counts, ORDINARY_COUNT, ORDINARY_SPREADS),
        raised=np.where(usual.counts, np.log(RAISED_COUNT), RAISED_SPREADS),
        presence=np.tile(_prior_shares(frictions), (stages, 1)),
        leaving=np.clip(base[:, None] * tilt, 1e-5, 0.98),
    )


def _prior_shares(frictions: int) -> FloatArray:
    return np.r_[1 - BLOCKED, np.full(frictions, BLOCKED / frictions)] if frictions else np.ones(1)


def _shares(members: FloatArray, leaves: FloatArray, stage: IntArray, stages: int) -> tuple[FloatArray, FloatArray]:
    """Return who is at each stage and how often they leave there, (S, K + 1) each, from memberships (R, K + 1)."""
    at_stage = np.stack([np.bincount(stage, column, stages) for column in members.T], axis=1)
    left = np.stack([np.bincount(stage, column * leaves, stages) for column in members.T], axis=1)
    rows = at_stage.sum()
    overall = (at_stage.sum(axis=0) + rows * _prior_shares(members.shape[1] - 1)) / (2 * rows)
    presence = (at_stage + STAGE_ROWS * overall) / (at_stage.sum(axis=1, keepdims=True) + STAGE_ROWS)
    base = left.sum(axis=1) / np.maximum(at_stage.sum(axis=1), 1e-9)
    unstopped = (left[:, 0] + UNSTOPPED_ROWS * base) / (at_stage[:, 0] + UNSTOPPED_ROWS)
    leaving = (left + LEAVING_ROWS * unstopped[:, None]) / (at_stage + LEAVING_ROWS)
    leaving = np.maximum(leaving, LEAST_RATIO * unstopped[:, None])
    leaving[:, 0] = unstopped
    return presence, np.clip(leaving, 1e-5, 0.98)


def _effects(
    usual: Usual,
    heard: FloatArray,
    compared: FloatArray,
    members: FloatArray,
    weight: FloatArray,
    belonging: FloatArray,
    found: _Classes,
) -> _Classes:
    """Return the classes with what the frictions do to their traces learnt anew; never less than nothing."""
    mine = members[:, 1:] @ belonging.T
    others = weight[:, None] - mine
    own_heard, own_compared = (mine * heard).sum(axis=0), (mine * compared).sum(axis=0)
    other_heard, other_compared = (others * heard).sum(axis=0), (others * compared).sum(axis=0)
    count = np.clip((other_heard + ORDINARY_TRACES * ORDINARY_COUNT) / (other_compared + ORDINARY_TRACES), 0.05, 1.0)
    shift = np.clip((other_heard + ORDINARY_TRACES * ORDINARY_SPREADS) / (other_compared + ORDINARY_TRACES), -1.5, 0.0)
    ordinary = np.where(usual.counts, count, shift)
    factor = (own_heard / count + PRIOR_TRACES * RAISED_COUNT) / (own_compared + PRIOR_TRACES)
    spreads = (own_heard - shift * own_compared + PRIOR_TRACES * RAISED_SPREADS) / (own_compared + PRIOR_TRACES)
    raised = np.where(usual.counts, np.log(np.maximum(factor, 1.0)), np.maximum(spreads, 0.0))
    return _Classes(ordinary, raised, found.presence, found.leaving)
