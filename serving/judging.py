"""Judging: the risks of decisions that have become known, beside how their sessions ended."""

from collections.abc import Collection, Iterator

from sqlalchemy import Connection

from features.events import US_PER_SECOND
from serving.calibration_metrics import JudgedRisk
from serving.runtime import Runtime
from storage.judged_risks import DecidedRisk, decided_risks
from storage.session_ends import SessionEnd, SessionOutcome


def judge(
    runtime: Runtime, connection: Connection, decision_ids: Collection[str], sessions: Collection[str], now_us: int
) -> Iterator[JudgedRisk]:
    """Yield what decisions of sessions were made by and what came; nothing of sessions that nobody knows the end of.

    As in training, the label is that of the session, or of the journey's horizon, and every session weighs one. The
    decision about a message comes after the end that its risk foretold, and is none of this.
    """
    known = set(decision_ids)
    for session_id, decided in decided_risks(connection, runtime.journey.name, sessions).items():
        end = runtime.ends.known_end(connection, session_id)
        if end is None:
            continue
        foretold = [one for one in decided if one.at_us < end.last_at_us + runtime.timeout_us]
        shown = any(one.shown for one in foretold)
        for one in foretold:
            abandoned = _abandoned(runtime, one, end, now_us)
            if one.decision_id in known and abandoned is not None:
                yield JudgedRisk(one.model_version, one.risk, abandoned, 1 / len(foretold), shown)


def _abandoned(runtime: Runtime, one: DecidedRisk, end: SessionEnd, now_us: int) -> bool | None:
    """Return what the risk foretold, None where that is not known (``training.labels.label``)."""
    horizon = runtime.journey.horizon_seconds
    if horizon is None:
        return None if end.outcome is SessionOutcome.CENSORED else end.outcome is SessionOutcome.ABANDONED
    until_us = one.at_us + int(horizon * US_PER_SECOND)
    if end.outcome is SessionOutcome.CENSORED:
        return None if until_us > now_us else False
    # A session that ended by silence has a risk at its last event.
    end_us = end.last_at_us + (0 if end.risk is None else runtime.timeout_us)
    return end.outcome is SessionOutcome.ABANDONED and end_us <= until_us
