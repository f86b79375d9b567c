"""Sessions as few bytes: what is at hand of visitors that nobody has asked about lately, and what processes share.

A visitor's sessions are one byte of version, eight of the plan's fingerprint, and for each session what can be read at
a glance, its id, and then event ids, times, codes and values as columns. Times are distances from the first one; ids
that are UUIDs take their 16 bytes; of values only those that are there are kept, as places in the list of those that
differ. Everything is little-endian.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.events import CodeArray, FloatArray, IntArray
from features.live import LiveSession, SessionColumns
from features.plan import Plan

VERSION = 1

_HEAD = struct.Struct("<B8s")
_SESSION = struct.Struct("<HIIq")
_COUNT = struct.Struct("<I")
_FIRST = struct.Struct("<q")
_NAMES = struct.Struct("<BHI")
_WIDTHS = (np.dtype("<u1"), np.dtype("<u2"), np.dtype("<u4"), np.dtype("<u8"))
_UUIDS, _TEXTS = 0, 1
_UUID_CHARACTERS = 36
_LONGEST_PREFIX = 1 << 15


class PackedElsewhere(ValueError):
    """The bytes are of another plan or another version: the sessions have to be read from the log again."""


class Glance(NamedTuple):
    """What can be read of a packed session without unpacking it; ``last_at_us`` is 0 where it has no events."""

    session_id: str
    events: int
    last_at_us: int


class Packing:
    """Packs sessions of one plan; what was packed with another feature table is refused."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.head = _HEAD.pack(VERSION, bytes.fromhex(plan.fingerprint)[:8])
        """How everything begins that is packed with this plan and version."""

    def pack(self, sessions: Iterable[LiveSession]) -> bytes:
        """Return the sessions of one visitor as bytes; :meth:`unpack` gives the same to the bit."""
        parts = [self.head]
        for session in sessions:
            session_id = _encoded(session.session_id)
            count = len(session)
            columns = _packed_columns(session.columns) if count else b""
            last_us = session.last_at_us if count else 0
            parts += [_SESSION.pack(len(session_id), count, len(columns), last_us), session_id, columns]
        return b"".join(parts)

    def glance(self, packed: bytes) -> Iterator[Glance]:
        """Tell of the packed sessions what takes no unpacking; raises :class:`PackedElsewhere`."""
        reading = self._open(packed)
        while not reading.at_end:
            length, count, columns, last_us = reading.numbers(_SESSION)
            yield Glance(_decoded(reading.bytes(length)), count, last_us)
            reading.bytes(columns)

    def unpack(self, packed: bytes, visitor_id: str) -> list[LiveSession]:
        """Return the sessions; raises :class:`PackedElsewhere` for those of another plan or version."""
        reading = self._open(packed)
        sessions = []
        while not reading.at_end:
            length, count, _, _ = reading.numbers(_SESSION)
            session_id = _decoded(reading.bytes(length))
            if count:
                columns = SessionColumns(
                    _unpacked_ids(reading, count),
                    _unpacked_times(reading, count),
                    reading.column(count).astype(np.int32),
                    _unpacked_values(reading, (count, len(self._plan.columns))),
                )
                sessions.append(LiveSession.of_columns(self._plan, session_id, visitor_id, columns))
            else:
                sessions.append(LiveSession(self._plan, session_id, visitor_id))
        return sessions

    def _open(self, packed: bytes) -> "_Reading":
        if not packed.startswith(self.head):
            raise PackedElsewhere("these sessions were packed with another feature table, or by another version")
        return _Reading(packed, _HEAD.size)


class _Reading:
    """Reads one part after the other."""

    def __init__(self, packed: bytes, place: int) -> None:
        self._packed = packed
        self._place = place

    @property
    def at_end(self) -> bool:
        return self._place >= len(self._packed)

    def numbers(self, shape: struct.Struct) -> tuple[Any, ...]:
        found = shape.unpack_from(self._packed, self._place)
        self._place += shape.size
        return found

    def bytes(self, length: int) -> bytes:
        self._place += length
        return self._packed[self._place - length : self._place]

    def array(self, kind: "np.dtype[Any]", count: int) -> NDArray[Any]:
        found = np.frombuffer(self._packed, kind, count, self._place)
        self._place += found.nbytes
        return found

    def column(self, count: int) -> NDArray[Any]:
        """Return numbers that :func:`_narrow` wrote."""
        width = self._packed[self._place]
        self._place += 1
        return self.array(_WIDTHS[width], count)


