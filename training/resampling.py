"""The figures of resampled persons: how much every figure of an evaluation would differ with other people.

Rows of one person depend on each other, so whole persons are drawn, with replacement, as many as there are (Field and
Welsh 2007, "Bootstrapping clustered data"). One draw serves all blocks. A resample only changes how much each row
weighs, so the rows are sorted by risk once, and each resample is two passes over them.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from decisions.calibration import SMALLEST_PROBABILITY
from features.events import FloatArray, IntArray
from training.metrics import ECE_BINS, FIGURES

Members = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Clustered:
    """Rows (R,) with labels and risks, whose they are, and which blocks they belong to."""

    labels: FloatArray
    risks: FloatArray
    persons: IntArray
    """Whose row it is; any numbers."""
    members: Members
    """(R, M), each column a way to part the rows into blocks: the block's number, or -1 for none."""
    block_count: int
    weights: FloatArray | None = None


def resample(rows: Clustered, resamples: int, seed: int, *, population: int | None = None) -> FloatArray:
    """Return each block's figures in each resample, (N, B, figures) in the order of ``FIGURES``, NaN where undefined.

    Where the rows are those of a sample of a ``population`` of persons, as many persons as that has are drawn from the
    sample, so that figures vary as those of the population would (Kleiner et al. 2014, "A scalable bootstrap for
    massive data").

    Rows of the same persons in the same order meet the same draws, whatever their risks, blocks and weights: the
    difference between two models, too, is resampled by subtracting.
    """
    order = np.argsort(rows.risks, kind="stable")
    person = number_persons(rows.persons)
    person_count = int(person.max(initial=-1)) + 1
    owners, labels, risks = person[order].astype(np.int32), rows.labels[order] == 1, rows.risks[order]
    clipped = np.clip(risks, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    losses = -np.where(labels, np.log(clipped), np.log1p(-clipped))
    weights = np.ones(len(order)) if rows.weights is None else rows.weights[order].astype(np.float64)
    members = np.ascontiguousarray(rows.members[order], np.int16)
    found = np.full((resamples, rows.block_count, len(FIGURES)), np.nan)

    def draw(place: int, seeding: np.random.SeedSequence) -> None:
        rng = np.random.default_rng(seeding)
        if population is None or population <= person_count:
            counts = np.bincount(rng.integers(0, person_count, person_count), minlength=person_count).astype(np.int32)
        else:
            counts = rng.multinomial(population, np.full(person_count, 1 / person_count)).astype(np.int32)
        _measure(owners, labels, risks, losses, weights, members, counts, ECE_BINS, found[place])

    if person_count:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(draw, range(resamples), np.random.SeedSequence(seed).spawn(resamples)))
    return found


def number_persons(persons: IntArray) -> IntArray:
    """Return the persons (R,) numbered in the order in which they come, so that their names play no part."""
    _, first, place = np.unique(persons, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place]


@numba.njit(cache=True, nogil=True)
def _measure(
    owners: NDArray[np.int32],
    labels: NDArray[np.bool_],
    risks: FloatArray,
    losses: FloatArray,
    weights: FloatArray,
    members: Members,
    counts: NDArray[np.int32],
    bins: int,
    out: FloatArray,
) -> None:
    """Write the figures (B, 7) of rows in the order of their risks, each as often as its person was drawn.

    The definitions are those of ``training.metrics.measure``.
    """
    blocks = out.shape[0]
    abandoned, kept, loss, brier = np.zeros(blocks), np.zeros(blocks), np.zeros(blocks), np.zeros(blocks)
    for row in range(len(owners)):
        count = counts[owners[row]]
        if count:
            weight = count * weights[row]
            error = risks[row] - labels[row]
            for column in range(members.shape[1]):
                block = members[row, column]
                if block >= 0:
                    if labels[row]:
                        abandoned[block] += weight
                    else:
                        kept[block] += weight
                    loss[block] += weight * losses[row]
                    brier[block] += weight * error * error
    wins, precision, gap = _sweep(owners, labels, risks, weights, members, counts, bins, abandoned, kept)
    for block in range(blocks):
        total = abandoned[block] + kept[block]
        if total > 0:
            base_rate = abandoned[block] / total
            if abandoned[block] > 0 and kept[block] > 0:
                out[block, 0] = wins[block] / (abandoned[block] * kept[block])
                out[block, 1] = precision[block] / abandoned[block]
                out[block, 4] = 1 - brier[block] / total / (base_rate * (1 - base_rate))
            out[block, 2] = loss[block] / total
            out[block, 3] = brier[block] / total
            out[block, 5] = gap[block] / total
            out[block, 6] = base_rate


@numba.njit(cache=True, nogil=True)
def _sweep(
    owners: NDArray[np.int32],
    labels: NDArray[np.bool_],
    risks: FloatArray,
    weights: FloatArray,
    members: Members,
    counts: NDArray[np.int32],
    bins: int,
    abandoned: FloatArray,
    kept: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what needs the order, (B,) each: pairs in the right order, summed precision, summed gaps of calibration.

    A group is the rows of one block that share one risk; it is closed when the block's next risk comes.
    """
    blocks = len(abandoned)
    wins, precision, gaps = np.zeros(blocks), np.zeros(blocks), np.zeros((blocks, bins))
    abandoned_below, kept_below = np.zeros(blocks), np.zeros(blocks)
    group_abandoned, group_kept, group_risk = np.zeros(blocks), np.zeros(blocks), np.full(blocks, np.nan)
    # One turn more than there are rows closes every block's last group.
    for row in range(len(owners) + 1):
        over = row == len(owners)
        weight = 1.0 if over else counts[owners[row]] * weights[row]
        if not weight:
            continue
        for column in range(blocks if over else members.shape[1]):
            block = column if over else members[row, column]
            if block < 0:
                continue
            mass = group_abandoned[block] + group_kept[block]
            if mass > 0 and (over or risks[row] != group_risk[block]):
                total, below = abandoned[block] + kept[block], abandoned_below[block] + kept_below[block]
                wins[block] += group_abandoned[block] * (kept_below[block] + group_kept[block] / 2)
                caught = abandoned[block] - abandoned_below[block]
                precision[block] += group_abandoned[block] * caught / (total - below)
                place = min(int((below + mass / 2) / total * bins), bins - 1)
                gaps[block, place] += group_risk[block] * mass - group_abandoned[block]
                abandoned_below[block] += group_abandoned[block]
                kept_below[block] += group_kept[block]
                group_abandoned[block] = group_kept[block] = 0.0
            if over:
                continue
            group_risk[block] = risks[row]
            if labels[row]:
                group_abandoned[block] += weight
            else:
                group_kept[block] += weight
    return wins, precision, np.abs(gaps).sum(axis=1)
