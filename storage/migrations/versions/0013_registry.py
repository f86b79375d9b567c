"""The registry that replicas share, the processes that answer, and what challengers were seen to do."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "registry_versions",
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("published_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("area", "journey", "version", name=op.f("pk_registry_versions")),
    )
    op.create_table(
        "registry_files",
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("area", "journey", "version", "name", name=op.f("pk_registry_files")),
    )
    op.create_table(
        "registry_moves",
        sa.Column("position", _POSITION, autoincrement=True, nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("pointer", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_registry_moves")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_registry_moves_journey_pointer_position"), "registry_moves", ["journey", "pointer", "position"]
    )
    op.create_table(
        "serving_processes",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("every_seconds", sa.Float(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_serving_processes")),
    )
    op.create_index(op.f("ix_serving_processes_journey_seen_us"), "serving_processes", ["journey", "seen_us"])
    op.create_table(
        "challenges",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("champion", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("same_side", sa.Integer(), nullable=False),
        sa.Column("gap", sa.Float(), nullable=False),
        sa.Column("squared_gap", sa.Float(), nullable=False),
        sa.Column("blockers", sa.Integer(), nullable=False),
        sa.Column("same_blocker", sa.Integer(), nullable=False),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("same_choice", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("champion_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("journey", "version", "champion", name=op.f("pk_challenges")),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("challenges", "serving_processes", "registry_moves", "registry_files", "registry_versions"):
        op.drop_table(name)
