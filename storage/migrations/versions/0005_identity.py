"""Identity: links between visitors and persons, and whom chance goes by."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "identity_links",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("previous_id", sa.Text(), nullable=True),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_identity_links")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_identity_links_journey_previous_id"),
        "identity_links",
        ["journey", "previous_id"],
        unique=False,
    )
    op.create_index(op.f("ix_identity_links_journey_user_id"), "identity_links", ["journey", "user_id"], unique=False)
    op.create_index(
        op.f("ix_identity_links_journey_visitor_id"), "identity_links", ["journey", "visitor_id"], unique=False
    )
    op.create_table(
        "assignments",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("assignment_id", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "visitor_id", name=op.f("pk_assignments")),
    )
    # Until now chance went by the visitor's own id: whoever has been drawn stays on that side.
    op.execute(
        "INSERT INTO assignments (journey, visitor_id, assignment_id, at_us) "
        "SELECT journey, visitor_id, visitor_id, min(decided_at_us) FROM decisions GROUP BY journey, visitor_id"
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("assignments")
    op.drop_index(op.f("ix_identity_links_journey_previous_id"), table_name="identity_links")
    op.drop_index(op.f("ix_identity_links_journey_user_id"), table_name="identity_links")
    op.drop_index(op.f("ix_identity_links_journey_visitor_id"), table_name="identity_links")
    op.drop_table("identity_links")
