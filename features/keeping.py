"""What of an imported log is kept: names as a journey means them, and of people no more than its service would keep."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import duckdb

from features.names import EventNames
from features.sql_functions import PairRule, Rule, define, define_pairs

NOT_CONSENTED = "the visitor has not consented"
_CONSENT = (
    "CASE WHEN json_type(properties, '$.consent') = 'BOOLEAN' THEN json_extract_string(properties, '$.consent') END"
)


@dataclass(frozen=True)
class Keeping:
    """The rules of a journey's service, as functions of one text.

    ``rules`` say for a canonical column what is kept of its text, and for ``content`` of a row that is refused;
    ``properties`` says it of an event's name and the JSON of its properties.

    Rows of visitors who have not consented are refused without their content.
    """

    names: EventNames
    rules: Mapping[str, Rule] = field(default_factory=dict)
    properties: PairRule | None = None
    consent_required: bool = False


def create_kept(connection: duckdb.DuckDBPyConnection, keeping: Keeping | None) -> None:
    """Create the view ``kept``: ``checked``, with what is kept of each column, and the ``content`` of refused rows."""
    rules = {} if keeping is None else keeping.rules
    define(connection, {f"keep_{column}": rule for column, rule in rules.items()})
    content = "left(raw_row, 100000)"
    if keeping is None:
        connection.execute(
            f"CREATE VIEW kept AS SELECT *, CASE WHEN reason IS NOT NULL THEN {content} END AS content FROM checked"
        )
        return
    replaced = [f"keep_{column}({column}) AS {column}" for column in rules if column not in ("content", "visitor_id")]
    if keeping.properties is not None:
        define_pairs(connection, {"keep_properties": keeping.properties})
        replaced.append("keep_properties(name, properties) AS properties")
    if "visitor_id" in rules:
        # Where nothing but the user names the visitor, both stay the same.
        same = "keep_user_id(user_id)" if "user_id" in rules else "user_id"
        replaced.append(
            f"CASE WHEN visitor_id = user_id THEN {same} ELSE keep_visitor_id(visitor_id) END AS visitor_id"
        )
    withheld = f"({_CONSENT}) IS DISTINCT FROM 'true'" if keeping.consent_required else f"({_CONSENT}) = 'false'"
    kept_content = kept_content_sql(keeping, content)
    connection.execute(
        f"CREATE VIEW kept AS SELECT * REPLACE ({', '.join((*replaced, _reason(withheld)))}), "
        f"CASE WHEN reason IS NOT NULL THEN {kept_content} END AS content FROM checked"
    )


def kept_content_sql(keeping: Keeping | None, content: str) -> str:
    """Return the SQL for what is kept of a refused row's content."""
    return f"keep_content({content})" if keeping is not None and "content" in keeping.rules else content


def _reason(withheld: str) -> str:
    return f"CASE WHEN reason IS NOT NULL THEN reason WHEN {withheld} THEN '{NOT_CONSENTED}' END AS reason"
