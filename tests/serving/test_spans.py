"""Spans: a tree in time, whichever thread works on it, and nothing at all where nobody asks for it."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ClientError
from serving.spans import Kind, Place, Span, Trace, carried, here, outgoing, record, span, standing, tell
from serving.trace_context import TraceContext, parse_traceparent


def _trace(*, recorded: bool = True) -> tuple[Trace, Place]:
    trace = Trace(7, TraceContext(7, 5, sampled=recorded), recorded=recorded)
    return trace, Place(trace, trace.span_id)


def _named(trace: Trace) -> dict[str, Span]:
    return {one.name: one for one in trace.spans}


def test_without_a_request_nothing_is_kept_and_nothing_is_sent_on() -> None:
    with span("alone", Kind.CLIENT, {"a": 1}):
        record("step", 1.0)
        tell(decision_id="d")
    assert here() is None
    assert outgoing() == {}
    assert span("one") is span("another")


def test_a_request_that_is_not_traced_is_told_of_and_sent_on_as_such_without_spans() -> None:
    trace, place = _trace(recorded=False)
    with standing(place), span("step"):
        record("replay", 0.1)
        tell(decision_id="d")
        header = outgoing()["traceparent"]
    assert trace.spans == []
    assert trace.told == {"decision_id": "d"}
    assert parse_traceparent(header.encode()) == TraceContext(7, trace.span_id, sampled=False)


@given(st.recursive(st.just([]), lambda inner: st.lists(inner, max_size=4), max_leaves=12))
def test_steps_within_steps_are_children_within_their_parents_time(shape: list[object]) -> None:
    trace, place = _trace()
    expected: dict[str, str | None] = {}

    def nest(steps: list[object], parent: str | None) -> None:
        for step in steps:
            name = f"{len(expected)}"
            expected[name] = parent
            with span(name):
                assert isinstance(step, list)
                nest(step, name)

    with standing(place):
        nest(shape, None)
        trace.end("all", trace.now_ns(), Kind.SERVER, {}, None)
    found = _named(trace)
    root = found.pop("all")
    assert (root.span_id, root.parent_id) == (trace.span_id, 5)
    by_id = {one.span_id: one for one in found.values()}
    assert {name: by_id[one.parent_id].name if one.parent_id in by_id else None for name, one in found.items()} == (
        expected
    )
    for one in found.values():
        assert one.start_ns <= one.end_ns
        if one.parent_id in by_id:
            parent = by_id[one.parent_id]
            assert parent.start_ns <= one.start_ns <= one.end_ns <= parent.end_ns


def test_a_step_that_was_timed_ends_when_it_is_told() -> None:
    trace, place = _trace()
    with standing(place):
        before = trace.now_ns()
        record("predict", 0.25)
        after = trace.now_ns()
    [one] = trace.spans
    assert one.end_ns - one.start_ns == 250_000_000
    assert before <= one.end_ns <= after
    assert one.parent_id == trace.span_id


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (KeyError("who"), "KeyError"),
        (ClientError(503, "away", "Away."), "ClientError"),
        (ClientError(404, "no", "No."), None),
    ],
)
def test_a_step_that_raises_has_failed_unless_the_client_is_to_blame(error: Exception, failed: str | None) -> None:
    trace, place = _trace()
    with standing(place), pytest.raises(type(error)), span("step"):
        raise error
    assert [one.failed for one in trace.spans] == [failed]
    assert here() is None


def test_other_threads_and_tasks_add_to_the_step_that_has_sent_them() -> None:
    trace, place = _trace()

    async def task() -> None:
        with span("in a task"):
            await asyncio.sleep(0)

    async def both() -> None:
        with span("outer"):
            await asyncio.gather(asyncio.create_task(task()), asyncio.to_thread(record, "in to_thread", 0.0))

    def in_pool() -> None:
        with span("in a pool"):
            pass

    with standing(place), ThreadPoolExecutor(1) as pool:
        asyncio.run(both())
        with span("sends"):
            work = carried(in_pool)
        pool.submit(work).result()
        pool.submit(in_pool).result()
    found = _named(trace)
    assert found["in a task"].parent_id == found["in to_thread"].parent_id == found["outer"].span_id
    assert found["in a pool"].parent_id == found["sends"].span_id
    assert len(trace.spans) == 5


def test_what_goes_on_behind_the_answer_is_left_out() -> None:
    trace, place = _trace()
    with standing(place):
        late = span("late")
        trace.end("all", trace.now_ns(), Kind.SERVER, {}, None)
        with late:
            record("later", 0.0)
    assert [one.name for one in trace.spans] == ["all"]


def test_no_step_allocates_anything_where_nobody_observes() -> None:
    for _ in range(10):
        with span("warm"):
            record("warm", 0.0)
    before = sys.getallocatedblocks()
    for _ in range(1_000):
        with span("step"):
            record("step", 0.0)
    assert abs(sys.getallocatedblocks() - before) < 50
