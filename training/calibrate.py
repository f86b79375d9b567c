"""Calibrate only where it helps: identity, Platt and isotonic compared by cross-fitted log loss."""

import numpy as np
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from decisions.calibration import SMALLEST_PROBABILITY, Calibrator, CalibratorKind
from features.events import FloatArray, IntArray

MIN_ISOTONIC_SESSIONS = 1_000
"""Fewer sessions than this make steps of noise."""
MIN_GAIN = 0.0005
"""Least relative gain in log loss for a calibrator to replace a simpler one."""
FOLDS = 4


def fit_platt(margins: FloatArray, labels: FloatArray, weights: FloatArray) -> Calibrator:
    """Return the logistic calibrator of largest weighted likelihood (Platt 1999)."""

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        z = parameters[0] * margins + parameters[1]
        excess = weights * (0.5 * (1 + np.tanh(0.5 * z)) - labels)
        value = float(np.sum(weights * (np.logaddexp(0, z) - labels * z)))
        return value, np.array([np.sum(excess * margins), np.sum(excess)])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None), (None, None)])
    return Calibrator(CalibratorKind.PLATT, (float(found.x[0]), float(found.x[1])))


def fit_isotonic(margins: FloatArray, labels: FloatArray, weights: FloatArray) -> Calibrator:
    """Return the monotone calibrator of least weighted squares (Zadrozny and Elkan 2002)."""
    regression = IsotonicRegression(y_min=SMALLEST_PROBABILITY, y_max=1 - SMALLEST_PROBABILITY, out_of_bounds="clip")
    regression.fit(margins, labels, sample_weight=weights)
    x = tuple(float(value) for value in regression.X_thresholds_)
    y = tuple(float(value) for value in regression.y_thresholds_)
    return Calibrator(CalibratorKind.ISOTONIC, x, y)


def calibrate(
    margins: FloatArray, labels: FloatArray, sessions: IntArray, weights: FloatArray
) -> tuple[Calibrator, dict[str, float]]:
    """Return the simplest calibrator that none beats, and each one's cross-fitted log loss.

    Folds are whole sessions. All arrays are (R,). Where only one label occurs, nothing can be learnt from it.
    """
    fitters = {CalibratorKind.PLATT: fit_platt} if 0 < labels.sum() < len(labels) else {}
    if fitters and len(np.unique(sessions)) >= MIN_ISOTONIC_SESSIONS:
        fitters[CalibratorKind.ISOTONIC] = fit_isotonic
    _, place = np.unique(sessions, return_inverse=True)
    fold = place % FOLDS
    losses = {CalibratorKind.IDENTITY: _loss(Calibrator().apply(margins), labels, weights)}
    for kind, fitter in fitters.items():
        risks = np.empty(len(labels))
        for out in range(FOLDS):
            inside = fold != out
            risks[~inside] = fitter(margins[inside], labels[inside], weights[inside]).apply(margins[~inside])
        losses[kind] = _loss(risks, labels, weights)
    best = CalibratorKind.IDENTITY
    for kind in fitters:
        if losses[kind] < losses[best] * (1 - MIN_GAIN):
            best = kind
    chosen = fitters[best](margins, labels, weights) if best in fitters else Calibrator()
    return chosen, {str(kind): loss for kind, loss in losses.items()}


def _loss(risks: FloatArray, labels: FloatArray, weights: FloatArray) -> float:
    return float(-np.average(np.where(labels == 1, np.log(risks), np.log1p(-risks)), weights=weights))