def _narrow(numbers: NDArray[Any], largest: int) -> list[bytes]:
    """Return numbers that are not negative in as few bytes each as the largest takes, with one byte that says it."""
    width = 0 if largest < 1 << 8 else 1 if largest < 1 << 16 else 2 if largest < 1 << 32 else 3
    return [bytes((width,)), numbers.astype(_WIDTHS[width]).tobytes()]


def _packed_columns(columns: SessionColumns) -> bytes:
    parts = [*_packed_ids(columns.event_ids), *_packed_times(columns.at_us), *_packed_codes(columns.codes)]
    return b"".join([*parts, *_packed_values(columns.values)])


def _packed_times(at_us: IntArray) -> list[bytes]:
    first_us, last_us = int(at_us[0]), int(at_us[-1])
    return [_FIRST.pack(first_us), *_narrow(at_us - first_us, last_us - first_us)]


def _unpacked_times(reading: _Reading, count: int) -> IntArray:
    (first_us,) = reading.numbers(_FIRST)
    at_us: IntArray = reading.column(count).astype(np.int64) + first_us
    return at_us


def _packed_codes(codes: CodeArray) -> list[bytes]:
    return _narrow(codes, int(codes.max()))


def _packed_values(values: FloatArray) -> list[bytes]:
    present = ~np.isnan(values)
    # Compared by their bits, so that -0.0 is not taken for 0.0.
    differing, places = np.unique(values[present].view(np.int64), return_inverse=True)
    parts = [np.packbits(present.ravel()).tobytes(), _COUNT.pack(len(differing)), differing.astype("<i8").tobytes()]
    return [*parts, *_narrow(places, len(differing))]


def _unpacked_values(reading: _Reading, shape: tuple[int, int]) -> FloatArray:
    cells = shape[0] * shape[1]
    bits = reading.array(np.dtype(np.uint8), -(-cells // 8))
    present = np.unpackbits(bits, count=cells).view(np.bool_)
    (differing,) = reading.numbers(_COUNT)
    numbers = reading.array(np.dtype("<f8"), differing)
    values: FloatArray = np.full(cells, np.nan)
    values[present] = numbers[reading.column(int(np.count_nonzero(present)))]
    return values.reshape(shape)


def _packed_ids(event_ids: Sequence[str]) -> list[bytes]:
    uuids = _as_uuids(event_ids)
    if uuids is not None:
        prefix, digits = uuids
        return [_NAMES.pack(_UUIDS, len(prefix), 0), prefix, digits]
    texts = [_encoded(event_id) for event_id in event_ids]
    prefix = _common_prefix(min(texts), max(texts))[:_LONGEST_PREFIX]
    rests = [text[len(prefix) :] for text in texts]
    whole = b"".join(rests)
    lengths = np.fromiter(map(len, rests), np.int64, len(rests))
    return [_NAMES.pack(_TEXTS, len(prefix), len(whole)), prefix, *_narrow(lengths, int(lengths.max())), whole]


def _unpacked_ids(reading: _Reading, count: int) -> list[str]:
    form, prefix_length, length = reading.numbers(_NAMES)
    prefix = reading.bytes(prefix_length)
    if form == _UUIDS:
        return _from_digits(_decoded(prefix), reading.bytes(16 * count).hex())
    ends = np.cumsum(reading.column(count).astype(np.int64)).tolist()
    whole = reading.bytes(length)
    return [_decoded(prefix + whole[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _as_uuids(event_ids: Sequence[str]) -> tuple[bytes, bytes] | None:
    """Return what stands before the UUIDs of all ids, and their bytes; None where not all are such."""
    prefix = event_ids[0][:-_UUID_CHARACTERS]
    try:
        digits = bytes.fromhex("".join(event_id[-_UUID_CHARACTERS:] for event_id in event_ids).replace("-", ""))
    except ValueError:
        return None
    if _from_digits(prefix, digits.hex()) != list(event_ids):
        return None
    return _encoded(prefix), digits


def _common_prefix(first: bytes, last: bytes) -> bytes:
    """Return how all of some texts begin, given the first and the last of them in alphabetical order."""
    shorter = min(len(first), len(last))
    return first[: next((place for place in range(shorter) if first[place] != last[place]), shorter)]


def _from_digits(prefix: str, digits: str) -> list[str]:
    return [
        f"{prefix}{digits[at : at + 8]}-{digits[at + 8 : at + 12]}-{digits[at + 12 : at + 16]}-"
        f"{digits[at + 16 : at + 20]}-{digits[at + 20 : at + 32]}"
        for at in range(0, len(digits), 32)
    ]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")
