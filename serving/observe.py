"""Every request from its first byte to its answer: traced where it is chosen, told in the log where that is wanted."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.configuration import Configuration, LogFormat
from serving.logs import REQUEST_LOG
from serving.route_names import REFUSED, route_name
from serving.spans import Kind, Place, Trace, Value, standing
from serving.trace_context import TRACEPARENT, TRACERESPONSE, TraceContext, is_chosen, new_trace_id, parse_traceparent

_LOG = logging.getLogger(REQUEST_LOG)
_FAILED = 500
_TRACEPARENT = TRACEPARENT.encode()
_PROBES = frozenset(("/livez", "/readyz", "/healthz", "/metrics"))
"""What is asked every few seconds by machines, and says nothing about anybody who was served."""
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
_OTHER = "_OTHER"
"""What OpenTelemetry calls a method that none of these is: a client may have written anything there."""

Sink = Callable[[Trace], None]
"""Takes a trace that has ended."""


@dataclass(frozen=True, slots=True)
class Observer:
    """What is observed of requests, and of errands that nobody has asked for.

    ``sampled`` is the share of the traces that go to ``sink``, and ``logged`` the share of the requests that have a
    line in the log; None for no lines at all.
    """

    sink: Sink | None = None
    sampled: float = 0.0
    logged: float | None = None

    def begin(self, parent: TraceContext | None = None) -> Trace:
        """Return the trace of what begins now, as part of the caller's where there is one."""
        trace_id = new_trace_id() if parent is None else parent.trace_id
        wanted = is_chosen(trace_id, self.sampled) if parent is None else parent.sampled
        return Trace(trace_id, parent, recorded=wanted and self.sink is not None)

    def keep(self, trace: Trace) -> None:
        """Send a trace that has ended where it is wanted."""
        if trace.recorded and self.sink is not None:
            self.sink(trace)

    @contextmanager
    def errand(self, name: str, kind: Kind = Kind.OWN) -> Iterator[None]:
        """Trace what the service does of its own accord within the block."""
        if self.sink is None:
            yield
            return
        trace = self.begin()
        start_ns, failed = trace.now_ns(), None
        try:
            with standing(Place(trace, trace.span_id)):
                yield
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            trace.end(name, start_ns, kind, _told_as_attributes(trace.told), failed)
            self.keep(trace)


BLIND = Observer()
"""Observes nothing."""


def is_observed(configuration: Configuration) -> bool:
    """Whether requests are observed at all; where they are not, nothing stands before the routes."""
    return bool(configuration.traces_url) or configuration.logs is LogFormat.JSON


def observer_of(configuration: Configuration, sink: Sink | None) -> Observer:
    """Return what observes as the configuration says; ``sink`` takes the traces, where there is one."""
    logged = configuration.log_requests if configuration.logs is LogFormat.JSON else None
    return Observer(sink, configuration.traces_sample, logged)


class Observed:
    """Observes each request to ``app``, as the observer says that ``observer`` returns at that moment."""

    def __init__(self, app: ASGIApp, observer: Callable[[], Observer]) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note how it was answered."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        observer = self._observer()
        trace = observer.begin(_parent_of(scope))
        start_ns = trace.now_ns()
        status = _FAILED
        answered = str(trace.context)

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[TRACERESPONSE] = answered
            await send(message)

        failed = None
        try:
            with standing(Place(trace, trace.span_id)):
                await self._app(scope, receive, sending)
        except BaseException as error:
            failed = type(error).__name__
            raise
        finally:
            method = scope["method"] if scope["method"] in _METHODS else _OTHER
            _finish(observer, trace, start_ns, method, _route_of(scope), status, failed)


def _parent_of(scope: Scope) -> TraceContext | None:
    found = [value for name, value in scope["headers"] if name == _TRACEPARENT]
    # Of several nobody knows which one is meant.
    return parse_traceparent(found[0]) if len(found) == 1 else None


def _route_of(scope: Scope) -> str:
    """Return which address was meant, without what stands in it: that may be somebody's id."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return route_name(path) if path else REFUSED


def _finish(
    observer: Observer, trace: Trace, start_ns: int, method: str, route: str, status: int, failed: str | None
) -> None:
    told = trace.told
    if failed is not None:
        told["exception"] = failed
    attributes: dict[str, Value] = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        **_told_as_attributes(told),
    }
    if status >= _FAILED:
        failed = attributes["error.type"] = failed or str(told.get("error", status))
    else:
        # A client that has gone away is no mistake of the service.
        failed = None
    end_ns = trace.now_ns()
    trace.end(f"{method} {route}", start_ns, Kind.SERVER, attributes, failed)
    observer.keep(trace)
    if observer.logged is None:
        return
    if status >= _FAILED or trace.recorded or is_chosen(trace.trace_id, observer.logged):
        _log(trace, method, route, status, (end_ns - start_ns) / 1e6)


def _told_as_attributes(told: dict[str, Value]) -> dict[str, Value]:
    # Work that goes on behind an answer may tell more meanwhile.
    return {f"dropoff.{name}": value for name, value in told.copy().items()}


def _log(trace: Trace, method: str, route: str, status: int, milliseconds: float) -> None:
    told: dict[str, Any] = {
        "method": method,
        "route": route,
        "status": status,
        "duration_ms": round(milliseconds, 3),
        "trace_id": f"{trace.trace_id:032x}",
        "span_id": f"{trace.span_id:016x}",
        **trace.told,
    }
    level = logging.ERROR if status >= _FAILED else logging.INFO
    # Not `_LOG.log`, which looks for the line of code that has called it: a third of what the whole costs.
    said = ("%s %s %d", (method, route, status))
    _LOG.handle(_LOG.makeRecord(_LOG.name, level, "", 0, *said, None, extra={"told": told}))
