"""What the diagnosis says of many rows at once: the one place where its measurement asks it anything."""

from dataclasses import dataclass, replace

import numpy as np

from decisions.diagnosis import diagnose, excess_by_friction
from decisions.risk import RiskModel
from features.events import FloatArray, IntArray
from features.table import FeatureTable
from training.expect import fit_expectations

NOTHING = -1
"""The place of no friction: the diagnosis abstained, or no blocker is there."""


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
    _, scores = excess_by_friction(model.table, model.expectations.excess(model.table, rows))
    return scores


def diagnose_rows(model: RiskModel, rows: FloatArray) -> Diagnosed:
    """Return the diagnosis of raw rows (R, F), each read right after an event."""
    scores = friction_scores(model, rows)
    places = {friction: place for place, friction in enumerate(model.table.frictions)}
    named = np.full(len(rows), NOTHING, np.int64)
    if len(rows):
        contributions = model.explain(rows).contributions
        excess = model.expectations.excess(model.table, rows)
        for place, row in enumerate(rows):
            told = diagnose(model.table, row, contributions[place], excess[place])
            if told.blockers:
                named[place] = places[told.blockers[0].friction]
    return Diagnosed(scores, named, lead(scores))


def lead(scores: FloatArray) -> FloatArray:
    """Return by how much each row's (R, K) largest score exceeds the second, or zero where that is more."""
    ranked = np.sort(np.column_stack((scores, np.zeros(len(scores)))), axis=1)
    found: FloatArray = ranked[:, -1] - ranked[:, -2]
    return found


def refit(model: RiskModel, table: FeatureTable, rows: FloatArray, leaves: FloatArray, *, seed: int) -> RiskModel:
    """Return the model with a diagnosis that was learnt anew; its risk stays as it was.

    ``rows`` (R, F) are raw and read right after an event, ``leaves`` (R,) is 1 where that was the last of an abandoned
    session. ``table`` may have other features than the model's, and then its risk means nothing.
    """
    return replace(model, table=table, expectations=fit_expectations(table, rows, leaves, seed=seed))
