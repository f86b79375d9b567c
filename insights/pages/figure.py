"""A page as data: figures that are a table each, with a definition and, where people would rather look, a chart.

A chart names columns of its figure's own table, so that picture, table and download cannot differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from insights.facts import Facts
from insights.filters import Filters
from insights.sessions import LiveSessions
from journeys.journey import Journey
from storage.records import Records

Value = str | int | float | bool | None
"""What a table holds; times and days are ISO 8601 text, None is "not known"."""


class Unit(StrEnum):
    """How the numbers of a column are to be read and written."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"
    SECONDS = "seconds"
    MONEY = "money"
    NUMBER = "number"
    TIME = "time"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in downloads, what people read above it, and its unit.

    ``link`` is the page that its values lead to: ``SLUG``, ``SLUG#FIGURE`` or ``SLUG?choice={}``, the value in place of
    the braces; ``{}`` where the values are such addresses themselves.
    """

    name: str
    label: str
    unit: Unit = Unit.TEXT
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; raises ValueError for a row of another length and for a name used twice."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError(f"a table has two columns of one name: {', '.join(names)}")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} values for {len(self.columns)} columns: {row}")

    def column(self, name: str) -> tuple[Value, ...]:
        """Return the values of a column; raises KeyError for an unknown one."""
        for place, column in enumerate(self.columns):
            if column.name == name:
                return tuple(row[place] for row in self.rows)
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a line chart's x axis that something was said about: an annotation, an alarm."""

    x: str
    text: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each row: ``category`` against one or more ``values``, with whiskers from ``low`` to ``high``."""

    category: str
    values: tuple[str, ...]
    low: str | None = None
    high: str | None = None
    horizontal: bool = False
    stacked: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.category, *self.values, *(name for name in (self.low, self.high) if name))


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over ``x``, with a band from ``low`` to ``high`` about the last of the values.

    ``series`` splits the rows into a line for each of its values.
    """

    x: str
    values: tuple[str, ...]
    low: str | None = None
    high: str | None = None
    series: str | None = None
    marks: tuple[Mark, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.x, *self.values, *(name for name in (self.low, self.high, self.series) if name))


@dataclass(frozen=True, slots=True)
class Heat:
    """A field for each row at ``x`` and ``y``, the darker the larger ``value``."""

    x: str
    y: str
    value: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.x, self.y, self.value)


@dataclass(frozen=True, slots=True)
class Sankey:
    """A stream from ``source`` to ``target`` for each row, as wide as ``value``; streams must not run in circles."""

    source: str
    target: str
    value: str

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.source, self.target, self.value)


@dataclass(frozen=True, slots=True)
class Tile:
    """The first row's ``value`` in large digits, with its interval and how it compares with ``before``.

    ``page`` is where it is explained, ``SLUG`` or ``SLUG#FIGURE``; ``rise_is_good`` colours a change, None does not.
    """

    value: str
    low: str | None = None
    high: str | None = None
    before: str | None = None
    page: str = ""
    rise_is_good: bool | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.value, *(name for name in (self.low, self.high, self.before) if name))


@dataclass(frozen=True, slots=True)
class Sentences:
    """Rows as sentences: ``text`` is what is said, ``page`` the column of the figure it rests on.

    That column holds ``SLUG`` or ``SLUG#FIGURE``.
    """

    text: str
    page: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.text, *(name for name in (self.page,) if name))


@dataclass(frozen=True, slots=True)
class Stops:
    """A map with a place for each row, in order: ``stage`` is its title and ``share`` the width of its band.

    ``details`` are written below, those that are known; a text with semicolons is a list.
    """

    stage: str
    share: str
    details: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are shown."""
        return (self.stage, self.share, *self.details)


Chart = Bars | Lines | Heat | Sankey | Tile | Sentences | Stops


@dataclass(frozen=True, slots=True)
class Figure:
    """A table with its title, its definition and, where there is one, its chart.

    ``name`` stands in addresses and downloads. ``note`` is a sentence about these very figures, such as a caveat.
    ``retells`` says that it shows single sessions, which a report to pass on leaves out. Raises ValueError for a chart
    of columns that the table does not have.
    """

    name: str
    title: str
    definition: str
    table: Table
    chart: Chart | None = None
    note: str = ""
    retells: bool = False

    def __post_init__(self) -> None:
        if self.chart:
            for name in self.chart.names:
                self.table.column(name)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form; ``options`` make it a choice, ``kind`` is the input's type in HTML, or ``textarea``."""

    name: str
    label: str
    kind: str = "text"
    options: tuple[str, ...] = ()
    value: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Form:
    """Something to change: the fields are posted to ``/SLUG/NAME``; left out of reports without a service."""

    name: str
    title: str
    button: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: a title, a sentence on what it answers, figures, and forms; ``slug`` is its address.

    ``choices`` are what its address may hold besides filters, such as the session to show. People choose at the top of
    the page, but for those of the kind ``hidden``; what was chosen stands in :attr:`View.query`.
    """

    slug: str
    title: str
    lede: str
    figures: tuple[Figure, ...]
    forms: tuple[Form, ...] = ()
    choices: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """All that a page is made from.

    ``records`` are what people and the service have noted down; ``query`` are further choices in the page's address,
    such as the session to show. ``live`` tells of sessions as they stand now, None in a report.
    """

    journey: Journey
    facts: Facts
    filters: Filters = field(default_factory=Filters)
    records: Records = field(default_factory=Records)
    query: Sequence[tuple[str, str]] = ()
    live: LiveSessions | None = None

    def chosen(self, name: str) -> str:
        """Return the last choice of a name in the page's address, empty where nothing was chosen."""
        return next((value for key, value in reversed(self.query) if key == name), "")
