"""Compare the snapshot of a log with that of a training: what moved, in plain words, the most important first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from decisions.shift import largest_gap_by_chance, largest_psi_by_chance, occupied, psi
from decisions.snapshot import Snapshot, event_names
from features.events import FloatArray
from features.scan import Clock, ClockKind
from features.table import Feature, FeatureTable

LEAST_ROWS = 30
"""With fewer independent rows or sessions on either side nothing is compared."""


class Kind(StrEnum):
    """What was compared."""

    EVENT = "event"
    FEATURE = "feature"
    BASE_RATE = "base_rate"
    EXIT_RATE = "exit_rate"
    CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as moved: a PSI for distributions, a difference for rates and for calibration."""

    psi: float = 0.2
    rate: float = 0.05


@dataclass(frozen=True, slots=True)
class Comparison:
    """One thing that was compared; ``stage`` None is over all stages.

    ``size`` is a PSI, or the difference of rates. ``by_chance`` is what chance alone would rarely exceed. It ``moved``
    if it exceeds both this and the threshold; ``severity`` says how often the threshold.
    """

    kind: Kind
    name: str
    stage: str | None
    size: float
    by_chance: float
    severity: float
    moved: bool
    before: float
    now: float
    text: str


def compare(
    table: FeatureTable, stages: Sequence[str], reference: Snapshot, observed: Snapshot, thresholds: Thresholds
) -> list[Comparison]:
    """Return every comparison that was possible, what moved first, by severity; ``stages`` names S stages."""
    found = [
        *_events(table, reference, observed, thresholds),
        *_features(table, stages, reference, observed, thresholds),
        *_rates(stages, reference, observed, thresholds),
    ]
    # Where an event no longer arrives, all that listens to it is blind: that comes first, however rare it was.
    return sorted(found, key=lambda one: (not one.moved, one.kind is not Kind.EVENT or one.now > 0, -one.severity))


def not_compared(table: FeatureTable, reference: Snapshot, observed: Snapshot) -> dict[str, str]:
    """Return the features that are not compared, each with the reason: a log of some days has not every weekday."""
    days = min(reference.span_days, observed.span_days)
    too_short = {
        ClockKind.HOUR: (1.0, "one of the logs spans less than a day"),
        ClockKind.WEEKDAY: (7.0, "one of the logs spans less than a week"),
    }
    return {
        feature.name: too_short[feature.expression.kind][1]
        for feature in table.features
        if isinstance(feature.expression, Clock) and days < too_short.get(feature.expression.kind, (0.0, ""))[0]
    }


def _events(
    table: FeatureTable, reference: Snapshot, observed: Snapshot, thresholds: Thresholds
) -> Iterator[Comparison]:
    before, now = _sessions(reference), _sessions(observed)
    if min(before, now) < LEAST_ROWS:
        return
    names = event_names(table)
    for place, name in enumerate(names):
        had, has = reference.events[place] / reference.sessions, observed.events[place] / observed.sessions
        if had == has == 0:
            continue
        size, by_chance = _binary_psi(had, has, before, now, len(names))
        severity = size / thresholds.psi
        called = name or "events that the journey does not declare"
        occurs = "occur" if name is None else "occurs"
        text = f"{called} {occurs} in {_share(has)} of the sessions; {_share(had)} in training"
        if has == 0:
            severity += 1.0
            text = f"{called} no longer {occurs}; in training it did in {_share(had)} of the sessions"
        yield _comparison(Kind.EVENT, name or "undeclared", None, size, by_chance, severity, (had, has), text)


def _features(
    table: FeatureTable, stages: Sequence[str], reference: Snapshot, observed: Snapshot, thresholds: Thresholds
) -> Iterator[Comparison]:
    left_out = not_compared(table, reference, observed)
    before, now = reference.stage_counts.astype(np.float64), observed.stage_counts.astype(np.float64)
    rows_before, rows_now = reference.effective, observed.effective
    enough = np.flatnonzero(np.minimum(rows_before, rows_now) >= LEAST_ROWS)
    comparisons = max(1, len(enough) * len(table.features))
    for place in enough.tolist():
        stage = stages[place] if place < len(stages) else None
        for column, feature in enumerate(table.features):
            if feature.name in left_out or (stage is not None and feature.name == "stage_index"):
                continue
            own = reference.bins.slice(column)
            had, has = before[place, own], now[place, own]
            size = psi(had, has, rows_before[place], rows_now[place])
            bins = occupied(had, has)
            by_chance = largest_psi_by_chance(bins, rows_before[place], rows_now[place], comparisons)
            severity = size / thresholds.psi
            *shares, what = _where(feature, reference, column, had, has, stages)
            at = f" at {stage}" if stage else ""
            text = f"{feature.name}{at} {what} in {_share(shares[1])} of the rows; {_share(shares[0])} in training"
            yield _comparison(Kind.FEATURE, feature.name, stage, size, by_chance, severity, shares, text)


