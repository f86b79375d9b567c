"""The tables of identity: links between visitors and persons as they became known, and whom chance goes by."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text

from storage.tables import POSITION, metadata

identity_links = Table(
    "identity_links",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True, doc="order of arrival"),
    Column("journey", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("user_id", Text, doc="null where two visitors are linked"),
    Column("other_visitor_id", Text, doc="the visitor that an alias names"),
    Column("event_id", Text, doc="the event that said so"),
    Column("at_us", BigInteger, nullable=False, doc="from which moment it holds"),
    Column("received_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False, doc="link, refusal (with the reason) or undoing"),
    Column("reason", Text),
    Index(None, "journey", "visitor_id"),
    Index(None, "journey", "user_id"),
    Index(None, "journey", "other_visitor_id"),
)

assignments = Table(
    "assignments",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("visitor_id", Text, primary_key=True),
    Column("assignment_id", Text, nullable=False, doc="the id that holdout and experiments hash; never changes"),
    Column("holdout", Boolean, nullable=False),
    Column("at_us", BigInteger, nullable=False, doc="when it was first needed"),
)
