"""What the diagnosis says of many rows at once: the one place where its measurement asks it anything."""

from dataclasses import dataclass, replace

import numpy as np

from decisions.diagnosis import first_blockers
from decisions.risk import RiskModel
from features.events import FloatArray, IntArray
from features.table import FeatureTable
from training.blockers import fit_blockers
from training.leavers import Learning


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The diagnosis of rows (R,) over the K frictions of the table.

    ``scores`` (R, K) rank the frictions of a row, ``named`` is the place of the one that people are told first,
    ``certainty`` orders answers from doubtful to sure, ``confidence`` is the probability that the first is right,
    where the diagnosis gives one.
    """

    scores: FloatArray
    named: IntArray
    certainty: FloatArray
    confidence: FloatArray | None = None


def friction_scores(model: RiskModel, rows: FloatArray) -> FloatArray:
    """Return how strongly each raw row (R, F) speaks for each friction of the table, (R, K)."""
    return model.blockers.attribute(model.table, rows, model.blockers.evidence(model.table, rows))


def diagnose_rows(model: RiskModel, rows: FloatArray) -> Diagnosed:
    """Return the diagnosis of raw rows (R, F), each read right after an event."""
    scores = friction_scores(model, rows)
    return Diagnosed(scores, first_blockers(scores), lead(scores), scores.max(axis=1, initial=0.0))


def lead(scores: FloatArray) -> FloatArray:
    """Return by how much each row's (R, K) largest score exceeds the second, or zero where that is more."""
    ranked = np.sort(np.column_stack((scores, np.zeros(len(scores)))), axis=1)
    found: FloatArray = ranked[:, -1] - ranked[:, -2]
    return found


def refit(model: RiskModel, table: FeatureTable, learning: Learning, *, seed: int) -> RiskModel:
    """Return the model with a diagnosis that was learnt anew; its risk stays as it was.

    ``table`` may have other features than the model's, and then its risk means nothing.
    """
    fitted = fit_blockers(table, learning.rows, learning.leaves, learning.weights, seed=seed)
    return replace(model, table=table, blockers=fitted)
