"""The tables of access: keys, which say who may send, ask or govern, and logins that were ended before their time."""

from sqlalchemy import BigInteger, Column, Float, Integer, Table, Text

from storage.tables import metadata

# Rows stay when a key has expired or was revoked: a database that has had keys is never open again.
keys = Table(
    "keys",
    metadata,
    Column("key_id", Text, primary_key=True, doc="the part of a key that may be shown"),
    Column("journey", Text, doc="the only journey that it opens; null for all"),
    Column("name", Text, nullable=False, doc="what it is for"),
    Column("permissions", Text, nullable=False, doc="write, read, metrics and admin, with spaces between"),
    Column("secret_hash", Text, nullable=False, doc="SHA-256 of the whole key, in hexadecimal digits"),
    Column("requests_per_second", Float, doc="null for the service's own limit"),
    Column("max_body_bytes", Integer, doc="null for the service's own limit"),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_us", BigInteger),
    Column("last_used_us", BigInteger, doc="to the minute or so; null for never"),
)

ended_logins = Table(
    "ended_logins",
    metadata,
    Column("login_id", Text, primary_key=True),
    Column("until_us", BigInteger, nullable=False, doc="when the login would have ended by itself"),
)
