"""The event log, the ledger of decisions with their outcomes, and the quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("decided_at_us", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("events_seen", sa.Integer(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("blockers", sa.Text(), nullable=False),
        sa.Column("narrative", sa.Text(), nullable=False),
        sa.Column("eligible", sa.Text(), nullable=False),
        sa.Column("excluded", sa.Text(), nullable=False),
        sa.Column("propensities", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Text(), nullable=True),
        sa.Column("propensity", sa.Float(), nullable=False),
        sa.Column("expected_uplift", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("holdout", sa.Boolean(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=True),
        sa.Column("drawn", sa.Float(), nullable=True),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_journey_session_id"), "decisions", ["journey", "session_id"], unique=False)
    op.create_index(op.f("ix_decisions_journey_visitor_id"), "decisions", ["journey", "visitor_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("occurred_at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_events")),
        sa.UniqueConstraint("journey", "event_id", name=op.f("uq_events_journey_event_id")),
    )
    op.create_index(op.f("ix_events_journey_session_id"), "events", ["journey", "session_id"], unique=False)
    op.create_index(
        op.f("ix_events_journey_user_id_occurred_at_us"),
        "events",
        ["journey", "user_id", "occurred_at_us"],
        unique=False,
    )
    op.create_index(op.f("ix_events_journey_visitor_id"), "events", ["journey", "visitor_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_journey_visitor_id"), "quarantine", ["journey", "visitor_id"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_outcomes_decision_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("decision_id", "outcome", name=op.f("pk_outcomes")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("outcomes")
    op.drop_index(op.f("ix_quarantine_journey_visitor_id"), table_name="quarantine")
    op.drop_table("quarantine")
    op.drop_index(op.f("ix_events_journey_visitor_id"), table_name="events")
    op.drop_index(op.f("ix_events_journey_user_id_occurred_at_us"), table_name="events")
    op.drop_index(op.f("ix_events_journey_session_id"), table_name="events")
    op.drop_table("events")
    op.drop_index(op.f("ix_decisions_journey_visitor_id"), table_name="decisions")
    op.drop_index(op.f("ix_decisions_journey_session_id"), table_name="decisions")
    op.drop_table("decisions")
