"""Events of names that a journey does not declare, as the log has them."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from sqlalchemy import Engine, func, select

from storage.tables import events, quarantine

_MOST_NAMES = 100
_SAMPLED_EVENTS = 200
_SHOWN_PROPERTIES = 5


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name with its events; times are microseconds, ``properties`` the names that most of its events carry."""

    name: str
    events: int
    first_us: int
    last_us: int
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefusedReason:
    """A reason for which rows were refused, how many, when last, and the start of the latest one."""

    reason: str
    rows: int
    last_us: int
    example: str


def unknown_names(engine: Engine, journey: str, known: Collection[str]) -> list[UnknownName]:
    """Return the names of a journey's log that are not ``known``, the commonest first."""
    count = func.count().label("rows")
    query = (
        select(events.c.name, count, func.min(events.c.occurred_at_us), func.max(events.c.occurred_at_us))
        .where(events.c.journey == journey, events.c.name.not_in(known))
        .group_by(events.c.name)
        .order_by(count.desc(), events.c.name)
        .limit(_MOST_NAMES)
    )
    with engine.connect() as connection:
        found = connection.execute(query).all()
        return [
            UnknownName(
                name,
                rows,
                first_us,
                last_us,
                commonest_properties(
                    connection.execute(
                        select(events.c.properties)
                        .where(events.c.journey == journey, events.c.name == name)
                        .order_by(events.c.position.desc())
                        .limit(_SAMPLED_EVENTS)
                    )
                    .scalars()
                    .all()
                ),
            )
            for name, rows, first_us, last_us in found
        ]


def commonest_properties(texts: Collection[str]) -> tuple[str, ...]:
    """Return the names of properties that most of these JSON objects have."""
    counted = Counter(name for text in texts for name in msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    return tuple(name for name, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:_SHOWN_PROPERTIES])


def refused_reasons(engine: Engine, journey: str) -> list[RefusedReason]:
    """Return why rows of a journey were refused, the commonest first."""
    count, latest = func.count().label("rows"), func.max(quarantine.c.position).label("latest")
    grouped = (
        select(quarantine.c.reason, count, latest, func.max(quarantine.c.received_at_us))
        .where(quarantine.c.journey == journey)
        .group_by(quarantine.c.reason)
        .order_by(count.desc(), quarantine.c.reason)
    )
    with engine.connect() as connection:
        return [
            RefusedReason(
                reason,
                rows,
                last_us,
                connection.execute(select(quarantine.c.payload).where(quarantine.c.position == position)).scalar_one(),
            )
            for reason, rows, position, last_us in connection.execute(grouped).all()
        ]
