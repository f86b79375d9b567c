"""What a model says of sessions: risk and blockers as they stood at the last event before the end."""

import numpy as np
import pyarrow as pa

from decisions.diagnosis import NOTHING, first_blockers
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, FloatArray, IntArray
from insights.session_rows import SessionBatch

LEAST_CONFIDENCE = 0.005
"""Frictions that a session was less probably left for are not listed."""


def diagnose_batch(batch: SessionBatch, model: RiskModel) -> tuple[dict[str, pa.Array], pa.Table]:
    """Return the columns (S,) that a model adds to the table of sessions, and the rows of the table of blockers.

    A session without an event before its end has none of them.
    """
    known = np.flatnonzero(batch.ends.usable > 0)
    latest = batch.log.starts[known] + batch.ends.usable[known] - 1
    rows = build(batch.plan, batch.log, Cutoffs(known, batch.ends.usable[known], batch.log.at_us[latest]))
    table = model.table
    risks, leaving = model.foresee(rows, np.zeros(len(rows))) if len(rows) else (np.zeros(0), None)
    confidence = model.blockers.attribute(table, rows, model.blockers.evidence(table, rows))
    first = first_blockers(confidence)
    # Of those who reached the goal nobody can say what they would have left for.
    first[batch.ends.outcome[known] == 0] = NOTHING
    named = first != NOTHING
    total = np.maximum(confidence.sum(axis=1), np.finfo(np.float64).tiny)
    chosen = confidence[np.arange(len(first)), np.maximum(first, 0)] if confidence.shape[1] else total * 0
    frictions = pa.array([*(friction.name for friction in table.frictions), None], pa.string())
    problems = pa.array([*(str(friction.problem_type) for friction in table.frictions), None], pa.string())
    place = np.full(batch.log.session_count, len(table.frictions))
    place[known] = np.where(named, first, len(table.frictions))
    columns = {
        "risk": _spread(batch, known, risks),
        "leaving_soon": _spread(batch, known, np.full(len(known), np.nan) if leaving is None else leaving),
        "blocker": frictions.take(pa.array(place)),
        "problem_type": problems.take(pa.array(place)),
        "share": _spread(batch, known, np.where(named, chosen / total, np.nan)),
        "confidence": _spread(batch, known, np.where(named, chosen, np.nan)),
    }
    left = batch.ends.outcome[known] == 1
    row, friction = np.nonzero((confidence >= LEAST_CONFIDENCE) & left[:, None])
    blockers = pa.table(
        {
            "session": pa.array(batch.keys[known[row]]),
            "stage_index": pa.array(batch.furthest[known[row]].astype(np.int16)),
            "friction": frictions.take(pa.array(friction)),
            "problem_type": problems.take(pa.array(friction)),
            "confidence": pa.array(confidence[row, friction]),
            "first": pa.array(first[row] == friction),
        }
    )
    return columns, blockers


def name_blockers(batch: SessionBatch, model: RiskModel, stages: pa.Table) -> dict[str, pa.Array]:
    """Return what is named at the last event in each stage, for each row of ``stages``; null where nothing is.

    ``named`` is the friction, also of those who went on or reached the goal: whom an intervention of that stage would
    be meant for. ``named_probability`` is how probable it is that this friction really stands in their way.
    """
    session = stages["session"].to_numpy() - batch.first
    events = stages["events"].to_numpy()
    so_far = np.cumsum(events)
    begins = np.flatnonzero(np.append(True, session[1:] != session[:-1])) if len(session) else session
    after = so_far - np.repeat((so_far - events)[begins], np.diff(np.append(begins, len(session))))
    stood = np.flatnonzero(events > 0)
    at_us = batch.log.at_us[batch.log.starts[session[stood]] + after[stood] - 1]
    rows = build(batch.plan, batch.log, Cutoffs(session[stood], after[stood], at_us))
    table = model.table
    evidence = model.blockers.evidence(table, rows)
    first = first_blockers(model.blockers.attribute(table, rows, evidence))
    stopping = model.blockers.stopping(table, rows, evidence)
    place = np.full(len(session), len(table.frictions))
    place[stood] = np.where(first == NOTHING, len(table.frictions), first)
    probability = np.full(len(session), np.nan)
    named = first != NOTHING
    probability[stood[named]] = stopping[named, first[named]]
    frictions = pa.array([*(friction.name for friction in table.frictions), None], pa.string())
    return {"named": frictions.take(pa.array(place)), "named_probability": pa.array(probability, from_pandas=True)}


def without_model(batch: SessionBatch) -> dict[str, pa.Array]:
    """Return the same columns where no model was asked: nothing is known."""
    count = batch.log.session_count
    numbers = ("risk", "leaving_soon", "share", "confidence")
    return {name: pa.nulls(count, pa.float64()) for name in numbers} | {
        name: pa.nulls(count, pa.string()) for name in ("blocker", "problem_type")
    }


def unnamed(stages: pa.Table) -> dict[str, pa.Array]:
    """Return the columns of :func:`name_blockers` where no model was asked."""
    return {"named": pa.nulls(len(stages), pa.string()), "named_probability": pa.nulls(len(stages), pa.float64())}


def _spread(batch: SessionBatch, known: IntArray, numbers: FloatArray) -> pa.Array:
    full = np.full(batch.log.session_count, np.nan)
    full[known] = numbers
    return pa.array(full, from_pandas=True)
