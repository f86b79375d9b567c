"""The log losses of a challenger and of a champion on the same prefixes, added up part by part."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from decisions.calibration import SMALLEST_PROBABILITY
from features.events import FloatArray


@dataclass(frozen=True, slots=True)
class Losses:
    """Sums over prefixes of the losses of either, each times the prefix's weight, and of the weights."""

    challenger: float
    champion: float
    weight: float

    @classmethod
    def of(
        cls, labels: FloatArray, challenger: FloatArray, champion: FloatArray, weights: FloatArray | None = None
    ) -> "Losses":
        """Return the sums of prefixes (R,), each of weight one unless ``weights`` (R,) says otherwise."""
        weight = np.ones(len(labels)) if weights is None else weights
        ours, theirs = (float(weight @ _loss(labels, risks)) for risks in (challenger, champion))
        return cls(ours, theirs, float(weight.sum()))

    @classmethod
    def join(cls, parts: Iterable["Losses"]) -> "Losses":
        """Return the sums over the prefixes of all parts."""
        known = list(parts)
        sums = (sum(getattr(part, name) for part in known) for name in ("challenger", "champion", "weight"))
        return cls(*sums)

    @property
    def means(self) -> tuple[float, float]:
        """Return the mean log loss of the challenger, and that of the champion."""
        return self.challenger / self.weight, self.champion / self.weight


def _loss(labels: FloatArray, risks: FloatArray) -> FloatArray:
    clipped = np.clip(risks, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    losses: FloatArray = -np.where(labels == 1, np.log(clipped), np.log1p(-clipped))
    return losses
