"""What stands before BentoML's own routing: it answers some mistakes with 500, or not in the shape of the others."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.body import read_body
from serving.errors import ClientError
from serving.messages import decode
from serving.nesting import DEEPEST, require_shallow

_REPLACED = (b"content-type", b"content-encoding", b"content-length")
_TWINS = ("/bentoml/score", "/bentoml/recommend", "/bench/empty_api")


class JsonGuard:
    """Lets only JSON objects of a bearable size through to BentoML's routes, and only addresses of one line."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            passed_on = await self._check(scope, receive)
        except ClientError as error:
            await Response(error.body(), error.status, media_type="application/json")(scope, receive, send)
            return
        await self._app(scope, passed_on, send)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        if "\n" in scope["path"]:
            # A route's pattern ends before a line break: DELETE /v1/visitors/a%0A would erase the visitor a.
            raise ClientError(
                404, "no_such_address", "No address has a line break in it; /docs.json lists what is served."
            )
        if scope["path"] not in _TWINS:
            return receive
        if scope["method"] != "POST":
            raise ClientError(405, "wrong_method", f"{scope['path']} answers POST, not {scope['method']}.")
        body = await read_body(Request(scope, receive), self._most_bytes)
        # BentoML reads it again, with less room on the stack.
        require_shallow(decode(body, dict[str, Any]), body, None, 2 * DEEPEST)
        headers = [header for header in scope["headers"] if header[0] not in _REPLACED]
        scope["headers"] = [*headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return _replayed(body, receive)


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
