"""The dates that effects rest on, in words."""

from datetime import UTC, datetime

from insights.effects.effects import Effects
from insights.pages.write import write_day


def period_of(found: Effects) -> str:
    """Return the dates that the decisions span, in words."""
    first, last = (datetime.fromtimestamp(us / 1e6, UTC).date() for us in (found.first_us, found.last_us))
    return f"{write_day(first)} to {write_day(last)}"
