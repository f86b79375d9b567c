"""A funnel: its steps, what order they take, how long people have, and how people are counted."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

from features.duration import parse_duration
from features.events import US_PER_SECOND
from insights.funnel.steps import FunnelError, Step, mark_optional, parse_steps

NO_LIMIT_US = 1 << 61
MAX_BITS = 30

Choice = TypeVar("Choice", bound=StrEnum)


class Order(StrEnum):
    """How the steps must follow each other."""

    ORDERED = "ordered"
    """One after the other; any other events may lie between."""
    STRICT = "strict"
    """One directly after the other; not even a repetition may lie between."""
    UNORDERED = "unordered"
    """Within one window, in any order."""


class CountBy(StrEnum):
    """Whose events are looked at together, and who is counted once."""

    VISITOR = "visitor"
    USER = "user"
    SESSION = "session"


class Attribution(StrEnum):
    """Which event's value of a breakdown a person is counted under."""

    FIRST = "first"
    """The first known value on the person's step events."""
    LAST = "last"
    """The last known value on the person's step events up to where the attempt got."""
    STEP = "step"
    """Each step under its own event's value; or all of them under that of one step."""
    ALL = "all"
    """A funnel for each value, of only the events that have it."""


@dataclass(frozen=True)
class Funnel:
    """What is counted. Raises :class:`FunnelError` where it contradicts itself.

    Windows are microseconds, both edges inclusive. ``since`` and ``until`` are local days of ``timezone``, both
    inclusive, in which an attempt begins; its later steps may come after. ``attribution_step`` is the place of the step
    whose value counts; None with ``Attribution.STEP`` lets each step have its own.
    """

    steps: tuple[Step, ...]
    order: Order = Order.ORDERED
    window_us: int = NO_LIMIT_US
    step_window_us: int = NO_LIMIT_US
    exclude: tuple[Step, ...] = ()
    count_by: CountBy = CountBy.VISITOR
    by: str | None = None
    attribution: Attribution = Attribution.FIRST
    attribution_step: int | None = None
    since: date | None = None
    until: date | None = None
    timezone: str = "UTC"
    session_timeout_us: int = 1_800 * US_PER_SECOND

    def __post_init__(self) -> None:
        if not self.steps:
            raise FunnelError("a funnel needs at least one step")
        if len(self.steps) + len(self.exclude) > MAX_BITS:
            raise FunnelError(f"a funnel has at most {MAX_BITS} steps and excluded events; leave some out")
        if self.steps[0].optional:
            raise FunnelError(f"the first step, {self.steps[0].text}, is where people enter; it cannot be optional")
        for excluded in self.exclude:
            if set(excluded.patterns) & {pattern for step in self.steps for pattern in step.patterns}:
                raise FunnelError(f"{excluded.text} is a step and excluded; leave one of them out")
        if self.order is Order.UNORDERED and self.step_window_us != NO_LIMIT_US:
            raise FunnelError("in an unordered funnel no step comes before another; limit it by the window only")
        if self.attribution_step is not None and not 0 <= self.attribution_step < len(self.steps):
            raise FunnelError(f"there is no step number {self.attribution_step + 1} to take the breakdown's value from")
        if self.since and self.until and self.until < self.since:
            raise FunnelError(f"the period ends on {self.until}, before it begins on {self.since}")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise FunnelError(f"no time zone is named {self.timezone!r}; write one as Europe/Berlin") from error

    @property
    def required(self) -> tuple[int, ...]:
        """The places of the steps that are not optional."""
        return tuple(place for place, step in enumerate(self.steps) if not step.optional)

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns and properties that conditions and the breakdown read."""
        conditions = [
            condition.name
            for step in (*self.steps, *self.exclude)
            for pattern in step.patterns
            for condition in pattern.conditions
        ]
        return tuple(dict.fromkeys([*conditions, *([self.by] if self.by else [])]))


def declare(
    steps: str,
    *,
    order: str = "ordered",
    window: str | None = None,
    step_window: str | None = None,
    exclude: str | None = None,
    optional: str | None = None,
    count_by: str = "visitor",
    by: str | None = None,
    attribution: str = "first",
    attribution_step: str | None = None,
    since: str | None = None,
    until: str | None = None,
    timezone: str = "UTC",
    session_timeout: str = "30m",
) -> Funnel:
    """Return a funnel from texts as the command takes them; raises :class:`FunnelError`.

    >>> declare("view,add,buy", window="30m").window_us
    1800000000
    """
    declared = mark_optional(parse_steps(steps), parse_steps(optional) if optional else ())
    if attribution_step is not None and attribution != "step":
        raise FunnelError("a step to take the value from goes with the attribution step only")
    return Funnel(
        steps=declared,
        order=_one_of(Order, order, "order"),
        window_us=_duration_us(window, "window"),
        step_window_us=_duration_us(step_window, "window of a step"),
        exclude=parse_steps(exclude) if exclude else (),
        count_by=_one_of(CountBy, count_by, "way to count"),
        by=by,
        attribution=_one_of(Attribution, attribution, "attribution"),
        attribution_step=None if attribution_step is None else _place(declared, attribution_step),
        since=_day(since),
        until=_day(until),
        timezone=timezone,
        session_timeout_us=_duration_us(session_timeout, "timeout of a session"),
    )


def _one_of(kind: type[Choice], text: str, what: str) -> Choice:
    try:
        return kind(text)
    except ValueError as error:
        raise FunnelError(f"{text!r} is no {what}; use {', '.join(kind)}") from error


def _duration_us(text: str | None, what: str) -> int:
    if text is None:
        return NO_LIMIT_US
    try:
        return min(NO_LIMIT_US, round(parse_duration(text) * US_PER_SECOND))
    except ValueError as error:
        raise FunnelError(f"the {what}: {error}") from error


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FunnelError(f"{text!r} is no day; write it as 2026-03-17") from error


def _place(steps: tuple[Step, ...], text: str) -> int:
    for place, step in enumerate(steps):
        if step.text == text:
            return place
    raise FunnelError(f"{text} is not among the steps {', '.join(step.text for step in steps)}")
