"""Snowplow's self-describing JSON: an event of its own schema, and the entities beside it."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from serving.decoding import decode
from serving.errors import ClientError
from serving.nesting import require_shallow
from serving.usable import require_no_nul

Json = Mapping[str, Any]


def packed(fields: Mapping[str, str], in_base64: str, plain: str) -> Json | None:
    """Return the JSON that a payload has in one of two fields, None where in neither; raises :class:`ClientError`."""
    if said := fields.get(in_base64):
        field = in_base64
        try:
            content = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4))
        except (binascii.Error, ValueError) as error:
            raise ClientError(422, "invalid_field", f"{field} is not base64.", field) from error
    elif said := fields.get(plain):
        field, content = plain, said.encode()
    else:
        return None
    require_no_nul(content)
    try:
        found = decode(content, dict[str, Any])
    except ClientError as error:
        raise ClientError(422, "invalid_field", f"{field} holds no JSON object.", field) from error
    require_shallow(found, content, field)
    return found


def self_describing(said: Json | None) -> tuple[str, Json]:
    """Return the name of the schema that an event is of, and the event; raises :class:`ClientError`."""
    if said is None:
        raise ClientError(422, "no_event", "A self-describing event needs ue_px or ue_pr.", "ue_px")
    return _described(said.get("data"), "ue_px")


def contexts_of(said: Json | None) -> dict[str, list[Json]]:
    """Return the entities beside an event, by the names of their schemas; raises :class:`ClientError`."""
    if said is None:
        return {}
    entities = said.get("data")
    found: dict[str, list[Json]] = {}
    for one in entities if isinstance(entities, list) else [None]:
        name, entity = _described(one, "cx")
        found.setdefault(name, []).append(entity)
    return found


def _described(said: object, field: str) -> tuple[str, Json]:
    schema = said.get("schema") if isinstance(said, dict) else None
    data = said.get("data") if isinstance(said, dict) else None
    # Four parts: a vendor after iglu, the name, the format and the version.
    parts = schema.split("/") if isinstance(schema, str) else []
    if len(parts) != 4 or not parts[1] or not isinstance(data, dict):
        raise ClientError(422, "invalid_field", f"{field} does not describe itself: it has no schema and data.", field)
    return parts[1], data
