"""Logged decisions from the ledger: what the service decided, with what came of it."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy import Engine

from decisions.logged import LoggedDecisions, Texts
from decisions.policy import NOTHING
from features.events import FloatArray
from storage.matured import MaturedDecision, all_matured


def read_ledger(
    engine: Engine, journey: str, options: Sequence[str], stages: Sequence[str], frictions: Sequence[str]
) -> LoggedDecisions:
    """Return the decisions of a journey whose outcome is known; ``options`` are its interventions, without nothing.

    Decisions among interventions that are not among ``options`` any more cannot be weighed: they are left out, and
    counted in ``left_out``. Those made before confidences were kept have the confidence of the blockers that they
    listed. ``units`` are persons as chance knows them, by assignment id.
    """
    with engine.connect() as connection:
        return gather(all_matured(connection, journey), options, stages, frictions)


def gather(
    matured: Iterable[MaturedDecision], options: Sequence[str], stages: Sequence[str], frictions: Sequence[str]
) -> LoggedDecisions:
    """Return decisions as arrays, the oldest first; see :func:`read_ledger`."""
    every = (NOTHING, *options)
    option_place = {name: place for place, name in enumerate(every)}
    stage_place = {name: place for place, name in enumerate(stages)}
    friction_place = {name: place for place, name in enumerate(frictions)}
    ids: tuple[list[str], list[str], list[str], list[str]] = ([], [], [], [])
    numbers: list[tuple[int, int, int]] = []
    measures: list[tuple[float, float, float, bool]] = []
    propensities: list[FloatArray] = []
    confidence: list[FloatArray] = []
    left_out = learnt_through = 0
    for one in matured:
        learnt_through = max(learnt_through, one.position)
        chosen = option_place.get(one.chosen or NOTHING)
        odds = _placed(one.propensities, option_place)
        if chosen is None or odds is None:
            left_out += 1
            continue
        propensities.append(odds)
        confidence.append(_confidence(one, friction_place))
        for texts, text in zip(ids, (one.decision_id, one.session_id, one.unit, one.policy_version), strict=True):
            texts.append(text)
        numbers.append((one.at_us, stage_place.get(one.stage or "", -1), chosen))
        measures.append((one.risk, one.converted, math.nan if one.value is None else one.value, one.holdout))
    whole = np.array(numbers, np.int64).reshape(-1, 3)
    broken = np.array(measures, np.float64).reshape(-1, 4)
    decision_ids, session_ids, units, versions = (_texts(texts) for texts in ids)
    logged = LoggedDecisions(
        options=every,
        stages=tuple(stages),
        frictions=tuple(frictions),
        decision_ids=decision_ids,
        session_ids=session_ids,
        units=np.unique(units.astype(str), return_inverse=True)[1].astype(np.int64),
        at_us=whole[:, 0],
        stage=whole[:, 1],
        risk=broken[:, 0],
        confidence=np.array(confidence).reshape(len(whole), len(frictions)),
        chosen=whole[:, 2],
        propensities=np.array(propensities).reshape(len(whole), len(every)),
        converted=broken[:, 1],
        values=broken[:, 2],
        holdout=broken[:, 3] == 1,
        policy_versions=versions,
        left_out=left_out,
        learnt_through=learnt_through,
    )
    return logged.take(np.lexsort((decision_ids.astype(str), logged.at_us)))


def _placed(named: Mapping[str, float], places: Mapping[str, int]) -> FloatArray | None:
    found = np.zeros(len(places))
    for name, value in named.items():
        if name in places:
            found[places[name]] = value
        elif value:
            return None
    return found


def _confidence(one: MaturedDecision, places: Mapping[str, int]) -> FloatArray:
    named = one.confidence
    if named is None:
        named = {str(blocker["friction"]): blocker.get("confidence") or 0.0 for blocker in one.blockers}
    found = np.zeros(len(places))
    for name, value in named.items():
        if name in places:
            found[places[name]] = value
    return found


def _texts(values: Sequence[str]) -> Texts:
    found = np.empty(len(values), object)
    found[:] = values
    return found
