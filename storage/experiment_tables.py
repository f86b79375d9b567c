"""The tables of experiments: what was declared, and who was exposed to which variant."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from storage.tables import metadata

experiments = Table(
    "experiments",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("declaration", Text, nullable=False, doc="JSON: the experiment as it was declared"),
    Column("status", Text, nullable=False, doc="draft, running or stopped"),
    Column("created_us", BigInteger, nullable=False),
    Column("layer", Text, nullable=False, doc="experiments of one layer exclude each other"),
    Column("buckets", Text, doc="JSON: which buckets of the layer it holds, as pairs; null for a draft"),
    Column("planned_per_arm", Integer, doc="people in each variant that it was started for"),
    Column("started_us", BigInteger),
    Column("stopped_us", BigInteger),
    Column("stopped_for", Text, doc="why it was stopped"),
    Column("result", Text, doc="JSON: the analysis at its end"),
)

exposures = Table(
    "exposures",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("visitor_id", Text, primary_key=True),
    Column("assignment_id", Text, nullable=False, doc="whom chance went by: equal for the devices of one person"),
    Column("variant", Text, nullable=False),
    Column("first_us", BigInteger, nullable=False, doc="when the variant could first make a difference"),
    Column("session_id", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("stage", Text),
    Column("blocker", Text, doc="the first blocker that was named at that moment"),
    Column("other_blocker", Text, doc="might have been treated in place of the named one"),
    Column("visits", Integer, nullable=False, doc="sessions before that one"),
    Index(None, "journey", "visitor_id"),
)
