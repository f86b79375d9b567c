"""Leaving soon: the probability that the visitor has acted for the last time by so many seconds from now.

A discrete-time hazard: whether the session is left by the end of the next period, given all that is known at its
beginning, how long the visitor has been idle included. ``docs/adr/0015-leaving-soon.md`` says why the exit is placed at
the last sign of life.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from decisions.calibration import Calibrator, logistic
from decisions.margins import margins_of
from decisions.treeshap import TreeExplainer
from features.events import FloatArray

MODEL, SETTINGS = "hazard.txt", "hazard.json"


@dataclass(frozen=True)
class Hazard:
    """A baseline by idle time, what a small booster adds to its log-odds, and a calibrator.

    ``baseline`` are idle times (seconds, ascending) and the log-odds to leave soon after each, from training; the
    booster reads the numbered features and the idle time. ``base_rate`` is the share that left soon over all rows.
    """

    within_seconds: float
    booster: lightgbm.Booster
    calibrator: Calibrator
    baseline: tuple[tuple[float, float], ...]
    base_rate: float

    @cached_property
    def _trees(self) -> TreeExplainer:
        return TreeExplainer.of(self.booster)

    @cached_property
    def _baseline(self) -> FloatArray:
        return np.array(self.baseline, np.float64).T

    def margins(self, numbered: FloatArray, idle_seconds: FloatArray) -> FloatArray:
        """Return the log-odds before calibration (R,) of rows (R, F) whose categories are numbered."""
        added = margins_of(self.booster, self._trees, with_idle(numbered, idle_seconds))
        return added + np.interp(idle_seconds, *self._baseline)

    def predict(self, numbered: FloatArray, idle_seconds: FloatArray) -> FloatArray:
        """Return the calibrated probability (R,) of rows (R, F) whose categories are numbered."""
        return self.calibrator.apply(self.margins(numbered, idle_seconds))

    def by_idle_alone(self, idle_seconds: FloatArray) -> FloatArray:
        """Return what the idle time alone predicts (R,): what the model has to beat."""
        return logistic(baseline_margins(self.baseline, idle_seconds))

    def save(self, folder: Path) -> None:
        """Write the hazard's files into an existing folder."""
        self.booster.save_model(str(folder / MODEL))
        content = {
            "within_seconds": self.within_seconds,
            "calibrator": self.calibrator.to_json(),
            "baseline": [list(pair) for pair in self.baseline],
            "base_rate": self.base_rate,
        }
        (folder / SETTINGS).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, content: Mapping[str, Any], feature_count: int) -> "Hazard":
        """Return the hazard of a folder whose settings have been read; raises ValueError, LookupError or TypeError."""
        try:
            booster = lightgbm.Booster(model_file=str(folder / MODEL))
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"{folder / MODEL} is no LightGBM model ({error})") from error
        if booster.num_feature() != feature_count + 1:
            raise ValueError(f"{folder / MODEL} is not of this journey's features")
        return cls(
            within_seconds=float(content["within_seconds"]),
            booster=booster,
            calibrator=Calibrator.from_json(content["calibrator"]),
            baseline=tuple((float(idle), float(margin)) for idle, margin in content["baseline"]),
            base_rate=float(content["base_rate"]),
        )


def with_idle(numbered: FloatArray, idle_seconds: FloatArray) -> FloatArray:
    """Return the rows (R, F) with the idle time as their last column: a feature table need not have it."""
    return np.concatenate((numbered, idle_seconds[:, None]), axis=1)


def baseline_margins(baseline: Sequence[tuple[float, float]], idle_seconds: FloatArray) -> FloatArray:
    """Return the log-odds (R,) that the idle time alone gives, interpolated between the times it was learnt at."""
    times, margins = np.array(baseline, np.float64).T
    found: FloatArray = np.interp(idle_seconds, times, margins)
    return found
