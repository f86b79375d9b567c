"""Score a log: risk, stage, blockers and recommendation of every session as it stands at its last event."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from decisions.decision import Decision
from decisions.risk import RiskModel
from decisions.scorer import Scorer
from features.build import build
from features.engine import HERE, Engine
from features.events import Cutoffs, EncodedLog
from features.finished import finished
from features.plan import compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.ends import find_ends
from journeys.journey import Journey

SCHEMA = pa.schema(
    [
        ("session_id", pa.string()),
        ("visitor_id", pa.string()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("events_seen", pa.int64()),
        ("stage", pa.string()),
        ("risk", pa.float64()),
        ("leaving_soon", pa.float64()),
        ("blocker", pa.string()),
        ("share", pa.float64()),
        ("confidence", pa.float64()),
        ("blockers", pa.string()),
        ("narrative", pa.string()),
        ("recommendation", pa.string()),
        ("expected_uplift", pa.float64()),
        ("reason", pa.string()),
        ("model_version", pa.string()),
    ]
)
"""Columns of the result; ``blockers`` is a JSON object of friction and share."""


class UnknownFormat(ValueError):
    """The result's file name ends in no format that can be written."""


@dataclass(frozen=True)
class ScoreSessions:
    """Scores the sessions of a batch, each as it stands at its last event before its end."""

    journey: Journey
    model: RiskModel
    end_us: int

    def __call__(self, log: EncodedLog) -> pa.Table:
        """Return a row a session, of ``SCHEMA``."""
        plan, model, declared = compile_plan(self.journey.table), self.model, self.journey
        stages = tuple(stage.name for stage in declared.stages)
        scorer = Scorer(declared.name, stages, declared.interventions, declared.policy, model)
        ends = find_ends(plan, log, declared, self.end_us)
        known = np.flatnonzero(ends.usable > 0)
        cutoffs = Cutoffs(known, ends.usable[known], log.at_us[log.starts[known] + ends.usable[known] - 1])
        rows = build(plan, log, cutoffs)
        subjects = [
            (str(log.session_ids[session]), int(after), int(at_us), int(at_us))
            for session, after, at_us in zip(cutoffs.session, cutoffs.after, cutoffs.at_us, strict=True)
        ]
        scores = scorer.score_rows(rows, subjects) if len(rows) else []
        decisions = (
            # The decision's id is derived, so that scoring a log twice says the same.
            scorer.decide(row, score, str(log.visitor_ids[session]), decision_id=f"{score.session_id}@{score.at_us}")
            for row, score, session in zip(rows, scores, known, strict=True)
        )
        return pa.Table.from_pylist(list(_lines(decisions)), schema=SCHEMA)


def score_log(
    journey: Journey,
    path: Path,
    model: RiskModel,
    out: Path,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    engine: Engine = HERE,
    progress: Progress = lambda _phase, _fraction: None,
) -> ReadSummary:
    """Write one row a session to Parquet, CSV or JSON Lines, by the name's ending; raises :class:`UnknownFormat`.

    A session that has ended is shown as it stood at the last event before its end. Batch by batch, so that a log of any
    length needs no more memory; ``out`` appears only when it is complete.
    """
    if out.suffix not in WRITERS:
        raise UnknownFormat(f"{out} should end in .parquet, .csv or .jsonl")
    with (
        finished(out) as unfinished,
        read_log(
            path,
            compile_plan(journey.table),
            timeout_seconds=journey.session_timeout_seconds,
            source=source,
            quarantine=quarantine,
            engine=engine,
            progress=progress,
        ) as log,
    ):
        with WRITERS[out.suffix](unfinished) as write:
            for table in log.map(ScoreSessions(journey, model, log.summary.last_at_us)):
                write(table)
        return log.summary


def _lines(decisions: Iterator[Decision]) -> Iterator[dict[str, object]]:
    for decision in decisions:
        first = decision.blockers[0] if decision.blockers else None
        chosen = decision.recommendation
        yield {
            "session_id": decision.score.session_id,
            "visitor_id": decision.visitor_id,
            "at": decision.score.at_us,
            "events_seen": decision.score.events_seen,
            "stage": decision.score.stage,
            "risk": decision.score.risk,
            "leaving_soon": decision.score.leaving_soon,
            "blocker": first.friction.name if first else None,
            "share": first.share if first else None,
            "confidence": first.confidence if first else None,
            "blockers": json.dumps({blocker.friction.name: round(blocker.share, 6) for blocker in decision.blockers}),
            "narrative": decision.narrative,
            "recommendation": chosen.intervention if chosen else None,
            "expected_uplift": chosen.expected_uplift if chosen else None,
            "reason": str(decision.reason),
            "model_version": decision.score.model_version,
        }


@contextmanager
def _parquet(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    with out.open("wb") as file, pyarrow.parquet.ParquetWriter(file, SCHEMA) as writer:
        yield writer.write_table


@contextmanager
def _csv(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    with out.open("wb") as file, pyarrow.csv.CSVWriter(file, SCHEMA) as writer:
        yield writer.write_table


@contextmanager
def _json_lines(out: Path) -> Iterator[Callable[[pa.Table], None]]:
    with out.open("w", encoding="utf-8") as file:

        def write(table: pa.Table) -> None:
            # Of no rows pandas would write an empty line, which is no JSON.
            if table.num_rows:
                table.to_pandas().to_json(
                    file, orient="records", lines=True, date_format="iso", date_unit="us", double_precision=15
                )

        yield write


WRITERS = {".parquet": _parquet, ".csv": _csv, ".jsonl": _json_lines}
"""What writes a table after the other into a file, by the ending of its name."""
