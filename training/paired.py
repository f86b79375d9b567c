"""Whether two models differ on the same prefixes by more than chance: a paired bootstrap over persons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.events import FloatArray, IntArray
from insights.intervals import LEVEL
from training.blocks import Partition
from training.evaluate import Scored
from training.intervals import FEWEST_PERSONS
from training.metrics import FIGURES, measure
from training.resampling import Clustered, resample

COMPARED = ("log_loss", "auc", "ap", "brier", "ece")
HIGHER_IS_BETTER = frozenset({"auc", "ap"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both models, and second minus first with its 95 % interval; None where there is none."""

    first: float | None
    second: float | None
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, slots=True)
class DifferenceBlock:
    """The differences of the figures on some prefixes."""

    n_rows: int
    n_sessions: int
    n_visitors: int
    figures: dict[str, Difference]


@dataclass(frozen=True, slots=True)
class Gain:
    """The mean log loss of a row before and after, and the standard error of the difference over whole sessions."""

    before: float
    after: float
    error: float

    @property
    def is_beyond_chance(self) -> bool:
        """Whether it is lower after, by more than one standard error."""
        return self.before - self.after > self.error


def gain_in_log_loss(labels: FloatArray, before: FloatArray, after: FloatArray, sessions: IntArray) -> Gain:
    """Return what risks ``after`` (R,) gain on risks ``before`` (R,), with the error clustered by session."""
    before_each, after_each = (-np.where(labels == 1, np.log(risks), np.log1p(-risks)) for risks in (before, after))
    gains = before_each - after_each
    _, place = np.unique(sessions, return_inverse=True)
    sums = np.bincount(place, weights=gains - gains.mean())
    spread = math.sqrt(len(sums) / max(len(sums) - 1, 1) * float(np.sum(sums**2)))
    return Gain(float(before_each.mean()), float(after_each.mean()), spread / len(gains))


def compare_parts(
    first: Scored,
    second: FloatArray,
    partitions: Sequence[Partition],
    *,
    weights: FloatArray | None = None,
    resamples: int,
    seed: int,
) -> list[dict[str, DifferenceBlock]]:
    """Return the blocks of each partition by name; ``second`` (R,) are the other model's risks of the same prefixes.

    Both models meet the same draws of persons, so that what moves both alike is no difference. Intervals are
    percentiles (Efron and Tibshirani 1993, chapter 13). What chance adds to an error of calibration is taken away
    first, since it adds less to a larger error than to a smaller one.
    """
    offsets = np.cumsum([0, *(len(part.names) for part in partitions)])
    members = np.column_stack(
        [np.where(part.places < 0, -1, part.places + at) for part, at in zip(partitions, offsets, strict=False)]
    ).astype(np.int16)
    of_first, of_second = (
        resample(Clustered(first.labels, risks, first.persons, members, int(offsets[-1]), weights), resamples, seed)
        for risks in (first.risks, second)
    )

    def block(at: int, part: Partition, place: int) -> DifferenceBlock:
        rows = part.places == place
        weight = None if weights is None else weights[rows]
        labels, sessions, persons = first.labels[rows], first.sessions[rows], first.persons[rows]
        one, other = (measure(labels, risks[rows], sessions, weight) for risks in (first.risks, second))
        of_either = min(len(np.unique(persons[labels == outcome])) for outcome in (0, 1))
        drawn = (of_first[:, at + place], of_second[:, at + place])
        enough = of_either >= FEWEST_PERSONS and resamples > 0
        figures = {name: _difference(name, one[name], other[name], drawn if enough else None) for name in COMPARED}
        return DifferenceBlock(len(labels), len(np.unique(sessions)), len(np.unique(persons)), figures)

    return [
        {name: block(int(at), part, place) for place, name in enumerate(part.names)}
        for part, at in zip(partitions, offsets, strict=False)
    ]


def _difference(
    name: str, first: float | None, second: float | None, drawn: tuple[FloatArray, FloatArray] | None
) -> Difference:
    if first is None or second is None:
        return Difference(first, second, None, None)
    difference = second - first
    if drawn is None:
        return Difference(first, second, difference, None)
    of_first, of_second = (figures[:, FIGURES.index(name)] for figures in drawn)
    if name == "ece":
        of_first, of_second = _without_chance(first, of_first), _without_chance(second, of_second)
    tail = (1 - LEVEL) / 2
    # A draw without one of the two outcomes has no AUC; where both have ten persons that is one in ten thousand.
    low, high = np.nanquantile(of_second - of_first, (tail, 1 - tail))
    return Difference(first, second, difference, (min(float(low), difference), max(float(high), difference)))


def _without_chance(error: float, drawn: FloatArray) -> FloatArray:
    """Return drawn errors of calibration less what chance adds: once in the sample, and once more in each draw.

    It adds as squares do, by what the draws' squares lie above the sample's in the mean.
    """
    chance = float(np.mean(drawn**2)) - error**2
    least: FloatArray = np.sqrt(np.maximum(drawn**2 - 2 * max(chance, 0.0), 0.0))
    return least
