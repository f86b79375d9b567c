"""An experiment's size by both rules of stopping side by side, with the curves that people choose it by."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from decisions.always_valid_size import AlwaysValidSize, detectable_always_valid, power_always_valid, size_always_valid
from decisions.experiment_size import (
    ExperimentError,
    ExperimentSize,
    minimum_detectable,
    power_of,
    size_experiment,
)

_POINTS = 24


class MetricKind(StrEnum):
    """What a metric is of each person."""

    PROPORTION = "proportion"
    """Whether something happened at all."""
    MEAN = "mean"
    """A sum, such as the number of orders."""
    REVENUE = "revenue"
    """A sum whose largest values are drawn in: a few of them would decide everything."""
    RATIO = "ratio"
    """A sum over another, such as orders per visit, of all people together."""


@dataclass(frozen=True, slots=True)
class Detectable:
    """The least change, absolute, that so many days find by either rule; None where none can be."""

    days: float
    per_arm: int
    fixed: float | None
    always_valid: float | None


@dataclass(frozen=True, slots=True)
class PowerPoint:
    """The power of either rule at so many people per arm, planned for the always-valid size."""

    per_arm: int
    days: float | None
    fixed: float
    always_valid: float


@dataclass(frozen=True, slots=True)
class SizePoint:
    """People per arm for a change, relative to the baseline."""

    relative: float
    fixed: int
    always_valid: int


@dataclass(frozen=True, slots=True)
class Sizing:
    """An experiment's sizes and its curves."""

    kind: MetricKind
    fixed: ExperimentSize
    always_valid: AlwaysValidSize
    detectable: Detectable | None
    powers: tuple[PowerPoint, ...]
    sizes: tuple[SizePoint, ...]

    @property
    def absolute(self) -> float:
        """The change to be found, in the metric's unit."""
        return self.fixed.treated - self.fixed.baseline

    def to_json(self) -> dict[str, Any]:
        """Return ``{"per_arm", "days", ...}``: by the fixed horizon; ``always_valid`` has the other rule's."""
        fixed, valid = self.fixed, self.always_valid
        found = self.detectable
        return {
            "per_arm": fixed.per_arm,
            "days": fixed.days,
            "weeks": fixed.weeks,
            "total": fixed.total,
            "arms": fixed.arms,
            "metric": self.kind.value,
            "baseline": fixed.baseline,
            "treated": fixed.treated,
            "absolute": self.absolute,
            "relative": self.absolute / fixed.baseline if fixed.baseline else None,
            "deviation": fixed.deviation,
            "alpha": fixed.alpha,
            "power": fixed.power,
            "visitors_per_day": fixed.visitors_per_day,
            "always_valid": {
                "per_arm": valid.per_arm,
                "days": valid.days,
                "total": valid.total,
                "mean_per_arm": valid.mean_per_arm,
                "mean_days": valid.mean_days,
            },
            "detectable": None
            if found is None
            else {
                "days": found.days,
                "per_arm": found.per_arm,
                "absolute": found.fixed,
                "always_valid_absolute": found.always_valid,
            },
            "power_curve": [
                {"per_arm": one.per_arm, "days": one.days, "fixed": one.fixed, "always_valid": one.always_valid}
                for one in self.powers
            ],
            "size_curve": [
                {"relative": one.relative, "fixed": one.fixed, "always_valid": one.always_valid} for one in self.sizes
            ],
        }


def read_kind(text: str) -> MetricKind:
    """Return the kind of metric of a name; raises :class:`decisions.experiment_size.ExperimentError`."""
    try:
        return MetricKind(text)
    except ValueError as error:
        raise ExperimentError(f"{text!r} is no kind of metric: there are {', '.join(MetricKind)}") from error


