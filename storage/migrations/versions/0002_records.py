"""What people and alarms write down: annotations, alarms, statuses of opportunities, milestones, and the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "annotations",
        _numbered(),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotations")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_annotations_journey_at_us"), "annotations", ["journey", "at_us"], unique=False)
    op.create_table(
        "alarms",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("detected_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("rate_before", sa.Float(), nullable=False),
        sa.Column("rate_after", sa.Float(), nullable=False),
        sa.Column("ratio", sa.Float(), nullable=False),
        sa.Column("ratio_low", sa.Float(), nullable=False),
        sa.Column("ratio_high", sa.Float(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("notified_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("journey", "id", name=op.f("pk_alarms")),
    )
    op.create_index(op.f("ix_alarms_journey_detected_us"), "alarms", ["journey", "detected_us"], unique=False)
    op.create_table(
        "opportunity_statuses",
        _numbered(),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("opportunity_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opportunity_statuses")),
    )
    op.create_index(
        op.f("ix_opportunity_statuses_journey_opportunity_id"),
        "opportunity_statuses",
        ["journey", "opportunity_id"],
        unique=False,
    )
    op.create_table(
        "milestones",
        _numbered(),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("done_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_milestones")),
    )
    op.create_index(op.f("ix_milestones_journey_due"), "milestones", ["journey", "due"], unique=False)
    op.create_table(
        "audit",
        _numbered(),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_journey_at_us"), "audit", ["journey", "at_us"], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index(op.f("ix_audit_journey_at_us"), table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_milestones_journey_due"), table_name="milestones")
    op.drop_table("milestones")
    op.drop_index(op.f("ix_opportunity_statuses_journey_opportunity_id"), table_name="opportunity_statuses")
    op.drop_table("opportunity_statuses")
    op.drop_index(op.f("ix_alarms_journey_detected_us"), table_name="alarms")
    op.drop_table("alarms")
    op.drop_index(op.f("ix_annotations_journey_at_us"), table_name="annotations")
    op.drop_table("annotations")


def _numbered() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False)
