"""The steps of a traced request that the database takes: its statements, and its turn with the thread that writes."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from serving.spans import Kind, Span, Value, here, standing
from serving.trace_context import new_span_id
from storage.writer import Writer

_T = TypeVar("_T")
_BEGAN = "dropoff_began_ns"
_LONGEST_STATEMENT = 2_000
# What begins a transaction takes no time worth a span of its own.
_LEFT_OUT = "BEGIN"
# What a statement is about: the first table that it names.
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?([a-z_]+)', re.IGNORECASE)


class TracedWriter(Writer):
    """A writer that records of each traced write how long it waited, what it did and how long the commit took."""

    def submit(self, write: Callable[[Connection], _T], size: int = 1) -> "Future[_T]":
        """Queue a write and return its future; see :class:`Writer`."""
        place = here()
        if place is None or not place.trace.recorded:
            return super().submit(write, size)
        trace, handed_in_ns = place.trace, place.trace.now_ns()
        written_ns = 0

        def add(name: str, start_ns: int, end_ns: int, span_id: int) -> None:
            trace.add(Span(name, span_id, place.span_id, start_ns, end_ns))

        def writing(connection: Connection) -> _T:
            nonlocal written_ns
            begins_ns, span_id = trace.now_ns(), new_span_id()
            if not written_ns:
                # A transaction that holds somebody else's mistake is repeated.
                add("writer queue", handed_in_ns, begins_ns, new_span_id())
            try:
                with standing(type(place)(trace, span_id)):
                    return write(connection)
            finally:
                written_ns = trace.now_ns()
                add("write", begins_ns, written_ns, span_id)

        def committed(_: "Future[_T]") -> None:
            if written_ns:
                add("commit", written_ns, trace.now_ns(), new_span_id())

        done = super().submit(writing, size)
        # Before anybody who waits for it, so that the trace has not ended.
        done.add_done_callback(committed)
        return done


def trace_statements(engine: Engine) -> None:
    """Record the statements of traced requests, as text with places for values and without any value."""
    event.listen(engine, "before_cursor_execute", _begin)
    event.listen(engine, "after_cursor_execute", _end)
    event.listen(engine, "handle_error", _fail)


def _begin(_connection: Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
    place = here()
    if place is not None and place.trace.recorded and statement != _LEFT_OUT:
        setattr(context, _BEGAN, place.trace.now_ns())


def _end(connection: Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
    _add(connection.dialect.name, statement, context, None)


def _fail(failure: ExceptionContext) -> None:
    if failure.statement is not None and failure.execution_context is not None:
        error = type(failure.original_exception).__name__
        _add(failure.dialect.name, failure.statement, failure.execution_context, error)


def _add(system: str, statement: str, context: Any, failed: str | None) -> None:
    place, began_ns = here(), getattr(context, _BEGAN, None)
    if place is None or began_ns is None:
        return
    attributes = described(system, statement)
    span = Span(str(attributes["db.query.summary"]), new_span_id(), place.span_id, began_ns, place.trace.now_ns())
    span.kind, span.attributes, span.failed = Kind.CLIENT, attributes, failed
    place.trace.add(span)


@lru_cache(maxsize=1_024)
def described(system: str, statement: str) -> dict[str, Value]:
    """Return what is told of a statement, by OpenTelemetry's names; not to be changed."""
    words = statement.split(None, 1)
    operation = words[0].upper() if words else ""
    table = _TABLE.search(statement)
    found: dict[str, Value] = {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.query.summary": f"{operation} {table[1]}" if table else operation,
        "db.query.text": " ".join(statement[:_LONGEST_STATEMENT].split()),
    }
    if table:
        found["db.collection.name"] = table[1]
    return found
