"""Trace Context as the W3C writes it: read as OpenTelemetry's own library reads it, and chosen alike by all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.trace_context import TraceContext, is_chosen, new_span_id, new_trace_id, parse_traceparent

EXAMPLE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEX = "0123456789abcdefABCDEFg"
TRACE_IDS = st.integers(1, 2**128 - 1)


def _almost(length: int) -> st.SearchStrategy[str]:
    """Hexadecimal digits, mostly so many of them and in small letters, now and then not."""
    return st.one_of(
        st.text("0123456789abcdef", min_size=length, max_size=length),
        st.just("0" * length),
        st.just("f" * length),
        st.text(HEX, min_size=length - 1, max_size=length + 1),
    )


def test_the_recommendations_own_example_is_read() -> None:
    found = parse_traceparent(EXAMPLE)
    assert found == TraceContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, sampled=True)
    assert str(found).encode() == EXAMPLE


@given(
    version=_almost(2),
    trace_id=_almost(32),
    span_id=_almost(16),
    flags=_almost(2),
    more=st.sampled_from(["", "", "-", "-what-comes-later", "x", " ", "\t"]),
)
def test_any_header_is_read_as_opentelemetry_reads_it(
    version: str, trace_id: str, span_id: str, flags: str, more: str
) -> None:
    written = f"{version}-{trace_id}-{span_id}-{flags}{more}"
    context = TraceContextTextMapPropagator().extract({"traceparent": written})
    theirs = get_current_span(context).get_span_context()
    ours = parse_traceparent(written.encode())
    expected = (theirs.trace_id, theirs.span_id, theirs.trace_flags.sampled) if theirs.is_valid else None
    assert (None if ours is None else (ours.trace_id, ours.span_id, ours.sampled)) == expected


@given(TRACE_IDS, st.integers(1, 2**64 - 1), st.booleans())
def test_what_is_written_is_read_again(trace_id: int, span_id: int, sampled: bool) -> None:
    context = TraceContext(trace_id, span_id, sampled)
    assert parse_traceparent(str(context).encode()) == context


@given(TRACE_IDS, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_has_all_traces_of_a_smaller_one(trace_id: int, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert is_chosen(trace_id, larger) or not is_chosen(trace_id, smaller)
    assert is_chosen(trace_id, 1.0)
    assert not is_chosen(trace_id, 0.0)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
def test_new_traces_are_chosen_as_often_as_was_asked_for(share: float) -> None:
    count = 40_000
    chosen = sum(is_chosen(new_trace_id(), share) for _ in range(count))
    # Five standard deviations of a binomial.
    assert abs(chosen - share * count) < 5 * (count * share * (1 - share)) ** 0.5


def test_no_two_ids_are_the_same() -> None:
    assert len({new_trace_id() for _ in range(10_000)} | {new_span_id() for _ in range(10_000)}) == 20_000
