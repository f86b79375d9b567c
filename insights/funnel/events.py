"""A log as a funnel sees it: each person's events in the total order, as the steps that they take."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from features.canonical_view import create_canonical, create_checked
from features.events import CodeArray, IntArray
from features.log_files import LogError, first_line
from features.raw_batches import open_batches
from features.raw_log import RawLog, open_raw
from features.read_log import ReadSummary
from features.source import CANONICAL, Source
from features.staging import Progress
from insights.funnel.arrange import Arranged, arrange, cut_silences, find_ties
from insights.funnel.declare import CountBy, Funnel, Order
from insights.funnel.kernel import BitArray
from insights.funnel.sql import (
    UNNAMED_BIT,
    bits_sql,
    field_sql,
    own_columns,
    person_sql,
    require_fields,
    require_names,
)
from insights.funnel.steps import FunnelError
from insights.funnel.usable import create_good

MAX_VALUES = 10_000
_BATCH_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class FunnelEvents:
    """The events of ``P`` people, person ``p`` owning ``starts[p]:starts[p + 1]``, each in the total order.

    ``bits`` (N,) has bit ``s`` set where an event takes step ``s``, the bits of excluded events following those of the
    steps; ``values`` (N,) are places in ``value_texts``, -1 where an event has none, and empty without a breakdown.
    Events that take no step are left out unless they matter.
    """

    starts: IntArray
    at_us: IntArray
    bits: BitArray
    values: CodeArray
    value_texts: tuple[str, ...]
    summary: ReadSummary


@contextmanager
def _connected(threads: int, memory_gb: float) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        tempfile.TemporaryDirectory(prefix="dropoff-") as folder,
        duckdb.connect(
            config={"threads": threads, "memory_limit": f"{memory_gb}GB", "temp_directory": folder}
        ) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def read_events(
    funnel: Funnel,
    log: Path | Iterable[pa.RecordBatch],
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    threads: int = 2,
    memory_gb: float = 3.0,
    progress: Progress = lambda _phase, _fraction: None,
    now: datetime | None = None,
) -> FunnelEvents:
    """Return the events of files or of batches in the canonical columns.

    Rows are refused for the same reasons as everywhere and kept in ``quarantine``. Raises
    ``features.log_files.LogError`` where nothing can be used, and :class:`FunnelError` for names that do not occur.
    """
    with _connected(threads, memory_gb) as connection:
        progress("opening", 0.0)
        try:
            raw, carried = _open(connection, funnel, log, source)
            create_checked(connection, now or datetime.now(UTC))
            require_names(connection, funnel)
            require_fields(connection, funnel, raw, carried)
            summary = create_good(connection, raw, source, quarantine, progress)
            return _collect(connection, funnel, carried, summary, progress)
        except duckdb.Error as error:
            named = log if isinstance(log, Path) else "the live log"
            raise LogError(f"{named} cannot be read: {first_line(error)}") from error


def _open(
    connection: duckdb.DuckDBPyConnection, funnel: Funnel, log: Path | Iterable[pa.RecordBatch], source: Source
) -> tuple[RawLog, tuple[str, ...]]:
    """Create ``canonical`` with the log's own columns that the funnel reads, and return their names."""
    if isinstance(log, Path):
        # A line of JSON has only the fields that are asked for.
        asked = {name: f'$."{name}"' for name in funnel.fields if name not in source.fields}
        raw = open_raw(connection, log, replace(source, fields={**source.fields, **asked}))
    else:
        raw = open_batches(connection, log)
    carried = own_columns(funnel, raw)
    create_canonical(connection, raw, source, carried)
    return raw, carried


