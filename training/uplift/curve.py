"""The gain curve: what is gained by acting on the people from whom most is expected, share by share."""

from dataclasses import dataclass

import numpy as np

from features.events import FloatArray


@dataclass(frozen=True, slots=True)
class GainCurve:
    """With the share of decisions acted on (P,), 0 to 1: the gain a decision, and the standard error of it.

    ``qini`` is the area between the gain and the straight line to its end: what the order is worth (Radcliffe 2007).
    """

    shares: FloatArray
    gains: FloatArray
    errors: FloatArray
    qini: float


def gain_curve(expected: FloatArray, gained: FloatArray, points: int = 101) -> GainCurve:
    """Return the curve of held-out gains (N,), of acting against not acting, by what was expected of each (N,).

    A gain is the difference of two doubly-robust scores, so that their mean estimates that of acting on all.
    """
    order = np.argsort(-expected, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(gained[order])]) / len(gained)
    squares = np.concatenate([[0.0], np.cumsum(gained[order] ** 2)]) / len(gained)
    places = np.linspace(0, len(gained), points).round().astype(np.int64)
    shares = places / len(gained)
    gains = sums[places]
    errors = np.sqrt(np.maximum(squares[places] - gains**2, 0.0) / len(gained))
    above = gains - shares * gains[-1]
    qini = float(((above[1:] + above[:-1]) / 2 * np.diff(shares)).sum())
    return GainCurve(shares, gains, errors, qini)
