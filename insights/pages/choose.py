"""The bar of filters: quick periods, what is chosen now, and what could be chosen, as the facts know it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

import duckdb

from insights.days import day_of
from insights.facts import Facts
from insights.filters import Filters, dimensions
from insights.pages.links import ServiceLinks
from insights.pages.write import write_day
from journeys.journey import Journey

QUICK_DAYS = (7, 28)
_MOST_VALUES = 40
_KNOWN: dict[tuple[str, int, tuple[str, ...]], Mapping[str, tuple[str, ...]]] = {}


@dataclass(frozen=True, slots=True)
class Quick:
    """A period at one click."""

    title: str
    address: str
    current: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A cohort that is chosen, and the address of the page without it."""

    title: str
    address: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A dimension with its values; ``more`` are further chosen values, which stay chosen."""

    name: str
    title: str
    values: Sequence[str]
    chosen: str
    more: Sequence[str]


@dataclass(frozen=True, slots=True)
class FilterBar:
    """All that the bar shows; ``kept`` are the page's own choices, which filters leave alone."""

    address: str
    period: str
    since: str
    until: str
    first: str
    last: str
    quick: Sequence[Quick]
    chips: Sequence[Chip]
    choices: Sequence[Choice]
    kept: Sequence[tuple[str, str]]


def make_bar(
    journey: Journey,
    facts: Facts,
    filters: Filters,
    slug: str,
    slugs: tuple[str, ...],
    query: Sequence[tuple[str, str]],
) -> FilterBar:
    """Return the bar of one page."""
    began, ended = days_of(facts)

    def address(changed: Filters) -> str:
        links = ServiceLinks(slugs, changed)
        kept = urlencode(query)
        return links.page(f"{slug}?{kept}" if kept else slug)

    quick = []
    for days in QUICK_DAYS:
        period = replace(filters, since=max(began, ended - timedelta(days=days - 1)), until=None)
        quick.append(Quick(f"{days} days", address(period), filters == period))
    whole = replace(filters, since=None, until=None)
    quick.append(Quick("All days", address(whole), filters == whole))
    chips = [
        Chip(
            f"{name.replace('_', ' ')}: {value.replace('_', ' ')}",
            address(replace(filters, cohort=tuple(pair for pair in filters.cohort if pair != (name, value)))),
        )
        for name, value in filters.cohort
    ]
    return FilterBar(
        address=ServiceLinks(slugs, Filters()).page(slug),
        period=f"{write_day(filters.since or began)} to {write_day(filters.until or ended)}",
        since=str(filters.since or ""),
        until=str(filters.until or ""),
        first=str(began),
        last=str(ended),
        quick=quick,
        chips=chips,
        choices=_choices(journey, facts, filters),
        kept=query,
    )


def days_of(facts: Facts) -> tuple[date, date]:
    """Return the first and the last day of the log, in the journey's time zone."""
    return day_of(facts.first_at_us, facts.timezone), day_of(facts.last_at_us, facts.timezone)


def _choices(journey: Journey, facts: Facts, filters: Filters) -> list[Choice]:
    known = known_values(facts, dimensions(journey))
    choices = []
    for name in dimensions(journey):
        chosen = [value for dimension, value in filters.cohort if dimension == name]
        values = sorted({*known.get(name, ()), *chosen})
        if len(values) > 1 or chosen:
            title = name.replace("_", " ").capitalize()
            choices.append(Choice(name, title, values, chosen[0] if chosen else "", chosen[1:]))
    return choices


def known_values(facts: Facts, names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return the commonest values of each dimension in the facts, which are read once for each building of them."""
    key = (str(facts.folder), facts.built_at_us, names)
    if key not in _KNOWN:
        with facts.connect() as connection:
            columns = {row[0] for row in connection.execute("DESCRIBE sessions").fetchall()}
            found = {name: _values(connection, name) for name in names if name in columns}
        _KNOWN.clear()
        _KNOWN[key] = found
    return _KNOWN[key]


def _values(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[str, ...]:
    query = (
        f'SELECT "{name}" FROM sessions WHERE "{name}" IS NOT NULL '
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {_MOST_VALUES}"
    )
    return tuple(str(row[0]) for row in connection.execute(query).fetchall())
