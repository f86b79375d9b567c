"""The browser snippet: the files of ``serving/web``, with the settings of the journey that is served."""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from journeys.journey import Journey
from serving.errors import ClientError
from serving.runtime import Runtime

WEB = Path(__file__).parent / "web"
SCRIPT, BANNER = "dropoff.js", "dropoff-banner.js"
SIGNALS = (
    "page_view",
    "page_error",
    "go_back",
    "scroll",
    "hide_tab",
    "show_tab",
    "exit_intent",
    "rage_click",
    "dead_click",
    "edit_field",
    "form_error",
)
"""What the snippet notices by itself and sends, where the journey knows of it."""

_HEADERS = {
    # Five minutes, so that a new release and a changed journey reach browsers soon; asking again costs no body.
    "Cache-Control": "public, max-age=300, stale-while-revalidate=86400",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A script as it is sent: its text and the same compressed, with the tag that tells whether it has changed."""

    plain: bytes
    compressed: bytes
    tag: str


def snippet_routes() -> list[Route]:
    """Return the routes of the snippet's files, which are open to everybody."""
    return [Route(f"/{name}", _serving(name), methods=["GET"]) for name in (SCRIPT, BANNER)]


def make_snippet(journey: Journey, name: str = SCRIPT) -> ServedFile:
    """Return a file of the snippet for a journey: the script starts with the journey's settings."""
    plain = (WEB / name).read_bytes()
    if name == SCRIPT:
        plain = b"self.dropoffServed=" + msgspec.json.encode(settings_of(journey)) + b";" + plain
    digest = hashlib.sha256(plain).hexdigest()[:16]
    return ServedFile(plain, gzip.compress(plain, 9, mtime=0), digest)


def settings_of(journey: Journey) -> dict[str, object]:
    """Return what a browser has to know of a journey, as the snippet's options.

    A session ends after the journey's own silence, and a signal that the journey does not know is not sent.
    """
    return {
        "timeout": journey.session_timeout_seconds,
        "idle": journey.idle_ticks_seconds,
        "names": dict.fromkeys((name for name in SIGNALS if journey.names.find(name) is None), ""),
    }


def _serving(name: str) -> Callable[[Request], Awaitable[Response]]:
    made: dict[str, ServedFile] = {}

    async def endpoint(request: Request) -> Response:
        runtime: Runtime | None = request.app.state.runtime
        if runtime is None:
            starting = ClientError(503, "not_ready", "The service is starting: ask /readyz.")
            return Response(starting.body(), starting.status, media_type="application/json")
        # A service serves one journey for as long as it runs.
        if runtime.journey.name not in made:
            made[runtime.journey.name] = make_snippet(runtime.journey, name)
        return _answer(made[runtime.journey.name], request)

    return endpoint


def _answer(file: ServedFile, request: Request) -> Response:
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    # The same script in two encodings is two representations, which caches tell apart by their tags.
    tag = f'"{file.tag}{"-gzip" if compressed else ""}"'
    headers = {**_HEADERS, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", 304, headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(file.compressed if compressed else file.plain, 200, headers, "text/javascript")
