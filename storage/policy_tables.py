"""The tables of policies that learn: what came of each decision once it is known, and what was learnt from it."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, Table, Text, UniqueConstraint

from storage.tables import POSITION, metadata

rewards = Table(
    "rewards",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True, doc="order in which outcomes became known"),
    Column("journey", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("visitor_id", Text, nullable=False),
    Column("converted", Boolean, nullable=False, doc="whether the goal was reached within the decision's window"),
    Column("value", Float, doc="what the goal brought, where that was said"),
    Column("matured_us", BigInteger, nullable=False, doc="when nothing could change any more"),
    UniqueConstraint("journey", "decision_id"),
    Index(None, "journey", "visitor_id"),
    sqlite_autoincrement=True,
)

paces = Table(
    "paces",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("pace", Text, nullable=False, doc="JSON: the price of the budget, and how far it has been used"),
    Column("updated_us", BigInteger, nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("kind", Text, nullable=False, doc="which policy reads its states"),
    Column("created_us", BigInteger, nullable=False),
    Column("paused_us", BigInteger, doc="since when it learns no more; null while it learns"),
)

policy_states = Table(
    "policy_states",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, doc="counts up with everything that is learnt"),
    Column("created_us", BigInteger, nullable=False),
    Column("decisions", Integer, nullable=False, doc="how many decisions it has learnt from"),
    Column("learnt_through", BigInteger, nullable=False, doc="the position of the last reward that it has learnt from"),
    Column("state", Text, nullable=False, doc="JSON"),
)
