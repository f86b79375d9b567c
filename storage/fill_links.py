"""Links of a log that is older than they are."""

from typing import Any

from sqlalchemy import Engine, Select, select

from storage.database import writing
from storage.event_log import EVENT_COLUMNS, event_of
from storage.identity_store import IdentityStore
from storage.identity_tables import identity_links
from storage.tables import events

_EVENTS_AT_ONCE = 5_000


def fill_links(engine: Engine, identity: IdentityStore) -> int:
    """Record what a log says of which no link was ever kept, and return how many rows that makes.

    Nothing is done where the journey has a link already: all later events have made theirs as they came.
    """
    users = (events.c.journey == identity.journey, events.c.user_id.is_not(None))
    kept = select(identity_links.c.position).where(identity_links.c.journey == identity.journey).limit(1)
    with engine.connect() as connection:
        if connection.execute(kept).first() or not connection.execute(select(events.c.position).where(*users)).first():
            return 0
    query: Select[Any] = select(*EVENT_COLUMNS, events.c.position).where(*users).order_by(events.c.position)
    made, position = 0, 0
    with writing(engine) as connection:
        if connection.execute(kept).first():
            return 0
        while rows := connection.execute(query.where(events.c.position > position).limit(_EVENTS_AT_ONCE)).all():
            position = rows[-1].position
            made += len(identity.record(connection, [event_of(row) for row in rows]))
    identity.forget()
    return made
