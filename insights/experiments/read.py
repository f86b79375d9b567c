"""Tables of exposures and outcomes from files: CSV, Parquet, JSON Lines, or folders of one of them.

Of exposures, numbers are covariates, known at ``NAME_at``, or all of them at ``measured_at``, where there is such a
column; texts, true or false, and a few whole numbers are slices; ``propensity_VARIANT`` are the odds of the variants.
Outcomes are one row for each thing that happened, with a metric's name and perhaps a value, or columns of numbers that
are metrics themselves.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from decisions.logged import Texts
from features.events import FloatArray, IntArray
from features.log_files import find_files, format_of
from features.store_path import register_store
from insights.experiments.columns import (
    EXPOSED,
    IDS,
    MEASURED,
    METRICS,
    OCCURRED,
    PROPENSITY,
    UNITS,
    VALUES,
    VARIANTS,
    ColumnNames,
    choose,
    require,
)
from insights.experiments.join import UNKNOWN_US
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import AnalysisError

_MOST_VALUES, _MOST_CODES = 200, 12
_LARGEST = 1e100
_SECONDS_BELOW, _MILLIS_BELOW = 1e11, 1e14
"""Numbers below the first are seconds since 1970, below the second milliseconds, else microseconds."""


def read_exposures(path: Path, names: ColumnNames | None = None) -> ExposureTable:
    """Return the exposures in a file or folder; raises :class:`AnalysisError`, or ``features.log_files.LogError``."""
    named = names or ColumnNames()
    table = _read(path)
    columns = table.column_names
    if "session_id" in columns and choose(named.unit, UNITS, columns, "the unit") is None:
        raise AnalysisError("the exposures are of sessions; chance goes by people: name their column with --unit")
    unit = require(named.unit, UNITS, columns, "the unit", "--unit")
    variant = require(named.variant, VARIANTS, columns, "the variant", "--variant")
    at = choose(named.exposed_at, EXPOSED, columns, "the time of the exposure")
    rest = [name for name in columns if name not in (unit, variant, at)]
    numbers = {name: found for name in rest if (found := _numbers(table[name])) is not None}
    choices = [name for name in numbers if _is_choice(table[name], numbers[name])]
    propensities = {
        name.removeprefix(PROPENSITY): values for name, values in numbers.items() if name.startswith(PROPENSITY)
    }
    covariates = {
        name: _finite(values, name)
        for name, values in numbers.items()
        if not name.startswith(PROPENSITY) and not _is_yes_or_no(table[name])
    }
    of_all = choose(None, MEASURED, rest, "the time of the covariates")
    times = {name: f"{name}_at" for name in covariates if f"{name}_at" in rest}
    times |= {name: of_all for name in covariates if of_all is not None and name not in times}
    slices = {}
    for name in rest:
        if (name not in numbers or name in choices) and name not in times.values() and name != "session_id":
            texts = _texts(table[name])
            if 1 < len(set(texts.tolist())) <= _MOST_VALUES:
                slices[name] = texts
    return ExposureTable(
        units=_texts(table[unit]),
        variants=_texts(table[variant]),
        at_us=None if at is None else _moments(table[at], at),
        covariates={name: values for name, values in covariates.items() if name not in times.values()},
        measured_us={name: _moments(table[column], column) for name, column in times.items()},
        slices=slices,
        propensities=propensities,
    )


def read_outcomes(path: Path, names: ColumnNames | None = None) -> OutcomeTable:
    """Return the outcomes in a file or folder; raises as :func:`read_exposures` does."""
    named = names or ColumnNames()
    table = _read(path)
    columns = table.column_names
    unit = require(named.outcome_unit or named.unit, UNITS, columns, "the unit", "--outcome-unit")
    at = choose(named.outcome_at, OCCURRED, columns, "the time of the outcome")
    ids = choose(None, IDS, columns, "the id")
    metric = choose(named.metric, METRICS, [name for name in columns if name != unit], "the metric's name")
    if metric is not None and named.metric is None and _numbers(table[metric]) is not None:
        metric = None
    if metric is not None:
        value = choose(named.value, VALUES, columns, "the value")
        values = _by_metric(_texts(table[metric]), None if value is None else _number_column(table[value], value))
    else:
        found = {name: _numbers(table[name]) for name in columns if name not in (unit, at, ids)}
        values = {name: _finite(numbers, name) for name, numbers in found.items() if numbers is not None}
        if not values:
            raise AnalysisError(
                "the outcomes have no column of numbers, and none of metrics' names: name it with --metric-column; "
                f"there are {', '.join(columns)}"
            )
    return OutcomeTable(
        _texts(table[unit]),
        values,
        None if at is None else _moments(table[at], at),
        None if ids is None else _texts(table[ids]),
    )


def _read(path: Path) -> pa.Table:
    import duckdb

    files = [str(file) for file in find_files(path)]
    readers: dict[str, Callable[[str], str]] = {
        "parquet": lambda names: f"read_parquet({names}, union_by_name = true)",
        # Ids such as 007 must stay what they are.
        "csv": lambda names: f"read_csv({names}, all_varchar = true, union_by_name = true)",
        "json": lambda names: f"read_json({names}, union_by_name = true, sample_size = -1)",
    }
    kinds = {format_of(Path(file)) for file in files}
    if len(kinds) > 1:
        raise AnalysisError(f"{path} holds files of several formats: put exposures, or outcomes, into one")
    listed = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        register_store(connection, path)
        found = connection.sql(f"SELECT * FROM {readers[kinds.pop()](listed)}").to_arrow_table()
    if not found.num_rows:
        raise AnalysisError(f"{path} has no rows")
    # What holds further columns is neither a number nor a text.
    return found.select([one.name for one in found.schema if not pa.types.is_nested(one.type)])


def _texts(column: pa.ChunkedArray) -> Texts:
    """Return a column as texts, what is missing as empty."""
    if pa.types.is_floating(column.type) and _are_whole(column):
        column = column.cast(pa.int64())
    found = np.empty(len(column), object)
    found[:] = ["" if text is None else text for text in column.cast(pa.string()).to_pylist()]
    return found


def _are_whole(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(column, pc.round(column))).as_py())


def _is_yes_or_no(column: pa.ChunkedArray) -> bool:
    """Return whether a column says true or false, in words or as such."""
    if pa.types.is_boolean(column.type):
        return True
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return False
    known = pc.utf8_lower(column.drop_null())
    return len(known) > 0 and bool(pc.all(pc.is_in(known, pa.array(["true", "false"], known.type))).as_py())


def _is_choice(column: pa.ChunkedArray, numbers: FloatArray) -> bool:
    """Return whether numbers are a few whole ones, such as codes of devices, by which people may be told apart."""
    values = np.unique(numbers[~np.isnan(numbers)])
    return _is_yes_or_no(column) or (len(values) <= _MOST_CODES and bool(np.all(values == np.round(values))))


def _numbers(column: pa.ChunkedArray) -> FloatArray | None:
    """Return a column as numbers, NaN where there is none; None for a column of something else."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), pa.scalar(None, column.type), column)
        if _is_yes_or_no(column):
            column = pc.if_else(pc.equal(pc.utf8_lower(column), "true"), "1", "0")
        try:
            column = column.cast(pa.float64())
        except pa.ArrowInvalid:
            return None
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        if column.null_count == len(column):
            return None
        found: FloatArray = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
        return found
    return None


