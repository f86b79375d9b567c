"""Which sessions a page is about: a period of days and cohorts, as they stand in the address of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from features.table import CONTEXT_COLUMNS, nearest
from journeys.journey import Journey

DIMENSIONS = ("visitor_kind", *CONTEXT_COLUMNS, "problem_type", "blocker", "stage")
"""What every session can be chosen by; a journey adds its ``cohorts``."""


class FilterError(ValueError):
    """A filter that cannot be understood; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Filters:
    """A period and cohorts; everything where empty.

    ``since`` and ``until`` are days in the journey's time zone, both included. ``cohort`` pairs a dimension with one of
    its values; several pairs of one dimension mean any of them, several dimensions mean all of them.
    """

    since: date | None = None
    until: date | None = None
    cohort: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_query(cls, query: Sequence[tuple[str, str]] | Mapping[str, str], journey: Journey) -> "Filters":
        """Return the filters of ``since=``, ``until=`` and ``dimension=value``; raises :class:`FilterError`.

        Empty values are left out, as a form sends them for what was not chosen.
        """
        pairs = query.items() if isinstance(query, Mapping) else query
        since = until = None
        cohort: list[tuple[str, str]] = []
        for name, value in pairs:
            if not value:
                continue
            if name == "since":
                since = _day(name, value)
            elif name == "until":
                until = _day(name, value)
            elif name in dimensions(journey):
                if "\0" in value:
                    raise FilterError(f"the filter {name} holds a NUL byte")
                cohort.append((name, value))
            else:
                known = ("since", "until", *dimensions(journey))
                alike = " or ".join(nearest(name[:60], known))
                raise FilterError(f"there is no filter {name[:60]!r}; did you mean {alike}?")
        if since and until and since > until:
            raise FilterError(f"the period begins on {since}, after its end on {until}")
        return cls(since, until, tuple(dict.fromkeys(cohort)))

    @classmethod
    def from_texts(cls, only: Sequence[str], since: str | None, until: str | None, journey: Journey) -> "Filters":
        """Return the filters of a command's options, ``only`` as ``NAME=VALUE``; raises :class:`FilterError`."""
        pairs = [text.partition("=") for text in only]
        for text, (name, _, value) in zip(only, pairs, strict=True):
            if not name or not value:
                raise FilterError(f"{text[:60]!r} is no cohort; write it like device=mobile")
        query = [("since", since or ""), ("until", until or ""), *((name, value) for name, _, value in pairs)]
        return cls.from_query(query, journey)

    def to_query(self) -> str:
        """Return what :meth:`from_query` reads, as the query of an address; empty for no filter."""
        period = [(name, str(day)) for name, day in (("since", self.since), ("until", self.until)) if day]
        return urlencode([*period, *self.cohort])

    def condition(self) -> str:
        """Return the SQL condition over the table of sessions."""
        parts = [f"local_day {sign} DATE '{day}'" for sign, day in ((">=", self.since), ("<=", self.until)) if day]
        for dimension in dict.fromkeys(name for name, _ in self.cohort):
            wanted = ", ".join(_quoted(value, "'") for name, value in self.cohort if name == dimension)
            parts.append(f"{_quoted(dimension, chr(34))} IN ({wanted})")
        return " AND ".join(parts) or "true"

    def describe(self) -> str:
        """Return the filters in words, for example ``1 to 7 June 2026, device phone``."""
        period = {
            (True, True): f"{self.since} to {self.until}",
            (True, False): f"since {self.since}",
            (False, True): f"until {self.until}",
            (False, False): "all days",
        }[self.since is not None, self.until is not None]
        return ", ".join([period, *(f"{name.replace('_', ' ')} {value}" for name, value in self.cohort)])


def dimensions(journey: Journey) -> tuple[str, ...]:
    """Return all that sessions of a journey can be chosen and compared by."""
    return (*DIMENSIONS, *journey.cohorts)


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FilterError(f"{name}={text[:40]!r} is no day; write it like {name}=2026-06-01") from error
