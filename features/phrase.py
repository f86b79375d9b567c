"""Say a number in a phrase: ordinary format specifications, and three more that read like words.

>>> say("payment failed {:times}", 2)
'payment failed twice'
>>> say("no answer for {:duration}", 259200)
'no answer for 3 days'
>>> say("{:form error|form errors}", 1)
'1 form error'
"""

import math

_TIMES = {0.0: "not once", 1.0: "once", 2.0: "twice"}
_UNITS = (
    (86_400.0, "day", "days"),
    (3_600.0, "hour", "hours"),
    (60.0, "minute", "minutes"),
    (1.0, "second", "seconds"),
)
_UNIT_AT_LEAST = 2
"""A unit is used from two of it on: 90 minutes rather than 1.5 hours, 36 hours rather than 1.5 days."""


class Quantity(float):
    """A number that also understands ``{:times}``, ``{:duration}`` (of seconds) and ``{:singular|plural}``."""

    __slots__ = ()

    def __format__(self, specification: str) -> str:
        match specification:
            case "times":
                return _TIMES.get(self._rounded(), f"{self._show()} times")
            case "duration":
                return _duration(float(self))
            case words if "|" in words:
                singular, _, plural = words.partition("|")
                return f"{self._show()} {singular if self._rounded() == 1 else plural}"
            case _:
                return float.__format__(self, specification)

    def _rounded(self) -> float:
        return float(f"{float(self):.1f}")

    def _show(self) -> str:
        return f"{self._rounded():,.0f}" if self._rounded().is_integer() else f"{self._rounded():,.1f}"


def say(phrase: str, value: float) -> str:
    """Return the phrase with its number. Raises ValueError, IndexError or KeyError for a phrase that takes none."""
    return phrase.format(Quantity(value))


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "an unknown time"
    size, singular, plural = next((unit for unit in _UNITS if abs(seconds) >= _UNIT_AT_LEAST * unit[0]), _UNITS[-1])
    amount = round(seconds / size)
    return f"{amount:,} {singular if abs(amount) == 1 else plural}"
