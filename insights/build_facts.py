"""Make facts of a log: one pass over its sessions, and a second one over the few that are retold."""

import json
import shutil
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from decisions.risk import RiskModel
from features.events import IntArray
from features.finished import finished
from features.plan import Plan, compile_plan
from features.read_log import LogRead, ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from insights.arrivals import write_arrivals
from insights.diagnosed_rows import diagnose_batch, name_blockers, unnamed, without_model
from insights.facts import FORMAT, Facts, open_facts
from insights.pacing.normal import write_pace
from insights.pacing.silences import silence_rows
from insights.session_rows import event_rows, follow, revenue_plan, session_rows, stage_rows
from insights.timelines import SCHEMA as TIMELINES
from insights.timelines import choose_retold, retell
from insights.touches import write_touches
from journeys.ends import MATURE_SHARE, time_to_end_us
from journeys.journey import Journey

_ROWS_PER_GROUP = 122_880
_BLOCKERS = pa.schema(
    [
        ("session", pa.int64()),
        ("stage_index", pa.int16()),
        ("friction", pa.string()),
        ("problem_type", pa.string()),
        ("confidence", pa.float64()),
        ("first", pa.bool_()),
    ]
)


def build_facts(
    journey: Journey,
    path: Path,
    out: Path,
    model: RiskModel | None = None,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> Facts:
    """Write the facts of the log at ``path`` into the folder ``out`` and return them; older ones there go.

    Raises ``LogError`` for a log that cannot be read. The folder appears under its name only when it is whole.
    """
    plan = revenue_plan(journey, compile_plan(journey.table))
    with finished(out) as unfinished:
        unfinished.mkdir()
        with read_log(
            path,
            plan,
            timeout_seconds=journey.session_timeout_seconds,
            source=source,
            quarantine=quarantine,
            texts=journey.cohorts,
            batch_events=1_000_000,
            memory_gb=1.5,
            elements=journey.elements,
            progress=progress,
        ) as log:
            firsts, matured_until_us = _write_tables(journey, plan, log, unfinished, model)
            facts = _describe(journey, log.summary, matured_until_us, unfinished, model)
            _write_hours(facts)
            with facts.connect() as connection:
                write_pace(connection, journey, unfinished / "pace.parquet")
            _write_timelines(facts, journey, plan, log, firsts, model)
            write_arrivals(log, journey, unfinished)
        write_touches(path, journey, unfinished, source=source, progress=progress)
        shutil.rmtree(out, ignore_errors=True)
    return open_facts(out)


@contextmanager
def facts_for_now(
    journey: Journey,
    path: Path,
    model: RiskModel | None = None,
    *,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> Iterator[Facts]:
    """Yield the facts of a log, which are removed when the block ends; raises ``LogError`` as :func:`build_facts`."""
    with tempfile.TemporaryDirectory(prefix="dropoff-facts-") as folder:
        yield build_facts(journey, path, Path(folder) / "facts", model, quarantine=quarantine, progress=progress)


def _write_tables(
    journey: Journey, plan: Plan, log: LogRead, folder: Path, model: RiskModel | None
) -> tuple[dict[int, int], int | None]:
    """Write the tables with a row for each session, stage and event.

    Return the first key of each batch, and until when sessions must have begun for nearly all of them to have ended.
    """
    firsts: dict[int, int] = {}
    lasted_us: list[IntArray] = []
    first = 0
    with ExitStack() as stack:
        tables = {
            name: stack.enter_context(_Growing(folder / f"{name}.parquet"))
            for name in ("sessions", "stages", "blockers", "events", "silences")
        }
        tables["blockers"].add(_BLOCKERS.empty_table())
        for number, encoded in log.numbered_batches():
            batch = follow(journey, plan, encoded, first, log.summary.last_at_us)
            columns, stages = session_rows(batch), stage_rows(batch)
            if model is None:
                columns |= without_model(batch)
                named = unnamed(stages)
            else:
                said, blockers = diagnose_batch(batch, model)
                columns |= said
                named = name_blockers(batch, model, stages)
                tables["blockers"].add(blockers)
            tables["sessions"].add(pa.table(columns))
            for column in named.items():
                stages = stages.append_column(*column)
            tables["stages"].add(stages)
            tables["events"].add(event_rows(batch))
            tables["silences"].add(silence_rows(batch, model, log.summary.visitors, log.summary.last_at_us))
            lasted_us.append(time_to_end_us(encoded, batch.ends))
            firsts[number] = first
            first += encoded.session_count
    known_us = np.concatenate(lasted_us)
    mature_us = int(np.quantile(known_us, MATURE_SHARE)) if len(known_us) else None
    return firsts, None if mature_us is None else log.summary.last_at_us - mature_us


def _write_hours(facts: Facts) -> None:
    with facts.connect() as connection:
        connection.execute(
            f"""COPY (SELECT CAST(local AS DATE) AS local_day, CAST(hour(local) AS SMALLINT) AS local_hour, name,
                count(*) AS events FROM (SELECT timezone('{facts.timezone}', occurred_at) AS local, name FROM events)
                GROUP BY ALL ORDER BY ALL) TO '{facts.folder}/hours.parquet' (FORMAT parquet)"""
        )


def _write_timelines(
    facts: Facts, journey: Journey, plan: Plan, log: LogRead, firsts: dict[int, int], model: RiskModel | None
) -> None:
    with facts.connect() as connection:
        chosen = choose_retold(connection)
    begins = sorted(firsts.values())
    numbers = dict(zip(begins, sorted(firsts, key=lambda number: firsts[number]), strict=True))
    wanted = {numbers[begins[bisect_right(begins, key) - 1]] for key in chosen}
    with _Growing(facts.folder / "timelines.parquet") as table:
        table.add(TIMELINES.empty_table())
        for number, encoded in log.numbered_batches(wanted):
            batch = follow(journey, plan, encoded, firsts[number], log.summary.last_at_us)
            table.add(retell(batch, chosen, model))


def _describe(
    journey: Journey, summary: ReadSummary, matured_until_us: int | None, folder: Path, model: RiskModel | None
) -> Facts:
    described = {
        "journey": journey.name,
        "timezone": journey.timezone,
        "built_at_us": time.time_ns() // 1_000,
        "first_at_us": summary.first_at_us,
        "last_at_us": summary.last_at_us,
        "sessions": pq.read_metadata(folder / "sessions.parquet").num_rows,
        "events": pq.read_metadata(folder / "events.parquet").num_rows,
        "model_version": model.version if model else None,
        "summary": asdict(summary),
        "matured_until_us": matured_until_us,
    }
    (folder / "facts.json").write_text(json.dumps({"format": FORMAT, **described}, indent=1) + "\n", encoding="utf-8")
    # The other tables are made from these first ones; views are read only when asked.
    for name in ("hours", "timelines", "pace", "touches", "persons"):
        pq.write_table(pa.table({"session": pa.array([], pa.int64())}), folder / f"{name}.parquet")
    return open_facts(folder)


class _Growing:
    """A Parquet file that grows batch by batch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Growing":
        return self

    def add(self, table: pa.Table) -> None:
        """Append the rows of a table; all have one schema."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=_ROWS_PER_GROUP)

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
