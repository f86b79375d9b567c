"""The table of rollouts: how far each new version of the policy has come, and what it was seen to do in the shadow."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from storage.tables import metadata

rollouts = Table(
    "rollouts",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("step", Text, nullable=False, doc="shadow, experiment, live or rolled back"),
    Column("against", Text, nullable=False, doc="the version that decided when it began"),
    Column("experiment", Text, doc="the name of the experiment, once there is one"),
    Column("reason", Text, nullable=False, doc="why it was rolled back; empty else"),
    Column("figures", Text, nullable=False, doc="JSON: the figures of the gates that it has passed"),
    Column("started_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False, doc="when it came to its step"),
    Column("compared", Integer, nullable=False, doc="decisions that it was asked about beside the live policy"),
    Column("failed", Integer, nullable=False, doc="of these, those at which it raised an error"),
    Column("invalid", Integer, nullable=False, doc="those at which its propensities were none"),
    Column("slow", Integer, nullable=False, doc="those at which it took too long"),
    Column("dropped", Integer, nullable=False, doc="decisions that it was not asked about: too many at once"),
    Column("agreement", Float, nullable=False, doc="sum of the probabilities to choose the same as the live policy"),
    Column("acted", Float, nullable=False, doc="sum of its probabilities to recommend anything"),
    Column("acted_live", Float, nullable=False, doc="the same of the live policy"),
    Column("seconds", Float, nullable=False, doc="what it took in all"),
    Index(None, "journey", "changed_us"),
)
