"""Facts made by hand: sessions as a test tells them, written as the Parquet files that facts are."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from features.friction import Friction
from insights.facts import FORMAT, Facts, open_facts
from insights.pacing.normal import write_pace
from journeys.journey import Journey
from journeys.load import load_journey

SHOP = load_journey("ecommerce")
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""A Monday, when the made sessions start that say nothing else."""

_STAMP = pa.timestamp("us", tz="UTC")
_TEXT, _REAL, _LONG, _SHORT = pa.string(), pa.float64(), pa.int64(), pa.int16()


@dataclass(frozen=True, slots=True)
class MadeSession:
    """One session; what a test does not say does not matter to it.

    ``stage`` is the furthest stage (-1 for none), ``dwell`` the seconds in each stage from the first on (10 where not
    given), ``skipped`` the stages passed through without an event. ``events`` are seconds after the start, name and
    the stage after it; where none are given, each stage that was not skipped has one, named for it. ``confidences``
    are those of the frictions, and the largest is the session's blocker unless ``blocker`` says otherwise; ``named`` is
    the friction named at the last event in a stage, by default the blocker in the stage that was left; it stands there
    with the probability ``stopped``.
    """

    stage: int = 0
    outcome: str = "abandoned"
    visitor: str = ""
    visitor_kind: str = "new"
    device: str | None = None
    channel: str | None = None
    source: str | None = None
    campaign: str | None = None
    cohorts: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    started_at: datetime = BEGIN
    dwell: Sequence[float] = ()
    skipped: Sequence[int] = ()
    events: Sequence[tuple[float, str, int]] = ()
    confidences: Mapping[str, float] = field(default_factory=dict)
    blocker: str | None = None
    named: Mapping[int, str] = field(default_factory=dict)
    stopped: float = 1.0
    risk: float | None = None
    leaving_soon: float | None = None
    told: Sequence[tuple[float, str, str | None, str]] = ()
    """The session retold: seconds after the start, event, blocker and phrase."""
    elements: Mapping[int, str] = field(default_factory=dict)
    """What some of the events, by their place, were about."""
    silences: Sequence[tuple[int, int, int, float | None, float | None]] = ()
    """Silences read: place, stage and tick, what the model said and whether the visitor left soon."""


