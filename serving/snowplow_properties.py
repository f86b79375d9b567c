"""The properties of Snowplow's events: what describes itself, the fields of each kind, and the entities beside it."""

from collections.abc import Mapping
from typing import Any

from features.landing import path_of
from serving.decoding import decode
from serving.errors import ClientError
from serving.snowplow_json import Json

_EVERY = {"url": "url", "page": "title", "refr": "referrer"}
_PING = {
    "pp_mix": "pp_xoffset_min",
    "pp_max": "pp_xoffset_max",
    "pp_miy": "pp_yoffset_min",
    "pp_may": "pp_yoffset_max",
}
_STRUCTURED = {"se_ca": "category", "se_la": "label", "se_pr": "property", "se_va": "value"}
_TRANSACTION = {"tr_id": "transaction_id", "tr_tt": "revenue", "tr_tx": "tax", "tr_sh": "shipping", "tr_cu": "currency"}
_ITEM = {
    "ti_id": "transaction_id",
    "ti_sk": "product",
    "ti_ca": "category",
    "ti_pr": "price",
    "ti_qu": "quantity",
    "ti_cu": "currency",
}
_FIELDS = {
    "pv": {},
    "pp": _PING,
    "se": _STRUCTURED,
    "tr": _TRANSACTION,
    "ti": _ITEM,
    "ue": {},
}
"""Which fields of a kind of event are properties, under which name."""
_NUMBERS = frozenset({"value", "revenue", "tax", "shipping", "price", "quantity", *_PING.values()})


def properties_of(fields: Mapping[str, str], kind: str, described: Json) -> dict[str, Any]:
    """Return the properties of an event: those it describes itself by, and the fields of its kind.

    They are named as in an import of Snowplow's enriched events. Raises :class:`ClientError`.
    """
    properties: dict[str, Any] = dict(described)
    for field, name in (_FIELDS[kind] | _EVERY).items():
        if field in fields:
            properties.setdefault(name, _number(fields[field], field) if name in _NUMBERS else fields[field])
    page = path_of(fields.get("url"))
    if page:
        properties.setdefault("page", page)
    return properties


def _number(text: str, field: str) -> float:
    try:
        return decode(text.strip().encode(), float)
    except ClientError as error:
        raise ClientError(422, "invalid_field", f"{text[:40]!r} is no number at {field}.", field) from error
