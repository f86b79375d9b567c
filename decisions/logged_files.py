"""Logged decisions as a Parquet file: what ``--decisions PATH`` reads, and what a simulation writes.

Columns: ``decision_id, session_id, unit, at (UTC), stage?, risk, confidence (JSON), chosen?, propensities (JSON),
converted, holdout?, policy_version?`` and any further text columns, by which people can be compared. A decision without
propensities was made at odds that nobody kept.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from decisions.logged import LoggedDecisions, Texts
from decisions.policy import NOTHING
from features.events import FloatArray

REQUIRED = ("decision_id", "session_id", "unit", "at", "risk", "confidence", "propensities", "chosen", "converted")
OPTIONAL = ("stage", "holdout", "policy_version")


class DecisionsUnreadable(ValueError):
    """A file holds no logged decisions; one sentence that says what is off."""


def write_decisions(logged: LoggedDecisions, path: Path) -> None:
    """Write decisions to a Parquet file."""
    table = pa.table(
        {
            "decision_id": pa.array(logged.decision_ids, pa.string()),
            "session_id": pa.array(logged.session_ids, pa.string()),
            "unit": pa.array([str(unit) for unit in logged.units.tolist()]),
            "at": pa.array(logged.at_us).cast(pa.timestamp("us", tz="UTC")),
            "stage": pa.array([None if place < 0 else logged.stages[place] for place in logged.stage.tolist()]),
            "risk": logged.risk,
            "confidence": _as_json(logged.frictions, logged.confidence),
            "chosen": pa.array(
                [None if place == 0 else logged.options[place] for place in logged.chosen.tolist()], pa.string()
            ),
            "propensities": _as_json(logged.options, logged.propensities),
            "converted": logged.converted == 1,
            "holdout": logged.holdout,
            "policy_version": pa.array(logged.policy_versions, pa.string()),
            **{name: pa.array(values, pa.string()) for name, values in logged.cohorts.items()},
        }
    )
    pq.write_table(table, path, compression="zstd")


def read_decisions(
    path: Path, *, options: Sequence[str], stages: Sequence[str], frictions: Sequence[str]
) -> LoggedDecisions:
    """Read decisions from a Parquet file; ``options`` are a journey's interventions, without doing nothing.

    What the file says of other interventions, stages or frictions is an error: :class:`DecisionsUnreadable`.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DecisionsUnreadable(f"{path} is no Parquet file of decisions: {error}") from error
    missing = [name for name in REQUIRED if name not in table.column_names]
    if missing:
        raise DecisionsUnreadable(f"{path} lacks the column {missing[0]}; decisions have {', '.join(REQUIRED)}")
    try:
        table = table.sort_by([("at", "ascending"), ("decision_id", "ascending")])
        columns = {name: table[name].to_pylist() for name in table.column_names if name != "at"}
        at_us = table["at"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    except pa.ArrowException as error:
        raise DecisionsUnreadable(f"{path}: {error}") from error
    every = (NOTHING, *options)
    chosen = _places(path, "chosen", [name or NOTHING for name in columns["chosen"]], every)
    named = columns.get("stage", [None] * len(at_us))
    propensities = _from_json(path, "propensities", columns["propensities"], every)
    # Odds that nobody kept are not odds of zero: nothing that needs them may be said of such a decision.
    propensities[[not text for text in columns["propensities"]]] = np.nan
    logged = LoggedDecisions(
        options=every,
        stages=tuple(stages),
        frictions=tuple(frictions),
        decision_ids=_texts(columns["decision_id"]),
        session_ids=_texts(columns["session_id"]),
        units=np.unique(_texts(columns["unit"]).astype(str), return_inverse=True)[1].astype(np.int64),
        at_us=at_us,
        stage=_places(path, "stage", [name or "" for name in named], ("", *stages)) - 1,
        risk=np.array(columns["risk"], np.float64),
        confidence=_from_json(path, "confidence", columns["confidence"], tuple(frictions)),
        chosen=chosen,
        propensities=propensities,
        converted=np.array(columns["converted"], np.float64),
        holdout=np.array(columns.get("holdout", [False] * len(at_us)), np.bool_),
        policy_versions=_texts(columns.get("policy_version", [""] * len(at_us))),
        cohorts={
            name: _texts(values)
            for name, values in columns.items()
            if name not in (*REQUIRED, *OPTIONAL) and pa.types.is_string(table.schema.field(name).type)
        },
    )
    _check(path, logged)
    return logged


def _check(path: Path, logged: LoggedDecisions) -> None:
    """Raise :class:`DecisionsUnreadable`, with the first decision at fault, for numbers that cannot be."""
    odds, sure, ids = logged.propensities, logged.confidence, logged.decision_ids
    seen = np.zeros(len(ids), np.bool_)
    seen[np.unique(ids.astype(str), return_index=True)[1]] = True
    # Comparisons with what is missing are false, so they ask for what has to hold. Odds may be missing.
    faults = (
        (~seen, "is there twice"),
        ((odds < 0).any(axis=1) | (np.abs(odds.sum(axis=1) - 1) > 1e-6), "has propensities that do not sum to one"),
        (logged.propensity == 0, "chose what had no probability"),
        (~((logged.risk >= 0) & (logged.risk <= 1)), "has no risk from 0 to 1"),
        (
            ~((sure >= 0) & (sure <= 1)).all(axis=1),
            "has a confidence that is not from 0 to 1",
        ),
        (~np.isin(logged.converted, (0, 1)), "has no outcome that is true or false: leave out those not known yet"),
    )
    for at_fault, what in faults:
        if at_fault.any():
            raise DecisionsUnreadable(f"{path}: the decision {ids[at_fault][0]!r} {what}")


def _as_json(names: Sequence[str], values: FloatArray) -> pa.Array:
    return pa.array(
        [json.dumps({name: value for name, value in zip(names, row, strict=True) if value}) for row in values.tolist()]
    )


def _from_json(path: Path, column: str, texts: Sequence[str | None], names: tuple[str, ...]) -> FloatArray:
    places = {name: place for place, name in enumerate(names)}
    found = np.zeros((len(texts), len(names)))
    for row, text in enumerate(texts):
        try:
            for name, value in json.loads(text or "{}").items():
                found[row, places[name]] = value
        except (ValueError, TypeError, AttributeError) as error:
            raise DecisionsUnreadable(f"{path}: {column} {text!r} is no object of numbers") from error
        except KeyError as error:
            raise DecisionsUnreadable(f"{path}: {column} names {error}, which the journey does not declare") from error
    return found


def _places(path: Path, column: str, found: Sequence[str], known: tuple[str, ...]) -> "np.typing.NDArray[np.int64]":
    places = {name: place for place, name in enumerate(known)}
    strange = next((name for name in found if name not in places), None)
    if strange is not None:
        raise DecisionsUnreadable(f"{path}: {column} names {strange!r}, which the journey does not declare")
    return np.array([places[name] for name in found], np.int64)


def _texts(values: Sequence[object]) -> Texts:
    found = np.empty(len(values), object)
    found[:] = ["" if value is None else str(value) for value in values]
    return found
