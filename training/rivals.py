"""Simpler ways to name a blocker, which a diagnosis has to beat: plain contributions, and z-scored traces."""

import numpy as np

from decisions.risk import RiskModel
from features.events import FloatArray


def rival_scores(model: RiskModel, rows: FloatArray) -> dict[str, FloatArray]:
    """Return the scores (R, K) of each rival for raw rows (R, F), all read at one kind of moment."""
    return {"plain_shap": plain_shap(model, rows), "z_count": z_scores(model, rows)}


def plain_shap(model: RiskModel, rows: FloatArray) -> FloatArray:
    """Return the risk model's contributions, summed by friction, (R, K)."""
    if not len(rows):
        return np.zeros((0, len(model.table.frictions)))
    sums: FloatArray = model.explain(rows).contributions @ model.table.belonging
    return sums


def z_scores(model: RiskModel, rows: FloatArray) -> FloatArray:
    """Return by how many standard deviations of these rows each feature is worse than their mean, summed by friction.

    What has not happened is neither better nor worse.
    """
    values = rows * model.table.directions
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / count)
    z = np.where(known & (spread > 0), (values - mean) / np.where(spread > 0, spread, 1.0), 0.0)
    sums: FloatArray = z @ model.table.belonging
    return sums
