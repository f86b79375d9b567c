"""Score a log: risk, stage, blockers and recommendation of every session as it stands at its last event."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from decisions.decision import Decision
from decisions.risk import RiskModel
from decisions.scorer import Scorer
from features.build import build
from features.events import Cutoffs
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


def score_log(
    journey: Journey,
    path: Path,
    model: RiskModel,
    out: Path,
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> ReadSummary:
    """Write one row a session to Parquet, CSV or JSON Lines, by the name's ending; raises :class:`UnknownFormat`.

    A session that has ended is shown as it stood at the last event before its end.
    """
    if out.suffix not in (".parquet", ".csv", ".jsonl"):
        raise UnknownFormat(f"{out} should end in .parquet, .csv or .jsonl")
    plan = compile_plan(journey.table)
    scorer = Scorer(
        journey.name, tuple(stage.name for stage in journey.stages), journey.interventions, journey.policy, model
    )
    tables = []
    with read_log(
        path,
        plan,
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        progress=progress,
    ) as log:
        for batch in log.batches():
            ends = find_ends(plan, batch, journey, log.summary.last_at_us)
            known = np.flatnonzero(ends.usable > 0)
            cutoffs = Cutoffs(known, ends.usable[known], batch.at_us[batch.starts[known] + ends.usable[known] - 1])
            rows = build(plan, batch, cutoffs)
            subjects = [
                (str(batch.session_ids[session]), int(after), int(at_us), int(at_us))
                for session, after, at_us in zip(cutoffs.session, cutoffs.after, cutoffs.at_us, strict=True)
            ]
            scores = scorer.score_rows(rows, subjects) if len(rows) else []
            decisions = (
                # The decision's id is derived, so that scoring a log twice says the same.
                scorer.decide(
                    row, score, str(batch.visitor_ids[session]), decision_id=f"{score.session_id}@{score.at_us}"
                )
                for row, score, session in zip(rows, scores, known, strict=True)
            )
            tables.append(pa.Table.from_pylist(list(_lines(decisions)), schema=SCHEMA))
        _write(pa.concat_tables(tables) if tables else SCHEMA.empty_table(), out)
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


def _write(table: pa.Table, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    match out.suffix:
        case ".parquet":
            pa.parquet.write_table(table, out)
        case ".csv":
            pa.csv.write_csv(table, out)
        case _ if not table.num_rows:
            # pandas would write an empty line, which is no JSON.
            out.write_bytes(b"")
        case _:
            table.to_pandas().to_json(
                out, orient="records", lines=True, date_format="iso", date_unit="us", double_precision=15
            )
