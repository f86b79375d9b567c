"""The tables: events in the canonical columns, the ledger of decisions, their outcomes, and what was refused."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of the type INTEGER.
_POSITION = BigInteger().with_variant(Integer(), "sqlite")

events = Table(
    "events",
    metadata,
    Column("position", _POSITION, primary_key=True, autoincrement=True, doc="order of arrival"),
    Column("journey", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("session_id", Text, nullable=False, doc="as sent, or derived by inactivity"),
    Column("visitor_id", Text, nullable=False),
    Column("user_id", Text),
    Column("name", Text, nullable=False),
    Column("occurred_at_us", BigInteger, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("channel", Text),
    Column("device", Text),
    Column("source", Text),
    Column("campaign", Text),
    Column("properties", Text, nullable=False, doc="a JSON object"),
    UniqueConstraint("journey", "event_id"),
    Index(None, "journey", "session_id"),
    Index(None, "journey", "visitor_id"),
    Index(None, "journey", "user_id", "occurred_at_us"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("journey", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False, doc="the moment that was scored"),
    Column("decided_at_us", BigInteger, nullable=False, doc="the server's time"),
    Column("stage", Text),
    Column("events_seen", Integer, nullable=False),
    Column("risk", Float, nullable=False),
    Column("blockers", Text, nullable=False, doc="JSON: the blockers of the answer"),
    Column("narrative", Text, nullable=False),
    Column("eligible", Text, nullable=False, doc="JSON: names of the eligible interventions"),
    Column("excluded", Text, nullable=False, doc="JSON: why each other intervention was not eligible"),
    Column("propensities", Text, nullable=False, doc="JSON: probability of every option, nothing included"),
    Column("chosen", Text, doc="an intervention's name; null for nothing"),
    Column("propensity", Float, nullable=False),
    Column("expected_uplift", Float),
    Column("reason", Text, nullable=False),
    Column("holdout", Boolean, nullable=False),
    Column("experiment", Text),
    Column("drawn", Float, doc="the uniform number that chose; null when nothing was drawn"),
    Column("policy_version", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Index(None, "journey", "session_id"),
    Index(None, "journey", "visitor_id"),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("decision_id", Text, ForeignKey("decisions.decision_id", ondelete="CASCADE"), primary_key=True),
    Column("outcome", Text, primary_key=True, doc="shown, clicked, dismissed or converted"),
    Column("at_us", BigInteger, nullable=False),
    Column("value", Float),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("position", _POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("visitor_id", Text),
    Column("reason", Text, nullable=False),
    Column("payload", Text, nullable=False, doc="the start of what was sent"),
    Index(None, "journey", "visitor_id"),
)
