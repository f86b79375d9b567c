"""Since when a rate has moved, and by how much: the change point of largest likelihood, with intervals."""

from dataclasses import dataclass

import numpy as np

from features.events import FloatArray

_SURE = 0.95
_Z = 1.959964


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The step from which on a rate has moved: the most likely one, and the earliest and latest of a 95 % set."""

    place: int
    earliest: int
    latest: int
    evidence: float
    """Log-likelihood ratio of a move at ``place`` against none."""


@dataclass(frozen=True, slots=True)
class Size:
    """How far a rate moved over some steps: rates before and after, and their ratio with a 95 % interval."""

    entered: int
    exited: int
    expected: float
    before: float
    after: float
    ratio: float
    low: float
    high: float


def log_likelihood(
    entered: FloatArray, exited: FloatArray, rates: FloatArray, scale: FloatArray, ratio: float
) -> FloatArray:
    """Return the log-likelihood ratio (K,) of ``ratio`` times the expected rates, divided by how far counts stray."""
    moved = np.clip(rates * ratio, 1e-9, 1 - 1e-9)
    return np.asarray((exited * np.log(moved / rates) + (entered - exited) * np.log((1 - moved) / (1 - rates))) / scale)


def find_change(entered: FloatArray, exited: FloatArray, rates: FloatArray, scale: FloatArray) -> ChangePoint:
    """Return the change point among K steps at the last of which a rate has moved; arrays are (K,).

    For each step the ratio is the one of largest likelihood from there on. The interval holds the steps that have 95 %
    of the likelihood, each step being as likely beforehand.
    """
    evidence = np.array(
        [evidence_of(entered[place:], exited[place:], rates[place:], scale[place:])[0] for place in range(len(entered))]
    )
    chances = np.exp(evidence - evidence.max())
    chances /= chances.sum()
    order = np.argsort(-chances, kind="stable")
    needed = int(np.searchsorted(np.cumsum(chances[order]), _SURE)) + 1
    kept = order[:needed]
    best = int(np.argmax(evidence))
    return ChangePoint(best, int(kept.min()), int(kept.max()), float(evidence[best]))


def evidence_of(entered: FloatArray, exited: FloatArray, rates: FloatArray, scale: FloatArray) -> tuple[float, float]:
    """Return the log-likelihood ratio (K steps taken together) of the most likely ratio against 1, and that ratio."""
    due = float(np.sum(entered * rates / scale))
    if due <= 0:
        return 0.0, 1.0
    ratio = max(float(np.sum(exited / scale)), 0.25) / due
    ratio = min(ratio, 0.999 / float(rates[entered > 0].max()))
    return max(float(np.sum(log_likelihood(entered, exited, rates, scale, ratio))), 0.0), ratio


def measure_size(entered: FloatArray, exited: FloatArray, rates: FloatArray, scale: FloatArray, error: float) -> Size:
    """Return how far a rate moved over K steps; ``error`` is the relative standard error of the expected rates."""
    n, x, due = float(entered.sum()), float(exited.sum()), float((entered * rates).sum())
    after = x / max(n, 1.0)
    ratio = x / max(due, 1e-9)
    moved = np.clip(rates * ratio, 0.0, 1.0)
    variance = float((entered * moved * (1 - moved) * scale).sum()) / max(x, 0.5) ** 2 + error**2
    wide = float(np.exp(_Z * np.sqrt(variance)))
    return Size(int(n), int(x), due, due / max(n, 1.0), after, ratio, ratio / wide, ratio * wide)
