"""How far a journey's budget has been used, and its price: one row that all workers add to and go by."""

from sqlalchemy import Connection, insert, select, update

from storage.policy_tables import paces


class PaceStore:
    """The pace of one journey's budget, a text. Methods take a connection, which for writing is one that may."""

    def __init__(self, journey: str) -> None:
        self.journey = journey

    def read(self, connection: Connection) -> str | None:
        """Return the pace; None before there is one."""
        return connection.execute(select(paces.c.pace).where(paces.c.journey == self.journey)).scalar()

    def keep(self, connection: Connection, pace: str, now_us: int) -> None:
        """Keep the pace in place of what was read in the same transaction."""
        row = {"pace": pace, "updated_us": now_us}
        changed = update(paces).where(paces.c.journey == self.journey).values(row)
        if not connection.execute(changed).rowcount:
            connection.execute(insert(paces), {"journey": self.journey, **row})
