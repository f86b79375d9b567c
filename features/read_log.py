"""Read a log larger than memory into encoded sessions, batch by batch; bad rows go to a quarantine."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb

from features.canonical_view import create_canonical, create_checked, is_numbered
from features.encoded_logs import concatenate
from features.engine import HERE, Engine
from features.events import US_PER_SECOND, EncodedLog
from features.gathering import Gathered, find_displaced, keep_persons_of
from features.log_files import LogError, first_line
from features.log_links import number_persons, read_links
from features.plan import Plan
from features.raw_log import RawLog, open_raw
from features.read_bucket import read_bucket
from features.refused import quarantine_refused, refused_rows
from features.slices import cut_log
from features.source import CANONICAL, Source
from features.staging import Progress, Staging, create_codes, join_staged, stage_slice
from features.survey import (
    Survey,
    find_suspects,
    join_surveys,
    keep_homes,
    keep_losers,
    name_unknown,
    survey_bucket,
)
from features.undoings import find_undoings

DEFAULT_BATCH_EVENTS = 2_000_000
MOST_BUCKETS = 512
"""More buckets would be too many open files; of a very long log each is larger."""
_ID_PART_ROWS = 20_000_000
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class ReadSummary:
    """What became of a log's rows: ``read = used + deduplicated + quarantined``; times in microseconds."""

    read: int
    used: int
    deduplicated: int
    quarantined: int
    reasons: dict[str, int]
    unknown_events: dict[str, int]
    visitors: int
    first_at_us: int
    last_at_us: int

    def describe(self) -> str:
        """Return the summary in one line."""
        parts = [f"{self.read:,} events read", f"{self.used:,} used"]
        parts += [f"{self.deduplicated:,} duplicates"] if self.deduplicated else []
        if self.quarantined:
            worst = ", ".join(f"{count:,}: {reason}" for reason, count in list(self.reasons.items())[:3])
            parts.append(f"{self.quarantined:,} quarantined ({worst})")
        if self.unknown_events:
            named = ", ".join(f"{name} ({count:,})" for name, count in list(self.unknown_events.items())[:3])
            parts.append(f"names that the journey does not declare: {named}")
        return "; ".join(parts)