def _collect(
    connection: duckdb.DuckDBPyConnection,
    funnel: Funnel,
    carried: tuple[str, ...],
    summary: ReadSummary,
    progress: Progress,
) -> FunnelEvents:
    events = "good"
    if funnel.count_by is CountBy.USER:
        connection.execute(
            "CREATE TABLE users AS SELECT visitor_id, arg_min(user_id, (occurred_at_us, event_id)) AS first_user "
            "FROM good WHERE user_id IS NOT NULL GROUP BY visitor_id"
        )
        events = "(SELECT *, coalesce(user_id, first_user) AS known FROM good LEFT JOIN users USING (visitor_id))"
    is_cut = funnel.count_by is CountBy.SESSION and _any(connection, "FROM good WHERE session_id IS NULL")
    bits = bits_sql(funnel, carried)
    if is_cut:
        bits += f" + CASE WHEN session_id IS NULL THEN {1 << UNNAMED_BIT} ELSE 0 END"
    value = field_sql(funnel.by, carried) if funnel.by else "NULL"
    connection.execute(
        f"CREATE VIEW taken AS SELECT {person_sql(funnel.count_by)} AS person, occurred_at_us AS at_us, "
        f"CAST({bits} AS UINTEGER) AS bits, {value} AS value, event_id FROM {events}"
    )
    # A silence is one of all events, and what lies between two steps may be any event.
    needs_all = is_cut or funnel.order is Order.STRICT
    columns = "person, at_us, bits" + (", value" if funnel.by else "")
    query = f"SELECT {columns} FROM taken" + ("" if needs_all else " WHERE bits <> 0")
    values = _Values(funnel.by or "")
    arranged = _fetch(connection, query, values, summary.used, progress)
    progress("arranging", 0.0)
    _settle_ties(connection, arranged, columns, values, needs_all=needs_all)
    starts = cut_silences(arranged, UNNAMED_BIT, funnel.session_timeout_us) if is_cut else arranged.starts
    return FunnelEvents(
        starts=starts,
        at_us=arranged.at_us,
        bits=arranged.bits & np.uint32((1 << UNNAMED_BIT) - 1) if is_cut else arranged.bits,
        values=arranged.values,
        value_texts=tuple(values.places),
        summary=summary,
    )


class _Values:
    """The texts of a breakdown, numbered as they come."""

    def __init__(self, by: str) -> None:
        self.by = by
        self.places: dict[str, int] = {}

    def encode(self, texts: pa.Array) -> CodeArray:
        """Return the places of texts, -1 for null; raises :class:`FunnelError` for too many."""
        encoded = texts.dictionary_encode()
        places = np.empty(len(encoded.dictionary) + 1, np.int32)
        places[-1] = -1
        for number, text in enumerate(encoded.dictionary.to_pylist()):
            places[number] = self.places.setdefault(text, len(self.places))
        if len(self.places) > MAX_VALUES:
            raise FunnelError(f"{self.by} has more than {MAX_VALUES:,} values; break down by something with fewer")
        codes: CodeArray = places[np.asarray(encoded.indices.fill_null(-1))]
        return codes


def _fetch(
    connection: duckdb.DuckDBPyConnection, query: str, values: _Values, count: int, progress: Progress
) -> Arranged:
    person, at_us, bits = [np.array([], np.uint64)], [np.array([], np.int64)], [np.array([], np.uint32)]
    codes = [np.array([], np.int32)]
    rows = 0
    for batch in connection.sql(query).to_arrow_reader(_BATCH_ROWS):
        person.append(batch["person"].to_numpy())
        at_us.append(batch["at_us"].to_numpy())
        bits.append(batch["bits"].to_numpy())
        if values.by:
            codes.append(values.encode(batch["value"]))
        rows += batch.num_rows
        progress("reading events", min(1.0, rows / count))
    return arrange(np.concatenate(person), np.concatenate(at_us), np.concatenate(bits), np.concatenate(codes))


def _settle_ties(
    connection: duckdb.DuckDBPyConnection, arranged: Arranged, columns: str, values: _Values, *, needs_all: bool
) -> None:
    """Put events of one person and moment into the order of their ids, where that order makes a difference."""
    tied = find_ties(arranged)
    if not len(tied):
        return
    moments = pa.table({"person": arranged.person[tied], "at_us": arranged.at_us[tied]})
    connection.register("tied", moments)
    found = connection.sql(
        f"SELECT {columns} FROM taken WHERE (person, at_us) IN (SELECT person, at_us FROM tied) "
        f"{'' if needs_all else 'AND bits <> 0'} ORDER BY person, at_us, event_id"
    ).to_arrow_table()
    connection.unregister("tied")
    if found.num_rows != len(tied):
        raise LogError("the log changed while it was read; run it again on a log that stays as it is")
    arranged.bits[tied] = found["bits"].to_numpy()
    if values.by:
        arranged.values[tied] = values.encode(found["value"].combine_chunks())


def _any(connection: duckdb.DuckDBPyConnection, rest: str) -> bool:
    return bool(connection.execute(f"SELECT 1 {rest} LIMIT 1").fetchall())
