"""Fairness: how much a model's quality differs between devices, sources, and new and returning visitors."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from features.events import FloatArray, IntArray
from insights.intervals import LEVEL
from training.evaluate import Scored
from training.intervals import RESAMPLES, intervals
from training.metrics import measure
from training.resampling import Clustered, resample

MIN_SESSIONS = 50
MIN_OF_EITHER = 10
"""A group of fewer sessions, or of fewer persons with either outcome, is hidden: its figures would be noise."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its 95 % interval over persons."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """The figures on every prefix of the sessions of one device, source or kind of visitor.

    Prefixes are not weighed by the length of their session: that would know its end, and show gaps of calibration that
    no risk given at the time could avoid.

    ``calibration_gap`` is the mean risk minus the share abandoned (calibration in the large); ``false_alarm_rate`` the
    share of what did not end in abandonment that had a risk of the threshold or more.
    """

    sessions: int
    base_rate: float
    auc: Measured
    calibration_gap: Measured
    false_alarm_rate: Measured


@dataclass(frozen=True, slots=True)
class Gap:
    """The largest minus the least value of a figure; ``is_real`` where the intervals of these two do not overlap."""

    value: float
    is_real: bool


@dataclass(frozen=True, slots=True)
class Attribute:
    """The groups of one attribute by name, the gaps between them, and how many groups and sessions are not shown.

    There are no gaps where fewer than two groups are shown.
    """

    groups: Mapping[str, Group]
    gaps: Mapping[str, Gap]
    hidden_groups: int
    hidden_sessions: int
    unknown_sessions: int


@dataclass(frozen=True, slots=True)
class Fairness:
    """The attributes by name, and the common threshold of the false alarms."""

    threshold: float
    attributes: Mapping[str, Attribute]

    def to_json(self) -> dict[str, object]:
        """Return what the card of a model holds."""
        return asdict(self)


def compare_groups(scored: Scored, threshold: float, *, resamples: int = RESAMPLES, seed: int = SEED) -> Fairness:
    """Return how the groups of each cohort fare on scored prefixes; small groups are hidden."""
    return Fairness(
        threshold,
        {name: _attribute(scored, values, threshold, resamples, seed) for name, values in scored.cohorts.items()},
    )


def _attribute(scored: Scored, values: NDArray[np.object_], threshold: float, resamples: int, seed: int) -> Attribute:
    groups, hidden = dict[str, Group](), list[int]()
    known = np.array([value is not None for value in values], np.bool_)
    for value in sorted({str(value) for value in values[known]}):
        rows = np.asarray(values == value, np.bool_)
        sessions, labels, persons = scored.sessions[rows], scored.labels[rows], scored.persons[rows]
        count = _count(sessions)
        if count < MIN_SESSIONS or min(_count(persons[labels == outcome]) for outcome in (0, 1)) < MIN_OF_EITHER:
            hidden.append(count)
        else:
            groups[value] = _group(scored, rows, threshold, resamples, seed)
    return Attribute(groups, _gaps(groups), len(hidden), sum(hidden), _count(scored.sessions[~known]))


def _group(scored: Scored, rows: NDArray[np.bool_], threshold: float, resamples: int, seed: int) -> Group:
    labels, risks = scored.labels[rows], scored.risks[rows]
    sessions, persons = scored.sessions[rows], scored.persons[rows]
    figures = measure(labels, risks, sessions)
    one_block = np.zeros((len(labels), 1), np.int16)
    drawn = resample(Clustered(labels, risks, persons, one_block, 1), resamples, seed)
    auc = float(figures["auc"] or 0.0)
    bounds = intervals(figures, drawn[:, 0], (MIN_OF_EITHER, MIN_OF_EITHER))["auc"] or [auc, auc]
    kept = labels == 0
    return Group(
        sessions=_count(sessions),
        base_rate=float(figures["base_rate"] or 0.0),
        auc=Measured(auc, bounds[0], bounds[1]),
        calibration_gap=clustered_mean(risks - labels, persons),
        false_alarm_rate=clustered_mean((risks[kept] >= threshold).astype(np.float64), persons[kept]),
    )


def clustered_mean(values: FloatArray, persons: IntArray) -> Measured:
    """Return the mean of values (R,) with its interval, where those of one person depend on each other.

    The standard error is that of a ratio of two sums over persons, by the delta method (Deng et al. 2018).
    """
    _, place = np.unique(persons, return_inverse=True)
    mean = float(values.mean())
    excess = np.bincount(place, values - mean)
    half = float(norm.ppf((1 + LEVEL) / 2) * np.sqrt(np.sum(excess**2)) / len(values))
    return Measured(mean, mean - half, mean + half)


def _gaps(groups: Mapping[str, Group]) -> dict[str, Gap]:
    found = dict[str, Gap]()
    if len(groups) > 1:
        figures = {
            "auc": [group.auc for group in groups.values()],
            "calibration_gap": [group.calibration_gap for group in groups.values()],
            "false_alarm_rate": [group.false_alarm_rate for group in groups.values()],
        }
        for name, measured in figures.items():
            least, largest = min(measured, key=lambda one: one.value), max(measured, key=lambda one: one.value)
            found[name] = Gap(largest.value - least.value, least.high < largest.low)
    return found


def _count(numbers: IntArray) -> int:
    return len(np.unique(numbers))
