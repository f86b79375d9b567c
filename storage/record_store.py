"""Where records are kept: every write adds its entry to the audit, in the same transaction."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, delete, func, insert, select, update

from features.events import US_PER_SECOND
from storage.audit import ERASURE, AuditEntry, read_audit, visitor_subject, with_promotions, write_audit
from storage.database import insert_if_absent
from storage.experiment_store import ExperimentStore
from storage.holdout import count_holdout
from storage.models import CHAMPION, champion_history
from storage.playbook_store import PlaybookStore
from storage.policies import live_history
from storage.record_rows import alarm_row, shown, to_alarm, to_annotation, to_milestone, to_status
from storage.records import (
    Alarm,
    AlarmStatus,
    Annotation,
    AnnotationKind,
    Milestone,
    OpportunityStatus,
    RecordError,
    Records,
    RefusedRows,
    require_said,
)
from storage.rollout_store import RolloutStore
from storage.tables import alarms, annotations, milestones, opportunity_statuses, quarantine

REVIEW = "hold review"
"""The action in the audit that says up to which day a review looked."""
_US_PER_HOUR = 3_600 * US_PER_SECOND
_RENAMES = {
    AlarmStatus.OPEN: "reopen alarm",
    AlarmStatus.ACKNOWLEDGED: "acknowledge alarm",
    AlarmStatus.CLOSED: "close alarm",
}


def load_records(engine: Engine, journey: str, home: Path | None = None) -> Records:
    """Return what is written down about a journey; with ``home``, changes of the champion stand in the audit too."""
    store = RecordStore(engine, journey)
    with engine.connect() as connection:
        entries = read_audit(connection, journey)
    if home is not None:
        entries = with_promotions(entries, champion_history(home, journey), CHAMPION)
        entries = with_promotions(entries, live_history(home, journey), "live policy")
    return Records(
        annotations=store.annotations(),
        alarms=store.alarms(),
        opportunity_statuses=store.opportunity_statuses(),
        milestones=store.milestones(),
        tactics=PlaybookStore(engine, journey).tactics(),
        experiments=ExperimentStore(engine, journey).all(),
        rollouts=RolloutStore(engine, journey).rollouts(),
        audit=entries,
        refused=store.refused(),
        count_holdout=partial(count_holdout, engine, journey),
    )


class RecordStore:
    """The records of one journey. Writing methods take the writer's connection, reading ones open their own.

    ``actor`` is the account that writes; moments are microseconds. Raises :class:`RecordError` for what is not there
    or says nothing.
    """

    def __init__(self, engine: Engine, journey: str) -> None:
        self.journey = journey
        self._engine = engine
        # Not every driver counts the rows of such an insert; what it returns tells.
        self._insert_alarm = insert_if_absent(engine, alarms).returning(alarms.c.id)

    def annotate(
        self, connection: Connection, *, at_us: int, kind: AnnotationKind, text: str, actor: str, now_us: int
    ) -> Annotation:
        """Write down what was done at ``at_us``."""
        require_said(text=text, actor=actor)
        row: dict[str, Any] = {
            "at_us": at_us,
            "kind": AnnotationKind(kind),
            "text": text,
            "author": actor,
            "created_us": now_us,
        }
        written = Annotation(id=self._insert(connection, annotations, row), **row)
        self._audit(connection, now_us, actor, "annotate", f"annotation {written.id}", None, shown(written))
        return written

    def remove_annotation(self, connection: Connection, number: int, *, actor: str, now_us: int) -> Annotation:
        """Remove an annotation that was a mistake, and return it; the audit keeps it."""
        removed = to_annotation(self._one(connection, annotations, number, "annotation"))
        connection.execute(delete(annotations).where(annotations.c.id == number))
        self._audit(connection, now_us, actor, "remove annotation", f"annotation {number}", shown(removed), None)
        return removed

    def open_alarm(self, connection: Connection, alarm: Alarm, *, actor: str, now_us: int) -> bool:
        """Keep a new alarm and return True, or False if one with its id is there, which stays as it is."""
        require_said(id=alarm.id, stage=alarm.stage, direction=alarm.direction)
        inserted = connection.execute(self._insert_alarm, alarm_row(alarm) | {"journey": self.journey})
        if inserted.first() is None:
            return False
        self._audit(connection, now_us, actor, "open alarm", f"alarm {alarm.id}", None, shown(alarm))
        return True

    def revise_alarm(self, connection: Connection, alarm: Alarm, *, actor: str, now_us: int) -> bool:
        """Replace an alarm that is there by ``alarm`` and return True, or False if they are equal."""
        before = self.alarm(connection, alarm.id)
        # Rows are compared: what has gone through JSON has lists where tuples were.
        old, new = alarm_row(before), alarm_row(alarm)
        changed = [name for name in new if new[name] != old[name]]
        if not changed:
            return False
        where = (alarms.c.journey == self.journey, alarms.c.id == alarm.id)
        connection.execute(update(alarms).where(*where).values(new))
        action = "revise alarm" if alarm.status is before.status else _RENAMES[alarm.status]
        earlier, later = ({name: shown(one)[name] for name in changed} for one in (before, alarm))
        self._audit(connection, now_us, actor, action, f"alarm {alarm.id}", earlier, later)
        return True

    def acknowledge_alarm(self, connection: Connection, alarm_id: str, *, actor: str, now_us: int) -> Alarm:
        """Say that somebody looks after an open alarm."""
        alarm = self.alarm(connection, alarm_id)
        if alarm.status is AlarmStatus.CLOSED:
            raise RecordError(f"the alarm {alarm_id!r} is closed already; there is nothing to acknowledge")
        return self._revised(connection, replace(alarm, status=AlarmStatus.ACKNOWLEDGED), actor, now_us)

    def close_alarm(
        self, connection: Connection, alarm_id: str, *, actor: str, now_us: int, closed_us: int | None = None
    ) -> Alarm:
        """Close an alarm as of ``closed_us``, by default now; closing twice changes nothing."""
        alarm = self.alarm(connection, alarm_id)
        if alarm.status is AlarmStatus.CLOSED:
            return alarm
        ended = now_us if closed_us is None else closed_us
        return self._revised(connection, replace(alarm, status=AlarmStatus.CLOSED, closed_us=ended), actor, now_us)

    def mark_notified(self, connection: Connection, alarm_id: str, *, actor: str, now_us: int) -> Alarm:
        """Keep that an alarm has been sent to who wants to hear of it."""
        return self._revised(connection, replace(self.alarm(connection, alarm_id), notified_us=now_us), actor, now_us)

    def set_opportunity_status(
        self,
        connection: Connection,
        *,
        opportunity_id: str,
        status: str,
        reason: str,
        actor: str,
        now_us: int,
        at_us: int | None = None,
    ) -> OpportunityStatus:
        """Give an opportunity a status, in force from ``at_us``, by default now; the earlier ones are kept."""
        require_said(opportunity_id=opportunity_id, status=status, actor=actor)
        before = connection.execute(
            select(opportunity_statuses.c.status)
            .where(
                opportunity_statuses.c.journey == self.journey,
                opportunity_statuses.c.opportunity_id == opportunity_id,
            )
            .order_by(opportunity_statuses.c.id.desc())
            .limit(1)
        ).scalar()
        row: dict[str, Any] = {
            "opportunity_id": opportunity_id,
            "status": status,
            "reason": reason,
            "author": actor,
            "at_us": now_us if at_us is None else at_us,
        }
        written = OpportunityStatus(id=self._insert(connection, opportunity_statuses, row), **row)
        self._audit(
            connection,
            now_us,
            actor,
            "set status",
            f"opportunity {opportunity_id}",
            None if before is None else {"status": before},
            {"status": status, "reason": reason},
        )
        return written

    def add_milestone(
        self, connection: Connection, *, due: date, title: str, owner: str, actor: str, now_us: int
    ) -> Milestone:
        """Write down what is to be done by a day, and by whom."""
        require_said(title=title, owner=owner, actor=actor)
        row: dict[str, Any] = {"due": due, "title": title, "owner": owner}
        written = Milestone(id=self._insert(connection, milestones, row), **row)
        self._audit(connection, now_us, actor, "add milestone", f"milestone {written.id}", None, shown(written))
        return written

    def complete_milestone(self, connection: Connection, number: int, *, actor: str, now_us: int) -> Milestone:
        """Say that a milestone is done; saying it twice changes nothing."""
        before = to_milestone(self._one(connection, milestones, number, "milestone"))
        if before.done_us is not None:
            return before
        return self._changed(connection, before, replace(before, done_us=now_us), "complete milestone", actor, now_us)

    def move_milestone(self, connection: Connection, number: int, due: date, *, actor: str, now_us: int) -> Milestone:
        """Put a milestone on another day."""
        before = to_milestone(self._one(connection, milestones, number, "milestone"))
        if before.due == due:
            return before
        return self._changed(connection, before, replace(before, due=due), "move milestone", actor, now_us)

    def hold_review(self, connection: Connection, until: date, *, actor: str, now_us: int) -> None:
        """Keep that a review was held which looked at the days up to ``until``; the next one goes on from there."""
        self._audit(connection, now_us, actor, REVIEW, f"review of {until}", None, {"until": until})

    def audit_erasure(
        self, connection: Connection, visitor_id: str, erased: Mapping[str, int], *, actor: str, now_us: int
    ) -> None:
        """Keep that a visitor was erased, without saying who: the audit holds a salted hash and the numbers of rows."""
        self._audit(connection, now_us, actor, ERASURE, visitor_subject(visitor_id), dict(erased), None)

    def annotations(self) -> tuple[Annotation, ...]:
        """Return the annotations in the order of what they are about."""
        return tuple(map(to_annotation, self._rows(annotations, annotations.c.at_us, annotations.c.id)))

    def alarms(self) -> tuple[Alarm, ...]:
        """Return all alarms, those found first at the front."""
        return tuple(map(to_alarm, self._rows(alarms, alarms.c.detected_us, alarms.c.id)))

    def alarm(self, connection: Connection, alarm_id: str) -> Alarm:
        """Return one alarm as the transaction of ``connection`` sees it."""
        query = select(alarms).where(alarms.c.journey == self.journey, alarms.c.id == alarm_id)
        row = connection.execute(query).first()
        if row is None:
            raise RecordError(f"{self.journey} has no alarm {alarm_id!r}")
        return to_alarm(row)

    def opportunity_statuses(self) -> tuple[OpportunityStatus, ...]:
        """Return every status that was given, the oldest first."""
        found = self._rows(opportunity_statuses, opportunity_statuses.c.id)
        return tuple(to_status(row) for row in found)

    def milestones(self) -> tuple[Milestone, ...]:
        """Return the milestones, those due first at the front."""
        return tuple(map(to_milestone, self._rows(milestones, milestones.c.due, milestones.c.id)))

    def refused(self) -> tuple[RefusedRows, ...]:
        """Return how many rows the service has refused, by hour and reason."""
        hour = quarantine.c.received_at_us - quarantine.c.received_at_us % _US_PER_HOUR
        query = (
            select(hour.label("hour_us"), quarantine.c.reason, func.count().label("rows"))
            .where(quarantine.c.journey == self.journey)
            .group_by(hour, quarantine.c.reason)
            .order_by(hour, quarantine.c.reason)
        )
        with self._engine.connect() as connection:
            return tuple(RefusedRows(row.hour_us, row.reason, row.rows) for row in connection.execute(query))

    def _insert(self, connection: Connection, table: Table, row: Mapping[str, Any]) -> int:
        key = connection.execute(insert(table), {**row, "journey": self.journey}).inserted_primary_key
        if key is None:
            raise RecordError(f"the database gave no number to a new row of {table.name}")
        return int(key[0])

    def _one(self, connection: Connection, table: Table, number: int, what: str) -> Row[Any]:
        row = connection.execute(select(table).where(table.c.journey == self.journey, table.c.id == number)).first()
        if row is None:
            raise RecordError(f"{self.journey} has no {what} {number}")
        return row

    def _rows(self, table: Table, *order: Any) -> list[Row[Any]]:
        with self._engine.connect() as connection:
            return list(connection.execute(select(table).where(table.c.journey == self.journey).order_by(*order)))

    def _revised(self, connection: Connection, alarm: Alarm, actor: str, now_us: int) -> Alarm:
        self.revise_alarm(connection, alarm, actor=actor, now_us=now_us)
        return alarm

    def _changed(
        self, connection: Connection, before: Milestone, after: Milestone, action: str, actor: str, now_us: int
    ) -> Milestone:
        values = {"due": after.due, "done_us": after.done_us}
        connection.execute(update(milestones).where(milestones.c.id == after.id).values(values))
        self._audit(connection, now_us, actor, action, f"milestone {after.id}", shown(before), shown(after))
        return after

    def _audit(
        self,
        connection: Connection,
        at_us: int,
        actor: str,
        action: str,
        subject: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        write_audit(connection, self.journey, AuditEntry(None, at_us, actor, action, subject, before, after))
