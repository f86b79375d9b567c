"""Functions for the expressions of sources: the rules of the live service, so that there is one of each.

They take and return text, null for null:

* ``kept_name(sent)`` and ``found_name(sent)``: ``features.names``; the latter is null for an undeclared name
* ``device_of_type(said)`` and ``device_of_agent(agent)``: ``features.device``
* ``path_of(address)``, ``landing_source(address)``, ``landing_medium``, ``landing_campaign`` and ``landing_click``:
  ``features.landing``
"""

from collections.abc import Callable, Mapping

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType
from duckdb.sqltypes import VARCHAR

from features.device import device_of_agent, device_of_type
from features.landing import path_of, read_landing
from features.names import EventNames

Rule = Callable[[str], str | None]
PairRule = Callable[[str, str], str | None]


def create_functions(connection: duckdb.DuckDBPyConnection, names: EventNames | None) -> None:
    """Make the functions known to a connection; without ``names`` nothing is declared."""
    known = names or EventNames(())
    rules: dict[str, Rule] = {
        "kept_name": known.kept if names is not None else str,
        "found_name": known.find,
        "device_of_type": device_of_type,
        "device_of_agent": device_of_agent,
        "path_of": path_of,
        "landing_source": lambda address: read_landing(address).source,
        "landing_medium": lambda address: read_landing(address).medium,
        "landing_campaign": lambda address: read_landing(address).campaign,
        "landing_click": lambda address: read_landing(address).click_id,
    }
    define(connection, rules)


def define(connection: duckdb.DuckDBPyConnection, rules: Mapping[str, Rule]) -> None:
    """Make rules of one text known to a connection as functions, under these names."""
    for name, rule in rules.items():
        connection.create_function(
            name,
            _of_columns(rule),
            [VARCHAR],
            VARCHAR,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )


def define_pairs(connection: duckdb.DuckDBPyConnection, rules: Mapping[str, PairRule]) -> None:
    """Make rules of two texts known to a connection; they are null where the second one is."""
    for name, rule in rules.items():
        connection.create_function(
            name,
            _of_pairs(rule),
            [VARCHAR, VARCHAR],
            VARCHAR,
            type=PythonUDFType.ARROW,
            null_handling=FunctionNullHandling.SPECIAL,
        )


def _of_pairs(rule: PairRule) -> Callable[[pa.Array, pa.Array], pa.Array]:
    def apply(first: pa.Array | pa.ChunkedArray, second: pa.Array | pa.ChunkedArray) -> pa.Array:
        pairs = zip(first.to_pylist(), second.to_pylist(), strict=True)
        return pa.array([None if text is None else rule(of or "", text) for of, text in pairs], pa.string())

    return apply


def _of_columns(rule: Rule) -> Callable[[pa.Array], pa.Array]:
    """Return a rule for whole columns, which asks once for each text that differs from the others of a chunk."""

    def apply(column: pa.Array | pa.ChunkedArray) -> pa.Array:
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = whole.dictionary_encode()
        said = [None if text is None else rule(text) for text in encoded.dictionary.to_pylist()]
        return pa.array(said, pa.string()).take(encoded.indices)

    return apply
