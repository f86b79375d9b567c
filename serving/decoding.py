"""Bodies read as messages, or refused in words that name the field."""

import re
from typing import TypeVar

import msgspec

from serving.errors import ClientError
from serving.whole_characters import with_whole_characters

_T = TypeVar("_T")

_LONGEST_SAID = 200
_PATH = re.compile(r"^(?P<text>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING_FIELD = re.compile(r"missing required field `(?P<name>[^`]*)`")


def decode(body: bytes, kind: type[_T], decoder: "msgspec.json.Decoder[_T] | None" = None) -> _T:
    """Return the body as a message.

    Raises :class:`ClientError`: 400 for what is no JSON, 422 for JSON of another shape, naming the field.
    """
    try:
        return msgspec.json.decode(body, type=kind) if decoder is None else decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_shape(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        whole = with_whole_characters(body)
        if whole != body:
            return decode(whole, kind, decoder)
        raise ClientError(400, "not_json", f"The body is not JSON: {error}.") from error


def convert(value: object, kind: type[_T]) -> _T:
    """Return decoded JSON as a message; raises :class:`ClientError` as :func:`decode` does."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _wrong_shape(error) from error


def _wrong_shape(error: msgspec.ValidationError) -> ClientError:
    found = _PATH.match(str(error))
    text, path = (found["text"], found["path"] or "$") if found else (str(error), "$")
    field = path.removeprefix("$").removeprefix(".")
    for pattern in (_UNKNOWN_FIELD, _MISSING_FIELD):
        if named := pattern.search(text):
            field = f"{field}.{named['name']}".removeprefix(".")
    sentence = text[:1].upper() + text[1:]
    field, sentence = _short(field), _short(sentence)
    where = f" at {field}" if field and field not in sentence else ""
    return ClientError(422, "invalid_field" if field else "invalid_body", f"{sentence}{where}.", field or None)


def _short(text: str) -> str:
    # A client's own text comes back in the message, but not all of it, however long it is.
    return text if len(text) <= _LONGEST_SAID else text[:_LONGEST_SAID] + "..."
