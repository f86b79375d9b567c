"""How far figures of several seeds spread."""

from collections.abc import Sequence

import numpy as np


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the half width of its 95 % interval over seeds, by Student's t."""
    from scipy.stats import t

    if len(values) < 2:
        return float(np.mean(values)), float("nan")
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(np.mean(values)), float(t.ppf(0.975, len(values) - 1)) * error
