"""The deletion test: without the traces of the named friction, does the model see less risk?"""

import numpy as np

from decisions.diagnosis import NOTHING
from decisions.risk import RiskModel
from features.events import FloatArray, IntArray
from training.diagnosed import friction_scores
from training.stability import top

RANDOM_GROUPS = 5
"""Random groups of features that each session's named group is compared with."""


def usual_values(rows: FloatArray, stages: FloatArray) -> dict[float, FloatArray]:
    """Return the median (F,) of each feature by stage (-1 before the first); NaN where most rows have none."""
    place = stage_places(stages)
    with np.errstate(invalid="ignore"):
        return {float(stage): _median(rows[place == stage]) for stage in np.unique(place)}


def stage_places(stages: FloatArray) -> FloatArray:
    """Return the stages (R,) with -1 before the first."""
    found: FloatArray = np.where(np.isnan(stages), -1.0, stages)
    return found


def deletion_test(
    model: RiskModel, rows: FloatArray, learnt: FloatArray, *, seed: int
) -> dict[str, float | int | None]:
    """Return what becomes of the risk when the loudest friction's features take their usual values at that stage.

    ``rows`` (R, F) are the sessions, ``learnt`` the rows whose medians are what is usual. The same is done to as many
    random features of the other frictions. Drops are in log-odds of the risk model before calibration, so that they
    mean the same wherever the risk stands.
    """
    named = top(friction_scores(model, rows))
    rows, named = rows[named != NOTHING], named[named != NOTHING]
    if not len(rows) or not len(learnt):
        return {"n": 0, "named_drop": None, "random_drop": None, "share_larger": None}
    column = model.table.names.index("stage_index")
    usual = usual_values(learnt, learnt[:, column])
    overall = _median(learnt)
    replacing = np.stack([usual.get(stage, overall) for stage in stage_places(rows[:, column]).tolist()])
    before = model.margins(rows)
    belonging = model.table.belonging == 1
    named_drop = before - model.margins(np.where(belonging[:, named].T, replacing, rows))
    rng = np.random.default_rng(seed)
    random_drop = np.zeros((RANDOM_GROUPS, len(rows)))
    for group in range(RANDOM_GROUPS):
        chosen = _random_groups(belonging, named, rng)
        random_drop[group] = before - model.margins(np.where(chosen, replacing, rows))
    return {
        "n": len(rows),
        "named_drop": float(named_drop.mean()),
        "random_drop": float(random_drop.mean()),
        "share_larger": float((named_drop > random_drop.mean(axis=0)).mean()),
    }


def _random_groups(
    belonging: np.ndarray[tuple[int, int], np.dtype[np.bool_]], named: IntArray, rng: np.random.Generator
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return for each row as many features of other frictions as its named one has, (R, F)."""
    chosen = np.zeros((len(named), len(belonging)), np.bool_)
    addressable = belonging.any(axis=1)
    for friction in np.unique(named).tolist():
        here = np.flatnonzero(named == friction)
        others = np.flatnonzero(addressable & ~belonging[:, friction])
        size = min(int(belonging[:, friction].sum()), len(others))
        order = rng.permuted(np.tile(others, (len(here), 1)), axis=1)[:, :size]
        chosen[here[:, None], order] = True
    return chosen


def _median(rows: FloatArray) -> FloatArray:
    """Return the medians (F,) of rows that may miss values; NaN where most do."""
    known = ~np.isnan(rows)
    ordered = np.sort(rows, axis=0)
    count = known.sum(axis=0)
    middle = ordered[np.maximum((count - 1) // 2, 0), np.arange(rows.shape[1])]
    found: FloatArray = np.where(count * 2 > len(rows), middle, np.nan)
    return found
