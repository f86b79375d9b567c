"""Diagnosis: which blockers stand in the way, in plain words, or an honest "cannot tell".

How sure a blocker is comes from ``decisions.blockers``: the probability that it is what a visitor who leaves now
leaves for. The contribution beside each piece of evidence is the risk model's own, which may differ: it also knows that
a trace of a late stage means progress.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decisions.blockers import BlockerModel
from features.events import FloatArray, IntArray
from features.friction import Friction
from features.table import Feature, FeatureTable

MIN_CONFIDENCE = 0.02
"""Least probability that anything at all stands in the way, for anything to be named."""
MIN_MARGIN = 0.05
"""Least lead of the first blocker's share over the second's; below it the two cannot be told apart."""
MIN_NARRATED_SHARE = 0.25
"""Least share of a second blocker for the narrative to mention it."""
MAX_EVIDENCE = 3
"""Most sentences of evidence for one blocker."""
NOTHING = -1
"""The place of no friction: nothing that can be treated stands out."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One feature that speaks for a blocker; ``contribution`` is its SHAP value in the risk model's margin."""

    feature: str
    value: float
    phrase: str
    contribution: float


@dataclass(frozen=True, slots=True)
class Blocker:
    """A friction that stands in the way.

    ``confidence`` is the probability that a visitor who leaves now leaves for it; ``share`` is its part of all
    blockers' confidence, 0 to 1.
    """

    friction: Friction
    share: float
    confidence: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Blockers, the strongest first; none and ``abstained`` when nothing that can be treated stands out."""

    blockers: tuple[Blocker, ...]
    abstained: bool
    narrative: str


def weigh(
    table: FeatureTable, blockers: BlockerModel, rows: FloatArray, latest: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what can be told of raw rows (R, F), and the confidence in each friction, (R, F) and (R, K).

    Silence tells of nothing that stands in the way, so evidence is read right after the sessions' latest events,
    ``latest`` (R, F). Only what did happen by the row's own moment can be told, neither what is missing nor what is
    zero, and a friction of which nothing can be told has no confidence.
    """
    evidence = blockers.evidence(table, latest)
    told = np.where((evidence > 0) & ~np.isnan(rows) & (rows != 0), evidence, 0.0)
    confidence = np.where(told @ table.belonging > 0, blockers.attribute(table, latest, evidence), 0.0)
    return told, confidence


def first_blockers(confidence: FloatArray) -> IntArray:
    """Return the place of the friction to name first for each row (R, K), :data:`NOTHING` where to abstain."""
    if not confidence.shape[1]:
        return np.full(len(confidence), NOTHING)
    total = confidence.sum(axis=1)
    ranked = np.sort(confidence, axis=1)
    second = ranked[:, -2] if confidence.shape[1] > 1 else 0.0
    clear = (total >= MIN_CONFIDENCE) & (ranked[:, -1] - second >= MIN_MARGIN * total)
    return np.where(clear, confidence.argmax(axis=1), NOTHING)


def diagnose(
    table: FeatureTable, blockers: BlockerModel, row: FloatArray, latest: FloatArray, contributions: FloatArray
) -> Diagnosis:
    """Return the diagnosis of a raw row (F,); ``latest`` (F,) is the row right after the session's latest event.

    Value, phrase and the risk model's contribution (F,) of the evidence are those of the row's own moment.
    """
    told, confidences = weigh(table, blockers, row[None], latest[None])
    if first_blockers(confidences)[0] == NOTHING:
        return Diagnosis((), True, narrate(()))
    confidence = confidences[0]
    total = float(confidence.sum())
    found = [
        Blocker(
            table.frictions[place],
            float(confidence[place]) / total,
            float(confidence[place]),
            _evidence(table, place, row, contributions, told[0]),
        )
        for place in np.argsort(-confidence, kind="stable").tolist()
        if confidence[place] > 0
    ]
    return Diagnosis(tuple(found), False, narrate(found))


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
