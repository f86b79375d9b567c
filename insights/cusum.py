"""Sequential tests of exit rates: cumulative sums of log-likelihood ratios, and thresholds for so many false alarms.

Page's CUSUM accumulates, step by step, how much better the counts fit a rate of ``ratio`` times the expected one than
the expected one itself, never falling below zero: ``W = max(0, W + llr)``. An alarm is ``W >= threshold``. The
log-likelihood ratio of a binomial count is divided by how far the count strays beyond the binomial (quasi-likelihood).

Thresholds come from the chain that Brook and Evans (1972) made of a CUSUM: its value on a grid, moved on by the exact
distribution of the counts (binomial, or beta-binomial where they stray), hour by hour of a usual week. That the
expected rate is itself an estimate is part of it: the chain is averaged over what the true rate may be.
"""

import math

import numba
import numpy as np

from features.events import FloatArray, IntArray
from insights.baseline import stray

GRID = 80
"""Values that the chain's CUSUM can take."""
_ROUNDS = 5
_CLOSE = 0.03
_MOST_THRESHOLD = 60.0
# Gauss and Hermite's five points and weights for a standard normal.
_POINTS = np.array([0.0, 1.355626, -1.355626, 2.856970, -2.856970])
_WEIGHTS = np.array([0.533333, 0.222076, 0.222076, 0.011257, 0.011257])
_TOO_EXACT = 2e-3


def slopes(rates: FloatArray, ratio: float) -> tuple[FloatArray, FloatArray]:
    """Return what one exit, and one session that goes on, adds to the log-likelihood ratio; the shape of ``rates``."""
    moved = np.minimum(rates * ratio, (1.0 + rates) / 2)
    return np.log(moved / rates), np.log((1 - moved) / (1 - rates))


def increments(entered: FloatArray, exited: FloatArray, rates: FloatArray, rho: FloatArray, ratio: float) -> FloatArray:
    """Return the log-likelihood ratios (C, K) of counts against expected rates (C, K), scaled by how far they stray."""
    of_exit, of_stay = slopes(rates, ratio)
    return np.asarray((exited * of_exit + (entered - exited) * of_stay) / stray(entered, rho))


def move_on(sums: FloatArray, llr: FloatArray) -> FloatArray:
    """Return the CUSUMs after one step more."""
    return np.maximum(sums + llr, 0.0)


def find_thresholds(
    entered: FloatArray,
    rates: FloatArray,
    rho: FloatArray,
    errors: FloatArray,
    ratio: float,
    allowed: FloatArray,
    rounds: int,
) -> FloatArray:
    """Return the threshold (C,) at which each cell raises ``allowed`` (C,) false alarms a week.

    ``entered`` and ``rates`` (C, W) are those of the steps of a usual week, ``errors`` (C,) the relative standard
    errors of the rates. ``rounds`` weeks are let go by before one is counted.
    """
    found = np.empty(len(entered))
    for cell in range(len(entered)):
        found[cell] = _find(
            np.round(entered[cell]).astype(np.int64),
            rates[cell],
            float(rho[cell]),
            float(errors[cell]),
            ratio,
            float(allowed[cell]),
            rounds,
        )
    return found


def count_alarms(
    entered: IntArray, rates: FloatArray, rho: float, error: float, ratio: float, threshold: float, rounds: int
) -> float:
    """Return how many alarms a cell raises in a usual week while its true rate is the expected one, give or take."""
    of_exit, of_stay = slopes(rates, ratio)
    scale = 1.0 + np.maximum(entered - 1.0, 0.0) * rho
    points = _POINTS if error > _TOO_EXACT else _POINTS[:1]
    weights = _WEIGHTS if error > _TOO_EXACT else np.ones(1)
    alarms = 0.0
    for point, weight in zip(points.tolist(), weights.tolist(), strict=True):
        true = np.clip(rates * math.exp(point * error), 1e-5, 0.9995)
        alarms += weight * float(_walk(entered, true, rho, of_exit / scale, of_stay / scale, threshold, GRID, rounds))
    return alarms


