"""A request's body, unpacked, of a bearable size."""

import zlib

from starlette.requests import ClientDisconnect, Request

from serving.errors import ClientError

# zlib's own words: 31 is gzip with its header, 15 is zlib (which HTTP calls deflate), -15 is deflate without a header.
_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
_MOST_MEMBERS = 64


async def read_body(request: Request, most_bytes: int) -> bytes:
    """Return the body, unpacked where it says ``Content-Encoding: gzip`` or ``deflate``.

    ``most_bytes`` bounds what was sent and what it unpacks to. Raises :class:`ClientError` for a body that is too
    large, encoded in another way, damaged or incomplete.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity") and encoding not in _WINDOWS:
        raise ClientError(
            415, "encoded_body", f"Send the body as it is, or packed by gzip or deflate, not by {encoding[:20]!r}."
        )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise too_large(most_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most_bytes:
                raise too_large(most_bytes)
            parts.append(part)
    except ClientDisconnect as error:
        raise ClientError(400, "incomplete_body", "The connection ended before the body did.") from error
    body = b"".join(parts)
    return unpack(body, encoding, most_bytes) if encoding in _WINDOWS else body


def unpack(packed: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return what was packed by ``gzip`` or ``deflate``; raises :class:`ClientError` beyond so many bytes."""
    first, *others = _WINDOWS[encoding]
    try:
        return _inflate(packed, first, most_bytes)
    except zlib.error as error:
        for window in others:
            try:
                return _inflate(packed, window, most_bytes)
            except zlib.error:
                continue
        raise ClientError(400, "damaged_body", f"The body is not what {encoding} packs.") from error


def _inflate(packed: bytes, window: int, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    room = most_bytes
    rest = packed
    for _ in range(_MOST_MEMBERS):
        unpacker = zlib.decompressobj(window)
        part = unpacker.decompress(rest, room + 1)
        if len(part) > room:
            raise too_large(most_bytes)
        if not unpacker.eof:
            raise ClientError(400, "incomplete_body", "The packed body ends too early.")
        parts.append(part)
        room -= len(part)
        rest = unpacker.unused_data
        if not rest:
            return b"".join(parts)
    # Each would copy all that follows it.
    raise ClientError(400, "damaged_body", f"The body has more than {_MOST_MEMBERS} packed parts.")


def too_large(most_bytes: int) -> ClientError:
    """Return the mistake of a body of more bytes."""
    return ClientError(413, "body_too_large", f"The body is larger than {most_bytes:,} bytes.")
