"""How long people pause between two steps: within a sitting, or until another one."""

import math

import numba
import numpy as np

from training.simulator.rules import Rules

ROUNDING_SECONDS = 0.0005


@numba.njit(cache=True)
def draw_pause(rules: Rules, stage: int, b: int, c: int, answered: bool, rng: np.random.Generator) -> float:
    """Return seconds: log-normal, or a mixture of two where people go away; an attempt is answered in the sitting."""
    if rules.away[stage] > 0.0 and not answered and rng.random() < rules.away[stage]:
        seconds = np.exp(rules.away_log[stage, b, c] + rules.away_spread * rng.standard_normal())
    else:
        seconds = np.exp(rules.gap_log[stage, b, c] + rules.gap_spread[c] * rng.standard_normal())
    return float(min(seconds, rules.longest_pause))


@numba.njit(cache=True)
def log_pause_odds(rules: Rules, stage: int, b: int, c: int, answered: bool, seconds: float) -> float:
    """Return the log-density of a pause, up to a constant; of the longest, the log-probability to pause for longer."""
    usual = _log_odds(rules, seconds, rules.gap_log[stage, b, c], rules.gap_spread[c])
    away = 0.0 if answered else rules.away[stage]
    if away == 0.0:
        return usual
    other = _log_odds(rules, seconds, rules.away_log[stage, b, c], rules.away_spread)
    return float(np.logaddexp(np.log(1.0 - away) + usual, np.log(away) + other))


@numba.njit(cache=True)
def _log_odds(rules: Rules, seconds: float, log_median: float, spread: float) -> float:
    z = (math.log(seconds + 1e-6) - log_median) / spread
    if seconds >= rules.longest_pause - ROUNDING_SECONDS:
        return math.log(0.5 * math.erfc(z / math.sqrt(2.0)) + 1e-300)
    return -0.5 * z * z - math.log(spread)
