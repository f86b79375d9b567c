"""The tables: events in the canonical columns, decisions and outcomes, what was refused, and what people wrote down."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
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
POSITION = BigInteger().with_variant(Integer(), "sqlite")

events = Table(
    "events",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True, doc="order of arrival"),
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
    Index(
        None,
        "journey",
        "user_id",
        "occurred_at_us",
        sqlite_where=text("user_id IS NOT NULL"),
        postgresql_where=text("user_id IS NOT NULL"),
    ),
    # Readers go by position, so those of erased events must not be given again.
    sqlite_autoincrement=True,
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
    Column("variant", Text, doc="of the experiment that decided"),
    Column("confidence", Text, doc="JSON: probability of every friction that a visitor who leaves now leaves for it"),
    Column("withheld", Text, doc="JSON: the propensities had the visitor not been held out; null for everybody else"),
    Column("due_us", BigInteger, doc="when to look for what came of it; null once that is known, or cannot be"),
    Index(None, "journey", "session_id"),
    Index(None, "journey", "visitor_id"),
    Index(
        None,
        "journey",
        "due_us",
        sqlite_where=text("due_us IS NOT NULL"),
        postgresql_where=text("due_us IS NOT NULL"),
    ),
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
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("received_at_us", BigInteger, nullable=False),
    Column("visitor_id", Text),
    Column("reason", Text, nullable=False),
    Column("payload", Text, nullable=False, doc="the start of what was sent"),
    Index(None, "journey", "visitor_id"),
)

# What people and alarms have written down. Numbers of removed annotations are not given again: the audit names them.
annotations = Table(
    "annotations",
    metadata,
    Column("id", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False, doc="the moment that it is about"),
    Column("kind", Text, nullable=False, doc="release, policy, campaign or other"),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Index(None, "journey", "at_us"),
    sqlite_autoincrement=True,
)

alarms = Table(
    "alarms",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("id", Text, primary_key=True, doc="what makes it the same alarm again"),
    Column("stage", Text, nullable=False),
    Column("cohort", Text, doc="as device=phone; null for everybody"),
    Column("direction", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("detected_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("rate_before", Float, nullable=False),
    Column("rate_after", Float, nullable=False),
    Column("ratio", Float, nullable=False),
    Column("ratio_low", Float, nullable=False),
    Column("ratio_high", Float, nullable=False),
    Column("details", Text, nullable=False, doc="a JSON object"),
    Column("status", Text, nullable=False, doc="open, acknowledged or closed"),
    Column("notified_us", BigInteger),
    Index(None, "journey", "detected_us"),
)

opportunity_statuses = Table(
    "opportunity_statuses",
    metadata,
    Column("id", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("opportunity_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index(None, "journey", "opportunity_id"),
)

milestones = Table(
    "milestones",
    metadata,
    Column("id", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("due", Date, nullable=False, doc="the day, in the journey's time zone"),
    Column("title", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("done_us", BigInteger),
    Index(None, "journey", "due"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, doc="what was changed; of a person a salted hash"),
    Column("before", Text, doc="JSON; null where there was nothing"),
    Column("after", Text, doc="JSON; null where nothing is left"),
    Index(None, "journey", "at_us"),
)
