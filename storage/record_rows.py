"""Records as rows of their tables, and back."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import msgspec
from sqlalchemy import Row

from storage.records import (
    Alarm,
    AlarmStatus,
    Annotation,
    AnnotationKind,
    Milestone,
    OpportunityStatus,
)

_ALARM_COLUMNS = tuple(column.name for column in fields(Alarm))


def to_annotation(row: Row[Any]) -> Annotation:
    """Return the annotation that a row holds."""
    values = _values(row)
    return Annotation(**values | {"kind": AnnotationKind(values["kind"])})


def to_alarm(row: Row[Any]) -> Alarm:
    """Return the alarm that a row holds."""
    values = _values(row)
    status, details = AlarmStatus(values["status"]), msgspec.json.decode(values["details"])
    return Alarm(**values | {"status": status, "details": details})


def to_status(row: Row[Any]) -> OpportunityStatus:
    """Return the status that a row holds."""
    return OpportunityStatus(**_values(row))


def to_milestone(row: Row[Any]) -> Milestone:
    """Return the milestone that a row holds."""
    return Milestone(**_values(row))


def alarm_row(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm's row, without its journey."""
    row = {name: getattr(alarm, name) for name in _ALARM_COLUMNS}
    return row | {"details": msgspec.json.encode(alarm.details, order="sorted").decode()}


def shown(record: Annotation | Alarm | Milestone) -> Mapping[str, Any]:
    """Return what an audit shows of a record: all but its id, which is the subject."""
    return {name: value for name, value in asdict(record).items() if name != "id"}


def _values(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name != "journey"}
