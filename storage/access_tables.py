"""The table of keys: who may send, ask or govern."""

from sqlalchemy import BigInteger, Column, Float, Integer, Table, Text

from storage.tables import metadata

keys = Table(
    "keys",
    metadata,
    Column("key_id", Text, primary_key=True, doc="the part of a key that may be shown"),
    Column("journey", Text, doc="the only journey that it opens; null for all"),
    Column("name", Text, nullable=False, doc="what it is for"),
    Column("permissions", Text, nullable=False, doc="write, read and admin, with spaces between"),
    Column("secret_hash", Text, nullable=False),
    Column("requests_per_second", Float, doc="null for the service's own limit"),
    Column("max_body_bytes", Integer, doc="null for the service's own limit"),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
)
