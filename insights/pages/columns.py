"""Columns that several figures share: a share or a stay with its interval."""

from insights.intervals import Estimate
from insights.pages.figure import Column, Unit, Value
from insights.stages import Dwell


def share_columns(name: str, label: str) -> tuple[Column, ...]:
    """Return the columns of a share and the ends of its interval, ``NAME``, ``NAME_low`` and ``NAME_high``."""
    ends = (("", label), ("_low", "from"), ("_high", "to"))
    return tuple(Column(name + end, called, Unit.SHARE) for end, called in ends)


def share_values(estimate: Estimate | None) -> tuple[Value, ...]:
    """Return the values under :func:`share_columns`."""
    return (estimate.value, estimate.low, estimate.high) if estimate else (None, None, None)


def dwell_columns() -> tuple[Column, ...]:
    """Return the columns of a stay: the median with its interval, and quartiles."""
    return (
        Column("median_seconds", "Median stay", Unit.SECONDS),
        Column("median_low", "from", Unit.SECONDS),
        Column("median_high", "to", Unit.SECONDS),
        Column("lower_quartile", "A quarter below", Unit.SECONDS),
        Column("upper_quartile", "A quarter above", Unit.SECONDS),
    )


def dwell_values(dwell: Dwell | None) -> tuple[Value, ...]:
    """Return the values under :func:`dwell_columns`."""
    if dwell is None:
        return (None,) * 5
    return (dwell.median, dwell.low, dwell.high, dwell.lower_quartile, dwell.upper_quartile)
