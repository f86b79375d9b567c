"""The tables of the registry that replicas share: published versions with their files, and every move of a pointer.

Beside them: which version each process answers with, and how the challenger's answers compare with the champion's.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text

from storage.tables import POSITION, metadata

registry_versions = Table(
    "registry_versions",
    metadata,
    Column("area", Text, primary_key=True, doc="models or policies"),
    Column("journey", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("digest", Text, nullable=False, doc="SHA-256 of the file that has the digests of all the others"),
    Column("published_us", BigInteger, nullable=False),
)

registry_files = Table(
    "registry_files",
    metadata,
    Column("area", Text, primary_key=True),
    Column("journey", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("name", Text, primary_key=True, doc="path within the version's folder"),
    Column("content", LargeBinary, nullable=False, doc="packed by zlib"),
)

registry_moves = Table(
    "registry_moves",
    metadata,
    Column("position", POSITION, primary_key=True, autoincrement=True, doc="order in which pointers moved"),
    Column("journey", Text, nullable=False),
    Column("pointer", Text, nullable=False, doc="champion, challenger or live"),
    Column("at", Text, nullable=False, doc="ISO 8601, UTC"),
    Column("by", Text, nullable=False, doc="the account that moved it"),
    Column("action", Text, nullable=False),
    Column("version", Text, nullable=False, doc="empty where it names nothing any more"),
    Column("previous", Text),
    Column("reason", Text, nullable=False),
    Index(None, "journey", "pointer", "position"),
    sqlite_autoincrement=True,
)

serving_processes = Table(
    "serving_processes",
    metadata,
    Column("process", Text, primary_key=True, doc="host, process and a name that no other has"),
    Column("journey", Text, nullable=False),
    Column("version", Text, nullable=False, doc="the model that it answers with"),
    Column("since_us", BigInteger, nullable=False, doc="when it began to, by the database's clock"),
    Column("seen_us", BigInteger, nullable=False, doc="when it last said so, by the same"),
    Column("every_seconds", Float, nullable=False, doc="how often it says so"),
    Column("refused", Text, nullable=False, doc="why it does not answer with the champion; empty where it does"),
    Index(None, "journey", "seen_us"),
)

challenges = Table(
    "challenges",
    metadata,
    Column("journey", Text, primary_key=True),
    Column("version", Text, primary_key=True, doc="the challenger"),
    Column("champion", Text, primary_key=True, doc="the version that answered"),
    Column("since_us", BigInteger, nullable=False),
    Column("answers", Integer, nullable=False, doc="answers that both gave"),
    Column("failed", Integer, nullable=False, doc="answers at which the challenger raised an error"),
    Column("dropped", Integer, nullable=False, doc="answers that it was not asked about: too many at once"),
    Column("same_side", Integer, nullable=False, doc="both risks were low, or neither"),
    Column("gap", Float, nullable=False, doc="sum of the absolute differences of the two risks"),
    Column("squared_gap", Float, nullable=False, doc="sum of their squares"),
    Column("blockers", Integer, nullable=False, doc="answers in which either named a blocker"),
    Column("same_blocker", Integer, nullable=False, doc="of these, those with the same first one"),
    Column("decisions", Integer, nullable=False, doc="answers in which either had a choice of interventions"),
    Column("same_choice", Float, nullable=False, doc="sum of the probabilities to choose the same"),
    Column("seconds", Float, nullable=False, doc="what the challenger took in all"),
    Column("champion_seconds", Float, nullable=False, doc="what the champion took for the same"),
)
