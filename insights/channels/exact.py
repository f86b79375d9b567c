"""Shares that add up to their total to the last digit, in whatever order they are added."""

import math
from fractions import Fraction

import numpy as np

from features.events import FloatArray

SPARE_BITS = 6
"""Shares may be negative: their sizes may add up to so many doublings of the total."""
_MANTISSA_BITS = 52


def settle(shares: FloatArray, total: float, *, fixed: int = 0) -> FloatArray:
    """Return the shares (K,) on a grid on which every partial sum is a floating-point number; together ``total``.

    A share moves by less than a 10^12th part of the total. What is left over by rounding goes to the largest
    share; the last ``fixed`` shares get none of it. Where shares
    have both signs, the total has to be :func:`divisible`.
    """
    # Rounding alone must not make the grid coarser than the total.
    size = max(abs(total), float(np.abs(shares).sum()) if (shares < 0).any() else 0.0)
    if not size:
        return np.zeros(len(shares))
    unit = Fraction(2) ** (math.frexp(size)[1] - _MANTISSA_BITS)
    parts = [Fraction(round(Fraction(float(share)) / unit)) for share in shares]
    largest = int(np.argmax(np.abs(shares[: len(shares) - fixed]))) if len(shares) > fixed else 0
    parts[largest] += Fraction(total) / unit - sum(parts)
    return np.array([float(part * unit) for part in parts])


def divisible(total: float) -> float:
    """Return the total, rounded to some 14 digits where it has more, so that shares of both signs add up to it."""
    if not total:
        return 0.0
    unit = Fraction(2) ** (math.frexp(total)[1] + SPARE_BITS - _MANTISSA_BITS)
    return float(round(Fraction(total) / unit) * unit)