def write_facts(
    folder: Path, sessions: Iterable[MadeSession], journey: Journey = SHOP, model_version: str | None = "1"
) -> Facts:
    """Write the sessions as facts of a journey and return them."""
    made = list(sessions)
    tables = {
        "sessions": (_session_schema(journey), [_session_row(at, one, journey) for at, one in enumerate(made)]),
        "stages": (_STAGES, [row for at, one in enumerate(made) for row in _stage_rows(at, one, journey)]),
        "blockers": (_BLOCKERS, [row for at, one in enumerate(made) for row in _blocker_rows(at, one)]),
        "events": (_EVENTS, [row for at, one in enumerate(made) for row in _event_rows(at, one)]),
        "timelines": (_TIMELINES, [row for at, one in enumerate(made) for row in _told_rows(at, one, journey)]),
        "hours": (_HOURS, _hour_rows(made, journey)),
        "silences": (_SILENCES, [row for at, one in enumerate(made) for row in _silence_rows(at, one)]),
        "pace": (_EVENTS, []),
        "arrivals": (_ARRIVALS, _arrival_rows(made, journey)),
        "lateness": (_LATENESS, []),
        "fields": (_FIELDS, []),
        "refused": (_REFUSED, []),
        "touches": (_TOUCHES, _touch_rows(made)),
        "persons": (_PERSONS, [{"session": at, "person": person} for at, person in enumerate(_persons(made))]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (schema, rows) in tables.items():
        pq.write_table(pa.Table.from_pylist(rows, pa.schema(schema)), folder / f"{name}.parquet")
    first = min((one.started_at for one in made), default=BEGIN)
    last = max((one.started_at + timedelta(seconds=_seconds(one)) for one in made), default=BEGIN)
    events = sum(len(_events(one)) for one in made)
    described = {
        "format": FORMAT,
        "journey": journey.name,
        "timezone": journey.timezone,
        "built_at_us": _us(last),
        "first_at_us": _us(first),
        "last_at_us": _us(last),
        "sessions": len(made),
        "events": events,
        "model_version": model_version,
        "summary": {"read": events, "used": events, "deduplicated": 0, "quarantined": 0, "reasons": {}},
    }
    (folder / "facts.json").write_text(json.dumps(described), encoding="utf-8")
    facts = open_facts(folder)
    with facts.connect() as connection:
        write_pace(connection, journey, folder / "pace.parquet")
    return facts


def _session_schema(journey: Journey) -> list[tuple[str, pa.DataType]]:
    return [
        ("session", _LONG), ("session_id", _TEXT), ("visitor_id", _TEXT), ("user_id", _TEXT),
        ("started_at", _STAMP), ("last_at", _STAMP),
        ("local_day", pa.date32()), ("local_hour", _SHORT), ("local_weekday", _SHORT),
        ("events", _LONG), ("stage_index", _SHORT), ("stage", _TEXT), ("outcome", _TEXT), ("left_at", _STAMP),
        ("visitor_kind", _TEXT), ("channel", _TEXT), ("device", _TEXT), ("source", _TEXT), ("campaign", _TEXT),
        *((name, _TEXT) for name in journey.cohorts),
        ("value", _REAL), ("risk", _REAL), ("leaving_soon", _REAL),
        ("blocker", _TEXT), ("problem_type", _TEXT), ("share", _REAL), ("confidence", _REAL),
    ]  # fmt: skip


_STAGES = [
    ("session", _LONG), ("stage_index", _SHORT), ("stage", _TEXT), ("entered_at", _STAMP), ("left_at", _STAMP),
    ("dwell_seconds", _REAL), ("events", _LONG), ("advanced", pa.bool_()), ("exited", pa.bool_()),
    ("named", _TEXT), ("named_probability", _REAL),
]  # fmt: skip
_BLOCKERS = [
    ("session", _LONG), ("stage_index", _SHORT), ("friction", _TEXT), ("problem_type", _TEXT), ("confidence", _REAL),
    ("first", pa.bool_()),
]  # fmt: skip
_EVENTS = [
    ("session", _LONG), ("place", pa.int32()), ("occurred_at", _STAMP), ("name", _TEXT), ("stage_index", _SHORT),
    ("gap_seconds", _REAL), ("element", _TEXT),
]  # fmt: skip
_TIMELINES = [
    ("session", _LONG), ("place", pa.int32()), ("occurred_at", _STAMP), ("name", _TEXT), ("stage", _TEXT),
    ("risk", _REAL), ("leaving_soon", _REAL), ("blocker", _TEXT), ("phrase", _TEXT),
]  # fmt: skip
_SILENCES = [
    ("session", _LONG), ("place", pa.int32()), ("stage_index", _SHORT), ("tick", _SHORT), ("leaving_soon", _REAL),
    ("left_soon", _REAL),
]  # fmt: skip
_ARRIVALS = [
    ("local_day", pa.date32()), ("local_hour", _SHORT), ("channel", _TEXT), ("source", _TEXT), ("name", _TEXT),
    ("declared", pa.bool_()), *((name, _LONG) for name in ("events", "duplicates", "timed", "late", "early")),
]  # fmt: skip
_LATENESS = [
    ("local_day", pa.date32()), ("channel", _TEXT), ("whole", pa.bool_()), ("timed", _LONG),
    *((name, _REAL) for name in ("p50", "p95", "p99", "most")),
]  # fmt: skip
_FIELDS = [
    ("local_day", pa.date32()), *((name, _TEXT) for name in ("channel", "source", "name", "field")),
    ("declared", pa.bool_()), ("events", _LONG), ("missing", _LONG),
]  # fmt: skip
_REFUSED = [("local_day", pa.date32()), ("reason", _TEXT), ("rows", _LONG)]
_TOUCHES = [("dimension", _TEXT), ("person", _LONG), ("occurred_at", _STAMP), ("name", _TEXT)]
_PERSONS = [("session", _LONG), ("person", _LONG)]
_HOURS = [("local_day", pa.date32()), ("local_hour", _SHORT), ("name", _TEXT), ("events", _LONG)]


def _session_row(at: int, one: MadeSession, journey: Journey) -> dict[str, Any]:
    local = one.started_at.astimezone(ZoneInfo(journey.timezone))
    ended = one.started_at + timedelta(seconds=_seconds(one))
    blocker = _first_blocker(one)
    total = sum(one.confidences.values())
    return {
        "session": at,
        "session_id": f"s{at}",
        "visitor_id": one.visitor or f"v{at}",
        "user_id": None,
        "started_at": one.started_at,
        "last_at": ended,
        "local_day": local.date(),
        "local_hour": local.hour,
        "local_weekday": local.weekday(),
        "events": len(_events(one)),
        "stage_index": one.stage,
        "stage": journey.stages[one.stage].name if one.stage >= 0 else None,
        "outcome": one.outcome,
        "left_at": ended if one.outcome == "abandoned" else None,
        "visitor_kind": one.visitor_kind,
        "channel": one.channel,
        "device": one.device,
        "source": one.source,
        "campaign": one.campaign,
        **{name: one.cohorts.get(name) for name in journey.cohorts},
        "value": one.value,
        "risk": one.risk,
        "leaving_soon": one.leaving_soon,
        "blocker": blocker,
        "problem_type": _problem_type(blocker) if blocker else None,
        "share": one.confidences.get(blocker, 0.0) / total if blocker and total else None,
        "confidence": one.confidences.get(blocker) if blocker else None,
    }


def _stage_rows(at: int, one: MadeSession, journey: Journey) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    begin = one.started_at
    events = _events(one)
    for stage in range(min(0, one.stage), one.stage + 1):
        seconds = _dwell(one, stage)
        name = journey.stages[stage].name if stage >= 0 else None
        row = {"session": at, "stage_index": stage, "stage": name, "entered_at": begin}
        begin += timedelta(seconds=seconds)
        row |= {"left_at": begin, "dwell_seconds": seconds, "events": sum(after == stage for _, _, after in events)}
        row["advanced"] = stage < one.stage or one.outcome == "goal"
        exited = stage == one.stage and one.outcome == "abandoned"
        named = one.named.get(stage, _first_blocker(one) if exited else None)
        rows.append(row | {"exited": exited, "named": named, "named_probability": one.stopped if named else None})
    return rows


def _blocker_rows(at: int, one: MadeSession) -> list[dict[str, Any]]:
    if one.outcome != "abandoned":
        return []
    first = _first_blocker(one)
    return [
        {
            "session": at,
            "stage_index": one.stage,
            "friction": name,
            "problem_type": _problem_type(name),
            "confidence": confidence,
            "first": name == first,
        }
        for name, confidence in one.confidences.items()
    ]


def _event_rows(at: int, one: MadeSession) -> list[dict[str, Any]]:
    events = _events(one)
    return [
        {
            "session": at,
            "occurred_at": one.started_at + timedelta(seconds=seconds),
            "name": name,
            "stage_index": stage,
            "place": place,
            "gap_seconds": seconds - events[place - 1][0] if place else None,
            "element": one.elements.get(place),
        }
        for place, (seconds, name, stage) in enumerate(events)
    ]


def _told_rows(at: int, one: MadeSession, journey: Journey) -> list[dict[str, Any]]:
    stages = {seconds: stage for seconds, _, stage in _events(one)}
    return [
        {
            "session": at,
            "place": place,
            "occurred_at": one.started_at + timedelta(seconds=seconds),
            "name": name,
            "stage": journey.stages[stages[seconds]].name if stages.get(seconds, -1) >= 0 else None,
            "risk": one.risk,
            "leaving_soon": one.leaving_soon,
            "blocker": blocker,
            "phrase": phrase,
        }
        for place, (seconds, name, blocker, phrase) in enumerate(one.told)
    ]


def _silence_rows(at: int, one: MadeSession) -> list[dict[str, Any]]:
    return [
        {"session": at, "place": place, "stage_index": stage, "tick": tick, "leaving_soon": said, "left_soon": left}
        for place, stage, tick, said, left in one.silences
    ]


def _persons(made: Sequence[MadeSession]) -> list[int]:
    visitors = [one.visitor or f"v{at}" for at, one in enumerate(made)]
    return [sorted(set(visitors)).index(visitor) for visitor in visitors]


def _touch_rows(made: Sequence[MadeSession]) -> list[dict[str, Any]]:
    """A touch for each session that names a channel, source or campaign, as if it was silent before."""
    rows = [
        {"dimension": by, "person": person, "occurred_at": one.started_at, "name": getattr(one, by)}
        for one, person in zip(made, _persons(made), strict=True)
        for by in ("channel", "source", "campaign")
        if getattr(one, by) is not None
    ]
    return sorted(rows, key=lambda row: (row["dimension"], row["person"], row["occurred_at"]))


def _hour_rows(made: Sequence[MadeSession], journey: Journey) -> list[dict[str, Any]]:
    zone = ZoneInfo(journey.timezone)
    counts: dict[tuple[Any, ...], int] = {}
    for one in made:
        for seconds, name, _ in _events(one):
            local = (one.started_at + timedelta(seconds=seconds)).astimezone(zone)
            key = (local.date(), local.hour, name)
            counts[key] = counts.get(key, 0) + 1
    return [
        {"local_day": day, "local_hour": hour, "name": name, "events": count}
        for (day, hour, name), count in sorted(counts.items())
    ]


def _arrival_rows(made: Sequence[MadeSession], journey: Journey) -> list[dict[str, Any]]:
    zone = ZoneInfo(journey.timezone)
    counts: dict[tuple[Any, ...], int] = {}
    for one in made:
        for seconds, name, _ in _events(one):
            local = (one.started_at + timedelta(seconds=seconds)).astimezone(zone)
            key = (local.date(), local.hour, one.channel, one.source, name)
            counts[key] = counts.get(key, 0) + 1
    none = dict.fromkeys(("duplicates", "timed", "late", "early"), 0)
    names = ("local_day", "local_hour", "channel", "source", "name")
    return [dict(zip(names, key, strict=True)) | {"declared": True, "events": n} | none for key, n in counts.items()]


def _events(one: MadeSession) -> Sequence[tuple[float, str, int]]:
    if one.events:
        return one.events
    stages = range(min(0, one.stage), one.stage + 1)
    begins = [sum(_dwell(one, before) for before in range(stage)) for stage in stages]
    return [
        (begin, f"in_{stage}", stage) for stage, begin in zip(stages, begins, strict=True) if stage not in one.skipped
    ]


def _dwell(one: MadeSession, stage: int) -> float:
    if stage in one.skipped:
        return 0.0
    return float(one.dwell[stage]) if 0 <= stage < len(one.dwell) else 10.0


def _seconds(one: MadeSession) -> float:
    last_event = max((seconds for seconds, _, _ in one.events), default=0.0)
    return max(sum(_dwell(one, stage) for stage in range(min(0, one.stage), one.stage + 1)), last_event)


def _first_blocker(one: MadeSession) -> str | None:
    if one.blocker is None and one.confidences:
        return max(one.confidences, key=lambda name: one.confidences[name])
    return one.blocker


def _problem_type(friction: str) -> str | None:
    known: Friction = getattr(Friction, friction.upper())
    return known.problem_type.value if known.problem_type else None


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)
