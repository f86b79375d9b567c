"""The tables that workers share: leases, open sessions and their ends, and follow-ups on their way to webhooks."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from storage.tables import metadata

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True, doc="what only one process does at a time"),
    Column("holder", Text, nullable=False),
    Column("until_us", BigInteger, nullable=False, doc="by the database's clock"),
    Column("progress", BigInteger, nullable=False, doc="how far the work has come; for the next holder"),
)

open_sessions = Table(
    "open_sessions",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("visitor_id", Text, nullable=False),
    Column("last_at_us", BigInteger, nullable=False, doc="the latest event that the sweeper has seen"),
    Index(None, "journey", "last_at_us"),
    Index(None, "journey", "visitor_id"),
)

session_ends = Table(
    "session_ends",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("session_id", Text, primary_key=True),
    Column("visitor_id", Text, nullable=False),
    Column("user_id", Text),
    Column("outcome", Text, nullable=False, doc="goal, abandoned, competing or censored"),
    Column("stage", Text),
    Column("last_at_us", BigInteger, nullable=False, doc="the last sign of life"),
    Column("closed_us", BigInteger, nullable=False, doc="when the end was noticed"),
    Column("risk", Float, doc="at the last event; null after an end that needs none"),
    Index(None, "journey", "visitor_id"),
    Index(None, "journey", "closed_us"),
)

follow_ups = Table(
    "follow_ups",
    metadata,
    Column("id", Text, primary_key=True, doc="the same for every attempt, so that a receiver can tell repetitions"),
    Column("journey", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("channel", Text, nullable=False, doc="email, ad, ...: which webhook it goes to"),
    Column("body", Text, nullable=False, doc="the JSON that is sent"),
    Column("created_us", BigInteger, nullable=False),
    Column("due_us", BigInteger, nullable=False, doc="not before"),
    Column("attempts", Integer, nullable=False),
    Column("delivered_us", BigInteger),
    Column("given_up_us", BigInteger),
    Column("said", Text, doc="what the last attempt ended with"),
    Index(None, "journey", "due_us"),
    Index(None, "journey", "visitor_id"),
)