def _number_column(column: pa.ChunkedArray, name: str) -> FloatArray:
    found = _numbers(column)
    if found is None:
        raise AnalysisError(f"the column {name!r} holds something else than numbers")
    return _finite(found, name)


def _finite(numbers: FloatArray, name: str) -> FloatArray:
    """Return the numbers of a column, none of which is infinite, or so large that its square would be."""
    wrong = np.abs(numbers) > _LARGEST
    if wrong.any():
        raise AnalysisError(
            f"the column {name!r} holds {numbers[wrong][0]:g}, which cannot be averaged: put right or leave out "
            f"{int(wrong.sum()):,} rows"
        )
    return numbers


def _moments(column: pa.ChunkedArray, name: str) -> IntArray:
    """Return a column of times in microseconds, :data:`UNKNOWN_US` where there is none."""
    import duckdb

    numbers = None if pa.types.is_temporal(column.type) else _numbers(column)
    if numbers is not None:
        known = ~np.isnan(numbers)
        largest = np.abs(numbers[known]).max(initial=0.0)
        factor = 1e6 if largest < _SECONDS_BELOW else 1e3 if largest < _MILLIS_BELOW else 1.0
        return np.where(known, np.where(known, numbers, 0.0) * factor, UNKNOWN_US).astype(np.int64)
    texts = pa.table({"at": column})
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("texts", texts)
        found = connection.sql('SELECT epoch_us(TRY_CAST("at" AS TIMESTAMPTZ)) AS us, "at" FROM texts').to_arrow_table()
    wrong = pc.and_(pc.is_null(found["us"]), pc.is_valid(found["at"]))
    if pc.any(wrong).as_py():
        example = found["at"].filter(wrong)[0].as_py()
        raise AnalysisError(f"the column {name!r} holds {example!r}, which is no time; write 2026-03-17T08:00:00Z")
    us: IntArray = found["us"].fill_null(UNKNOWN_US).to_numpy().astype(np.int64)
    return us


def _by_metric(names: Texts, values: FloatArray | None) -> dict[str, FloatArray]:
    counted = np.ones(len(names)) if values is None else np.where(np.isnan(values), 1.0, values)
    known: Sequence[str] = sorted(set(names.tolist()) - {""})
    if len(known) > _MOST_VALUES:
        raise AnalysisError(f"the outcomes have {len(known):,} metrics: is their column really one of metrics' names?")
    return {name: np.where(names == name, counted, np.nan) for name in known}
