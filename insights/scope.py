"""Whether a whole stage moved or one cohort only: the explanation of largest likelihood."""

from collections.abc import Sequence

import numpy as np

from features.events import FloatArray
from insights.change_point import evidence_of

_MARGIN = 2.0


def choose_scope(
    entered: FloatArray, exited: FloatArray, rates: FloatArray, scale: FloatArray, cohorts: Sequence[int]
) -> int | None:
    """Return the place of the one cohort that moved, or None where the whole stage did.

    Arrays are (C, K) over the steps since the change; row 0 is the whole stage, ``cohorts`` are places of rows. Each
    cohort is taken with the rest of its stage as two parts: either both moved by one ratio, or the cohort alone did. It
    is named where that is likelier by more than the choice among so many cohorts makes it look.
    """
    best: int | None = None
    most = _MARGIN + float(np.log(max(len(cohorts), 1)))
    for cohort in cohorts:
        own = (entered[cohort], exited[cohort], rates[cohort], scale[cohort])
        rest = _rest(entered, exited, rates, scale, cohort)
        alone, _ = evidence_of(*own)
        both = [np.concatenate(pair) for pair in zip(own, rest, strict=True)]
        together, _ = evidence_of(*both)
        if alone - together > most:
            best, most = cohort, alone - together
    return best


def _rest(
    entered: FloatArray, exited: FloatArray, rates: FloatArray, scale: FloatArray, cohort: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the stage without a cohort."""
    n = np.maximum(entered[0] - entered[cohort], 0.0)
    due = np.maximum(entered[0] * rates[0] - entered[cohort] * rates[cohort], 1e-6 * n)
    rho = (scale[0] - 1.0) / np.maximum(entered[0] - 1.0, 1.0)
    return (
        n,
        np.clip(exited[0] - exited[cohort], 0.0, n),
        np.clip(due / np.maximum(n, 1.0), 1e-4, 0.999),
        1.0 + np.maximum(n - 1.0, 0.0) * rho,
    )
