"""Diagnosis: which blockers stand in the way, in plain words, or an honest "cannot tell".

A blocker's share is its part of what unusual traces add to the odds to leave now (``decisions.expectations``). The
contribution beside each piece of evidence is the risk model's own, which may differ: it also knows that a trace of a
late stage means progress.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.events import FloatArray
from features.friction import Friction
from features.table import Feature, FeatureTable

MIN_EXCESS = 0.1
"""Least total excess, in log-odds, for anything to stand out."""
MIN_MARGIN = 0.05
"""Least lead of the first blocker's share over the second's; below it the two cannot be told apart."""
MIN_NARRATED_SHARE = 0.25
"""Least share of a second blocker for the narrative to mention it."""
MAX_EVIDENCE = 3
"""Most sentences of evidence for one blocker."""


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


def excess_by_friction(table: FeatureTable, excess: FloatArray) -> tuple[tuple[Friction, ...], FloatArray]:
    """Return the addressable frictions (K) and the sums of their features' excess (R, F) by row, (R, K)."""
    return table.frictions, excess @ table.belonging


def diagnose(table: FeatureTable, row: FloatArray, contributions: FloatArray, excess: FloatArray) -> Diagnosis:
    """Return the diagnosis of a raw row (F,) from the excess (F,) of the session's latest event.

    Silence tells of nothing that stands in the way, so the excess is read right after an event; value, phrase and the
    risk model's contribution (F,) of the evidence are those of the row's own moment.
    """
    # Only what did happen can be told: neither what is missing nor what is zero.
    told = np.where((excess > 0) & ~np.isnan(row) & (row != 0), excess, 0.0)
    frictions, (sums, tellable) = excess_by_friction(table, np.stack((excess, told)))
    positive = np.where(tellable > 0, np.maximum(sums, 0.0), 0.0)
    total = float(positive.sum())
    ranked = sorted(range(len(frictions)), key=lambda place: -positive[place])
    shares = positive / total if total > 0 else positive
    lead = float(shares[ranked[0]] - (shares[ranked[1]] if len(ranked) > 1 else 0.0)) if ranked else 0.0
    if total < MIN_EXCESS or lead < MIN_MARGIN:
        return Diagnosis((), True, narrate(()))
    blockers = []
    for place in ranked:
        if positive[place] > 0:
            evidence = _evidence(table, place, row, contributions, told)
            blockers.append(Blocker(frictions[place], float(shares[place]), evidence))
    return Diagnosis(tuple(blockers), False, narrate(blockers))


def narrate(blockers: Sequence[Blocker]) -> str:
    """Return the diagnosis in one sentence that states facts and association, never a cause."""
    told = [*blockers[:1], *(blocker for blocker in blockers[1:2] if blocker.share >= MIN_NARRATED_SHARE)]
    signs = [evidence.phrase for blocker in told for evidence in blocker.evidence[:2]]
    if not signs:
        return "Sessions like this one are more often abandoned; no single blocker stands out."
    return f"Sessions like this one are more often abandoned; {_joined(signs)}."


def _evidence(
    table: FeatureTable, friction: int, row: FloatArray, contributions: FloatArray, told: FloatArray
) -> tuple[Evidence, ...]:
    mine = np.flatnonzero((table.belonging[:, friction] == 1) & (told > 0)).tolist()
    mine.sort(key=lambda place: -told[place])
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