class LogRead:
    """A log that has been staged: its summary at once, its sessions batch by batch."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        gathered: Gathered,
        summary: ReadSummary,
        engine: Engine,
        progress: Progress,
    ) -> None:
        self.summary = summary
        self.connection = connection
        self.gathered = gathered
        self._engine = engine
        self._progress = progress

    @property
    def rows(self) -> str:
        """The SQL relation, on ``connection``, of the rows that were not refused; duplicates are still among them.

        The positions of the duplicates are in the table ``losers``, the declared names in ``codes``.
        """
        return self.gathered.staged.rows_of()

    @property
    def refused(self) -> str:
        """The SQL relation, on ``connection``, of the refused rows: ``reason, occurred_at_us, received_at_us``."""
        return f"(SELECT reason, occurred_at_us, received_at_us FROM {refused_rows(self.gathered.staged)})"

    def open_checked(self) -> None:
        """Create the view ``checked`` on ``connection``: all rows as they were, with why they are refused."""
        job = self.gathered.job
        raw = open_raw(self.connection, job.log, job.source)
        create_canonical(self.connection, raw, job.source)
        create_checked(self.connection, job.now)

    def map(self, work: Callable[[EncodedLog], _Result], chosen: Collection[int] | None = None) -> Iterator[_Result]:
        """Yield what ``work`` makes of each batch of whole persons, in their order, wherever the engine works on it.

        ``chosen`` are the numbers of the batches to look at, as :meth:`numbered_batches` tells them.
        """
        for _, result in self._numbered(work, chosen):
            yield result

    def batches(self) -> Iterator[EncodedLog]:
        """Yield the sessions in batches of whole persons."""
        return self.map(_as_it_is)

    def numbered_batches(self, chosen: Collection[int] | None = None) -> Iterator[tuple[int, EncodedLog]]:
        """Yield the batches with their numbers, by which some can be ``chosen`` to be read once more."""
        return self._numbered(_as_it_is, chosen)

    def whole(self) -> EncodedLog:
        """Return all sessions at once, for logs that fit into memory."""
        return concatenate(list(self.batches()), len(self.gathered.job.plan.columns))

    def _numbered(
        self, work: Callable[[EncodedLog], _Result], chosen: Collection[int] | None
    ) -> Iterator[tuple[int, _Result]]:
        buckets = [bucket for bucket in self.gathered.buckets if chosen is None or bucket in chosen]
        done = self._engine.map(partial(_work_on, self.gathered, work), buckets)
        for number, (bucket, results) in enumerate(zip(buckets, done, strict=True), start=1):
            for result in results:
                yield bucket, result
            self._progress("reading sessions", number / len(buckets))


@contextmanager
def read_log(
    path: Path,
    plan: Plan,
    *,
    timeout_seconds: float,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    texts: tuple[str, ...] = (),
    elements: Mapping[str, str] | None = None,
    batch_events: int = DEFAULT_BATCH_EVENTS,
    memory_gb: float = 3.0,
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
    now: datetime | None = None,
) -> Iterator[LogRead]:
    """Stage the log at ``path`` in a temporary folder and hand out its sessions; raises :class:`LogError`.

    Where events carry no session id, a silence of more than ``timeout_seconds`` cuts a visitor's events into
    sessions named ``visitor~microseconds of the first event``. Refused rows go to the JSON Lines file ``quarantine``,
    each with its reason; nothing is written where none is given. ``texts`` are properties of which each session's first
    known one is kept in ``EncodedLog.context``, for cohorts. ``elements`` maps event names to the property that says
    what such an event was about; where given, ``EncodedLog.details`` has it. What is read, and in which order, does not
    depend on the ``engine`` that works on it.
    """
    # Workers may have been started in another folder.
    path = path if engine is HERE else path.absolute()
    with engine.scratch() as folder:
        progress("opening", 0.0)
        raw, row_count = _open(path, source)
        engine.require_seen(path)
        job = Staging(
            log=path,
            source=source,
            raw=raw,
            plan=plan,
            folder=folder,
            bucket_count=min(MOST_BUCKETS, max(1, -(-row_count // batch_events))),
            id_parts=0 if is_numbered(raw, source) else max(engine.workers, -(-row_count // _ID_PART_ROWS)),
            now=now or datetime.now(UTC),
            texts=texts,
            elements=elements,
            memory_gb=memory_gb,
            threads=engine.threads,
        )
        with job.connect() as connection:
            try:
                gathered, summary = _gather(connection, job, row_count, engine, quarantine, timeout_seconds, progress)
            except duckdb.Error as error:
                raise _unreadable(path, error) from error
            yield LogRead(connection, gathered, summary, engine, progress)


def _open(path: Path, source: Source) -> tuple[RawLog, int]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        raw = open_raw(connection, path, source)
        try:
            [(row_count,)] = connection.execute("SELECT count(*) FROM raw").fetchall()
        except duckdb.Error as error:
            raise _unreadable(path, error) from error
    return raw, int(row_count)


def _unreadable(path: Path, error: duckdb.Error) -> LogError:
    return LogError(f"{path} cannot be read: {first_line(error)}")


def _as_it_is(log: EncodedLog) -> EncodedLog:
    return log


def _work_on(gathered: Gathered, work: Callable[[EncodedLog], _Result], bucket: int) -> list[_Result]:
    log = read_bucket(gathered, bucket)
    return [] if log is None else [work(log)]


def _gather(
    connection: duckdb.DuckDBPyConnection,
    job: Staging,
    row_count: int,
    engine: Engine,
    quarantine: Path | None,
    timeout_seconds: float,
    progress: Progress,
) -> tuple[Gathered, ReadSummary]:
    create_codes(connection, job.plan)
    slices = cut_log(job.raw, job.source, row_count, engine.workers)
    parts = []
    progress("checking and encoding", 0.0)
    for part in engine.map(partial(stage_slice, job), slices):
        parts.append(part)
        progress("checking and encoding", len(parts) / len(slices))
    staged = join_staged(parts)
    reasons = quarantine_refused(connection, staged, quarantine)
    progress("looking for duplicates", 0.0)
    suspects = find_suspects(job, staged, engine)
    survey = join_surveys(engine.map(partial(survey_bucket, job, staged, suspects), staged.buckets))
    deduplicated = keep_losers(connection, job, survey)
    progress("telling persons apart", 0.0)
    keep_homes(connection, job, staged, survey, engine)
    undoings = [] if job.raw.is_text else find_undoings(job.raw.files)
    links = read_links(connection, job, staged, survey, engine, undoings)
    keep_persons_of(connection, job, number_persons(links))
    displaced = find_displaced(job, staged, engine)
    gathered = Gathered(job, staged, displaced, links, round(timeout_seconds * US_PER_SECOND))
    return gathered, _summarise(survey, reasons, deduplicated)


def _summarise(survey: Survey, reasons: Mapping[str, int], deduplicated: int) -> ReadSummary:
    quarantined = sum(reasons.values())
    return ReadSummary(
        read=survey.rows + quarantined,
        used=survey.rows - deduplicated,
        deduplicated=deduplicated,
        quarantined=quarantined,
        reasons=dict(reasons),
        unknown_events=name_unknown(survey),
        visitors=survey.visitors,
        first_at_us=survey.first_at_us,
        last_at_us=survey.last_at_us,
    )
