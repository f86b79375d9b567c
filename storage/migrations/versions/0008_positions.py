"""Positions of events that are never given again, and an index of users that leaves anonymous events out."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_USERS = "ix_events_journey_user_id_occurred_at_us"
_COLUMNS = ["journey", "user_id", "occurred_at_us"]
_KNOWN = sa.text("user_id IS NOT NULL")


def upgrade() -> None:
    """Number events beyond all that ever were, also in SQLite; PostgreSQL does so anyway."""
    op.drop_index(op.f(_USERS), table_name="events")
    _remake_events(numbered_anew=False)
    op.create_index(op.f(_USERS), "events", _COLUMNS, unique=False, sqlite_where=_KNOWN, postgresql_where=_KNOWN)


def downgrade() -> None:
    """Let SQLite give the positions of erased events again."""
    op.drop_index(op.f(_USERS), table_name="events")
    _remake_events(numbered_anew=True)
    op.create_index(op.f(_USERS), "events", _COLUMNS, unique=False)


def _remake_events(*, numbered_anew: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    # SQLite has no way to change how a table numbers its rows but to copy it.
    with op.batch_alter_table("events", recreate="always", table_kwargs={"sqlite_autoincrement": not numbered_anew}):
        pass
