"""The odds of one step, and the probability to reach the goal in closed form."""

import numba
import numpy as np

from features.events import FloatArray
from training.simulator.rules import Rules
from training.simulator.world import LEVELS


@numba.njit(cache=True)
def step_odds(
    rules: Rules, changed: int, context_leave: float, context_advance: float, intent: float, b: int, c: int, t: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return three (S, LEVELS) arrays: the probability to leave, that of moving on, and to leave without the blocker.

    What is left is split between going back and staying by ``rules.back``.
    """
    stages = len(rules.advance)
    leave, advance, own = np.empty((stages, LEVELS)), np.empty((stages, LEVELS)), np.empty((stages, LEVELS))
    felt = 1.0 - rules.relief[t, b]
    for s in range(stages):
        onward = rules.advance[s] + rules.kind_advance[c] + context_advance + rules.remedy_advance[t]
        onward += rules.intent_advance * intent - rules.drags[b, s] * felt
        share = 1.0 / (1.0 + np.exp(-onward))
        away = rules.leave[changed, s] + rules.kind_leave[c] + context_leave + rules.remedy_leave[t, c]
        away += rules.intent_leave * intent
        for k in range(LEVELS):
            own[s, k] = 1.0 / (1.0 + np.exp(-(away + rules.upset[k])))
            leave[s, k] = own[s, k] + (1.0 - own[s, k]) * rules.exits[b, s] * felt
            advance[s, k] = (1.0 - leave[s, k]) * share
    return leave, advance, own


@numba.njit(cache=True)
def failure_odds(rules: Rules, b: int, t: int) -> float:
    """Return the probability that an attempt fails."""
    return float(rules.failure[0] + (rules.failure[b] - rules.failure[0]) * (1.0 - rules.relief[t, b]))


@numba.njit(cache=True)
def reach_goal(
    rules: Rules, changed: int, leave: FloatArray, advance: FloatArray, b: int, c: int, t: int
) -> FloatArray:
    """Return the probability to reach the goal from each stage and level, (S + 1, LEVELS); row S: attempt under way.

    With V the value of a fresh entry, staying means a step at a level drawn by what is done. Eliminating the stays
    leaves V(s) = onward V(s + 1) + backward V(s - 1), which is solved from the last stage down, then read upwards.
    """
    stages = len(rules.advance)
    onward, backward = np.empty((stages, LEVELS)), np.empty((stages, LEVELS))
    for s in range(stages):
        mean_on, mean_back, mean_stay = 0.0, 0.0, 0.0
        for k in range(LEVELS):
            rest = 1.0 - leave[s, k] - advance[s, k]
            weight = rules.upset_share[changed, s, b, c, k]
            mean_on += weight * advance[s, k]
            mean_back += weight * rest * rules.back[s]
            mean_stay += weight * rest * (1.0 - rules.back[s])
        for k in range(LEVELS):
            rest = 1.0 - leave[s, k] - advance[s, k]
            stay = rest * (1.0 - rules.back[s]) / (1.0 - mean_stay)
            onward[s, k] = advance[s, k] + stay * mean_on
            backward[s, k] = rest * rules.back[s] + stay * mean_back
    # V(s) = fixed(s) + slope(s) V(s - 1). A failed attempt leaves the visitor much upset at the last stage.
    fixed, slope = np.empty(stages), np.empty(stages)
    last, failure = stages - 1, failure_odds(rules, b, t)
    scale = 1.0 / (1.0 - failure * onward[last, LEVELS - 1])
    attempt_fixed, attempt_slope = (1.0 - failure) * scale, failure * backward[last, LEVELS - 1] * scale
    fixed[last] = onward[last, 0] * attempt_fixed
    slope[last] = onward[last, 0] * attempt_slope + backward[last, 0]
    for s in range(last - 1, -1, -1):
        scale = 1.0 / (1.0 - onward[s, 0] * slope[s + 1])
        fixed[s] = onward[s, 0] * fixed[s + 1] * scale
        slope[s] = backward[s, 0] * scale
    fresh = np.empty(stages)
    fresh[0] = fixed[0]
    for s in range(1, stages):
        fresh[s] = fixed[s] + slope[s] * fresh[s - 1]
    values = np.empty((stages + 1, LEVELS))
    below = fresh[last - 1] if last > 0 else 0.0
    values[stages, :] = attempt_fixed + attempt_slope * below
    for s in range(stages):
        above = values[stages, 0] if s == last else fresh[s + 1]
        under = fresh[s - 1] if s > 0 else 0.0
        for k in range(LEVELS):
            values[s, k] = onward[s, k] * above + backward[s, k] * under
    return values
