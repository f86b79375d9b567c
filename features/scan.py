"""The closed algebra of features: about a dozen scans over events, and their differences and ratios.

An *expression* is what a feature declares. A :class:`Scan` keeps a little state that every event it listens to
steps forward; ``a - b`` and ``a / b`` combine two expressions; a :class:`Clock` reads the moment itself.

>>> last(prop("shipping")) / last(prop("basket_value"))
last(prop("shipping")) / last(prop("basket_value"))
>>> count("click").describe()
'count("click")'
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

Per = Literal["session", "stage", "visitor"]
SCOPES: tuple[Per, ...] = ("session", "stage", "visitor")

Bound = float | tuple[float | None, float | None]


class ScanKind(IntEnum):
    """The primitives; the number is the kernel's operation code."""

    COUNT = 0
    TOTAL = 1
    MEAN = 2
    LAST = 3
    FIRST = 4
    PEAK = 5
    LOW = 6
    SINCE = 7
    SINCE_FIRST = 8
    RECENT = 9
    STREAK = 10
    DISTINCT = 11
    DROPS = 12


class ValueKind(IntEnum):
    """What a scan reads off an event; the number is the kernel's source code."""

    ONE = 0
    NUMBER = 1
    KEY = 2
    GAP = 3
    ABSENCE = 4
    POSITION = 5


class ClockKind(IntEnum):
    """What is read off the moment instead of the events."""

    HOUR = 0
    WEEKDAY = 1
    STAGE = 2


class DeclarationError(ValueError):
    """A feature, stage, intervention or journey is declared wrongly; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number that an event carries or implies."""

    kind: ValueKind
    name: str = ""

    def __repr__(self) -> str:
        match self.kind:
            case ValueKind.NUMBER:
                return f"prop({_quote(self.name)})"
            case ValueKind.KEY:
                return f"key({_quote(self.name)})"
            case _:
                return self.kind.name.lower()


def prop(name: str) -> Value:
    """Return the property ``name`` as a number: numbers, true/false as 1/0 and numeric text; NaN for anything else."""
    return Value(ValueKind.NUMBER, _property(name, "prop"))


def key(name: str) -> Value:
    """Return the property or context column ``name`` as an identity that can be compared but not ordered."""
    return Value(ValueKind.KEY, _property(name, "key"))


ONE = Value(ValueKind.ONE)
gap = Value(ValueKind.GAP)
"""Seconds since the session's previous event; NaN at its first."""
absence = Value(ValueKind.ABSENCE)
"""Seconds between the visitor's latest event in an earlier session and this session's first event."""
position = Value(ValueKind.POSITION)
"""Index of the stage that the event enters; NaN for an event that enters none."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a scan listens to.

    ``names`` is empty for every event. ``bounds`` are inclusive limits on numeric properties, which a missing
    value never satisfies. ``near`` holds the seconds and the names of ``within``.
    """

    names: tuple[str, ...] = ()
    starts_session: bool = False
    bounds: tuple[tuple[str, float, float], ...] = ()
    near: tuple[float, tuple[str, ...]] | None = None

    def within(self, seconds: float, *, of: str | tuple[str, ...]) -> "EventFilter":
        """Keep events at most ``seconds`` after the latest earlier event named ``of``."""
        names = _names((of,) if isinstance(of, str) else of, "within(..., of=...)")
        if not _is_number(seconds) or not seconds > 0:
            raise DeclarationError(f"within({seconds!r}, ...) needs a positive number of seconds")
        if self.starts_session:
            raise DeclarationError("session_start is not narrowed down; use on('name').within(...)")
        if self.near is not None:
            raise DeclarationError("within(...) may be given once; declare two features and subtract them")
        return replace(self, near=(float(seconds), names))

    def __repr__(self) -> str:
        if self.starts_session:
            return "session_start"
        names = ", ".join(_quote(name) for name in self.names)
        bounds = "".join(f", {name}={_show_bound(low, high)}" for name, low, high in self.bounds)
        text = f"on({names}{bounds})" if bounds else names if len(self.names) == 1 else f"on({names})"
        if not self.names:
            text = f"any_event.where({bounds[2:]})" if bounds else "any_event"
        if self.near is not None:
            of = ", ".join(_quote(name) for name in self.near[1])
            of = of if len(self.near[1]) == 1 else f"({of})"
            text = (text if bounds or not self.names else f"on({names})") + f".within({_show(self.near[0])}, of={of})"
        return text

    def where(self, **bounds: Bound) -> "EventFilter":
        """Keep events whose numeric properties equal a number or lie in an inclusive ``(low, high)``."""
        if self.starts_session and bounds:
            raise DeclarationError("session_start is not narrowed down; use on('name', ...) for bounds")
        return replace(self, bounds=self.bounds + tuple(_bound(name, bound) for name, bound in bounds.items()))


