"""How good probabilities are: discrimination, accuracy and calibration."""

from collections.abc import Mapping

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from decisions.calibration import SMALLEST_PROBABILITY
from features.events import FloatArray, IntArray

ECE_BINS = 15
FIGURES = ("auc", "ap", "log_loss", "brier", "brier_skill", "ece", "base_rate")

Block = dict[str, float | int | None]


def measure(labels: FloatArray, risks: FloatArray, sessions: IntArray, weights: FloatArray | None = None) -> Block:
    """Return AUC, AP, log loss, Brier and its skill, ECE, base rate and counts of rows (R,).

    AUC, AP and skill are None where only one label occurs, and all but the counts where there are no rows. The Brier
    skill is 1 - Brier / (base rate's Brier).
    """
    if not len(labels):
        return {**dict.fromkeys(FIGURES), "n_rows": 0, "n_sessions": 0}
    weight = np.ones(len(labels)) if weights is None else weights
    base_rate = float(np.average(labels, weights=weight))
    both = 0 < labels.sum() < len(labels)
    clipped = np.clip(risks, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    loss = -np.average(np.where(labels == 1, np.log(clipped), np.log1p(-clipped)), weights=weight)
    brier = float(np.average((risks - labels) ** 2, weights=weight))
    return {
        "auc": float(roc_auc_score(labels, risks, sample_weight=weight)) if both else None,
        "ap": float(average_precision_score(labels, risks, sample_weight=weight)) if both else None,
        "log_loss": float(loss),
        "brier": brier,
        "brier_skill": 1 - brier / (base_rate * (1 - base_rate)) if both else None,
        "ece": calibration_error(labels, risks, weight),
        "base_rate": base_rate,
        "n_rows": len(labels),
        "n_sessions": len(np.unique(sessions)),
    }


def session_weights(sessions: IntArray) -> FloatArray:
    """Return weights (R,) with which every session weighs one."""
    _, place, counts = np.unique(sessions, return_inverse=True, return_counts=True)
    weights: FloatArray = 1.0 / counts[place]
    return weights


def reliability(
    labels: FloatArray, risks: FloatArray, weights: FloatArray, bins: int = ECE_BINS
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean risk, share abandoned and weight of equal-mass bins, the lowest risks first (B,) each.

    Rows of equal risk are never parted, so heavy ties make fewer bins.
    """
    of_row = equal_mass_bins(risks, weights, bins)
    weight = np.bincount(of_row, weights, bins).astype(np.float64)
    used = weight > 0
    mean_risk = np.bincount(of_row, weights * risks, bins)[used] / weight[used]
    abandoned = np.bincount(of_row, weights * labels, bins)[used] / weight[used]
    return mean_risk, abandoned, weight[used]


def equal_mass_bins(risks: FloatArray, weights: FloatArray, bins: int = ECE_BINS) -> IntArray:
    """Return the bin of each row (R,), of 0 to ``bins`` - 1, some of which may be empty."""
    _, place = np.unique(risks, return_inverse=True)
    mass = np.bincount(place, weights)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    of_value = np.minimum((middle * bins).astype(np.int64), bins - 1)
    of_row: IntArray = of_value[place]
    return of_row


def calibration_error(labels: FloatArray, risks: FloatArray, weights: FloatArray, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error over equal-mass bins (Naeini et al. 2015)."""
    mean_risk, abandoned, weight = reliability(labels, risks, weights, bins)
    return float(np.average(np.abs(mean_risk - abandoned), weights=weight))


def flatten(block: Mapping[str, object], prefix: str = "") -> dict[str, float]:
    """Return a nested block as one level of names joined by dots, without what is None."""
    flat: dict[str, float] = {}
    for name, value in block.items():
        match value:
            case dict():
                flat |= flatten(value, f"{prefix}{name}.")
            case int() | float():
                flat[f"{prefix}{name}"] = float(value)
    return flat
