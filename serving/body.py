"""A request's body, of a bearable size."""

from starlette.requests import ClientDisconnect, Request

from serving.errors import ClientError


async def read_body(request: Request, most_bytes: int) -> bytes:
    """Return the body; raises :class:`ClientError` for one that is too large, encoded or incomplete."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise ClientError(415, "encoded_body", f"Send the body as it is, not with the encoding {encoding[:20]!r}.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most_bytes:
        raise _too_large(most_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most_bytes:
                raise _too_large(most_bytes)
            parts.append(part)
    except ClientDisconnect as error:
        raise ClientError(400, "incomplete_body", "The connection ended before the body did.") from error
    return b"".join(parts)


def _too_large(most_bytes: int) -> ClientError:
    return ClientError(413, "body_too_large", f"The body is larger than {most_bytes:,} bytes.")
