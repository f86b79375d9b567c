"""Diagnosis: which blockers stand in the way, in plain words, or an honest "cannot tell".

The risk model's contributions alone mislead: the traces of a late stage (a form error, a hover over the payment) also
mean progress, so a conversion model credits them against abandonment. A contribution is therefore compared with what
is usual at the same stage, and only traces that did happen are evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import FloatArray
from features.friction import Friction
from features.table import Feature, FeatureTable

MIN_EXCESS = 0.05
"""Least total excess, in log-odds, for anything to stand out."""
MIN_MARGIN = 0.05
"""Least lead of the first blocker's share over the second's; below it the two cannot be told apart."""
MAX_EVIDENCE = 3
"""Most sentences of evidence for one blocker."""


@dataclass(frozen=True)
class Expectations:
    """The mean contribution of every feature at each stage, (stages + 1, F); row 0 is before the first stage."""

    means: FloatArray

    @classmethod
    def fit(cls, stage_indices: FloatArray, contributions: FloatArray, stage_count: int) -> "Expectations":
        """Return the means over training rows (R, F); a stage without rows expects the mean of all."""
        overall = contributions.mean(axis=0)
        rows = stage_rows(stage_indices)
        means = [
            contributions[rows == stage].mean(axis=0) if (rows == stage).any() else overall
            for stage in range(stage_count + 1)
        ]
        return cls(np.array(means))

    def at(self, stage_index: float) -> FloatArray:
        """Return the expectation (F,) at a stage index, NaN for before the first."""
        row: FloatArray = self.means[stage_rows(np.array([stage_index]))[0]]
        return row

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"means": self.means.tolist()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Expectations":
        """Return the expectations that :meth:`to_json` described."""
        return cls(np.array(data["means"], np.float64))


@dataclass(frozen=True, slots=True)
class Evidence:
    """One feature that speaks for a blocker; ``contribution`` is its SHAP value in the risk model's margin."""

    feature: str
    value: float
    phrase: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Blocker:
    """A friction that stands in the way; ``share`` is its part of all blockers' excess, 0 to 1."""

    friction: Friction
    share: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Blockers, the strongest first; none and ``abstained`` when nothing that can be treated stands out."""

    blockers: tuple[Blocker, ...]
    abstained: bool
    narrative: str


def stage_rows(stage_indices: FloatArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return rows of :class:`Expectations` for stage indices (R,); NaN is before the first stage."""
    return np.where(np.isnan(stage_indices), 0, np.nan_to_num(stage_indices) + 1).astype(np.int64)


def evident(rows: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which features (R, F) are traces of something that happened: neither missing nor zero."""
    happened: np.ndarray[Any, np.dtype[np.bool_]] = ~np.isnan(rows) & (rows != 0)
    return happened


def excess_by_friction(
    table: FeatureTable, rows: FloatArray, contributions: FloatArray, usual: FloatArray
) -> tuple[tuple[Friction, ...], FloatArray]:
    """Return the addressable frictions (K) and, per row, what their evident features add beyond the usual, (R, K)."""
    frictions = tuple(dict.fromkeys(feature.friction for feature in table.features if feature.friction.addressable))
    belongs = np.array([[feature.friction == friction for friction in frictions] for feature in table.features])
    excess = np.where(evident(rows), contributions - usual, 0.0)
    return frictions, excess @ belongs.reshape(len(table.features), len(frictions)).astype(np.float64)


def diagnose(
    table: FeatureTable, row: FloatArray, contributions: FloatArray, expectations: Expectations, stage_index: float
) -> Diagnosis:
    """Return the diagnosis of one row (F,) from its contributions (F,) at a stage index (NaN before the first)."""
    usual = expectations.at(stage_index)
    frictions, excess = excess_by_friction(table, row[None], contributions[None], usual[None])
    positive = np.maximum(excess[0], 0.0)
    total = float(positive.sum())
    ranked = sorted(range(len(frictions)), key=lambda place: -positive[place])
    shares = positive / total if total > 0 else positive
    lead = float(shares[ranked[0]] - (shares[ranked[1]] if len(ranked) > 1 else 0.0)) if ranked else 0.0
    if total < MIN_EXCESS or lead < MIN_MARGIN:
        return Diagnosis((), True, narrate(()))
    over_usual = np.where(evident(row[None])[0], contributions - usual, 0.0)
    blockers = []
    for place in ranked:
        if positive[place] > 0:
            evidence = _evidence(table, frictions[place], row, contributions, over_usual)
            blockers.append(Blocker(frictions[place], float(shares[place]), evidence))
    return Diagnosis(tuple(blockers), False, narrate(blockers))


def narrate(blockers: Sequence[Blocker]) -> str:
    """Return the diagnosis in one sentence that states facts and association, never a cause."""
    signs = [evidence.phrase for blocker in blockers[:2] for evidence in blocker.evidence[:2]]
    if not signs:
        return "Sessions like this one are more often abandoned; no single blocker stands out."
    return f"Sessions like this one are more often abandoned; {_joined(signs)}."


def _evidence(
    table: FeatureTable, friction: Friction, row: FloatArray, contributions: FloatArray, over_usual: FloatArray
) -> tuple[Evidence, ...]:
    mine = [place for place, feature in enumerate(table.features) if feature.friction == friction]
    mine = sorted((place for place in mine if over_usual[place] > 0), key=lambda place: -over_usual[place])
    return tuple(
        Evidence(
            table.features[place].name,
            float(row[place]),
            _said(table.features[place], float(row[place])),
            float(contributions[place]),
        )
        for place in mine[:MAX_EVIDENCE]
    )


def _said(feature: Feature, value: float) -> str:
    return feature.phrase if feature.is_category else feature.say(value)


def _joined(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