def _where(
    feature: Feature, reference: Snapshot, column: int, had: FloatArray, has: FloatArray, stages: Sequence[str]
) -> tuple[float, float, str]:
    """Return the shares before and now, and the words, of the part of a distribution that moved most."""
    p, q, points = had / had.sum(), has / has.sum(), reference.bins.points[column]
    if len(points) == 0 or (abs(q[0] - p[0]) >= 0.5 * float(np.abs(q - p).max()) and abs(q[0] - p[0]) > 0.01):
        return float(p[0]), float(q[0]), "is missing"
    if feature.is_category:
        place = 1 + int(np.argmax(np.abs(q[1:] - p[1:])))
        known = [*reference.value_names.get(feature.name, [""] * len(points)), "none of those known in training"]
        return float(p[place]), float(q[place]), f"is {known[place - 1] or f'its value no. {place}'}"
    above_before, above_now = 1 - p[0] - np.cumsum(p[1:-1]), 1 - q[0] - np.cumsum(q[1:-1])
    place = int(np.argmax(np.abs(above_now - above_before)))
    bound = f"{points[place]:,.3g}"
    if feature.name == "stage_index":
        bound = stages[min(int(points[place]) + 1, len(stages) - 1)]
    return float(above_before[place]), float(above_now[place]), f"is above {bound}"


def _rates(
    stages: Sequence[str], reference: Snapshot, observed: Snapshot, thresholds: Thresholds
) -> Iterator[Comparison]:
    comparisons = 2 * len(stages) + 2
    design_before, design_now = reference.session_design, observed.session_design
    before, now = reference.ends.sum() * design_before, observed.ends.sum() * design_now
    if min(before, now) >= LEAST_ROWS:
        had, has = reference.ends[0] / reference.ends.sum(), observed.ends[0] / observed.ends.sum()
        text = f"{_share(has)} of the sessions are abandoned; {_share(had)} in training"
        by_chance = largest_gap_by_chance(_variance(had, has, before, now), before, now, comparisons)
        yield _rate(Kind.BASE_RATE, "sessions abandoned", None, had, has, by_chance, thresholds, text)
    for place, stage in enumerate(stages):
        before, now = reference.reached[place] * design_before, observed.reached[place] * design_now
        if min(before, now) >= LEAST_ROWS:
            had = reference.left[place] / reference.reached[place]
            has = observed.left[place] / observed.reached[place]
            text = f"{_share(has)} of the sessions that get to {stage} leave there; {_share(had)} in training"
            by_chance = largest_gap_by_chance(_variance(had, has, before, now), before, now, comparisons)
            yield _rate(Kind.EXIT_RATE, stage, stage, had, has, by_chance, thresholds, text)
    for place in range(len(stages) + 1):
        stage_name = stages[place] if place < len(stages) else None
        (n_before, *sums_before), (n_now, *sums_now) = reference.calibration[place], observed.calibration[place]
        before, now = n_before * design_before, n_now * design_now
        if min(before, now) >= LEAST_ROWS:
            had, has = (sums_before[1] - sums_before[0]) / n_before, (sums_now[1] - sums_now[0]) / n_now
            variance = (sums_before[2] + sums_now[2]) / (n_before + n_now)
            by_chance = largest_gap_by_chance(variance, before, now, comparisons)
            where = f" at {stage_name}" if stage_name else ""
            side, before_side = ("low" if gap > 0 else "high" for gap in (has, had))
            text = (
                f"risks{where} are {abs(has):.1%} too {side}: {_share(sums_now[0] / n_now)} predicted, "
                f"{_share(sums_now[1] / n_now)} abandoned; in training they were {abs(had):.1%} too {before_side}"
            )
            yield _rate(Kind.CALIBRATION, stage_name or "risk", stage_name, had, has, by_chance, thresholds, text)


def _rate(
    kind: Kind, name: str, stage: str | None, had: float, has: float, by_chance: float, limits: Thresholds, text: str
) -> Comparison:
    size = abs(has - had)
    return _comparison(kind, name, stage, size, by_chance, size / limits.rate, (had, has), text)


def _comparison(
    kind: Kind,
    name: str,
    stage: str | None,
    size: float,
    by_chance: float,
    severity: float,
    before_and_now: Sequence[float],
    text: str,
) -> Comparison:
    before, now = (float(share) for share in before_and_now)
    moved = bool(severity > 1 and size > by_chance)
    return Comparison(kind, name, stage, float(size), float(by_chance), float(severity), moved, before, now, text)


def _sessions(snapshot: Snapshot) -> float:
    return snapshot.sessions * snapshot.session_design


def _binary_psi(had: float, has: float, before: float, now: float, comparisons: int) -> tuple[float, float]:
    p, q = np.array([had, 1 - had]), np.array([has, 1 - has])
    return psi(p, q, before, now), largest_psi_by_chance(2, before, now, comparisons)


def _variance(had: float, has: float, before: float, now: float) -> float:
    pooled = (had * before + has * now) / (before + now)
    return float(pooled * (1 - pooled))


def _share(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 or 0.9 < share < 1 else f"{share:.0%}"