def on(*names: str, **bounds: Bound) -> EventFilter:
    """Listen to the events ``names`` whose numeric properties satisfy ``bounds``.

    A bound is a number to equal or an inclusive pair, open where it is None: ``on("search", results=0)``,
    ``on("page_view", load_seconds=(3, None))``.
    """
    if not names:
        raise DeclarationError("on() needs at least one event name; use any_event to listen to all of them")
    return EventFilter(_names(names, "on(...)")).where(**bounds)


any_event = EventFilter()
"""Every event of the session, those with undeclared names included."""
session_start = EventFilter(starts_session=True)
"""The first event of each session."""

On = str | EventFilter


@dataclass(frozen=True, slots=True)
class Expression:
    """What a feature computes; combine two with ``-`` and ``/``."""

    def __sub__(self, other: "Expression") -> "Expression":
        return Combination("-", self, _operand(other))

    def __truediv__(self, other: "Expression") -> "Expression":
        return Combination("/", self, _operand(other))

    def describe(self) -> str:
        """Return the declaration as it would be written."""
        return repr(self)

    def parts(self) -> "tuple[Expression, ...]":
        """Return the expressions that this one combines."""
        return ()


@dataclass(frozen=True, slots=True)
class Scan(Expression):
    """One primitive over the events that ``on`` lets through, with state that resets as ``per`` says."""

    kind: ScanKind
    value: Value
    on: EventFilter
    per: Per = "session"
    half_life: float = math.nan
    among: EventFilter | None = None

    def __post_init__(self) -> None:
        # Either would be missing for ever, in silence.
        if self.value == absence and not self.on.starts_session:
            raise DeclarationError(f"{self!r} is never known: write {self.kind.name.lower()}(absence, session_start)")
        if self.value in (gap, position) and self.on.starts_session:
            raise DeclarationError(f"{self!r} is never known: session_start has no {self.value!r}; use any_event")

    def __repr__(self) -> str:
        arguments = []
        if self.kind is ScanKind.RECENT:
            arguments = [repr(self.on), f"half_life={_show(self.half_life)}"]
            arguments += [f"value={self.value!r}"] if self.value != ONE else []
        elif self.value == ONE:
            arguments.append(repr(self.on))
        else:
            arguments += [repr(self.value), *([f"on={self.on!r}"] if self.on != any_event else [])]
        if self.among is not None:
            arguments.append(f"among={self.among!r}")
        if self.per != "session":
            arguments.append(f'per="{self.per}"')
        return f"{self.kind.name.lower()}({', '.join(arguments)})"

    # NaN never equals itself, and equal scans must share their state.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scan) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True, slots=True)
class Clock(Expression):
    """A reading of the moment: the hour, the weekday or the stage reached."""

    kind: ClockKind

    def __repr__(self) -> str:
        return self.kind.name.lower()


