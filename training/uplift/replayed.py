"""The raw features of logged decisions: the log is replayed, and read at each decision's moment by the same kernel."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from decisions.logged import LoggedDecisions
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import compile_plan
from features.read_log import read_log
from features.staging import Progress
from journeys.journey import Journey

SAME_RISK = 1e-9


@dataclass(frozen=True, slots=True)
class Replayed:
    """Decisions with their rows, and how many of those that were asked for the log does not have."""

    logged: LoggedDecisions
    missing: int


def with_rows(
    journey: Journey,
    logged: LoggedDecisions,
    log: Path,
    *,
    progress: Progress = lambda _phase, _fraction: None,
) -> Replayed:
    """Return the decisions about sessions that the log has, with the raw features of their moments.

    Events of the moment itself, to the microsecond, count as seen by then: which came first is not kept. Raises
    ``features.log_files.LogError``.
    """
    plan = compile_plan(journey.table)
    rows = np.full((len(logged), len(journey.table.names)), np.nan)
    found = np.zeros(len(logged), np.bool_)
    by_session: dict[str, list[int]] = {}
    for place, session in enumerate(logged.session_ids.tolist()):
        by_session.setdefault(session, []).append(place)
    with read_log(log, plan, timeout_seconds=journey.session_timeout_seconds, progress=progress) as read:
        for batch in read.batches():
            places, cutoffs = _moments(batch, by_session, logged.at_us)
            if len(places):
                rows[places] = build(plan, batch, cutoffs)
                found[places] = True
    known = np.flatnonzero(found)
    return Replayed(replace(logged.take(known), rows=rows[known]), len(logged) - len(known))


def _moments(batch: EncodedLog, by_session: dict[str, list[int]], at_us: IntArray) -> tuple[IntArray, Cutoffs]:
    """Return which decisions are about sessions of a batch after their first event, and their cutoffs, in order."""
    places, sessions, after = [], [], []
    for session, name in enumerate(batch.session_ids.tolist()):
        for place in sorted(by_session.get(name, ()), key=lambda place: int(at_us[place])):
            first, end = int(batch.starts[session]), int(batch.starts[session + 1])
            seen = int(np.searchsorted(batch.at_us[first:end], at_us[place], side="right"))
            if seen:
                places.append(place)
                sessions.append(session)
                after.append(seen)
    chosen = np.array(places, np.int64)
    return chosen, Cutoffs(np.array(sessions, np.int64), np.array(after, np.int64), at_us[chosen])


def other_risks(logged: LoggedDecisions, model: RiskModel) -> FloatArray:
    """Return by how much the risk of each replayed decision (N,) differs from the one that was logged.

    Another version of the risk model, or events that arrived after the decision, make a difference.
    """
    if logged.rows is None:
        raise ValueError("decisions without rows have no risk to compare")
    found: FloatArray = np.abs(model.predict(logged.rows) - logged.risk)
    return found
