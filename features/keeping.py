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
_PREVIOUS = "json_extract_string(properties, '$.previous_id')"
_BARE_ALIAS = (
    f"coalesce(name = 'alias' AND {_PREVIOUS} = visitor_id AND (coalesce(user_id, '') = '' OR "
    "coalesce(CASE WHEN json_valid(raw_row) THEN json_extract_string(raw_row, '$.anonymousId') END, '') = ''), false)"
)
"""An alias whose visitor has no name but the earlier id, which may be a user's."""


@dataclass(frozen=True)
class Keeping:
    """The rules of a journey's service, as functions of one text.

    ``rules`` say for a canonical column what is kept of its text, and for ``content`` of a row that is refused;
    ``properties`` says it of an event's name and the JSON of its properties. ``own_properties``, where user ids are
    hashed, says it of those whose earlier id is the visitor's own, and not a user's.

    Rows of visitors who have not consented are refused without their content.
    """

    names: EventNames
    rules: Mapping[str, Rule] = field(default_factory=dict)
    properties: PairRule | None = None
    own_properties: PairRule | None = None
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
    placed = ("content", "visitor_id", "session_id", "event_id")
    replaced = [f"keep_{column}({column}) AS {column}" for column in rules if column not in placed]
    if keeping.properties is not None:
        define_pairs(connection, {"keep_properties": keeping.properties})
        kept_properties = "keep_properties(name, properties)"
        if keeping.own_properties is not None:
            define_pairs(connection, {"keep_own_properties": keeping.own_properties})
            own = f"{_PREVIOUS} = visitor_id AND coalesce(user_id, '') <> '' AND NOT {_BARE_ALIAS}"
            kept_properties = f"CASE WHEN {own} THEN keep_own_properties(name, properties) ELSE {kept_properties} END"
        replaced.append(f"{kept_properties} AS properties")
    if "visitor_id" in rules and "user_id" in rules:
        # Where nothing but the user names the visitor, both stay the same, and so does what is named after it.
        of_user = "visitor_id = user_id"
        bare = _BARE_ALIAS if keeping.own_properties is not None else "false"
        replaced += [
            f"CASE WHEN {of_user} THEN keep_user_id(user_id) "
            f"WHEN {bare} THEN keep_user_id(coalesce(nullif(user_id, ''), visitor_id)) "
            "ELSE keep_visitor_id(visitor_id) END AS visitor_id",
            *(
                f"CASE WHEN {of_user} AND starts_with({column}, user_id || '.') THEN keep_user_id({column}) "
                f"ELSE keep_{column}({column}) END AS {column}"
                for column in ("session_id", "event_id")
            ),
        ]
    withheld = f"({_CONSENT}) IS DISTINCT FROM 'true'" if keeping.consent_required else f"({_CONSENT}) = 'false'"
    # The properties of a row that is refused may be no JSON.
    unconsented = (
        f"coalesce(CASE WHEN json_valid(properties) THEN {withheld} END, {str(keeping.consent_required).lower()})"
    )
    kept_content = kept_content_sql(keeping, content)
    connection.execute(
        f"CREATE VIEW kept AS SELECT * REPLACE ({', '.join((*replaced, _reason(withheld)))}), "
        f"CASE WHEN reason IS NOT NULL AND NOT {unconsented} THEN {kept_content} END AS content FROM checked"
    )


def kept_content_sql(keeping: Keeping | None, content: str) -> str:
    """Return the SQL for what is kept of a refused row's content."""
    return f"keep_content({content})" if keeping is not None and "content" in keeping.rules else content


def _reason(withheld: str) -> str:
    return f"CASE WHEN reason IS NOT NULL THEN reason WHEN {withheld} THEN '{NOT_CONSENTED}' END AS reason"
