"""Traces on their way to an OpenTelemetry collector: by a thread of its own, a bounded number at a time.

A collector that is slow or away costs spans, which are counted, and no request waits for it. What the standard
variables of OpenTelemetry say beside the address, such as ``OTEL_EXPORTER_OTLP_HEADERS`` and ``OTEL_SERVICE_NAME``,
goes.
"""

import logging
import os
import socket
import threading
from collections import deque
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter

from serving.errors import StartError
from serving.spans import Kind, Span, Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

_LOG = logging.getLogger("dropoff.serving")
_EXPORTER_LOG = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
_NAME = "dropoff"
_PATH = "/v1/traces"
_SEND_SECONDS = 1.0
_TIMEOUT_SECONDS = 10.0
_CLOSE_SECONDS = 3.0
_MOST_WAITING = 16_384
_MOST_AT_ONCE = 512


def check_traces(url: str) -> None:
    """Raise :class:`StartError` for an address that cannot be used, or without the packages that sending needs."""
    address_of(url)
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401
    except ImportError as error:
        raise StartError(
            f"DROPOFF_TRACES_URL needs OpenTelemetry's exporter ({error}): pip install 'dropoff[traces]'"
        ) from error


def address_of(url: str) -> str:
    """Return the address that spans are posted to: the collector's own path where only its host is named.

    Raises :class:`StartError` with one sentence.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(sign.isspace() for sign in url):
        raise StartError("DROPOFF_TRACES_URL is no address of a collector: write it like http://127.0.0.1:4318")
    return f"{parts.scheme}://{parts.netloc}{_PATH}" if parts.path in ("", "/") else url


class SpanExport:
    """Takes traces that have ended, from any thread, and sends their spans."""

    def __init__(self, url: str, journey: str, registry: CollectorRegistry) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        _EXPORTER_LOG.addFilter(self._hear)
        self._said = ""
        self._failing = False
        self._exporter = OTLPSpanExporter(endpoint=address_of(url), timeout=_TIMEOUT_SECONDS)
        own = {
            "service.name": _NAME,
            "service.version": _own_version(),
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "dropoff.journey": journey,
        }
        self._resource = Resource(own).merge(OTELResourceDetector().detect())
        self._scope = InstrumentationScope(_NAME, _own_version())
        self._spans = Counter(
            "dropoff_spans", "Spans of traced requests: sent, failed or dropped.", ["result"], registry=registry
        )
        for result in ("sent", "failed", "dropped"):
            self._spans.labels(result)
        self._waiting: deque[tuple[Trace, tuple[Span, ...]]] = deque()
        self._count = 0
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dropoff-spans", daemon=True)
        self._thread.start()

    def take(self, trace: Trace) -> None:
        """Queue a trace that has ended, or count it as dropped where too much is waiting."""
        spans = tuple(trace.spans)
        count = len(spans)
        with self._guard:
            if self._closing or self._count + count > _MOST_WAITING:
                self._spans.labels("dropped").inc(count)
                return
            self._waiting.append((trace, spans))
            self._count += count
            enough = self._count >= _MOST_AT_ONCE
        if enough:
            self._wake.set()

    def close(self) -> None:
        """Send what is waiting, as far as that goes within three seconds; closing twice is fine."""
        with self._guard:
            if self._closing:
                return
            self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_SECONDS)
        # Ends the pause before another attempt.
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        _EXPORTER_LOG.removeFilter(self._hear)

    def _run(self) -> None:
        last = False
        while not last:
            self._wake.wait(_SEND_SECONDS)
            self._wake.clear()
            last = self._closing
            while spans := self._next():
                self._send(spans)

    def _next(self) -> list["ReadableSpan"]:
        taken: list[tuple[Trace, Span]] = []
        with self._guard:
            while self._waiting and len(taken) < _MOST_AT_ONCE:
                trace, spans = self._waiting.popleft()
                taken += ((trace, span) for span in spans)
            self._count -= len(taken)
        return [self._readable(trace, span) for trace, span in taken]

    def _send(self, spans: list["ReadableSpan"]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        sent = self._exporter.export(spans) is SpanExportResult.SUCCESS
        self._spans.labels("sent" if sent else "failed").inc(len(spans))
        if sent and self._failing:
            _LOG.warning("The collector of traces takes spans again.")
        elif not sent and not self._failing:
            _LOG.warning("Traces are lost, as the collector does not take them: %s", self._said or "no answer")
        self._failing, self._said = not sent, ""

    def _hear(self, record: logging.LogRecord) -> bool:
        # The exporter would tell of every attempt that fails: why the first did is enough.
        self._said = self._said or " ".join(record.getMessage().split())
        return False

    def _readable(self, trace: Trace, span: Span) -> "ReadableSpan":
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

        kinds = {Kind.OWN: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
        flags = TraceFlags(TraceFlags.SAMPLED)
        parent = None
        if span.parent_id is not None:
            parent = SpanContext(trace.trace_id, span.parent_id, span.span_id == trace.span_id, flags)
        return ReadableSpan(
            span.name,
            SpanContext(trace.trace_id, span.span_id, is_remote=False, trace_flags=flags),
            parent,
            self._resource,
            dict(span.attributes),
            kind=kinds[span.kind],
            status=Status(StatusCode.UNSET if span.failed is None else StatusCode.ERROR),
            start_time=span.start_ns,
            end_time=span.end_ns,
            instrumentation_scope=self._scope,
        )


def _own_version() -> str:
    try:
        return version(_NAME)
    except PackageNotFoundError:
        # A Bento carries the packages and not what installs them.
        return "unknown"