@dataclass(frozen=True, slots=True)
class Combination(Expression):
    """A difference or a ratio; a ratio to zero is NaN, and so is anything combined with NaN."""

    operator: Literal["-", "/"]
    left: Expression
    right: Expression

    def __post_init__(self) -> None:
        for part in self.parts():
            if isinstance(part, Scan) and part.value.kind is ValueKind.KEY and part.kind is not ScanKind.DISTINCT:
                raise DeclarationError(
                    f"{part!r} is an identity and cannot be subtracted or divided: read a number with prop(...)"
                )

    def __repr__(self) -> str:
        right = f"({self.right!r})" if isinstance(self.right, Combination) else repr(self.right)
        ambiguous = isinstance(self.left, Combination) and self.left.operator != self.operator
        return f"{f'({self.left!r})' if ambiguous else repr(self.left)} {self.operator} {right}"

    def parts(self) -> tuple[Expression, ...]:
        """Return the two operands."""
        return (self.left, self.right)


hour = Clock(ClockKind.HOUR)
"""Hour of the day, 0 to 23, in the journey's time zone."""
weekday = Clock(ClockKind.WEEKDAY)
"""Day of the week, 0 for Monday, in the journey's time zone."""
stage = Clock(ClockKind.STAGE)
"""Index of the furthest stage that the session has reached; NaN before the first."""


def count(on: On, *, per: Per = "session") -> Scan:
    """How many events; 0 before the first."""
    return Scan(ScanKind.COUNT, ONE, _filter(on), _per(per))


