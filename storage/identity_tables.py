"""The tables of identity: links between visitors and persons as they became known, and whom chance goes by."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from storage.tables import POSITION, metadata

# Numbers of erased links are not given again: people name links by them, and memory is caught up by them.
identity_links = Table(
    "identity_links",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True, doc="order of arrival"),
    Column("journey", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("previous_id", Text, doc="the earlier id that an alias names; null where a visitor has a user"),
    Column("event_id", Text, doc="the event that said so; null for an undoing"),
    Column("session_id", Text, doc="the session of that event"),
    Column("at_us", BigInteger, nullable=False, doc="from which moment it holds"),
    Column("received_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False, doc="link, refusal (with the reason) or undoing"),
    Column("reason", Text),
    Index(None, "journey", "visitor_id"),
    Index(None, "journey", "user_id"),
    Index(None, "journey", "previous_id"),
    sqlite_autoincrement=True,
)

assignments = Table(
    "assignments",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("visitor_id", Text, primary_key=True),
    Column("assignment_id", Text, nullable=False, doc="what holdout and experiments go by; never changes"),
    Column("at_us", BigInteger, nullable=False, doc="when it was first needed"),
)
