"""What policies learn from, and what they have learnt."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    with op.batch_alter_table("decisions") as decisions:
        decisions.add_column(sa.Column("variant", sa.Text(), nullable=True))
        decisions.add_column(sa.Column("confidence", sa.Text(), nullable=True))
        decisions.add_column(sa.Column("withheld", sa.Text(), nullable=True))
        decisions.add_column(sa.Column("due_us", sa.BigInteger(), nullable=True))
    op.create_index(
        op.f("ix_decisions_journey_due_us"),
        "decisions",
        ["journey", "due_us"],
        unique=False,
        sqlite_where=sa.text("due_us IS NOT NULL"),
        postgresql_where=sa.text("due_us IS NOT NULL"),
    )
    # What came of the decisions that were made before is looked for too; after an end, nothing can.
    op.execute("UPDATE decisions SET due_us = at_us WHERE reason <> 'ended'")
    op.create_table(
        "rewards",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("converted", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("matured_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_rewards")),
        sa.UniqueConstraint("journey", "decision_id", name=op.f("uq_rewards_journey_decision_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rewards_journey_visitor_id"), "rewards", ["journey", "visitor_id"], unique=False)
    op.create_table(
        "paces",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("pace", sa.Text(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journey", name=op.f("pk_paces")),
    )
    op.create_table(
        "policies",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("paused_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("journey", "version", name=op.f("pk_policies")),
    )
    op.create_table(
        "policy_states",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("learnt_through", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "version", "revision", name=op.f("pk_policy_states")),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("policy_states")
    op.drop_table("policies")
    op.drop_table("paces")
    op.drop_table("rewards")
    op.drop_index(op.f("ix_decisions_journey_due_us"), "decisions")
    with op.batch_alter_table("decisions") as decisions:
        decisions.drop_column("due_us")
        decisions.drop_column("withheld")
        decisions.drop_column("confidence")
        decisions.drop_column("variant")
