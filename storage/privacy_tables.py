"""The table by which one process tells the others whom to forget."""

from sqlalchemy import BigInteger, Column, Index, Table, Text

from storage.tables import POSITION, metadata

erasures = Table(
    "erasures",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("visitor_id", Text, nullable=False, doc="kept for the minute in which every process forgets it"),
    Column("at_us", BigInteger, nullable=False),
    Index(None, "journey", "at_us"),
    # A number that is given again would be taken for one that has been seen.
    sqlite_autoincrement=True,
)
