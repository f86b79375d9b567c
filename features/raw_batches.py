"""Arrow batches, as the live database streams them, to the same DuckDB view as files."""

from collections.abc import Iterable
from itertools import chain

import duckdb
import pyarrow as pa

from features.log_files import LogError
from features.raw_log import RawLog


def open_batches(connection: duckdb.DuckDBPyConnection, batches: Iterable[pa.RecordBatch]) -> RawLog:
    """Create the view ``raw`` over batches of one schema, which are read once; raises :class:`LogError` for none.

    DuckDB keeps the rows in memory up to its limit and beyond it in its temporary folder.
    """
    arriving = iter(batches)
    first = next(arriving, None)
    if first is None:
        raise LogError("the live log holds no event yet")
    reader = pa.RecordBatchReader.from_batches(first.schema, chain([first], arriving))
    connection.register("arriving", reader)
    connection.execute("CREATE TABLE arrived AS SELECT * FROM arriving")
    connection.unregister("arriving")
    connection.execute(
        "CREATE VIEW raw AS SELECT *, CAST(to_json(whole) AS VARCHAR) AS raw_row, NULL::VARCHAR AS malformed "
        "FROM arrived AS whole"
    )
    return RawLog((), "parquet", tuple(first.schema.names))
