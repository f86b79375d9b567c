"""Traces on their way out: as OTLP to a real collector, and without anybody waiting where that is slow or away."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from collector import Collector, collecting
from prometheus_client import CollectorRegistry
from servers import ROOT, wait_for

from serving.errors import StartError
from serving.export_spans import SpanExport, address_of, check_traces
from serving.spans import Kind, Place, Trace, span, standing
from serving.trace_context import TraceContext, new_trace_id

Export = Callable[..., tuple[SpanExport, CollectorRegistry]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as server:
        yield server


@pytest.fixture
def export() -> Iterator[Export]:
    opened: list[SpanExport] = []

    def opening(url: str) -> tuple[SpanExport, CollectorRegistry]:
        registry = CollectorRegistry()
        opened.append(SpanExport(url, "ecommerce", registry))
        return opened[-1], registry

    yield opening
    for one in opened:
        one.close()


def _trace(steps: int = 1, parent: TraceContext | None = None) -> Trace:
    trace = Trace(new_trace_id(), parent, recorded=True)
    start_ns = trace.now_ns()
    with standing(Place(trace, trace.span_id)):
        for _ in range(steps):
            with span("step", Kind.CLIENT, {"count": 3, "share": 0.5, "is": True}):
                pass
    trace.end("POST /v1/score", start_ns, Kind.SERVER, {"http.route": "/v1/score"}, "KeyError")
    return trace


def _counted(registry: CollectorRegistry) -> dict[str, float]:
    return {
        result: registry.get_sample_value("dropoff_spans_total", {"result": result}) or 0.0
        for result in ("sent", "failed", "dropped")
    }


def test_a_trace_arrives_as_it_was(export: Export, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    sender, registry = export(collector.url)
    trace = _trace(parent=TraceContext(5, 9, sampled=True))
    sender.take(trace)
    sender.close()
    step, root = sorted(collector.spans(), key=lambda one: one.kind, reverse=True)
    assert (root.trace_id, root.span_id, root.parent_id) == (
        f"{trace.trace_id:032x}",
        f"{trace.span_id:016x}",
        f"{9:016x}",
    )
    assert (root.name, root.kind, root.failed) == ("POST /v1/score", 2, True)
    assert root.attributes == {"http.route": "/v1/score"}
    assert (step.parent_id, step.kind, step.failed) == (root.span_id, 3, False)
    assert step.attributes == {"count": 3, "share": 0.5, "is": True}
    assert [(one.start_ns, one.end_ns) for one in (step, root)] == [(one.start_ns, one.end_ns) for one in trace.spans]
    assert root.start_ns <= step.start_ns <= step.end_ns <= root.end_ns
    assert {"service.name": "dropoff", "dropoff.journey": "ecommerce", "deployment.environment": "test"}.items() <= (
        root.resource.items()
    )
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["x-tenant"] == "shop"
    assert _counted(registry) == {"sent": 2, "failed": 0, "dropped": 0}


def test_traces_are_sent_within_seconds_and_many_of_them_together(export: Export, collector: Collector) -> None:
    sender, registry = export(collector.url)
    for _ in range(100):
        sender.take(_trace(9))
    wait_for(lambda: _counted(registry)["sent"] == 1_000, seconds=10)
    assert len(collector.spans()) == 1_000
    assert len(collector.bodies) <= 4


def test_what_the_collector_does_not_take_is_counted_and_told_of_once(
    export: Export, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.statuses = [400, 400]
    sender, registry = export(collector.url)
    with caplog.at_level(logging.WARNING, "dropoff.serving"):
        for failed, sent in ((2, 0), (4, 0), (4, 2)):
            sender.take(_trace())
            wait_for(
                lambda failed=failed, sent=sent: _counted(registry) == {"sent": sent, "failed": failed, "dropped": 0}
            )
    assert len(caplog.records) == 2
    assert "400" in caplog.records[0].getMessage()
    assert "again" in caplog.records[1].getMessage()


def test_a_collector_that_hangs_costs_traces_and_holds_nobody_up(export: Export, collector: Collector) -> None:
    collector.let_go.clear()
    sender, registry = export(collector.url)
    traces, began = [_trace(99) for _ in range(200)], time.monotonic()
    for trace in traces:
        sender.take(trace)
    assert time.monotonic() - began < 1.0
    # 163 hundreds fit into a queue of 16,384; those on their way make room for others, a few at a time.
    assert 3_700 - 1_200 <= _counted(registry)["dropped"] <= 3_700
    began = time.monotonic()
    sender.close()
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("http://[::1]:4318/otlp/traces", "http://[::1]:4318/otlp/traces"),
    ],
)
def test_a_collectors_host_is_enough(url: str, address: str) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize("url", ["collector:4318", "grpc://collector:4317", "http://", "http://a b", "http://h:99999"])
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(StartError, match=r"DROPOFF_TRACES_URL .* http://127\.0\.0\.1:4318"):
        check_traces(url)


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    # A package of that name that is empty stands before the real one.
    hidden = tmp_path / "opentelemetry" / "exporter"
    hidden.mkdir(parents=True)
    for folder in (hidden, hidden.parent):
        (folder / "__init__.py").touch()
    program = "from serving.export_spans import check_traces; check_traces('http://127.0.0.1:4318')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "StartError" in done.stderr
    assert "pip install 'dropoff[traces]'" in done.stderr


def test_a_service_leaves_traces_behind_when_it_closes(open_client: Any, collector: Collector, client_of: Any) -> None:
    from serving.observe import Observed

    client, runtime = open_client(traces_url=collector.url, traces_sample=1.0)
    observed = client_of(Observed(client.app, lambda: runtime.observer))
    answer = observed.post("/v1/track", {"anonymousId": "v", "event": "add_to_cart"})
    runtime.close()
    names = {one.name for one in collector.spans() if one.trace_id == answer.headers["traceresponse"][3:35]}
    assert {"POST /v1/track", "admission", "body", "parse", "log write", "write", "commit", "INSERT events"} <= names
