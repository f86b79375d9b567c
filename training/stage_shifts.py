"""Shifts of the log-odds by stage, for a change that strikes one stage and not the others."""

import numpy as np
from scipy.optimize import minimize

from decisions.calibration import logistic
from features.events import FloatArray, IntArray
from training.calibrate import FOLDS
from training.paired import Gain, gain_in_log_loss

PRIOR_SD = 0.3
"""How far a stage's log-odds are expected to move, before any session is seen."""


def fit_shifts(
    logits: FloatArray, labels: FloatArray, stages: IntArray, sessions: IntArray, stage_count: int
) -> FloatArray:
    """Return the shift of each stage's log-odds (stage_count,) of largest penalised likelihood; 0 where no row is.

    Logistic regression with offsets ``logits`` (R,) and a normal prior of mean 0 and sd ``PRIOR_SD`` on each shift. All
    prefixes of a session end alike, so a session counts once: the likelihood is divided by the rows per session, the
    design effect at full correlation (Kish 1965).
    """
    repeats = len(labels) / len(np.unique(sessions))

    def loss(shifts: FloatArray) -> tuple[float, FloatArray]:
        z = logits + shifts[stages]
        value = float(np.sum(np.logaddexp(0, z) - labels * z)) / repeats + float(np.sum(shifts**2)) / PRIOR_SD**2 / 2
        slopes = np.bincount(stages, logistic(z) - labels, stage_count) / repeats + shifts / PRIOR_SD**2
        return value, slopes

    fitted: FloatArray = minimize(loss, np.zeros(stage_count), jac=True, method="L-BFGS-B").x
    return fitted


def cross_fitted_gain(
    logits: FloatArray, labels: FloatArray, stages: IntArray, sessions: IntArray, stage_count: int
) -> Gain:
    """Return what shifts gain in log loss on sessions that they were not fitted to; folds are whole sessions."""
    _, place = np.unique(sessions, return_inverse=True)
    fold = place % FOLDS
    shifted = np.empty(len(labels))
    for out in range(FOLDS):
        inside = fold != out
        shifts = fit_shifts(logits[inside], labels[inside], stages[inside], sessions[inside], stage_count)
        shifted[~inside] = logistic(logits[~inside] + shifts[stages[~inside]])
    return gain_in_log_loss(labels, logistic(logits), shifted, sessions)
