"""How many people an experiment needs whose result may be looked at, and acted on, every day.

It is decided by a confidence sequence (``decisions.sequences``), and is over as soon as the sequence leaves out zero.
Sizes are those by which it has done so with the wanted power, at a hundred evenly spaced looks, from the tenth on; the
sequence is tuned to that size. Its power then depends on alpha and on the z-statistic expected at that size.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from decisions.crossing import Crossing, crossing
from decisions.experiment_size import check_change, days_for
from decisions.sequences import TUNED_SHARE, multiplier
from features.events import FloatArray

LOOKS = 100
_FIRST = 10
_LARGEST_Z = 40.0


@dataclass(frozen=True, slots=True)
class AlwaysValidSize:
    """The people per arm by whom the change is found with the wanted power, and how many it takes on average.

    ``mean_per_arm`` counts an experiment that never finds the change as one of ``per_arm`` people. Days are None where
    the traffic is not known.
    """

    per_arm: int
    total: int
    days: int | None
    mean_per_arm: int
    mean_days: int | None


def size_always_valid(
    baseline: float,
    treated: float,
    *,
    visitors_per_day: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    arms: int = 2,
    deviation: float | None = None,
) -> AlwaysValidSize:
    """Return the size at which a sequence has found a change with the wanted power.

    Takes what ``decisions.experiment_size.size_experiment`` takes. Raises ``ExperimentError``.
    """
    check_change(baseline, treated, alpha, power, arms, deviation)
    z = z_for_power(alpha / (arms - 1), power)
    per_arm = math.ceil(_variances(baseline, treated, deviation) * (z / (treated - baseline)) ** 2)
    mean = math.ceil(per_arm * _mean_fraction(_at(alpha / (arms - 1), z)))
    return AlwaysValidSize(
        per_arm,
        per_arm * arms,
        days_for(per_arm * arms, visitors_per_day),
        mean,
        days_for(mean * arms, visitors_per_day),
    )


def power_always_valid(
    baseline: float,
    treated: float,
    per_arm: float,
    *,
    planned_per_arm: float,
    alpha: float = 0.05,
    arms: int = 2,
    deviation: float | None = None,
) -> float:
    """Return how probable it is that a sequence has found the change by so many people, tuned to a planned size."""
    z = abs(treated - baseline) * math.sqrt(per_arm / _variances(baseline, treated, deviation))
    return _at(alpha / (arms - 1), z, TUNED_SHARE * planned_per_arm / per_arm).power


def detectable_always_valid(
    baseline: float,
    per_arm: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    arms: int = 2,
    deviation: float | None = None,
) -> float | None:
    """Return the least rise, absolute, that a sequence has found by so many people; None where none can be."""
    from scipy.optimize import brentq

    z = z_for_power(alpha / (arms - 1), power)

    def missing(rise: float) -> float:
        return z**2 * _variances(baseline, baseline + rise, deviation) / rise**2 - per_arm

    highest = 1 - baseline if deviation is None else z * deviation * math.sqrt(4 / per_arm)
    if missing(highest) > 0:
        return None
    lowest = highest
    while missing(lowest) <= 0:
        lowest /= 2
    return float(brentq(missing, lowest, 2 * lowest, xtol=1e-12))


@lru_cache(maxsize=64)
def z_for_power(alpha: float, power: float) -> float:
    """Return what z must be expected at the planned size, for a sequence to have left out zero with this power."""
    from scipy.optimize import brentq

    return float(brentq(lambda z: _at(alpha, z).power - power, 0.0, _LARGEST_Z, xtol=1e-6))


@lru_cache(maxsize=256)
def _at(alpha: float, z: float, narrowest: float = TUNED_SHARE) -> Crossing:
    fractions = _fractions()
    return crossing(fractions, multiplier(fractions, narrowest, alpha), z)


def _mean_fraction(crossed: Crossing) -> float:
    at_look = crossed.upwards + crossed.downwards
    return float(at_look @ _fractions() + 1 - at_look.sum())


def _fractions() -> FloatArray:
    return np.arange(_FIRST, LOOKS + 1) / LOOKS


def _variances(baseline: float, treated: float, deviation: float | None) -> float:
    if deviation is not None:
        return 2 * deviation**2
    return baseline * (1 - baseline) + treated * (1 - treated)
