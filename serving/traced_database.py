"""The steps of a traced request that the database takes: its statements, and its turn with the thread that writes."""

import re
from collections.abc import Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from serving.spans import Kind, Place, Span, Value, here, standing
from serving.trace_context import new_span_id
from storage.writer import Job, Writer

_BEGAN = "dropoff_began_ns"
_LONGEST_STATEMENT = 2_000
# What begins a transaction takes no time worth a span of its own.
_LEFT_OUT = "BEGIN"
# What a statement is about: the first table that it names.
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"?([a-z_]+)', re.IGNORECASE)


class _Followed:
    """A traced write on its way into the database."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._handed_in_ns = place.trace.now_ns()
        self._begins_ns = self._written_ns = 0
        self._span_id = 0

    def begin(self) -> Place:
        """Say that it is being written from now on, and return where its statements belong."""
        self._begins_ns, self._span_id = self._place.trace.now_ns(), new_span_id()
        if not self._written_ns:
            # A transaction that holds somebody else's mistake is repeated.
            self._add("writer queue", self._handed_in_ns, self._begins_ns, new_span_id())
        return Place(self._place.trace, self._span_id)

    def end(self) -> None:
        """Say that it stands in the transaction, or that it could not be written."""
        self._written_ns = self._place.trace.now_ns()
        self._add("write", self._begins_ns, self._written_ns, self._span_id)

    def committed(self, _: "Future[Any]") -> None:
        """Say that whoever waits for it is told what came of it."""
        if self._written_ns:
            self._add("commit", self._written_ns, self._place.trace.now_ns(), new_span_id())

    def _add(self, name: str, start_ns: int, end_ns: int, span_id: int) -> None:
        self._place.trace.add(Span(name, span_id, self._place.span_id, start_ns, end_ns))


class TracedWriter(Writer):
    """A writer that records of each traced write how long it waited, what it did and how long the commit took.

    Of writes that are made together the first that is traced has the statements, the others have the times.
    """

    def _mark(self, done: "Future[Any]") -> _Followed | None:
        place = here()
        if place is None or not place.trace.recorded:
            return None
        followed = _Followed(place)
        # Before anybody who waits for it, so that the trace has not ended.
        done.add_done_callback(followed.committed)
        return followed

    def _write(self, connection: Connection, jobs: Sequence[Job]) -> Sequence[Any]:
        followed = [job.mark for job in jobs if isinstance(job.mark, _Followed)]
        if not followed:
            return super()._write(connection, jobs)
        places = [one.begin() for one in followed]
        try:
            with standing(places[0]):
                return super()._write(connection, jobs)
        finally:
            for one in followed:
                one.end()


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
