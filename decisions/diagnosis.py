"""Diagnosis: which blockers stand in the way, in plain words, or an honest "cannot tell".

How sure a blocker is comes from ``decisions.blockers``: the probability that it is what a visitor who leaves now
leaves for. The contribution beside each piece of evidence is the risk model's own, which may differ: it also knows that
a trace of a late stage means progress.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from decisions.blockers import BlockerModel
from features.events import FloatArray, IntArray
from features.friction import Friction
from features.table import Feature, FeatureTable

MIN_CONFIDENCE = 0.09
"""Least probability that anything at all stands in the way, for anything to be named."""
MIN_MARGIN = 0.01
"""Least lead of the first blocker's share over the second's; below it the two cannot be told apart."""
MIN_LISTED_SHARE = 0.1
"""Least share of all confidence for a blocker to be listed."""
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

    ``confidence`` is the probability that a visitor who leaves now leaves for it; ``share`` is its part of the
    confidence in all that are listed, 0 to 1.
    """

    friction: Friction
    share: float
    confidence: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Blockers, the strongest first; none and ``abstained`` when nothing that can be treated stands out.

    ``confidence`` maps every friction by name to the probability that a visitor who leaves now leaves for it, named or
    not; it is empty where nobody asked.
    """

    blockers: tuple[Blocker, ...]
    abstained: bool
    narrative: str
    confidence: Mapping[str, float] = field(default_factory=dict)


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

    Silence tells of nothing that stands in the way, so evidence is read right after the latest event. Value, phrase and
    the risk model's contribution (F,) are those of the row's own moment, and only what did happen by then can be told,
    neither what is missing nor what is zero. A blocker may have no evidence of its own: then its confidence is that of
    those who leave at this stage after as much.
    """
    evidence = blockers.evidence(table, latest[None])
    confidence = blockers.attribute(table, latest[None], evidence)
    named = {
        friction.name: probability
        for friction, probability in zip(table.frictions, confidence[0].tolist(), strict=True)
    }
    if first_blockers(confidence)[0] == NOTHING:
        return Diagnosis((), True, narrate(()), named)
    told = np.where((evidence[0] > 0) & ~np.isnan(row) & (row != 0), evidence[0], 0.0)
    listed = np.where(confidence[0] >= MIN_LISTED_SHARE * confidence[0].sum(), confidence[0], 0.0)
    found = [
        Blocker(
            table.frictions[place],
            float(listed[place] / listed.sum()),
            float(listed[place]),
            _evidence(table, place, row, contributions, told),
        )
        for place in np.argsort(-listed, kind="stable").tolist()
        if listed[place] > 0
    ]
    return Diagnosis(tuple(found), not found, narrate(found), named)


def narrate(blockers: Sequence[Blocker]) -> str:
    """Return the diagnosis in one sentence that states facts and association, never a cause."""
    told = [*blockers[:1], *(blocker for blocker in blockers[1:2] if blocker.share >= MIN_NARRATED_SHARE)]
    signs = [evidence.phrase for blocker in told for evidence in blocker.evidence[:2]]
    if signs:
        return f"Sessions like this one are more often abandoned; {_joined(signs)}."
    if told:
        return (
            "Sessions like this one are more often abandoned; at this stage that goes most often with "
            f"{told[0].friction.name}, of which this visitor shows no sign."
        )
    return "Sessions like this one are more often abandoned; no single blocker stands out."


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