def total(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """Sum of a value; 0 before the first."""
    return Scan(ScanKind.TOTAL, _number(value, "total"), _filter(on), _per(per))


def mean(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """Arithmetic mean of a value; NaN before the first."""
    return Scan(ScanKind.MEAN, _number(value, "mean"), _filter(on), _per(per))


def last(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """Latest value that is not missing; NaN before the first."""
    return Scan(ScanKind.LAST, _value(value, "last"), _filter(on), _per(per))


def first(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """Earliest value that is not missing; NaN before it."""
    return Scan(ScanKind.FIRST, _value(value, "first"), _filter(on), _per(per))


def peak(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """Largest value; NaN before the first."""
    return Scan(ScanKind.PEAK, _number(value, "peak"), _filter(on), _per(per))


def low(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """Smallest value; NaN before the first."""
    return Scan(ScanKind.LOW, _number(value, "low"), _filter(on), _per(per))


def since(on: On, *, per: Per = "session") -> Scan:
    """Seconds from the latest such event to the moment; NaN before the first."""
    return Scan(ScanKind.SINCE, ONE, _filter(on), _per(per))


def since_first(on: On, *, per: Per = "session") -> Scan:
    """Seconds from the earliest such event to the moment; NaN before it."""
    return Scan(ScanKind.SINCE_FIRST, ONE, _filter(on), _per(per))


def recent(on: On, *, half_life: float, value: Value = ONE, per: Per = "session") -> Scan:
    """Count, or sum of ``value``, in which each event's weight halves every ``half_life`` seconds."""
    if not (_is_number(half_life) and half_life > 0 and math.isfinite(half_life)):
        raise DeclarationError(f"recent(..., half_life={half_life!r}) needs a positive number of seconds")
    if value != ONE:
        _number(value, "recent")
    return Scan(ScanKind.RECENT, value, _filter(on), _per(per), half_life=float(half_life))


def streak(on: On, *, among: On | None = None, per: Per = "session") -> Scan:
    """How many of the latest events in a row pass ``on``.

    Any event of ``among`` that fails ``on`` sets it back to 0. By default that is any event, or, where ``on``
    has bounds or ``within``, the events of the same names: ``streak(on("search", results=0))`` counts failed
    searches in a row, whatever happened between them.
    """
    chosen = _filter(on)
    if among is not None:
        background = _filter(among)
    elif chosen.bounds or chosen.near:
        background = EventFilter(chosen.names)
    else:
        background = any_event
    if background.bounds or background.near or background.starts_session or chosen.starts_session:
        raise DeclarationError("streak(..., among=...) takes event names without bounds: among=on('search', 'click')")
    if background.names and not set(chosen.names) <= set(background.names):
        raise DeclarationError("streak(...): the events of `on` must be among those of `among`")
    return Scan(ScanKind.STREAK, ONE, chosen, _per(per), among=background)


def distinct(value: Value, on: On = any_event, *, per: Per = "session") -> Scan:
    """How many different values; 0 before the first. ``prop`` is read as ``key``, so text counts too."""
    identity = key(value.name) if _value(value, "distinct").kind is ValueKind.NUMBER else value
    return Scan(ScanKind.DISTINCT, identity, _filter(on), _per(per))


def drops(value: Value = position, on: On = any_event, *, per: Per = "session") -> Scan:
    """How many times a value was less than the one before it: with ``position``, steps back in the journey."""
    return Scan(ScanKind.DROPS, _number(value, "drops"), _filter(on), _per(per))


def category(name: str) -> Scan:
    """Latest identity of a context column or property, for a vocabulary learnt in training to number."""
    return last(key(name))


def scans(expression: Expression) -> Sequence[Scan]:
    """Return the scans of an expression, left to right."""
    if isinstance(expression, Scan):
        return [expression]
    return [scan for part in expression.parts() for scan in scans(part)]


def _operand(other: object) -> Expression:
    if isinstance(other, Expression):
        return other
    raise DeclarationError(
        f"{other!r} is not a scan: only scans combine with - and /, for example count('a') / count('b')"
    )


def _filter(on: On) -> EventFilter:
    if isinstance(on, EventFilter):
        return on
    if isinstance(on, str):
        return EventFilter((on,))
    raise DeclarationError(f"{on!r} is no event filter: write an event name, on('name', ...) or any_event")


def _per(per: str) -> Per:
    for scope in SCOPES:
        if per == scope:
            return scope
    raise DeclarationError(f"per={per!r} is unknown: write per='session', per='stage' or per='visitor'")


def _number(value: Value, scan: str) -> Value:
    if _value(value, scan).kind is ValueKind.KEY:
        raise DeclarationError(f"{scan}({value!r}) needs a number: write {scan}(prop('{value.name}'))")
    return value


def _value(value: object, scan: str) -> Value:
    if not isinstance(value, Value):
        wanted = repr(value) if isinstance(value, str) else "'name'"
        raise DeclarationError(f"{scan}({value!r}) needs a value: write {scan}(prop({wanted}))")
    if value.kind is ValueKind.ONE:
        raise DeclarationError(f"{scan}() needs a value to read: write {scan}(prop('name'))")
    return value


def _property(name: object, reader: str) -> str:
    if not isinstance(name, str) or not name or '"' in name:
        raise DeclarationError(f"{reader}({name!r}) needs the name of a property, in which no double quote may stand")
    return name


def _names(names: object, where: str) -> tuple[str, ...]:
    if not isinstance(names, Sequence) or not names or not all(isinstance(name, str) and name for name in names):
        raise DeclarationError(f"{where} takes event names: write them as text, for example 'page_view'")
    return tuple(names)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(name: str, bound: object) -> tuple[str, float, float]:
    if isinstance(bound, tuple) and len(bound) == 2:
        low = -math.inf if bound[0] is None else bound[0]
        high = math.inf if bound[1] is None else bound[1]
    else:
        low = high = bound
    _property(name, "prop")
    if not _is_number(low) or not _is_number(high):
        raise DeclarationError(f"{name}={bound!r} is no bound: write a number or an inclusive pair such as (3, None)")
    if not low <= high:
        raise DeclarationError(f"{name}={bound!r} lets nothing through: the first number must not exceed the second")
    return name, float(low), float(high)


def _show_bound(low: float, high: float) -> str:
    if low == high:
        return _show(low)
    show = [("None" if math.isinf(limit) else _show(limit)) for limit in (low, high)]
    return f"({show[0]}, {show[1]})"


def _show(number: float) -> str:
    # Short where that is the number itself; scans that differ must never read alike, since equal ones share state.
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


def _quote(name: str) -> str:
    return f'"{name}"' if '"' not in name and "\\" not in name else repr(name)
