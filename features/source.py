"""Sources: how a log in another schema maps to the canonical columns, as data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.table import nearest

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
    """

    name: str
    columns: Mapping[str, str]
    fields: Mapping[str, str]
    required: tuple[str, ...]
    properties: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    rows_in_order: bool = False


CANONICAL = Source(
    name="canonical",
    columns={column: column for column in CANONICAL_COLUMNS},
    fields={column: f"$.{column}" for column in CANONICAL_COLUMNS},
    required=REQUIRED_COLUMNS,
)
"""The columns of the design; everything but ``name``, ``occurred_at`` and one of visitor and user may be missing."""

LOAN_LOG = Source(
    name="loan_log",
    columns={
        "session_id": "case_id",
        "visitor_id": "case_id",
        "name": "lower(replace(activity, ' ', '_')) || "
        "CASE WHEN activity LIKE 'W\\_%' ESCAPE '\\' THEN '_' || lower(lifecycle) ELSE '' END",
        "occurred_at": "timestamp",
    },
    fields={name: f"$.{name}" for name in ("case_id", "amount_req", "timestamp", "activity", "lifecycle", "resource")},
    required=("case_id", "timestamp", "activity", "lifecycle"),
    properties={
        "amount_requested": "amount_req",
        "resource": "resource",
        "automatic": "CASE WHEN CAST(resource AS VARCHAR) IN ('112', '112.0') THEN 1 ELSE 0 END",
    },
    rows_in_order=True,
)
"""The loan applications of the BPI Challenge 2012 (doi 10.4121/uuid:3926db30-f712-4394-aebc-75976070e91f)."""

_SEGMENT_FIELDS = {
    "messageId": "$.messageId",
    "anonymousId": "$.anonymousId",
    "previousId": "$.previousId",
    "userId": "$.userId",
    "type": "$.type",
    "event": "$.event",
    "timestamp": "$.timestamp",
    "originalTimestamp": "$.originalTimestamp",
    "receivedAt": "$.receivedAt",
    "channel_name": "$.channel",
    "context_channel": "$.context.channel",
    "context_source": "$.context.source",
    "device_type": "$.context.device.type",
    "campaign_source": "$.context.campaign.source",
    "campaign_name": "$.context.campaign.name",
    "context_session": "$.context.sessionId",
    "property_session": "$.properties.session_id",
    "properties": "$.properties",
}
SEGMENT = Source(
    name="segment",
    columns={
        "event_id": "messageId",
        "session_id": "coalesce(nullif(context_session, ''), property_session)",
        "visitor_id": "coalesce(nullif(anonymousId, ''), nullif(previousId, ''), userId)",
        "user_id": "userId",
        "name": "CASE type WHEN 'track' THEN event WHEN 'page' THEN 'page_view' WHEN 'screen' THEN 'screen_view' "
        "ELSE type END",
        "occurred_at": "coalesce(nullif(timestamp, ''), originalTimestamp)",
        "received_at": "receivedAt",
        "channel": "coalesce(nullif(context_channel, ''), channel_name)",
        "device": "CASE lower(device_type) WHEN 'ios' THEN 'mobile' WHEN 'android' THEN 'mobile' "
        "WHEN 'phone' THEN 'mobile' WHEN 'web' THEN 'desktop' ELSE lower(device_type) END",
        "source": "coalesce(nullif(context_source, ''), campaign_source)",
        "campaign": "campaign_name",
        "properties": "properties",
    },
    fields=_SEGMENT_FIELDS,
    required=("type",),
)
"""Segment's and RudderStack's JSON Lines: track, page, screen, identify, alias and group calls."""

SHIPPED = (CANONICAL, LOAN_LOG, SEGMENT)


def column_mapping(
    columns: Mapping[str, str], properties: Mapping[str, str] | None = None, *, name: str = "mapping"
) -> Source:
    """Return a source that renames columns: canonical name to the log's own, property name to the log's own.

    >>> column_mapping({"name": "action_type", "occurred_at": "timestamp", "visitor_id": "user_id"}).required
    ('action_type', 'timestamp', 'user_id')
    """
    for canonical in columns:
        if canonical not in CANONICAL_COLUMNS:
            meant = ", ".join(nearest(canonical, CANONICAL_COLUMNS))
            raise SourceError(f"{canonical!r} is no canonical column; did you mean {meant}?")
    for canonical in REQUIRED_COLUMNS:
        if canonical not in columns:
            raise SourceError(f"the mapping names no column for {canonical!r}; add {canonical} = 'column of your log'")
    if not {"visitor_id", "user_id"} & set(columns):
        raise SourceError("the mapping names no column for visitor_id or user_id; add one of them")
    own = dict(properties or {})
    return Source(
        name=name,
        columns={canonical: _quoted(column) for canonical, column in columns.items()},
        fields={column: f'$."{column}"' for column in (*columns.values(), *own.values())},
        required=tuple(dict.fromkeys((*columns.values(), *own.values()))),
        properties={name: _quoted(column) for name, column in own.items()},
        rows_in_order="event_id" not in columns,
    )


def named(name_or_path: str) -> Source:
    """Return a shipped source by name, or the mapping in a TOML file with the tables ``columns`` and ``properties``.

    Raises :class:`SourceError`.
    """
    for source in SHIPPED:
        if source.name == name_or_path:
            return source
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = ", ".join(source.name for source in SHIPPED)
        raise SourceError(f"no source is named {name_or_path!r}; use one of {known}, or the path of a .toml mapping")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {name_or_path}") from error
    except (OSError, ValueError) as error:
        raise SourceError(f"{name_or_path} is no TOML file: {error}") from error
    other = sorted(set(content) - {"columns", "properties"})
    if other:
        raise SourceError(f"{path}: {other[0]!r} means nothing here; the tables are [columns] and [properties]")
    columns, properties = _texts(path, content, "columns"), _texts(path, content, "properties")
    try:
        return column_mapping(columns, properties, name=path.stem)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def _texts(path: Path, content: Mapping[str, Any], table: str) -> dict[str, str]:
    found = content.get(table, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise SourceError(f'{path}: [{table}] maps names to column names, as in name = "action_type"')
    return found


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
