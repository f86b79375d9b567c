"""What workers share: leases, open sessions, ends of sessions and follow-ups."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "open_sessions",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("last_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "session_id", name=op.f("pk_open_sessions")),
    )
    for column in ("last_at_us", "visitor_id"):
        index = op.f(f"ix_open_sessions_journey_{column}")
        op.create_index(index, "open_sessions", ["journey", column], unique=False)
    op.create_table(
        "session_ends",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("last_at_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("journey", "session_id", name=op.f("pk_session_ends")),
    )
    op.create_index(op.f("ix_session_ends_journey_closed_us"), "session_ends", ["journey", "closed_us"], unique=False)
    op.create_index(op.f("ix_session_ends_journey_visitor_id"), "session_ends", ["journey", "visitor_id"], unique=False)
    op.create_table(
        "follow_ups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("delivered_us", sa.BigInteger(), nullable=True),
        sa.Column("given_up_us", sa.BigInteger(), nullable=True),
        sa.Column("said", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
    )
    op.create_index(op.f("ix_follow_ups_journey_due_us"), "follow_ups", ["journey", "due_us"], unique=False)
    op.create_index(op.f("ix_follow_ups_journey_visitor_id"), "follow_ups", ["journey", "visitor_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_follow_ups_journey_due_us"), table_name="follow_ups")
    op.drop_index(op.f("ix_follow_ups_journey_visitor_id"), table_name="follow_ups")
    op.drop_table("follow_ups")
    op.drop_index(op.f("ix_session_ends_journey_closed_us"), table_name="session_ends")
    op.drop_index(op.f("ix_session_ends_journey_visitor_id"), table_name="session_ends")
    op.drop_table("session_ends")
    for column in ("visitor_id", "last_at_us"):
        op.drop_index(op.f(f"ix_open_sessions_journey_{column}"), table_name="open_sessions")
    op.drop_table("open_sessions")
    op.drop_table("leases")
