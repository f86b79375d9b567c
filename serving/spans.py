"""What a request is made of, in time: spans, noted down while it is answered, and what is told of it in the end.

Nothing here knows OpenTelemetry (:mod:`serving.export_spans` does), and where nobody observes a request all of it is
one look at a context variable. A name, a route, a decision's id may be told; an id of a person, or what a client
has written, never.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from time import perf_counter_ns, time_ns
from typing import ParamSpec, TypeVar

from serving.errors import ClientError
from serving.trace_context import TRACEPARENT, TraceContext, new_span_id

Value = str | int | float | bool

_P = ParamSpec("_P")
_T = TypeVar("_T")
_NS = 1_000_000_000
_FAILED = 500


class Kind(StrEnum):
    """Whose time a span is: this process's own, that of a request to it, or that of one that it makes."""

    OWN = "own"
    SERVER = "server"
    CLIENT = "client"


@dataclass(slots=True)
class Span:
    """One step of a trace, from and to a moment in nanoseconds since 1970; ``failed`` is the type of what it raised."""

    name: str
    span_id: int
    parent_id: int | None
    start_ns: int
    end_ns: int
    kind: Kind = Kind.OWN
    attributes: Mapping[str, Value] = field(default_factory=dict)
    failed: str | None = None


class Trace:
    """One request, or one errand of the service's own: what is told of it, and its spans where it is recorded.

    Threads may add to it. What comes after its end, of work that goes on behind an answer, is left out.
    """

    __slots__ = ("_since_ns", "ended", "name", "parent", "recorded", "span_id", "spans", "told", "trace_id")

    def __init__(self, trace_id: int, parent: TraceContext | None = None, *, recorded: bool) -> None:
        self.trace_id = trace_id
        self.parent = parent
        self.recorded = recorded
        self.span_id = new_span_id()
        self.spans: list[Span] = []
        self.told: dict[str, Value] = {}
        self.ended = False
        # A clock that is set right meanwhile must not make a span end before it began.
        self._since_ns = time_ns() - perf_counter_ns()

    @property
    def context(self) -> TraceContext:
        """What others are told of this process's part of the trace."""
        return TraceContext(self.trace_id, self.span_id, self.recorded)

    def now_ns(self) -> int:
        """Return the moment in nanoseconds since 1970."""
        return self._since_ns + perf_counter_ns()

    def add(self, span: Span) -> None:
        """Keep a span."""
        if not self.ended:
            self.spans.append(span)

    def end(self, name: str, start_ns: int, kind: Kind, attributes: Mapping[str, Value], failed: str | None) -> None:
        """Keep the span that all others belong to, and take no more."""
        parent_id = None if self.parent is None else self.parent.span_id
        self.add(Span(name, self.span_id, parent_id, start_ns, self.now_ns(), kind, attributes, failed))
        self.ended = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which trace the work is that goes on now."""

    trace: Trace
    span_id: int


_PLACE: ContextVar[Place | None] = ContextVar("dropoff.place", default=None)
_UNRECORDED: AbstractContextManager[None] = nullcontext()
_NOTHING: Mapping[str, Value] = {}


def span(name: str, kind: Kind = Kind.OWN, attributes: Mapping[str, Value] = _NOTHING) -> AbstractContextManager[None]:
    """Record what is done within the block as a step of the request that is being answered, if that is traced."""
    place = _PLACE.get()
    if place is None or not place.trace.recorded:
        return _UNRECORDED
    return _recording(place, name, kind, attributes)


def record(name: str, seconds: float) -> None:
    """Record a step that took so long and ends now."""
    place = _PLACE.get()
    if place is None or not place.trace.recorded:
        return
    end_ns = place.trace.now_ns()
    place.trace.add(Span(name, new_span_id(), place.span_id, end_ns - round(seconds * _NS), end_ns))


def tell(**values: Value) -> None:
    """Have something said of the request that is being answered: in its line of the log, and on its span."""
    place = _PLACE.get()
    if place is not None:
        place.trace.told.update(values)


def here() -> Place | None:
    """Return where the work is that goes on now; None where nobody observes it."""
    return _PLACE.get()


@contextmanager
def standing(place: Place | None) -> Iterator[None]:
    """Do what is within the block at a place, whichever thread it is in."""
    token = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(token)


def carried(work: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return work for another thread that belongs to what goes on here."""
    place = _PLACE.get()
    if place is None:
        return work

    def working(*arguments: _P.args, **named: _P.kwargs) -> _T:
        with standing(place):
            return work(*arguments, **named)

    return working


def outgoing() -> dict[str, str]:
    """Return the headers with which another service learns what trace its request belongs to."""
    place = _PLACE.get()
    if place is None:
        return {}
    return {TRACEPARENT: str(TraceContext(place.trace.trace_id, place.span_id, place.trace.recorded))}


@contextmanager
def _recording(place: Place, name: str, kind: Kind, attributes: Mapping[str, Value]) -> Iterator[None]:
    trace, span_id = place.trace, new_span_id()
    start_ns = trace.now_ns()
    token = _PLACE.set(Place(trace, span_id))
    failed = None
    try:
        yield
    except ClientError as error:
        # A client's mistake is no failure of the service.
        failed = type(error).__name__ if error.status >= _FAILED else None
        raise
    except BaseException as error:
        failed = type(error).__name__
        raise
    finally:
        _PLACE.reset(token)
        trace.add(Span(name, span_id, place.span_id, start_ns, trace.now_ns(), kind, attributes, failed))
