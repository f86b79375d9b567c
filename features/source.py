"""Sources: how a log in another schema maps to the canonical columns, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CANONICAL_COLUMNS = (
    "event_id",
    "session_id",
    "visitor_id",
    "user_id",
    "name",
    "occurred_at",
    "received_at",
    "channel",
    "device",
    "source",
    "campaign",
    "properties",
)
REQUIRED_COLUMNS = ("name", "occurred_at")


class SourceError(ValueError):
    """A source is unknown or declared wrongly; the text says what to write instead."""


@dataclass(frozen=True)
class Source:
    """A schema: SQL over the log's own columns for each canonical column.

    ``columns`` maps canonical names to DuckDB expressions over ``fields``; ``properties`` maps each property to one,
    and where it is empty the canonical ``properties`` expression holds them all. ``fields`` names the columns that
    the expressions read, and for JSON Lines the path of each (``"$.context.sessionId"``). ``required`` fields must be
    there; a canonical column whose expression reads an absent field is left empty. ``where`` keeps some rows only.
    ``rows_in_order`` numbers the events by their row, so that ties keep the order of the file.

    ``steps`` are named expressions over fields and earlier steps, for what several columns need. Where rows are
    ``nested``, ``fields`` are paths into Parquet's structures as into JSON, and what a file lacks is null. ``header``
    names the columns of tab-separated files that have none themselves, and ``endings`` are endings of file names by
    format, besides those of every log. ``names_itself`` says that the expression of ``name`` asks for the journey's
    names where it should; otherwise all of it is asked for. The functions that expressions may use besides DuckDB's own
    are in ``features.sql_functions``.
    """

    name: str
    columns: Mapping[str, str]
    fields: Mapping[str, str]
    required: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    rows_in_order: bool = False
    steps: Mapping[str, str] = field(default_factory=dict)
    nested: bool = False
    header: tuple[str, ...] = ()
    endings: Mapping[str, str] = field(default_factory=dict)
    names_itself: bool = False


CANONICAL = Source(
    name="canonical",
    columns={column: column for column in CANONICAL_COLUMNS},
    fields={column: f"$.{column}" for column in CANONICAL_COLUMNS},
    required=REQUIRED_COLUMNS,
)
"""The columns of the design; everything but ``name``, ``occurred_at`` and one of visitor and user may be missing."""
