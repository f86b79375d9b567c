"""From a model's margin (log-odds) to a probability that keeps its word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from features.events import FloatArray, IntArray

SMALLEST_PROBABILITY = 1e-6


class CalibratorKind(StrEnum):
    """How a margin becomes a probability."""

    IDENTITY = "identity"
    PLATT = "platt"
    ISOTONIC = "isotonic"


@dataclass(frozen=True)
class Calibrator:
    """A map from margin to probability, strictly between 0 and 1, monotone at each stage.

    ``identity`` is the logistic function; ``platt`` the logistic function of ``x[0] * margin + x[1]`` (Platt 1999);
    ``isotonic`` interpolates between the margins ``x`` and the probabilities ``y``, both ascending (Zadrozny and
    Elkan 2002). ``shifts``, where there are any, are then added to its log-odds: one for each stage of
    ``decisions.exposure.stage_rows``.
    """

    kind: CalibratorKind = CalibratorKind.IDENTITY
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    shifts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind is CalibratorKind.PLATT and (len(self.x) != 2 or self.x[0] < 0):
            raise ValueError("a Platt calibrator needs a slope, not negative, and an intercept")
        if self.kind is CalibratorKind.ISOTONIC and not (
            len(self.x) == len(self.y) >= 1 and _ascending(self.x) and _ascending(self.y)
        ):
            raise ValueError("an isotonic calibrator needs as many ascending margins as ascending probabilities")
        if not np.all(np.isfinite(self.shifts)):
            raise ValueError("a calibrator's shifts of log-odds must be finite")

    def apply(self, margins: FloatArray, stages: IntArray | None = None) -> FloatArray:
        """Return the probabilities (R,) of margins (R,) at stages (R,).

        Raises ``ValueError`` where there are shifts and the stages are not given.
        """
        probabilities = self._apply_base(margins)
        if not self.shifts:
            return probabilities
        if stages is None:
            raise ValueError("a calibrator with shifts needs the stages of the rows")
        return _clip(logistic(logit(probabilities) + self._shifts[stages]))

    @cached_property
    def _points(self) -> tuple[FloatArray, FloatArray]:
        return np.array(self.x, np.float64), np.array(self.y, np.float64)

    @cached_property
    def _shifts(self) -> FloatArray:
        return np.array(self.shifts, np.float64)

    def _apply_base(self, margins: FloatArray) -> FloatArray:
        match self.kind:
            case CalibratorKind.IDENTITY:
                probabilities = logistic(margins)
            case CalibratorKind.PLATT:
                probabilities = logistic(self.x[0] * margins + self.x[1])
            case CalibratorKind.ISOTONIC:
                x, y = self._points
                following = np.minimum(x.searchsorted(margins, side="right"), len(y) - 1)
                # Rounding may carry an interpolated value past the next point, and so turn the order round.
                probabilities = np.minimum(np.interp(margins, x, y), y[following])
        return _clip(probabilities)

    def describe(self) -> str:
        """Return the kind, and whether odds are shifted by stage."""
        return f"{self.kind} with shifts by stage" if self.shifts else str(self.kind)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": str(self.kind), "x": list(self.x), "y": list(self.y), "shifts": list(self.shifts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibrator":
        """Return the calibrator that :meth:`to_json` described; files from before there were shifts have none."""
        return cls(CalibratorKind(data["kind"]), tuple(data["x"]), tuple(data["y"]), tuple(data.get("shifts", ())))


def logistic(margins: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-margin)) without overflow."""
    halves: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(margins, np.float64)))
    return halves


def logit(probabilities: FloatArray) -> FloatArray:
    """Return the log-odds of probabilities strictly between 0 and 1."""
    odds: FloatArray = np.log(probabilities) - np.log1p(-np.asarray(probabilities))
    return odds


def _clip(probabilities: FloatArray) -> FloatArray:
    # As numpy's clip, which takes four times as long for a single row.
    clipped: FloatArray = np.minimum(np.maximum(probabilities, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY)
    return clipped


def _ascending(numbers: Sequence[float]) -> bool:
    return bool(np.all(np.diff(numbers) >= 0))
