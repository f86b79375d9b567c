"""Which trace a request belongs to, as the W3C's Trace Context writes it: ``00-TRACE-SPAN-FLAGS``.

https://www.w3.org/TR/trace-context/ says how a ``traceparent`` is read. Its companion ``tracestate`` is not taken over:
whoever sends it may have put anything there, people's ids too.
"""

import random
import re
from dataclasses import dataclass

TRACEPARENT = "traceparent"
"""The header of a request that says which span has made it."""
TRACERESPONSE = "traceresponse"
"""The header of an answer that says which span has made it, in the same format."""

# A later version may append fields; ``ff`` is none.
_WRITTEN = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_FIRST_VERSION = b"00"
_SAMPLED = 0x01
_TRACE_BITS, _SPAN_BITS, _CHANCE_BITS = 128, 64, 56
_NO_CHANCE = 1 << _CHANCE_BITS
# The system's own source is asked once: it takes as long as the rest of a span.
_SOURCE = random.Random(random.SystemRandom().getrandbits(2 * _TRACE_BITS))


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace, whoever has made it, and whether the trace is recorded."""

    trace_id: int
    span_id: int
    sampled: bool

    def __str__(self) -> str:
        """Return it as a header's value."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"


def parse_traceparent(value: bytes) -> TraceContext | None:
    """Return what a ``traceparent`` says; None for one that has to be ignored."""
    found = _WRITTEN.fullmatch(value.strip(b" \t"))
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    trace_id, span_id = int(trace, 16), int(span, 16)
    if not trace_id or not span_id or (more and version == _FIRST_VERSION):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def new_trace_id() -> int:
    """Return the id of a new trace."""
    return _SOURCE.getrandbits(_TRACE_BITS) or 1


def new_span_id() -> int:
    """Return the id of a new span."""
    return _SOURCE.getrandbits(_SPAN_BITS) or 1


def is_chosen(trace_id: int, share: float) -> bool:
    """Whether a trace is within a share of all, going by the last 56 bits of its id, which are random.

    Whoever goes by the same bits chooses the same traces, and of a larger share all that a smaller one has.
    """
    return trace_id & (_NO_CHANCE - 1) >= _NO_CHANCE - round(share * _NO_CHANCE)
