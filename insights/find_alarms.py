"""Alarms as they are written down: what moved in a journey's facts, with everything that is said of it."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from features.events import US_PER_SECOND
from insights.anomalies import Watched, watch_rates
from insights.change_point import ChangePoint
from insights.counts import Counts, read_counts
from insights.episodes import Closing, Direction, Found
from insights.facts import Facts
from insights.moved import find_moved
from journeys.journey import Journey
from storage.records import Alarm, AlarmStatus, Annotation, Records

_NEAR_US = 3 * 86_400 * US_PER_SECOND
"""Annotations from so long before the earliest possible moment of a change are near it."""
_KEPT = "alarms.json"
_FORMAT = 1


def find_alarms(facts: Facts, journey: Journey) -> tuple[Alarm, ...]:
    """Return the alarms that a journey's facts give, those found first at the front.

    What is found is kept beside the facts, so that it is worked out once.
    """
    kept = facts.folder / _KEPT
    if (known := _read(kept.read_text(encoding="utf-8")) if kept.exists() else None) is not None:
        return known
    counts = read_counts(facts, journey)
    watched = watch_rates(counts)
    starts_us = counts.calendar.starts_us
    # Where the beginning of a long log is not looked at, what is found soon after it rests on too little; it was found
    # when it was new.
    least_us = 0 if facts.first_at_us >= starts_us[0] else int(starts_us[0] + starts_us[-1]) // 2
    found = [one for one in watched.found if counts.known_us(one.detected) >= least_us]
    written = _written([_alarm(facts, journey, watched, one) for one in found])
    # Facts of somebody else can be read all the same; what is found is then worked out again the next time.
    with suppress(PermissionError):
        kept.write_text(written, encoding="utf-8")
    return _read(written) or ()


def with_alarms(records: Records, facts: Facts, journey: Journey) -> Records:
    """Return the records, with the alarms that the facts give where none has been kept before."""
    return records if records.alarms else replace(records, alarms=find_alarms(facts, journey))


def annotations_near(alarm: Alarm, annotations: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """Return what was noted down near the time at which a change began."""
    first = int(alarm.details.get("since_low_us", alarm.since_us)) - _NEAR_US
    return tuple(one for one in annotations if first <= one.at_us <= alarm.detected_us)


def as_found(alarm: Alarm, counts: Counts) -> Found | None:
    """Return an alarm as a change of its stage among counts of whole stages; None where it lies outside of them."""
    cell = next((place for place, one in enumerate(counts.cells) if one.stage == alarm.stage), None)
    since = counts.calendar.place(alarm.since_us)
    if cell is None or not 0 <= since < len(counts.calendar):
        return None

    def step(known_us: int) -> int:
        return min(max(counts.calendar.place(known_us - counts.settle_us - 1), since), len(counts.calendar) - 1)

    found = Found(cell, Direction(alarm.direction), ChangePoint(since, since, since, 0.0), step(alarm.detected_us))
    closing = alarm.details.get("closing")
    if closing is not None and alarm.closed_us is not None:
        found.closed, found.how = step(alarm.closed_us), Closing(closing)
    return found


def same_alarm(one: Alarm, other: Alarm) -> bool:
    """Whether two alarms are about one change; events that came late may have shifted it a little."""
    if (one.stage, one.cohort, one.direction) != (other.stage, other.cohort, other.direction):
        return False
    return one.id == other.id or abs(one.detected_us - other.detected_us) <= _NEAR_US // 3


def _alarm(facts: Facts, journey: Journey, watched: Watched, one: Found) -> Alarm:
    counts = watched.counts
    cell, change = counts.cells[one.cell], watched.refine(one)
    last = counts.matured - 1 if one.closed is None else one.closed
    size = watched.size(one.cell, change.place, max(min(last, change.place + _size_steps(counts)), one.detected))
    starts = counts.calendar.starts_us
    since_us = int(starts[change.place])
    until_us = int(starts[max(min(last, change.place + _size_steps(counts)), one.detected) + 1])
    moved = find_moved(facts, journey, cell, since_us, until_us)
    details: dict[str, Any] = {
        "since_low_us": int(starts[change.earliest]),
        "since_high_us": int(starts[change.latest]),
        "measured_until_us": until_us,
        "entered": size.entered,
        "exited": size.exited,
        "expected": round(size.expected, 1),
        "together": sorted(text for text in (counts.cells[place].cohort_text for place in one.together) if text),
        "closing": None if one.how is None else one.how.value,
        "moved": [asdict(thing) for thing in moved],
    }
    detected_us = counts.known_us(one.detected)
    return Alarm(
        id=_identity(journey.name, cell.stage, cell.cohort_text, one.direction.value, detected_us),
        stage=cell.stage,
        cohort=cell.cohort_text,
        direction=one.direction.value,
        since_us=since_us,
        detected_us=detected_us,
        rate_before=size.before,
        rate_after=size.after,
        ratio=size.ratio,
        ratio_low=size.low,
        ratio_high=size.high,
        details=details,
        closed_us=None if one.closed is None else counts.known_us(one.closed),
        status=AlarmStatus.OPEN if one.closed is None else AlarmStatus.CLOSED,
    )


def _size_steps(counts: Counts) -> int:
    """Return over how many steps a change is measured: a week, so that its figures settle."""
    return 7 * counts.calendar.step.per_day


def _identity(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _written(alarms: Sequence[Alarm]) -> str:
    return json.dumps({"format": _FORMAT, "alarms": [asdict(alarm) for alarm in alarms]})


def _read(text: str) -> tuple[Alarm, ...] | None:
    """Return what was kept; None for what another version has written, or did not end writing."""
    try:
        kept = json.loads(text)
    except ValueError:
        return None
    if kept.get("format") != _FORMAT:
        return None
    return tuple(Alarm(**one | {"status": AlarmStatus(one["status"])}) for one in kept["alarms"])
