"""The properties of Snowplow's events: what describes itself, the fields of each kind, and the entities beside it."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from serving.errors import ClientError
from serving.messages import decode
from serving.snowplow_json import Json

_STRUCTURED = {"se_ca": "category", "se_ac": "action", "se_la": "label", "se_pr": "property", "se_va": "value"}
_PING = {
    "pp_mix": "pp_xoffset_min",
    "pp_max": "pp_xoffset_max",
    "pp_miy": "pp_yoffset_min",
    "pp_may": "pp_yoffset_max",
}
_TRANSACTION = {
    "tr_id": "order_id",
    "tr_af": "affiliation",
    "tr_tt": "total",
    "tr_tx": "tax",
    "tr_sh": "shipping",
    "tr_cu": "currency",
}
_ITEM = {
    "ti_id": "order_id",
    "ti_sk": "sku",
    "ti_nm": "name",
    "ti_ca": "category",
    "ti_pr": "price",
    "ti_qu": "quantity",
    "ti_cu": "currency",
}
_VIEW = {"url": "url", "page": "title", "refr": "referrer"}
_FIELDS = {
    "pv": _VIEW,
    "pp": _VIEW | _PING,
    "se": _STRUCTURED,
    "tr": _TRANSACTION,
    "ti": _ITEM,
    "ue": {},
}
"""Which fields of a kind of event are properties, under which name."""
_NUMBERS = frozenset({"value", "total", "tax", "shipping", "price", "quantity", *_PING.values()})


def properties_of(
    fields: Mapping[str, str], kind: str, described: Json, contexts: Mapping[str, Sequence[Json]]
) -> dict[str, Any]:
    """Return the properties of an event: those it describes itself by, its kind's fields, and ``contexts``."""
    properties: dict[str, Any] = dict(described)
    for field, name in _FIELDS[kind].items():
        if field in fields:
            properties[name] = _number(fields[field], field) if name in _NUMBERS else fields[field]
    if kind in ("pv", "pp"):
        page = fields.get("page") or _path(fields.get("url"))
        if page:
            properties["page"] = page
    if contexts:
        properties["contexts"] = contexts
    return properties


def _number(text: str, field: str) -> float:
    try:
        return decode(text.strip().encode(), float)
    except ClientError as error:
        raise ClientError(422, "invalid_field", f"{text[:40]!r} is no number at {field}.", field) from error


def _path(url: str | None) -> str | None:
    try:
        return urlsplit(url).path or None if url else None
    except ValueError:
        # A host in brackets that is no address.
        return None
