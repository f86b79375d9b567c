"""What risks depend on: exact contributions of a sample of prefixes, summed by friction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.risk import RiskModel
from features.events import FloatArray, IntArray
from features.friction import Friction
from features.table import FeatureTable

SAMPLE_ROWS = 10_000
"""So many prefixes are explained: enough for the means of rare stages, at a second or two."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the scored prefixes with all their features: their places among them (N,), and the features (N, F)."""

    places: IntArray
    features: FloatArray


@dataclass(frozen=True, slots=True)
class Explained:
    """A sample with the exact contributions of its features to the log-odds of abandonment, (N, F)."""

    sample: Sample
    table: FeatureTable
    base: float
    contributions: FloatArray

    @property
    def frictions(self) -> tuple[Friction, ...]:
        """The table's frictions, and context last."""
        return (*self.table.frictions, Friction.NONE)

    @property
    def by_friction(self) -> FloatArray:
        """The contributions summed by friction, (N, K): a feature that is there twice changes no sum."""
        addressable = self.contributions @ self.table.belonging
        context = self.contributions.sum(axis=1, keepdims=True) - addressable.sum(axis=1, keepdims=True)
        return np.hstack([addressable, context])


def draw_sample(features: FloatArray, seed: int, size: int = SAMPLE_ROWS) -> Sample:
    """Return some of the rows (R, F), in their order, all of them where there are no more."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(len(features), min(size, len(features)), replace=False))
    return Sample(places, features[places])


def draw_share(features: FloatArray, share: float, rng: np.random.Generator) -> Sample:
    """Return about this share of the rows (R, F), in their order."""
    places = np.flatnonzero(rng.random(len(features)) < share)
    return Sample(places, features[places])


def join_samples(samples: Sequence[Sample], lengths: Sequence[int]) -> Sample:
    """Return the samples of consecutive parts, of so many rows, as one."""
    firsts = np.cumsum([0, *lengths[:-1]])
    places = [sample.places + first for sample, first in zip(samples, firsts, strict=True)]
    return Sample(np.concatenate(places), np.concatenate([sample.features for sample in samples]))


def explain(model: RiskModel, sample: Sample) -> Explained:
    """Return the exact contributions of a sample."""
    explanation = model.explain(sample.features)
    return Explained(sample, model.table, explanation.base, explanation.contributions)


def mean_size(contributions: FloatArray) -> FloatArray:
    """Return the mean absolute contribution of each column (K,): how much risks depend on it, up or down."""
    sizes: FloatArray = np.abs(contributions).mean(axis=0)
    return sizes


def mean_size_by(contributions: FloatArray, groups: Sequence[np.ndarray[tuple[int], np.dtype[np.bool_]]]) -> FloatArray:
    """Return the mean absolute contribution of each column within each group of rows, (G, K)."""
    return np.stack([mean_size(contributions[rows]) for rows in groups])
