"""What BentoML's own routes need before BentoML reads the body: a size, and an answer for what is no JSON object."""

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import ClientError

_PREFIXES = ("/bentoml/", "/bench/empty_api")


class JsonGuard:
    """Refuses, with the error shape of every other route, bodies that BentoML would answer with 500."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is a JSON object of a bearable size, and everything that is not for BentoML's routes."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIXES):
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(receive)
        except ClientError as error:
            await Response(error.body(), error.status, media_type="application/json")(scope, receive, send)
            return
        headers = [header for header in scope["headers"] if header[0] != b"content-type"]
        scope["headers"] = [*headers, (b"content-type", b"application/json")]
        await self._app(scope, _replayed(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most_bytes:
                raise ClientError(413, "body_too_large", f"The body is larger than {self._most_bytes:,} bytes.")
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ClientError(400, "not_json", f"The body is not JSON: {error}.") from error
        if not isinstance(said, dict):
            raise ClientError(422, "invalid_body", "The body is not a JSON object.")
        return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
