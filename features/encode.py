"""Encode one event as the kernel reads it; the live twin of the SQL in ``read_log``."""

import hashlib
import math
import re
from collections.abc import Callable
from functools import lru_cache

from msgspec import Struct

from features.events import Event, FloatArray
from features.plan import Plan
from features.scan import ValueKind

NUMERIC_TEXT = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
"""What text must match as a whole to count as a number; plain enough for every regular-expression engine."""

NO_NUMBERS = ("NaN", "Infinity", "-Infinity")
"""How numbers that are none are written into JSON; once read as text, nothing tells them from such words."""

_NUMERIC = re.compile(NUMERIC_TEXT)
_LONGEST_REMEMBERED = 100


class EncodedEvent(Struct, frozen=True, gc=False):
    """One event as numbers; ``values`` is (P,), the plan's columns."""

    event_id: str
    at_us: int
    code: int
    values: FloatArray


def number(value: object) -> float:
    """Return a property as a number: true/false are 1/0, numeric text counts, and anything else is NaN.

    -0.0 becomes 0.0, so that equal numbers are equal to the bit.
    """
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else math.nan
    if isinstance(value, int):
        return _finite(value)
    if isinstance(value, str):
        return _number_of_text(value)
    return math.nan


def key(value: object) -> float:
    """Return a property's identity: its number, or a negative 52-bit hash of its text; NaN when missing.

    Text that begins like a JSON object or array is missing, as an object or array itself is; so are numbers that are
    none, or too large for one.
    """
    if isinstance(value, str):
        return _key_of_text(value)
    return number(value)


def encode_event(plan: Plan, event: Event) -> EncodedEvent:
    """Return the event in the plan's codes and columns."""
    values: FloatArray = plan.no_values.copy()
    # An event carries a few properties of the many that a plan reads, so it is they that are gone through.
    columns = plan.property_columns
    for name, value in event.properties.items():
        for place, kind in columns.get(name, ()):
            values[place] = key(value) if kind is ValueKind.KEY else number(value)
    for name, read in plan.context_columns.items():
        value = getattr(event, name)
        if value is not None:
            for place, kind in read:
                values[place] = key(value) if kind is ValueKind.KEY else number(value)
    return EncodedEvent(event.event_id, event.occurred_at_us, plan.code_of(event.name), values)


def _finite(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _remembered(reading: Callable[[str], float]) -> Callable[[str], float]:
    """Remember the readings of short texts; long ones would fill the memory, and hardly ever come again."""
    remembering = lru_cache(maxsize=65_536)(reading)
    return lambda text: remembering(text) if len(text) <= _LONGEST_REMEMBERED else reading(text)


@_remembered
def _number_of_text(text: str) -> float:
    if text in ("true", "false"):
        return float(text == "true")
    if _NUMERIC.fullmatch(text) is None:
        return math.nan
    parsed = float(text)
    return parsed + 0.0 if math.isfinite(parsed) else math.nan


@_remembered
def _key_of_text(text: str) -> float:
    if not text or text[0] in "{[" or text in NO_NUMBERS:
        return math.nan
    parsed = _number_of_text(text)
    if not math.isnan(parsed) or _NUMERIC.fullmatch(text) is not None:
        return parsed
    digest = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()
    # DuckDB's md5_number_upper(text) >> 12: 52 bits, which a float64 holds exactly.
    return -(1.0 + (int.from_bytes(digest[:8], "little") >> 12))
