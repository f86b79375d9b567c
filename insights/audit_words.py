"""The audit in words, and whether a visitor's erasure stands in it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from features.events import US_PER_SECOND
from storage.audit import AuditEntry, names_visitor


def say_moment(at_us: int, timezone: str) -> str:
    """Return a moment as ``2026-03-17 08:00`` in a time zone."""
    return f"{datetime.fromtimestamp(at_us / US_PER_SECOND, UTC).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}"


def say_entry(entry: AuditEntry, timezone: str) -> str:
    """Return one entry in a line: when, who, what, and what it changed."""
    changed = say_change(entry, timezone)
    return f"{say_moment(entry.at_us, timezone)}  {entry.actor}: {entry.action}, {entry.subject}" + (
        f" ({changed})" if changed else ""
    )


def say_change(entry: AuditEntry, timezone: str) -> str:
    """Return what differs between before and after, ``name: before -> after``, or all of it where one is missing."""
    before, after = entry.before, entry.after
    if before is None or after is None:
        given = {name: value for name, value in (after or before or {}).items() if value not in (None, "", {}, [])}
        return ", ".join(f"{_named(name)}: {_short(name, value, timezone)}" for name, value in given.items())
    told = []
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            was = f"{_short(name, before[name], timezone)} -> " if name in before else ""
            told.append(f"{_named(name)}: {was}{_short(name, after.get(name), timezone)}")
    return ", ".join(told)


def erasures_of(entries: Iterable[AuditEntry], visitor_id: str) -> tuple[AuditEntry, ...]:
    """Return the entries that tell of this visitor's erasure; the audit itself holds no ids."""
    return tuple(entry for entry in entries if names_visitor(entry.subject, visitor_id))


def to_json(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as JSON can hold it."""
    at = datetime.fromtimestamp(entry.at_us / US_PER_SECOND, UTC).isoformat().replace("+00:00", "Z")
    return {
        "at": at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
    }


def _named(name: str) -> str:
    return name.removesuffix("_us").replace("_", " ")


def _short(name: str, value: Any, timezone: str) -> str:
    if value is None:
        return "nothing"
    text = say_moment(value, timezone) if name.endswith("_us") and isinstance(value, int) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
