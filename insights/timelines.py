"""Some sessions retold event by event: the most typical abandoned ones of each blocker, and the latest."""

from collections.abc import Collection
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decisions.diagnosis import Diagnosis, diagnose
from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, FloatArray, IntArray
from insights.session_rows import SessionBatch, event_names, stage_names

TYPICAL = 3
"""Sessions retold for each blocker and stage, in each of the latest weeks."""
WEEKS = 8
"""So many latest weeks have typical sessions retold."""
LATEST = 50
"""Sessions retold because they are the latest."""
MOST_EVENTS = 200
"""Of a longer session, the last so many events are retold."""
SCHEMA = pa.schema(
    [
        ("session", pa.int64()),
        ("place", pa.int32()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("name", pa.string()),
        ("stage", pa.string()),
        ("risk", pa.float64()),
        ("leaving_soon", pa.float64()),
        ("blocker", pa.string()),
        ("phrase", pa.string()),
    ]
)


def choose_retold(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Return the keys of the sessions to retell, from the view ``sessions``."""
    chosen = connection.execute(
        f"""SELECT session FROM ({rank_typical()}) WHERE rank <= {TYPICAL}
            AND week > (SELECT max(local_day) FROM sessions) - INTERVAL {WEEKS} WEEK
        UNION (SELECT session FROM sessions ORDER BY started_at DESC, session LIMIT {LATEST})"""
    ).fetchall()
    return sorted(key for (key,) in chosen)


def rank_typical() -> str:
    """Return the SQL for ``session, week, stage_index, blocker, rank`` of abandoned sessions, the most typical first.

    ``week`` is the Monday of the session's week. Typical is who lies nearest to the medians of events, seconds and
    confidence among those who were abandoned in the same week at the same stage with the same blocker, each distance
    in median absolute deviations.
    """
    return """WITH abandoned AS (
            SELECT session, CAST(date_trunc('week', local_day) AS DATE) AS week, stage_index, blocker,
                ln(1 + events) AS size, confidence, ln(1 + epoch(last_at - started_at)) AS lasted
            FROM sessions WHERE outcome = 'abandoned' AND blocker IS NOT NULL
        ), usual AS (
            SELECT week, stage_index, blocker, median(size) AS size, median(confidence) AS confidence,
                median(lasted) AS lasted, mad(size) AS size_spread, mad(confidence) AS confidence_spread,
                mad(lasted) AS lasted_spread
            FROM abandoned GROUP BY ALL
        )
        SELECT session, week, stage_index, blocker, row_number() OVER (PARTITION BY week, stage_index, blocker ORDER BY
                abs(abandoned.size - usual.size) / (size_spread + 1e-3)
                + abs(abandoned.confidence - usual.confidence) / (confidence_spread + 1e-3)
                + abs(abandoned.lasted - usual.lasted) / (lasted_spread + 1e-3), session) AS rank
        FROM abandoned JOIN usual USING (week, stage_index, blocker)"""


def retell(batch: SessionBatch, chosen: Collection[int], model: RiskModel | None) -> pa.Table:
    """Return a row for each event of the chosen sessions of a batch, with what the model said right after it."""
    log = batch.log
    wanted = np.flatnonzero(np.isin(batch.keys, np.fromiter(chosen, np.int64)))
    counts = np.diff(log.starts)[wanted]
    told = np.minimum(counts, MOST_EVENTS)
    session = np.repeat(wanted, told)
    ordinal = np.arange(len(session)) - np.repeat(np.cumsum(told) - told, told)
    place = np.repeat(counts - told, told) + ordinal
    event = log.starts[session] + place
    columns = {
        "session": pa.array(batch.keys[session]),
        "place": pa.array(place.astype(np.int32)),
        "occurred_at": pa.array(log.at_us[event]).cast(pa.timestamp("us", tz="UTC")),
        "name": event_names(batch, event),
        "stage": stage_names(batch.journey).take(
            pa.array(np.where(batch.stage_after[event] < 0, len(batch.journey.stages), batch.stage_after[event]))
        ),
    }
    before_end = place < batch.ends.usable[session]
    said = _say(batch, session, place, event, before_end, model) if model else {}
    known = columns | said
    unknown = {name: pa.nulls(len(session), kind) for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)}
    return pa.table([known.get(name, nothing) for name, nothing in unknown.items()], schema=SCHEMA)


def _say(
    batch: SessionBatch,
    session: IntArray,
    place: IntArray,
    event: IntArray,
    before_end: NDArray[np.bool_],
    model: RiskModel,
) -> dict[str, pa.Array]:
    asked = np.flatnonzero(before_end)
    risk, leaving = np.full(len(session), np.nan), np.full(len(session), np.nan)
    blocker: list[str | None] = [None] * len(session)
    phrase: list[str | None] = [None] * len(session)
    if len(asked):
        cutoffs = Cutoffs(session[asked], place[asked] + 1, batch.log.at_us[event[asked]])
        told = say_of_rows(model, build(batch.plan, batch.log, cutoffs))
        risk[asked] = told.risk
        leaving[asked] = told.leaving_soon
        for row, one, words in zip(asked.tolist(), told.blocker, told.phrase, strict=True):
            blocker[row], phrase[row] = one, words
    return {
        "risk": pa.array(risk, from_pandas=True),
        "leaving_soon": pa.array(leaving, from_pandas=True),
        "blocker": pa.array(blocker, pa.string()),
        "phrase": pa.array(phrase, pa.string()),
    }


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says right after each of R events; ``leaving_soon`` is NaN where it has not learnt it."""

    risk: FloatArray
    leaving_soon: FloatArray
    blocker: list[str | None]
    phrase: list[str | None]


def say_of_rows(model: RiskModel, rows: FloatArray) -> Said:
    """Return risk and first blocker at raw rows (R, F), each right after an event."""
    risk, soon = model.foresee(rows, np.zeros(len(rows)))
    contributions = model.explain(rows).contributions
    firsts = [
        _first(diagnose(model.table, model.blockers, row, row, contribution))
        for row, contribution in zip(rows, contributions, strict=True)
    ]
    leaving = np.full(len(rows), np.nan) if soon is None else soon
    return Said(risk, leaving, [first[0] for first in firsts], [first[1] for first in firsts])


def _first(diagnosis: Diagnosis) -> tuple[str | None, str | None]:
    if not diagnosis.blockers:
        return None, None
    first = diagnosis.blockers[0]
    return first.friction.name, first.evidence[0].phrase if first.evidence else None
