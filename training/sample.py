"""Whole persons, sampled by a digest of an id of theirs, so that a log fits into memory."""

import zlib
from pathlib import Path

from features.encoded_logs import concatenate, keep_persons
from features.events import EncodedLog
from features.plan import Plan
from features.read_log import LogRead, ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.journey import Journey

MAX_SESSIONS = 400_000
"""More sessions than this are sampled, by whole persons, so that training fits into memory."""


def read_sample(
    journey: Journey,
    plan: Plan,
    path: Path,
    *,
    seed: int,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[EncodedLog, float, ReadSummary]:
    """Return a log's sessions as :func:`read_bounded` keeps them, the share that was kept, and what became of its rows.

    Raises ``features.log_files.LogError``.
    """
    with read_log(
        path,
        plan,
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        progress=progress,
    ) as read:
        log, share = read_bounded(read, seed)
        return log, share, read.summary


def read_bounded(read: LogRead, seed: int) -> tuple[EncodedLog, float]:
    """Read all sessions, or a sample of whole persons where there are too many; also the share that was kept."""
    batches, kept, share = list[EncodedLog](), 0, 1.0
    for batch in read.batches():
        batches.append(sample_persons(batch, share, seed))
        kept += batches[-1].session_count
        while kept > MAX_SESSIONS:
            share /= 2
            batches = [sample_persons(old, share, seed) for old in batches]
            kept = sum(old.session_count for old in batches)
    return concatenate(batches, batches[0].values.shape[1] if batches else 0), share


def sample_persons(log: EncodedLog, share: float, seed: int) -> EncodedLog:
    """Return the sessions of about this share of the persons; a smaller share keeps some of a larger one's."""
    if share >= 1:
        return log
    limit = share * 2**32
    return keep_persons(log, lambda name: zlib.crc32(f"{seed}:{name}".encode("utf-8", "surrogatepass")) < limit)
