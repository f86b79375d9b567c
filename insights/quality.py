"""The quality of the data: what arrived, how late, how often twice, and what was unknown, missing or refused."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from insights.quality_checks import Check
from insights.usual import LEAST_DAYS


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long after they occurred the timed events of a day were received, in seconds; ``channel`` None is all."""

    day: date
    channel: str | None
    timed: int
    p50: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class DayTotals:
    """What arrived on a day, in all; shares are ``None`` where nothing could be measured."""

    day: date
    events: int
    late: float | None
    early: float | None
    duplicates: float | None
    unknown: float | None
    refused: float | None
    alarms: int


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of a journey's data on ``day``; ``hours`` whole hours of it are over, 24 where the day has ended.

    ``checks`` are of that day, alarms first and then the most surprising; ``earlier`` are the alarms of the days
    before, the latest first. ``refused`` counts rows by day (None where it is not known) and reason, ``unknown`` the
    events of names that the journey does not declare, and ``unseen`` are declared names that never came.
    """

    journey: str
    day: date
    hours: int
    checks: tuple[Check, ...]
    earlier: tuple[Check, ...]
    days: tuple[DayTotals, ...]
    lateness: tuple[Lateness, ...]
    refused: tuple[tuple[date | None, str, int], ...]
    unknown: tuple[tuple[str, int], ...]
    unseen: tuple[str, ...]

    @property
    def alarms(self) -> tuple[Check, ...]:
        """The checks of the day that are alarms."""
        return tuple(check for check in self.checks if check.alarm)

    def describe(self) -> list[str]:
        """Return sentences: the day, its alarms with who answers for the data, and what is noted beside them."""
        today = self.days[-1]
        whole = "" if self.hours == 24 else f", volumes until {self.hours}:00"
        lines = [f"{self.day:%A}, {self.day}{whole}: {today.events:,} events in {self.journey}."]
        for check in self.alarms:
            since = f" Since {check.since}." if check.since not in (None, self.day) else ""
            owner = f" ({check.steward})" if check.steward else ""
            lines.append(f"ALARM {check.describe()}{owner}.{since}")
        if not any(check.surprise is not None for check in self.checks):
            lines.append(f"Nothing is usual yet: that takes at least {LEAST_DAYS} days.")
        elif not self.alarms:
            lines.append(f"No alarm: {len(self.checks):,} figures are within their limits.")
        if self.unknown:
            named = ", ".join(f"{name} ({count:,})" for name, count in self.unknown[:5])
            lines.append(f"Names that the journey does not declare: {named}.")
        if self.unseen:
            lines.append(f"Declared, and not once in the log: {', '.join(self.unseen)}.")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return what ``dropoff quality --json`` writes."""
        return {
            "journey": self.journey,
            "day": str(self.day),
            "hours": self.hours,
            "alarm": bool(self.alarms),
            "alarms": [check.to_json() for check in self.alarms],
            "earlier_alarms": [check.to_json() for check in self.earlier],
            "checks": [check.to_json() for check in self.checks],
            "days": [_named(one) for one in self.days],
            "lateness": [_named(one) for one in self.lateness],
            "refused": [
                {"day": None if day is None else str(day), "reason": reason, "rows": rows}
                for day, reason, rows in self.refused
            ],
            "unknown": dict(self.unknown),
            "unseen": list(self.unseen),
        }


def _named(one: DayTotals | Lateness) -> dict[str, Any]:
    return asdict(one) | {"day": str(one.day)}