def size(
    baseline: float,
    *,
    relative: float | None = None,
    absolute: float | None = None,
    kind: MetricKind = MetricKind.PROPORTION,
    deviation: float | None = None,
    visitors_per_day: float | None = None,
    days: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    arms: int = 2,
) -> Sizing:
    """Return the sizes for a change that is given relative to the baseline or in its unit.

    ``days``, with the traffic, asks what is detectable in so many. Raises
    :class:`decisions.experiment_size.ExperimentError`.
    """
    if kind is MetricKind.PROPORTION and deviation is not None:
        raise ExperimentError(
            "a proportion needs no deviation: its rate says it; choose another metric or leave it out"
        )
    if kind is not MetricKind.PROPORTION and deviation is None:
        raise ExperimentError(f"a {kind} needs the standard deviation of one person: give --deviation")
    if days is not None and visitors_per_day is None:
        raise ExperimentError("what is detectable in so many days needs the traffic: give --visitors-per-day")
    treated = baseline + _change(baseline, relative, absolute)
    shape: dict[str, Any] = {"alpha": alpha, "power": power, "arms": arms, "deviation": deviation}
    fixed = size_experiment(baseline, treated, visitors_per_day=visitors_per_day, **shape)
    valid = size_always_valid(baseline, treated, visitors_per_day=visitors_per_day, **shape)
    return Sizing(
        kind,
        fixed,
        valid,
        None if days is None or visitors_per_day is None else _detectable(baseline, days, visitors_per_day, shape),
        tuple(_powers(fixed, valid)),
        tuple(_sizes(fixed)),
    )


def _change(baseline: float, relative: float | None, absolute: float | None) -> float:
    if (relative is None) == (absolute is None):
        raise ExperimentError("say which change is to be found, relative to the baseline or absolute: one of the two")
    if absolute is not None:
        return absolute
    if baseline == 0:
        raise ExperimentError("nothing is relative to a baseline of 0: give the change with --absolute")
    return float(relative or 0.0) * abs(baseline)


def _detectable(baseline: float, days: float, per_day: float, shape: dict[str, Any]) -> Detectable:
    fixed = minimum_detectable(baseline, visitors_per_day=per_day, days=days, **shape)
    per_arm = per_day * days / shape["arms"]
    return Detectable(days, math.floor(per_arm), fixed, detectable_always_valid(baseline, per_arm, **shape))


def _powers(fixed: ExperimentSize, valid: AlwaysValidSize) -> Iterator[PowerPoint]:
    """Yield the powers up to half again the larger size."""
    for per_arm in _counts(1.5 * max(fixed.per_arm, valid.per_arm)):
        shape: dict[str, Any] = {"alpha": fixed.alpha, "arms": fixed.arms, "deviation": fixed.deviation}
        days = None if fixed.visitors_per_day is None else per_arm * fixed.arms / fixed.visitors_per_day
        yield PowerPoint(
            per_arm,
            days,
            power_of(fixed.baseline, fixed.treated, per_arm, **shape),
            power_always_valid(fixed.baseline, fixed.treated, per_arm, planned_per_arm=valid.per_arm, **shape),
        )


def _sizes(fixed: ExperimentSize) -> Iterator[SizePoint]:
    """Yield the sizes for changes from two fifths to two and a half times the one that is looked for."""
    change = fixed.treated - fixed.baseline
    for factor in np.geomspace(0.4, 2.5, _POINTS).tolist():
        treated = fixed.baseline + factor * change
        if fixed.deviation is None and not 0 < treated < 1:
            continue
        shape: dict[str, Any] = {
            "alpha": fixed.alpha,
            "power": fixed.power,
            "arms": fixed.arms,
            "deviation": fixed.deviation,
        }
        yield SizePoint(
            factor * change / abs(fixed.baseline) if fixed.baseline else factor * change,
            size_experiment(fixed.baseline, treated, **shape).per_arm,
            size_always_valid(fixed.baseline, treated, **shape).per_arm,
        )


def _counts(largest: float) -> Sequence[int]:
    return sorted({max(2, round(count)) for count in np.linspace(largest / _POINTS, largest, _POINTS).tolist()})
