"""SQL that puts JSON objects together out of others, member by member; what comes first stays."""

from collections.abc import Mapping

_MAP = "'\"MAP(VARCHAR, JSON)\"'"


def text_sql(expression: str) -> str:
    """Return the SQL for a text as JSON; null for a missing or empty one."""
    return f"CAST(to_json(nullif({expression}, '')) AS VARCHAR)"


def number_sql(expression: str) -> str:
    """Return the SQL for a text that is a number as JSON; null for any other."""
    return f"CAST(to_json(TRY_CAST({expression} AS DOUBLE)) AS VARCHAR)"


def members_sql(json: str, where: str = "true") -> str:
    """Return the SQL for the members of an object as texts ``"key":value``; ``where`` may ask ``one.key``.

    It is an empty list for anything else than an object.
    """
    entries = f"map_entries(TRY(from_json(CASE WHEN json_type({json}) = 'OBJECT' THEN {json} END, {_MAP})))"
    return (
        f"coalesce(list_transform(list_filter({entries}, lambda one: {where}), "
        "lambda one: CAST(to_json(one.key) AS VARCHAR) || ':' || coalesce(CAST(one.value AS VARCHAR), 'null')), [])"
    )


def keys_sql(json: str) -> str:
    """Return the SQL for the keys of an object; an empty list for anything else."""
    return f"coalesce(CASE WHEN json_type({json}) = 'OBJECT' THEN json_keys({json}) END, [])"


def added_sql(added: Mapping[str, str], keys: str) -> str:
    """Return the SQL for members of these names and JSON values, but those that are null or among ``keys``."""
    listed = ", ".join(
        f"CASE WHEN NOT list_contains({keys}, '{name}') THEN '\"{name}\":' || {value} END"
        for name, value in added.items()
    )
    return f"list_filter([{listed}], lambda one: one IS NOT NULL)"


def object_sql(*members: str) -> str:
    """Return the SQL for the object of lists of members."""
    return f"'{{' || array_to_string(list_concat({', '.join(members)}), ',') || '}}'"
