"""Mappings of touchpoints: exports of mail, ad, call and CRM systems, by a TOML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from features.source import Source, SourceError
from features.sources.mapping import read_toml
from features.table import nearest
from features.touchpoints import CLICK

MEMBERS = ("id", "name", "occurred_at", "user_id", "click_id", "visitor_id", "channel", "source", "campaign")
"""What a touchpoint is told by; each has a column of the same name where no mapping says another."""
_WHO = ("visitor_id", "user_id", "click_id")


def read_touchpoint_mapping(path: Path) -> Source:
    """Return the source that the tables ``columns``, ``constants`` and ``properties`` of a TOML file declare.

    A column may be a list of columns, whose texts are joined: ``id = ["deal_id", "stage"]`` makes a deal in another
    stage another touchpoint. Without ``id`` a row that is the same in all columns is the same touchpoint. Raises
    :class:`SourceError`.
    """
    content = read_toml(path, ("columns", "constants", "properties"))
    try:
        return touchpoint_mapping(
            _table(content, "columns"), _table(content, "constants"), _table(content, "properties"), name=path.stem
        )
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error


def touchpoint_mapping(
    columns: Mapping[str, Any], constants: Mapping[str, Any], properties: Mapping[str, Any], *, name: str
) -> Source:
    """Return a source of touchpoints; raises :class:`SourceError` for a mapping that cannot be used."""
    for member in (*columns, *constants):
        if member not in MEMBERS:
            meant = ", ".join(nearest(member, MEMBERS))
            raise SourceError(f"{member!r} is nothing that touchpoints have; did you mean {meant}?")
    said = {member: _joined(member, named) for member, named in columns.items()}
    said |= {member: _literal(member, text) for member, text in constants.items()}
    for member in ("name", "occurred_at"):
        if member not in said:
            where = f'[constants] {member} = "deal", or ' if member == "name" else ""
            raise SourceError(f"the mapping does not say the {member}: add {where}[columns] {member} = 'your column'")
    if not any(member in said for member in _WHO):
        raise SourceError(f"the mapping does not say whose they are: add a column for {', '.join(_WHO)}")
    for place in properties.values():
        if not isinstance(place, str):
            raise SourceError('[properties] maps names to column names, as in amount = "deal_value"')
    fields = [column for named in columns.values() for column in _listed(named)]
    fields += [str(place) for place in properties.values()]
    who = [f"nullif({said[member]}, '')" for member in _WHO if member in said]
    click = {CLICK: f"nullif({said['click_id']}, '')"} if "click_id" in said else {}
    return Source(
        name=name,
        columns={
            "event_id": said.get("id", "md5(raw_row)"),
            # Until it is known who clicked, the click stands for its visitor.
            "visitor_id": f"coalesce({', '.join(who)})",
            **{member: said[member] for member in said if member not in ("id", "visitor_id", "click_id")},
        },
        fields={field: f'$."{field}"' for field in fields},
        required=tuple(dict.fromkeys(fields)),
        properties={own: _quoted(str(column)) for own, column in properties.items()} | click,
    )


def _table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise SourceError(f'[{name}] is a table, as in name = "deal"')
    return found


def _listed(named: Any) -> Sequence[str]:
    return [named] if isinstance(named, str) else list(named)


def _joined(member: str, named: Any) -> str:
    if isinstance(named, str):
        return f"CAST({_quoted(named)} AS VARCHAR)"
    if not isinstance(named, list) or not named or not all(isinstance(one, str) for one in named):
        raise SourceError(f'[columns] {member} is the name of a column, or a list of them: ["deal_id", "stage"]')
    return f"concat_ws(':', {', '.join(_quoted(one) for one in named)})"


def _literal(member: str, text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise SourceError(f'[constants] {member} is a text, as in name = "deal"')
    return "'" + text.replace("'", "''") + "'"


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
