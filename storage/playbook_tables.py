"""The tables of the playbook: tactics, and the evidence for each."""

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from storage.tables import POSITION, metadata

tactics = Table(
    "tactics",
    metadata,
    Column("id", POSITION, primary_key=True, autoincrement=True),
    Column("journey", Text, nullable=False),
    Column("blocker", Text, nullable=False),
    Column("stage", Text, nullable=False, doc="empty for all"),
    Column("audience", Text, nullable=False, doc="as device=phone; empty for everybody"),
    Column("intervention", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("status", Text, nullable=False, doc="proposed, testing, proven or retired"),
    Column("learning", Text, nullable=False, doc="one sentence"),
    Column("source", Text, nullable=False, doc="by hand, or the alarm or opportunity that opened it"),
    Column("experiment", Text, nullable=False, doc="the one that tests it; empty unless one does"),
    Column("draft", Text, doc="JSON: hypothesis, sample size and duration of the test that is proposed"),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    UniqueConstraint("journey", "blocker", "stage", "audience", "intervention"),
    Index(None, "journey", "status"),
    sqlite_autoincrement=True,
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", POSITION, primary_key=True, autoincrement=True),
    Column("tactic_id", POSITION, ForeignKey("tactics.id", ondelete="CASCADE"), nullable=False),
    Column("experiment", Text, nullable=False),
    Column("metric", Text, nullable=False, doc="what the effect is the rise of"),
    Column("effect", Float, nullable=False, doc="absolute, in the metric's unit"),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    Column("baseline", Float, doc="the metric without the intervention; null where it is no share"),
    Column("people", Integer, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("to_us", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False, doc="ship, stop, inconclusive or invalid"),
    UniqueConstraint("tactic_id", "experiment"),
    sqlite_autoincrement=True,
)
