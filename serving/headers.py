"""What browsers are told with every answer, so that a mistake somewhere else cannot be used against people."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.types import Message, Scope, Send

PAGE_HEADERS: Mapping[str, str] = {
    # Charts set the style attribute of what they draw; scripts and style sheets come from files of the service only.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of the pages and their files."""

# What answers with data is no page: it may be shown nowhere, run nothing, and be kept by nobody unless it says so.
# Other sites load the snippet and the pixel, so nothing is said about who may embed an answer.
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_BEHIND_TLS = (*_ALWAYS, (b"strict-transport-security", b"max-age=31536000"))


def secured(scope: Scope, send: Send) -> Send:
    """Return a ``send`` that adds the headers that an answer does not have; over TLS also that it is to stay so."""
    added = _BEHIND_TLS if scope["scheme"] == "https" else _ALWAYS

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add(message, added)
        await send(message)

    return sending


def _add(message: MutableMapping[str, Any], added: tuple[tuple[bytes, bytes], ...]) -> None:
    headers = message.get("headers", ())
    present = {name for name, _ in headers}
    message["headers"] = [*headers, *(header for header in added if header[0] not in present)]
