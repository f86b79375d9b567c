"""Experiments, and who was exposed to what."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "experiments",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("buckets", sa.Text(), nullable=True),
        sa.Column("planned_per_arm", sa.Integer(), nullable=True),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("stopped_us", sa.BigInteger(), nullable=True),
        sa.Column("stopped_for", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("journey", "name", name=op.f("pk_experiments")),
    )
    op.create_table(
        "exposures",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("assignment_id", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("blocker", sa.Text(), nullable=True),
        sa.Column("other_blocker", sa.Text(), nullable=True),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "experiment", "visitor_id", name=op.f("pk_exposures")),
    )
    op.create_index(op.f("ix_exposures_journey_visitor_id"), "exposures", ["journey", "visitor_id"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("exposures")
    op.drop_table("experiments")