def _find(
    entered: IntArray, rates: FloatArray, rho: float, error: float, ratio: float, allowed: float, rounds: int
) -> float:
    threshold, slope = _guess(entered, rates, rho, ratio, allowed), -1.0
    previous: tuple[float, float] | None = None
    for _ in range(_ROUNDS):
        gap = math.log(max(count_alarms(entered, rates, rho, error, ratio, threshold, rounds), 1e-12) / allowed)
        if abs(gap) < _CLOSE:
            break
        if previous is not None and abs(threshold - previous[0]) > 1e-6:
            slope = min(max((gap - previous[1]) / (threshold - previous[0]), -2.0), -0.1)
        previous = threshold, gap
        threshold = min(max(threshold - gap / slope, 0.5), _MOST_THRESHOLD)
    return threshold


def _guess(entered: IntArray, rates: FloatArray, rho: float, ratio: float, allowed: float) -> float:
    """Return Siegmund's (1985) corrected diffusion's threshold: a start that is right for large counts."""
    of_exit, of_stay = slopes(rates, ratio)
    scale = 1.0 + np.maximum(entered - 1.0, 0.0) * rho
    information = -entered * (rates * of_exit + (1 - rates) * of_stay) / scale
    overshoot = 1.166 * np.sqrt(2 * information)
    alarms = float(np.sum(information * np.exp(-overshoot)))
    return min(max(math.log(max(alarms, 1e-9) / allowed), 1.0), _MOST_THRESHOLD)


@numba.njit(cache=True)
def _walk(
    entered: IntArray,
    rates: FloatArray,
    rho: float,
    of_exit: FloatArray,
    of_stay: FloatArray,
    threshold: float,
    grid: int,
    rounds: int,
) -> float:
    """Return the expected number of alarms in the last of some weeks; after an alarm the sum starts anew."""
    width = threshold / grid
    held = np.zeros(grid)
    held[0] = 1.0
    alarms = 0.0
    for _turn in range(rounds + 1):
        alarms = 0.0
        for step in range(len(entered)):
            n = entered[step]
            if n <= 0:
                continue
            first, chances = _distribution(n, rates[step], rho)
            # Each further exit adds ``up`` for a rise; for a fall it takes away, so those who stay are counted.
            up = (of_exit[step] - of_stay[step]) / width
            base = (first * of_exit[step] + (n - first) * of_stay[step]) / width
            if up < 0.0:
                chances = chances[::-1]
                base += up * (len(chances) - 1)
                up = -up
            below = np.zeros(len(chances) + 1)
            below[1:] = np.cumsum(chances)
            moved = np.zeros(grid)
            raised = 0.0
            for state in range(grid):
                mass = held[state]
                if mass < 1e-15:
                    continue
                # Counts before ``low`` take the sum to zero, those from ``high`` on beyond the threshold.
                low = min(max(math.floor(-(state + base) / up) + 1, 0), len(chances))
                high = min(max(math.ceil((grid - state - base) / up), low), len(chances))
                moved[0] += mass * below[low]
                raised += mass * (below[len(chances)] - below[high])
                for k in range(low, high):
                    value = state + base + k * up
                    place = min(int(value), grid - 1)
                    over = value - place if place + 1 < grid else 0.0
                    moved[place] += mass * chances[k] * (1.0 - over)
                    if over > 0.0:
                        moved[place + 1] += mass * chances[k] * over
            alarms += raised
            moved[0] += raised
            held = moved
    return alarms


@numba.njit(cache=True)
def _distribution(n: int, rate: float, rho: float) -> tuple[int, FloatArray]:
    """Return the least count that is likely enough to matter, and the probabilities from it on.

    Binomial, or beta-binomial with the correlation ``rho``: a = rate (1 - rho) / rho, b = (1 - rate) (1 - rho) / rho.
    """
    spread = math.sqrt(n * rate * (1 - rate) * (1 + (n - 1) * rho))
    middle = int(n * rate)
    first = max(0, middle - int(7 * spread) - 4)
    last = min(n, middle + int(9 * spread) + 8)
    weights = np.empty(last - first + 1)
    weights[middle - first] = 1.0
    # For small rho this is the binomial, to more digits than matter.
    rho = max(rho, 1e-9)
    a, b = rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho
    for x in range(middle, last):
        up = (n - x) * (x + a) / ((x + 1) * (n - x - 1 + b))
        weights[x + 1 - first] = weights[x - first] * up
    for x in range(middle, first, -1):
        down = x * (n - x + b) / ((n - x + 1) * (x - 1 + a))
        weights[x - 1 - first] = weights[x - first] * down
    return first, weights / weights.sum()
