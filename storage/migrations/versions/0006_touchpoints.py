"""What happens to people outside their sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "touchpoints",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("occurred_at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_at_us", sa.BigInteger(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("click_id", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("properties", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "event_id", name=op.f("pk_touchpoints")),
    )
    op.create_table(
        "clicks",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("click_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "click_id", name=op.f("pk_clicks")),
    )
    op.create_index(op.f("ix_clicks_journey_visitor_id"), "clicks", ["journey", "visitor_id"], unique=False)
    op.create_index(op.f("ix_touchpoints_journey_click_id"), "touchpoints", ["journey", "click_id"], unique=False)
    op.create_index(op.f("ix_touchpoints_journey_user_id"), "touchpoints", ["journey", "user_id"], unique=False)
    op.create_index(op.f("ix_touchpoints_journey_visitor_id"), "touchpoints", ["journey", "visitor_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_clicks_journey_visitor_id"), table_name="clicks")
    op.drop_table("clicks")
    op.drop_index(op.f("ix_touchpoints_journey_click_id"), table_name="touchpoints")
    op.drop_index(op.f("ix_touchpoints_journey_user_id"), table_name="touchpoints")
    op.drop_index(op.f("ix_touchpoints_journey_visitor_id"), table_name="touchpoints")
    op.drop_table("touchpoints")
