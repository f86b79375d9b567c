"""Read a log larger than memory into encoded sessions, batch by batch; bad rows go to a quarantine."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.canonical_view import create_canonical
from features.events import US_PER_SECOND, EncodedLog, IntArray, TextArray
from features.identity import Links
from features.log_files import LogError
from features.log_links import number_persons, read_links
from features.person_histories import Span, find_histories, join_histories
from features.plan import Plan
from features.raw_log import REJECTED, open_raw, require_closed_quotes
from features.source import CANONICAL, Source
from features.staging import (
    BAD_BUCKET,
    Progress,
    Staged,
    find_duplicates,
    find_moved,
    has_rows,
    has_rows_for,
    move_displaced,
    rows_for,
    rows_of,
    stage,
)
from features.table import CONTEXT_COLUMNS
from features.undoings import find_undoings

DEFAULT_BATCH_EVENTS = 2_000_000
DETAILS = ("element", "shared_name")
"""What is kept of each event where ``elements`` are asked for."""


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
        staged: Staged,
        plan: Plan,
        timeout_us: int,
        summary: ReadSummary,
        links: Links,
        progress: Progress,
        texts: tuple[str, ...] = (),
        is_text: bool = False,
        details: tuple[str, ...] = (),
    ) -> None:
        self.summary = summary
        self.links = links
        self._is_text = is_text
        self.connection = connection
        self._staged = staged
        self._texts = texts
        self._details = details
        self._plan = plan
        self._timeout_us = timeout_us
        self._progress = progress

    @property
    def rows(self) -> str:
        """The SQL relation, on ``connection``, of the rows that were not refused; duplicates are still among them.

        The positions of the duplicates are in the table ``losers``.
        """
        return rows_of(self._staged)

    @property
    def refused(self) -> str:
        """The SQL relation, on ``connection``, of the refused rows: ``reason, occurred_at_us, received_at_us``."""
        parts = [
            "SELECT NULL::VARCHAR AS reason, NULL::BIGINT AS occurred_at_us, NULL::BIGINT AS received_at_us LIMIT 0"
        ]
        if has_rows(self._staged, BAD_BUCKET):
            parts.append(f"SELECT reason, occurred_at_us, received_at_us FROM {rows_of(self._staged, BAD_BUCKET)}")
        if self._is_text:
            parts.append(f"SELECT reason, NULL, NULL FROM ({REJECTED})")
        return "(" + " UNION ALL ".join(f"({part})" for part in parts) + ")"

    def batches(self) -> Iterator[EncodedLog]:
        """Yield the sessions in batches of whole visitors."""
        for _, batch in self.numbered_batches():
            yield batch

    def numbered_batches(self, chosen: Collection[int] | None = None) -> Iterator[tuple[int, EncodedLog]]:
        """Yield the batches with their numbers, by which some can be ``chosen`` to be read once more."""
        for bucket in range(self._staged.bucket_count):
            if has_rows_for(self._staged, bucket) and (chosen is None or bucket in chosen):
                table: pa.Table = self.connection.sql(self._query(bucket)).to_arrow_table()
                if table.num_rows:
                    log = encode_sessions(table, self._plan, self._timeout_us, self._texts, self._details)
                    yield bucket, self._with_histories(log)
            self._progress("reading sessions", (bucket + 1) / self._staged.bucket_count)

    def whole(self) -> EncodedLog:
        """Return all sessions at once, for logs that fit into memory."""
        return concatenate(list(self.batches()), len(self._plan.columns))

    def _with_histories(self, log: EncodedLog) -> EncodedLog:
        if not self.links.rows or not self._plan.uses_visitor_history:
            return log
        return replace(log, histories=find_histories(spans_of(log), self.links))

    def _query(self, bucket: int) -> str:
        columns = ["session_id", "visitor_id", "person", "occurred_at_us", "event_id", "code", "user_id"]
        columns += CONTEXT_COLUMNS
        columns += [f"v{place}" for place in range(len(self._plan.columns))]
        columns += [*(f"t{place}" for place in range(len(self._texts))), *self._details]
        # A session that names several visitors belongs to the first, and a person's visitors stand in one bucket.
        return (
            f"SELECT {', '.join(columns)} FROM {rows_for(self._staged, bucket)} "
            "WHERE position NOT IN (SELECT position FROM losers) "
            "ORDER BY visitor_id, session_id, occurred_at_us, event_id"
        )


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
    threads: int = 2,
    progress: Progress = lambda _phase, _fraction: None,
    now: datetime | None = None,
) -> Iterator[LogRead]:
    """Stage the log at ``path`` in a temporary folder and hand out its sessions; raises :class:`LogError`.

    Where events carry no session id, a silence of more than ``timeout_seconds`` cuts a visitor's events into
    sessions named ``visitor~microseconds of the first event``. Refused rows go to the JSON Lines file ``quarantine``,
    each with its reason; nothing is written where none is given. ``texts`` are properties of which each session's first
    known one is kept in ``EncodedLog.context``, for cohorts. ``elements`` maps event names to the property that says
    what such an event was about; where given, ``EncodedLog.details`` has it.
    """
    with tempfile.TemporaryDirectory(prefix="dropoff-") as temporary:
        folder = Path(temporary)
        connection = duckdb.connect(
            config={"threads": threads, "memory_limit": f"{memory_gb}GB", "temp_directory": str(folder / "spill")}
        )
        with connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET partitioned_write_max_open_files = 1000")
            progress("opening", 0.0)
            raw = open_raw(connection, path, source)
            progress("checking and encoding", 0.0)
            try:
                create_canonical(connection, raw, source)
                staged = stage(
                    connection, plan, folder / "staged", batch_events, now or datetime.now(UTC), texts, elements
                )
                progress("looking for duplicates", 0.0)
                summary = _summarise(connection, staged, raw.is_text, quarantine)
                progress("telling persons apart", 0.0)
                links = read_links(connection, staged, find_undoings(path))
                move_displaced(connection, staged, number_persons(links))
            except duckdb.Error as error:
                raise LogError(f"{path} cannot be read: {str(error).strip().splitlines()[0][:300]}") from error
            timeout_us, details = round(timeout_seconds * US_PER_SECOND), () if elements is None else DETAILS
            yield LogRead(connection, staged, plan, timeout_us, summary, links, progress, texts, raw.is_text, details)


def encode_sessions(
    table: pa.Table, plan: Plan, timeout_us: int, texts: tuple[str, ...] = (), details: tuple[str, ...] = ()
) -> EncodedLog:
    """Return the sessions of rows ordered by (visitor_id, session_id, occurred_at_us, event_id).

    ``texts`` are the names of the properties in the columns ``t0``, ``t1`` and so on, ``details`` columns to keep.
    """
    kept = {column: column for column in CONTEXT_COLUMNS} | {name: f"t{place}" for place, name in enumerate(texts)}
    visitors, sessions = _codes(table["visitor_id"]), _codes(table["session_id"])
    at_us = table["occurred_at_us"].to_numpy()
    unnamed = sessions < 0
    opens = np.ones(len(at_us), np.bool_)
    opens[1:] = (visitors[1:] != visitors[:-1]) | (sessions[1:] != sessions[:-1])
    opens[1:] |= unnamed[1:] & (np.diff(at_us) > timeout_us)
    begins = np.flatnonzero(opens)
    lengths = np.diff(np.append(begins, len(at_us)))
    visitor_ids = _texts(table["visitor_id"], begins)
    session_ids = _texts(table["session_id"], begins)
    for place in np.flatnonzero(unnamed[begins]).tolist():
        session_ids[place] = f"{visitor_ids[place]}~{at_us[begins[place]]}"
    # Visitors stand in the order of their ids; a visitor's sessions go by their first event, then their id.
    order = np.array(
        sorted(
            range(len(begins)), key=lambda place: (visitors[begins[place]], at_us[begins[place]], session_ids[place])
        ),
        np.int64,
    )
    starts = np.concatenate(([0], np.cumsum(lengths[order])))
    rows = np.repeat(begins[order] - starts[:-1], lengths[order]) + np.arange(len(at_us))
    values = np.empty((len(at_us), len(plan.columns)), np.float64)
    for place in range(len(plan.columns)):
        values[:, place] = table[f"v{place}"].to_numpy()[rows]
    owner = np.repeat(np.arange(len(order)), lengths[order])
    return EncodedLog(
        session_ids=session_ids[order],
        visitor_ids=visitor_ids[order],
        user_ids=_known(table["user_id"], rows, owner, len(order), latest=True),
        starts=starts,
        at_us=at_us[rows],
        codes=table["code"].to_numpy()[rows].astype(np.int32),
        values=values,
        event_ids=_texts(table["event_id"], rows),
        context={name: _known(table[column], rows, owner, len(order), latest=False) for name, column in kept.items()},
        details={name: _repeated(table[name], rows) for name in details},
        person_ids=_texts(table["person"], begins)[order],
    )


def spans_of(log: EncodedLog) -> list[Span]:
    """Return what tells whose each session is, (S,)."""
    first_us, last_us = log.at_us[log.starts[:-1]].tolist(), log.at_us[log.starts[1:] - 1].tolist()
    return [
        Span(number, visitor_id, session_id, first, last, session_id != f"{visitor_id}~{first}")
        for number, (visitor_id, session_id, first, last) in enumerate(
            zip(log.visitor_ids, log.session_ids, first_us, last_us, strict=True)
        )
    ]


def concatenate(logs: list[EncodedLog], column_count: int) -> EncodedLog:
    """Return several batches as one log, without details."""
    empty = np.array([], object)
    offsets = np.cumsum([0, *(log.event_count for log in logs)])
    starts = [log.starts[:-1] + offset for log, offset in zip(logs, offsets, strict=False)]
    return EncodedLog(
        session_ids=np.concatenate([empty, *(log.session_ids for log in logs)]),
        visitor_ids=np.concatenate([empty, *(log.visitor_ids for log in logs)]),
        user_ids=np.concatenate([empty, *(log.user_ids for log in logs)]),
        starts=np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
        at_us=np.concatenate([np.array([], np.int64), *(log.at_us for log in logs)]),
        codes=np.concatenate([np.array([], np.int32), *(log.codes for log in logs)]),
        values=np.concatenate([np.empty((0, column_count)), *(log.values for log in logs)]),
        event_ids=np.concatenate([empty, *(log.event_ids for log in logs)]),
        context={column: np.concatenate([empty, *(log.context[column] for log in logs)]) for column in CONTEXT_COLUMNS},
        person_ids=np.concatenate([empty, *(log.persons for log in logs)]),
        histories=join_histories(
            [
                log.histories.shift(before)
                for log, before in zip(logs, np.cumsum([0, *(log.session_count for log in logs)]), strict=False)
                if log.histories is not None
            ]
        ),
    )


def keep_persons(log: EncodedLog, keeps: Callable[[str], bool]) -> EncodedLog:
    """Return the sessions of the persons that ``keeps`` keeps, by the id of one of their visitors, without details."""
    chosen = np.array([keeps(person_id) for person_id in log.persons], np.bool_)
    lengths = np.diff(log.starts)
    events = np.repeat(chosen, lengths)
    return EncodedLog(
        session_ids=log.session_ids[chosen],
        visitor_ids=log.visitor_ids[chosen],
        user_ids=log.user_ids[chosen],
        starts=np.concatenate(([0], np.cumsum(lengths[chosen]))),
        at_us=log.at_us[events],
        codes=log.codes[events],
        values=log.values[events],
        event_ids=log.event_ids[events],
        context={name: column[chosen] for name, column in log.context.items()},
        person_ids=log.persons[chosen],
        histories=None if log.histories is None else log.histories.keep(chosen),
    )


def _summarise(
    connection: duckdb.DuckDBPyConnection, staged: Staged, is_text: bool, quarantine: Path | None
) -> ReadSummary:
    bad = rows_of(staged, BAD_BUCKET)
    reasons: list[tuple[str, int]] = []
    if has_rows(staged, BAD_BUCKET):
        reasons += connection.execute(f"SELECT reason, count(*) FROM {bad} GROUP BY reason").fetchall()
    if is_text:
        require_closed_quotes(connection)
        reasons += connection.execute(f"SELECT reason, count(*) FROM ({REJECTED}) GROUP BY reason").fetchall()
    if quarantine is not None and reasons:
        _write_quarantine(connection, staged, is_text, quarantine)
    if not has_rows(staged):
        told = "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons) or "it has no rows"
        kept = f"; the rows are in {quarantine}" if quarantine is not None and reasons else ""
        raise LogError(f"the log holds no usable event: {told}{kept}")
    deduplicated = find_duplicates(connection, staged)
    find_moved(connection, staged)
    good = rows_of(staged)
    count, visitors, first_at_us, last_at_us = connection.execute(
        f"SELECT count(*), count(DISTINCT visitor_id), min(occurred_at_us), max(occurred_at_us) FROM {good}"
    ).fetchall()[0]
    unknown = connection.execute(
        f"SELECT unknown_name, count(*) AS n FROM {good} WHERE unknown_name IS NOT NULL "
        "GROUP BY 1 ORDER BY n DESC, 1 LIMIT 1000"
    ).fetchall()
    quarantined = sum(number for _, number in reasons)
    return ReadSummary(
        read=count + quarantined,
        used=count - deduplicated,
        deduplicated=deduplicated,
        quarantined=quarantined,
        reasons=dict(sorted(reasons, key=lambda pair: -pair[1])),
        unknown_events=dict(unknown),
        visitors=visitors,
        first_at_us=first_at_us,
        last_at_us=last_at_us,
    )


def _write_quarantine(connection: duckdb.DuckDBPyConnection, staged: Staged, is_text: bool, quarantine: Path) -> None:
    parts = []
    if has_rows(staged, BAD_BUCKET):
        parts.append(f"SELECT reason, position AS row, raw_row AS content FROM {rows_of(staged, BAD_BUCKET)}")
    if is_text:
        parts.append(REJECTED)
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    target = str(quarantine).replace("'", "''")
    connection.execute(f"COPY ({' UNION ALL '.join(parts)} ORDER BY row) TO '{target}' (FORMAT json)")


def _codes(column: pa.ChunkedArray) -> IntArray:
    """Numbers that are equal where the texts are, ascending as the rows are; -1 for null."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    codes: IntArray = np.asarray(encoded.indices.fill_null(-1)).astype(np.int64)
    return codes


def _texts(column: pa.ChunkedArray, rows: IntArray) -> TextArray:
    taken: TextArray = column.take(pa.array(rows)).to_numpy().astype(object)
    return taken


def _repeated(column: pa.ChunkedArray, rows: IntArray) -> TextArray:
    """The texts of the rows or None, where few differ: equal ones are one object."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    texts = np.array([*encoded.dictionary.to_pylist(), None], object)
    found: TextArray = texts[np.asarray(encoded.indices.fill_null(-1))[rows]]
    return found


def _known(column: pa.ChunkedArray, rows: IntArray, owner: IntArray, sessions: int, *, latest: bool) -> TextArray:
    """The first, or latest, text of each session that is not null."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    codes = np.asarray(encoded.indices.fill_null(-1))[rows]
    known = np.flatnonzero(codes >= 0)
    found: Any = np.full(sessions, None, object)
    texts = np.array([*encoded.dictionary.to_pylist(), None], object)
    ordered = known if latest else known[::-1]
    # Of several assignments to one session the last one stays.
    found[owner[ordered]] = texts[codes[ordered]]
    result: TextArray = found
    return result
