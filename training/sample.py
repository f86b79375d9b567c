"""Whole persons, sampled by a digest of an id of theirs, so that a log fits into memory."""

import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.encoded_logs import concatenate, keep_persons
from features.engine import HERE, Engine
from features.events import EncodedLog
from features.plan import Plan
from features.read_log import LogRead, ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.journey import Journey
from training.split import TooFewSessions

MAX_SESSIONS = 200_000
"""More sessions than this are sampled, by whole persons, so that training fits into memory."""
ALL_PERSONS = 2**32
"""The digests of all persons are below this."""
_SPARE_SHARE = 1.25
"""While a sample is read, it may hold so many times the sessions that it may have in the end."""

Digests = NDArray[np.int64]


def read_sample(
    journey: Journey,
    plan: Plan,
    path: Path,
    *,
    seed: int,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[EncodedLog, float, ReadSummary]:
    """Return a log's sessions as :func:`draw_sessions` keeps them, the share kept, and what became of its rows.

    Raises ``features.log_files.LogError``.
    """
    with read_log(
        path,
        plan,
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        engine=engine,
        progress=progress,
    ) as read:
        log, share = draw_sessions(read, MAX_SESSIONS, seed)
        return log, share, read.summary


def draw_sessions(read: LogRead, most: int, seed: int) -> tuple[EncodedLog, float]:
    """Return all sessions of a log, or ``most`` of them or a few less, and of which share of the persons they are.

    Persons come in the order of a digest of theirs: the same ones whatever the batches, fewer of the same for a smaller
    sample.
    """
    # Every visitor has a session, so this share of them holds enough, but where sessions name several visitors.
    limit = min(ALL_PERSONS, math.ceil(2 * most / max(1, read.summary.visitors) * ALL_PERSONS))
    while True:
        log, final = _draw_below(read, limit, most, seed)
        if final < limit or limit == ALL_PERSONS:
            return log, final / ALL_PERSONS
        limit = min(ALL_PERSONS, 4 * limit)


@contextmanager
def telling_of_sample(session_count: int, sampled_share: float) -> Iterator[None]:
    """Say of a sample that is too small that it is one: the log may hold what it lacks."""
    try:
        yield
    except TooFewSessions as error:
        if sampled_share >= 1:
            raise
        raise TooFewSessions(
            f"in the sample of {session_count:,} sessions, {error}; draw a larger one with --sessions"
        ) from error


def sample_persons(log: EncodedLog, share: float, seed: int) -> EncodedLog:
    """Return the sessions of about this share of the persons; a smaller share keeps some of a larger one's."""
    return log if share >= 1 else _below(log, share * ALL_PERSONS, seed)


def digest_person(name: str, seed: int) -> int:
    """Return a number from 0 to 2**32 - 1 that looks drawn, and is the same for the same person and seed."""
    return zlib.crc32(f"{seed}:{name}".encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class Draw:
    """Takes from each batch the persons whose digests are below a limit."""

    limit: int
    seed: int

    def __call__(self, log: EncodedLog) -> EncodedLog:
        """Return their sessions."""
        return log if self.limit >= ALL_PERSONS else _below(log, self.limit, self.seed)


def _draw_below(read: LogRead, limit: int, most: int, seed: int) -> tuple[EncodedLog, int]:
    """Return sessions of persons below the limit, and the limit that was lowered until they were few enough."""
    batches, digests, first = list[EncodedLog](), list[Digests](), limit
    for batch in read.map(Draw(first, seed)):
        # The limit may have been lowered since.
        kept = batch if limit == first else _below(batch, limit, seed)
        batches.append(kept)
        digests.append(np.array([digest_person(name, seed) for name in kept.persons], np.int64))
        if sum(map(len, digests)) > _SPARE_SHARE * most:
            limit = _lower(batches, digests, most, seed)
    if sum(map(len, digests)) > most:
        limit = _lower(batches, digests, most, seed)
    return concatenate(batches, batches[0].values.shape[1] if batches else 0), limit


def _lower(batches: list[EncodedLog], digests: list[Digests], most: int, seed: int) -> int:
    """Drop the persons of the highest digests, so that no more sessions remain, and return the limit to theirs."""
    limit = int(np.sort(np.concatenate(digests))[most])
    batches[:] = [_below(batch, limit, seed) for batch in batches]
    digests[:] = [of_batch[of_batch < limit] for of_batch in digests]
    return limit


def _below(log: EncodedLog, limit: float, seed: int) -> EncodedLog:
    return keep_persons(log, lambda name: digest_person(name, seed) < limit)
