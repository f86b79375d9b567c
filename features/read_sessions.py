"""Read a few sessions out of a log as they were recorded, with what their visitors had done before."""

import heapq
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from features.canonical_view import create_canonical, refusal_sql
from features.events import EncodedLog, Event
from features.log_files import LogError
from features.plan import Plan
from features.raw_log import open_raw
from features.read_log import LogRead, read_log
from features.source import CANONICAL, Source
from features.staging import Progress


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """One session's events, and the events of its visitor's earlier sessions, in their order of time."""

    session_id: str
    visitor_id: str
    events: tuple[Event, ...]
    earlier: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Which events a session has, and which its visitor had before."""

    first_at_us: int
    session_id: str
    visitor_id: str
    event_ids: tuple[str, ...]
    earlier_ids: tuple[str, ...]


def read_sessions(
    path: Path,
    plan: Plan,
    *,
    timeout_seconds: float,
    session_ids: Sequence[str] = (),
    most: int = 3,
    min_events: int = 5,
    source: Source = CANONICAL,
    progress: Progress = lambda _phase, _fraction: None,
) -> list[RecordedSession]:
    """Return the sessions named, or else the latest ``most`` that have ``min_events`` or more.

    Raises :class:`LogError` where the log has no such session.
    """
    with read_log(path, plan, timeout_seconds=timeout_seconds, source=source, progress=progress) as log:
        if session_ids:
            chosen = _named(log, session_ids)
        else:
            chosen = heapq.nlargest(most, _long(log, min_events), key=lambda place: place.first_at_us)
            if not chosen:
                raise LogError(f"{path} has no session of {min_events} or more events")
    events = _read_events(path, source, {name for place in chosen for name in (*place.event_ids, *place.earlier_ids)})
    return [
        RecordedSession(
            place.session_id,
            place.visitor_id,
            tuple(events[name] for name in place.event_ids),
            tuple(events[name] for name in place.earlier_ids),
        )
        for place in sorted(chosen, key=lambda place: place.first_at_us)
    ]


def _named(log: LogRead, session_ids: Sequence[str]) -> list[_Place]:
    wanted = set(session_ids)
    found = [
        _place(batch, number)
        for batch in log.batches()
        for number in range(batch.session_count)
        if batch.session_ids[number] in wanted
    ]
    missing = wanted - {place.session_id for place in found}
    if missing:
        raise LogError(f"the log has no session {', '.join(sorted(missing))}")
    return found


def _long(log: LogRead, min_events: int) -> Iterator[_Place]:
    for batch in log.batches():
        for number in range(batch.session_count):
            if batch.starts[number + 1] - batch.starts[number] >= min_events:
                yield _place(batch, number)


def _place(log: EncodedLog, number: int) -> _Place:
    opens = number
    while opens > 0 and log.visitor_ids[opens - 1] == log.visitor_ids[number]:
        opens -= 1
    first, end = log.starts[number], log.starts[number + 1]
    return _Place(
        first_at_us=int(log.at_us[first]),
        session_id=log.session_ids[number],
        visitor_id=log.visitor_ids[number],
        event_ids=tuple(log.event_ids[first:end]),
        earlier_ids=tuple(log.event_ids[log.starts[opens] : first]),
    )


def _read_events(path: Path, source: Source, event_ids: set[str]) -> dict[str, Event]:
    with tempfile.TemporaryDirectory(prefix="dropoff-") as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = '{folder}'")
        create_canonical(connection, open_raw(connection, path, source), source)
        connection.execute("CREATE TABLE wanted AS SELECT unnest(?) AS event_id", [sorted(event_ids)])
        # Of a duplicated id the first received is the event; a refused row is none.
        rows = connection.execute(
            "SELECT DISTINCT ON (event_id) event_id, name, occurred_at_us, coalesce(nullif(visitor_id, ''), user_id), "
            "session_id, user_id, channel, device, source, campaign, properties "
            f"FROM canonical JOIN wanted USING (event_id) WHERE {refusal_sql(datetime.now(UTC))} IS NULL "
            "ORDER BY event_id, received_at_us NULLS LAST, position"
        ).fetchall()
    return {str(row[0]): _event(row) for row in rows}


def _event(row: tuple[Any, ...]) -> Event:
    event_id, name, at_us, visitor_id, session_id, user_id, channel, device, source, campaign, properties = row
    return Event(
        event_id=event_id,
        name=name,
        occurred_at_us=at_us,
        visitor_id=visitor_id,
        session_id=session_id or None,
        user_id=user_id or None,
        channel=channel or None,
        device=device or None,
        source=source or None,
        campaign=campaign or None,
        properties=json.loads(properties) if properties else {},
    )
