"""Rows of a log, in their order, to encoded sessions."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.events import EncodedLog, IntArray, TextArray
from features.person_histories import Span
from features.plan import Plan
from features.table import CONTEXT_COLUMNS


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
