"""Requests as they are observed: whose trace they belong to, which of them are traced, and what is told of them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.logs import REQUEST_LOG, JsonLines
from serving.observe import Observed, Observer
from serving.runtime import Runtime
from serving.spans import Kind, Span, Trace
from serving.trace_context import TraceContext, parse_traceparent

Client = Any  # as the fixtures of this folder make them
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = CALLER[:-2] + "00"
EVENT = {"anonymousId": "v-1", "event": "add_to_cart", "properties": {"product": "lamp", "price": 59.0}}


@dataclass
class Watched:
    """A service in this process whose requests are observed; what was observed, and what was written."""

    client: Client
    runtime: Runtime
    traces: list[Trace]
    written: io.StringIO = field(default_factory=io.StringIO)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    def post(self, address: str, body: Any, **headers: str) -> Any:
        return self.client.request("POST", address, json=body, headers=headers)


@pytest.fixture
def watch(open_client: Any, client_of: Any) -> Iterator[Callable[..., Watched]]:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger(name) for name in (REQUEST_LOG, "dropoff.serving")]

    def watching(sampled: float = 1.0, logged: float | None = 1.0, **settings: Any) -> Watched:
        traces: list[Trace] = []
        # Statements are traced where traces are sent; what is sent here goes into the list, and nobody is asked.
        client, runtime = open_client(traces_url="http://127.0.0.1:9", **settings)
        observer = Observer(traces.append, sampled, logged)
        found = Watched(client_of(Observed(client.app, lambda: observer)), runtime, traces)
        handler.setStream(found.written)
        return found

    for logger in loggers:
        logger.addHandler(handler)
    loggers[0].setLevel(logging.INFO)
    yield watching
    for logger in loggers:
        logger.removeHandler(handler)
    loggers[0].setLevel(logging.NOTSET)


def tree(trace: Trace) -> dict[str, str | None]:
    """Return each span's name with its parent's; None for what the caller has sent."""
    by_id = {one.span_id: one.name for one in trace.spans}
    return {one.name: by_id.get(one.parent_id or 0) for one in trace.spans}


def root_of(trace: Trace) -> Span:
    return next(one for one in trace.spans if one.span_id == trace.span_id)


def test_a_recommendation_is_made_of_its_steps(watch: Any) -> None:
    shop = watch()
    assert shop.post("/v1/track", EVENT).status_code == 200
    answer = shop.post("/v1/recommend", {"visitor_id": "v-1"}, traceparent=CALLER)
    trace = shop.traces[-1]
    found, root = tree(trace), root_of(trace)
    route = "POST /v1/recommend"
    assert {"admission", "body", "session read", "assignment", "replay", "predict", "explain", "decide"} <= (
        {name for name, parent in found.items() if parent == route}
    )
    assert found["ledger write"] == route
    assert found["writer queue"] == found["write"] == found["commit"] == "ledger write"
    assert found["INSERT decisions"] == "write"
    assert root.kind is Kind.SERVER
    assert (trace.trace_id, root.parent_id) == (int(CALLER[3:35], 16), int(CALLER[36:52], 16))
    told = {
        "http.request.method": "POST",
        "http.route": "/v1/recommend",
        "http.response.status_code": 200,
        "dropoff.decision_id": answer.json()["decision_id"],
        "dropoff.reason": answer.json()["reason"],
        "dropoff.model_version": answer.json()["model_version"],
    }
    assert told.items() <= root.attributes.items()
    assert answer.headers["traceresponse"] == str(TraceContext(trace.trace_id, root.span_id, sampled=True))
    for one in trace.spans:
        assert root.start_ns <= one.start_ns <= one.end_ns <= root.end_ns


def test_an_event_is_made_of_its_steps(watch: Any) -> None:
    shop = watch()
    shop.post("/v1/track", EVENT)
    [trace] = shop.traces
    found = tree(trace)
    assert found["parse"] == found["log write"] == "POST /v1/track"
    assert found["write"] == found["commit"] == "log write"
    assert found["INSERT events"] == "write"
    inserted = next(one for one in trace.spans if one.name == "INSERT events")
    assert inserted.attributes["db.system.name"] == "sqlite"
    assert "VALUES (?" in str(inserted.attributes["db.query.text"])


@pytest.mark.parametrize(
    ("sampled", "caller", "traced"), [(0.0, CALLER, 1), (1.0, UNSAMPLED, 0), (0.0, "", 0), (1.0, "", 1)]
)
def test_a_caller_says_whether_a_request_is_traced_and_the_share_where_nobody_does(
    watch: Any, sampled: float, caller: str, traced: int
) -> None:
    shop = watch(sampled)
    answer = shop.post("/v1/track", EVENT, **({"traceparent": caller} if caller else {}))
    assert len(shop.traces) == traced
    context = parse_traceparent(answer.headers["traceresponse"].encode())
    assert context is not None
    assert context.sampled == bool(traced)
    if caller:
        assert context.trace_id == int(caller[3:35], 16)


def test_two_callers_in_one_request_are_none(watch: Any) -> None:
    shop = watch()
    headers = [("traceparent", CALLER), ("traceparent", UNSAMPLED)]
    answer = shop.client.request("POST", "/v1/track", json=EVENT, headers=headers)
    assert CALLER[3:35] not in answer.headers["traceresponse"]
    assert root_of(shop.traces[0]).parent_id is None


def test_every_request_has_one_line_with_its_trace_and_its_decision(watch: Any) -> None:
    shop = watch()
    shop.post("/v1/track", EVENT)
    answer = shop.post("/v1/recommend", {"visitor_id": "v-1"}, traceparent=CALLER).json()
    shop.post("/v1/outcome", {"decision_id": answer["decision_id"], "outcome": "shown"})
    shop.post("/v1/outcome", {"decision_id": "made-up", "outcome": "shown"})
    shop.client.get("/v1/sessions/v-1~1")
    shop.client.get("/v1/nowhere/v-1")
    shop.client.request("BREW", "/v1/score")
    lines = shop.lines()
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/track", 200),
        ("POST", "/v1/recommend", 200),
        ("POST", "/v1/outcome", 200),
        ("POST", "/v1/outcome", 404),
        ("GET", "/v1/sessions/{id}", 404),
        ("GET", "unserved", 404),
        ("_OTHER", "unserved", 405),
    ]
    assert lines[0]["events_new"] == 1
    assert lines[1]["decision_id"] == lines[2]["decision_id"] == answer["decision_id"]
    assert lines[1]["trace_id"] == CALLER[3:35]
    assert [line.get("error") for line in lines[3:]] == [
        "unknown_decision",
        "unknown_session",
        "no_such_address",
        "wrong_method",
    ]
    for line, trace in zip(lines, shop.traces, strict=True):
        root = root_of(trace)
        assert line["duration_ms"] == pytest.approx((root.end_ns - root.start_ns) / 1e6, abs=1.0)
        assert line["level"] == "info"
        assert "made-up" not in json.dumps(line)


def test_a_share_of_the_requests_is_told_of_and_all_that_fail(watch: Any) -> None:
    shop = watch(0.0, 0.0)
    shop.post("/v1/track", EVENT)
    assert shop.lines() == []
    shop.runtime.writer.close()
    assert shop.post("/v1/track", EVENT).status_code == 503
    [line] = [line for line in shop.lines() if line["logger"] == REQUEST_LOG]
    assert (line["status"], line["error"], line["level"]) == (503, "log_unavailable", "error")


def test_a_line_of_another_logger_within_a_request_has_its_trace(watch: Any) -> None:
    shop = watch()
    shop.runtime.writer.close()
    shop.post("/v1/track", EVENT, traceparent=CALLER)
    lines = shop.lines()
    assert {line["trace_id"] for line in lines} == {CALLER[3:35]}
    assert {line["logger"] for line in lines} == {"dropoff.serving", REQUEST_LOG}
    assert root_of(shop.traces[0]).failed == "log_unavailable"


def test_a_request_that_breaks_down_is_a_500_with_the_type_of_what_broke(watch: Any, monkeypatch: Any) -> None:
    shop = watch()
    # Nothing that is sent makes the service break down: a part of it is taken away.
    monkeypatch.setattr(shop.runtime, "reader", None)
    with pytest.raises(AttributeError):
        shop.post("/v1/track", EVENT)
    [line] = shop.lines()
    assert (line["status"], line["exception"], line["level"]) == (500, "AttributeError", "error")
    assert root_of(shop.traces[0]).attributes["error.type"] == "AttributeError"


def test_probes_are_not_observed(watch: Any) -> None:
    shop = watch()
    for address in ("/livez", "/readyz", "/metrics"):
        answer = shop.client.get(address)
        assert answer.status_code == 200
        assert "traceresponse" not in answer.headers
    assert shop.lines() == shop.traces == []


@given(said=st.text(min_size=4).filter(lambda text: text.strip() == text))
def test_no_line_repeats_what_an_exception_says(said: str) -> None:
    secret = f"<{said}>"

    def fail() -> None:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"cannot use {secret}") from error

    try:
        fail()
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "Failed: %s (%r)", (error, error), (ValueError, error, None)
        )
    line = json.loads(JsonLines().format(record))
    assert secret not in json.dumps(line, ensure_ascii=False)
    assert line["message"] == "Failed: ValueError (ValueError)"
    assert [one["type"] for one in line["exceptions"]] == ["ValueError", "KeyError"]
    assert line["exceptions"][0]["frames"][-1].endswith(" fail")


@pytest.mark.parametrize(
    ("message", "arguments", "said"),
    [
        ("no file \udce4.db", (), "no file \ufffd.db"),
        ("%d events of %s", ("somebody",), "a message of f:7 that does not fit what is to stand in it"),
    ],
)
def test_a_message_that_cannot_be_written_is_a_line_all_the_same_and_quotes_nobody(
    message: str, arguments: tuple[object, ...], said: str
) -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 7, message, arguments, None)
    assert json.loads(JsonLines().format(record))["message"] == said
