"""Keep the alarms of a journey's facts in its records, and tell others of those that are new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from insights.current import current_facts
from insights.facts import Facts, FactsError
from insights.find_alarms import annotations_near, find_alarms, same_alarm
from insights.say_alarms import say_alarm
from insights.webhook import Webhook, WebhookError
from journeys.journey import Journey
from storage.database import writing
from storage.record_store import RecordStore
from storage.records import Alarm, AlarmStatus, Annotation

ACTOR = "dropoff"


@dataclass(frozen=True, slots=True)
class Watch:
    """What came of looking: all alarms on record, the ids of new ones and of those sent, and what could not be sent."""

    alarms: tuple[Alarm, ...]
    new: tuple[str, ...]
    sent: tuple[str, ...]
    unsent: tuple[str, ...]
    """Sentences."""
    annotations: tuple[Annotation, ...] = ()

    @property
    def open(self) -> tuple[Alarm, ...]:
        """The alarms that are not over."""
        return tuple(one for one in self.alarms if one.status is not AlarmStatus.CLOSED)


def watch(facts: Facts, journey: Journey, engine: Engine, *, now_us: int, webhook: Webhook | None = None) -> Watch:
    """Look for alarms in a journey's facts, write down what is new or has changed, and send what was not sent yet.

    An alarm that is there already is brought up to date; one that somebody has closed stays closed. Every alarm that is
    not over is sent once: it is marked before it is sent, so that of two who look at once one sends it, and the mark is
    taken back where nobody takes it.
    """
    store = RecordStore(engine, journey.name)
    found = find_alarms(facts, journey)
    new = _record(store, engine, found, now_us)
    sent, unsent = list[str](), list[str]()
    if webhook is not None:
        for alarm in store.alarms():
            if alarm.status is AlarmStatus.OPEN and _claim(store, engine, alarm, now_us):
                message = to_json(alarm, journey, store.annotations())
                try:
                    webhook.send(message, alarm.id)
                except WebhookError as error:
                    _release(store, engine, alarm, now_us)
                    unsent.append(str(error))
                else:
                    sent.append(alarm.id)
    return Watch(store.alarms(), new, tuple(sent), tuple(unsent), store.annotations())


def require_facts(home: Path, journey: str) -> Facts:
    """Return the facts that the service keeps fresh; raises ``FactsError`` where there are none."""
    facts = current_facts(home, journey)
    if facts is None:
        raise FactsError(f"the service has made no figures of {journey} under {home} yet; give a log with --log PATH")
    return facts


def to_json(alarm: Alarm, journey: Journey, annotations: Sequence[Annotation]) -> dict[str, Any]:
    """Return an alarm as other programs get it: times are ISO 8601 in UTC, and a sentence tells it."""
    details: Mapping[str, Any] = alarm.details
    return {
        "id": alarm.id,
        "journey": journey.name,
        "stage": alarm.stage,
        "cohort": alarm.cohort,
        "direction": alarm.direction,
        "status": alarm.status.value,
        "text": say_alarm(alarm, journey.timezone),
        "since": _iso(alarm.since_us),
        "since_low": _iso(details.get("since_low_us", alarm.since_us)),
        "since_high": _iso(details.get("since_high_us", alarm.since_us)),
        "detected": _iso(alarm.detected_us),
        "closed": None if alarm.closed_us is None else _iso(alarm.closed_us),
        "rate_before": alarm.rate_before,
        "rate_after": alarm.rate_after,
        "ratio": alarm.ratio,
        "ratio_low": alarm.ratio_low,
        "ratio_high": alarm.ratio_high,
        "reached": details.get("entered"),
        "exits": details.get("exited"),
        "expected_exits": details.get("expected"),
        "together": list(details.get("together", ())),
        "moved": list(details.get("moved", ())),
        "annotations": [
            {"at": _iso(one.at_us), "kind": one.kind.value, "text": one.text, "author": one.author}
            for one in annotations_near(alarm, annotations)
        ],
    }


def _record(store: RecordStore, engine: Engine, found: Sequence[Alarm], now_us: int) -> tuple[str, ...]:
    known, new = list(store.alarms()), list[str]()
    for alarm in found:
        before = next((one for one in known if same_alarm(one, alarm)), None)
        with writing(engine) as connection:
            if before is None:
                if store.open_alarm(connection, alarm, actor=ACTOR, now_us=now_us):
                    new.append(alarm.id)
                continue
            known.remove(before)
            current = store.alarm(connection, before.id)
            store.revise_alarm(connection, _revised(current, alarm), actor=ACTOR, now_us=now_us)
    return tuple(new)


def _revised(current: Alarm, found: Alarm) -> Alarm:
    status, closed_us = found.status, found.closed_us
    if current.status is AlarmStatus.CLOSED and found.status is AlarmStatus.OPEN:
        # Somebody has closed it; the rate may still be where the alarm found it.
        status, closed_us = current.status, current.closed_us
    elif current.status is AlarmStatus.ACKNOWLEDGED and found.status is AlarmStatus.OPEN:
        status = current.status
    return replace(
        found,
        id=current.id,
        detected_us=current.detected_us,
        status=status,
        closed_us=closed_us,
        notified_us=current.notified_us,
    )


def _claim(store: RecordStore, engine: Engine, alarm: Alarm, now_us: int) -> bool:
    with writing(engine) as connection:
        if store.alarm(connection, alarm.id).notified_us is not None:
            return False
        store.mark_notified(connection, alarm.id, actor=ACTOR, now_us=now_us)
    return True


def _release(store: RecordStore, engine: Engine, alarm: Alarm, now_us: int) -> None:
    with writing(engine) as connection:
        current = store.alarm(connection, alarm.id)
        store.revise_alarm(connection, replace(current, notified_us=None), actor=ACTOR, now_us=now_us)


def _iso(at_us: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    return moment.isoformat().replace("+00:00", "Z")
