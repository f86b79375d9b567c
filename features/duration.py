"""Durations as people write them: a number and a unit."""

import re

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_WRITTEN = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd])")


def parse_duration(text: str) -> float:
    """Return the seconds of ``"30s"``, ``"1m"``, ``"2h"`` or ``"7d"``; raises ValueError for anything else.

    >>> parse_duration("1.5h")
    5400.0
    """
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None or not float(found["number"]):
        raise ValueError(f"{text!r} is no duration; write a positive number and s, m, h or d, for example '1m' or '7d'")
    return float(found["number"]) * _SECONDS[found["unit"]]


def write_duration(seconds: float) -> str:
    """Return the seconds as :func:`parse_duration` reads them, in the largest unit of which they are a whole number.

    >>> write_duration(90)
    '90s'
    """
    unit = next((unit for unit in reversed(_SECONDS) if seconds and seconds % _SECONDS[unit] == 0), "s")
    return f"{seconds / _SECONDS[unit]:.15g}{unit}"
