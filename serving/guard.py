"""What stands before all routes: who may knock at all, how large a request may be, and BentoML's own routes.

BentoML answers some mistakes with 500, or not in the shape of the others, and knows nothing of keys.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access import Permission
from serving.admission import admit, read_admitted
from serving.body import read_body
from serving.clients import Network, require_local, see_through
from serving.decoding import decode
from serving.drain import is_draining, parting
from serving.errors import ClientError
from serving.headers import secured
from serving.nesting import DEEPEST, require_shallow
from serving.route_names import REFUSED
from serving.spans import tell

_REPLACED = (b"content-type", b"content-encoding", b"content-length")
_TWINS = {"/bentoml/score": Permission.READ, "/bentoml/recommend": Permission.READ, "/bench/empty_api": Permission.READ}
_LONGEST_ADDRESS_BYTES, _MOST_HEADERS, _MOST_HEADER_BYTES = 16_384, 100, 32_768


class Guard:
    """Lets requests through to ``app`` that are of a bearable size and come from where they may.

    ``served`` holds the runtime, which knows the keys; without keys only this machine is answered. ``trusted`` are
    proxies, and a request that takes more than ``body_seconds`` to arrive is given up.
    """

    def __init__(
        self,
        app: ASGIApp,
        most_bytes: int,
        served: Starlette | None = None,
        trusted: Sequence[Network] = (),
        body_seconds: float = 30.0,
    ) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._served = served
        self._trusted = trusted
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer what is wrong with it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._trusted:
            see_through(scope, self._trusted)
        sending = secured(scope, send)
        if self._served is not None and is_draining(self._served):
            sending = parting(sending)
        try:
            passed_on = await self._check(scope, _timed(receive, self._body_seconds))
        except ClientError as error:
            tell(error=error.code)
            runtime = None if self._served is None else self._served.state.runtime
            if runtime is not None:
                runtime.metrics.requests.count(REFUSED, error.status)
            answer = Response(error.body(), error.status, error.headers, "application/json")
            await answer(scope, receive, sending)
            return
        await self._app(scope, passed_on, sending)

    async def _check(self, scope: Scope, receive: Receive) -> Receive:
        _require_bearable(scope)
        runtime = None if self._served is None else self._served.state.runtime
        if runtime is not None and not runtime.access.keyed:
            require_local(scope)
        if "\n" in scope["path"]:
            # A route's pattern ends before a line break: DELETE /v1/visitors/a%0A would erase the visitor a.
            raise ClientError(
                404, "no_such_address", "No address has a line break in it; /docs.json lists what is served."
            )
        permission = _TWINS.get(scope["path"])
        if permission is None:
            return receive
        if scope["method"] != "POST":
            raise ClientError(405, "wrong_method", f"{scope['path']} answers POST, not {scope['method']}.")
        request = Request(scope, receive)
        if runtime is None:
            body = await read_body(request, self._most_bytes)
        else:
            await admit(runtime, request, (permission,))
            body = await read_admitted(runtime, request)
        # BentoML reads it again, with less room on the stack.
        require_shallow(decode(body, dict[str, Any]), body, None, 2 * DEEPEST)
        headers = [header for header in scope["headers"] if header[0] not in _REPLACED]
        scope["headers"] = [*headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return _replayed(body, receive)


def _require_bearable(scope: Scope) -> None:
    if len(scope["raw_path"]) + len(scope["query_string"]) > _LONGEST_ADDRESS_BYTES:
        raise ClientError(414, "address_too_long", f"An address has at most {_LONGEST_ADDRESS_BYTES:,} characters.")
    headers = scope["headers"]
    if len(headers) > _MOST_HEADERS or sum([len(name) + len(value) for name, value in headers]) > _MOST_HEADER_BYTES:
        raise ClientError(
            431,
            "headers_too_large",
            f"A request has at most {_MOST_HEADERS} headers, of {_MOST_HEADER_BYTES:,} bytes together.",
        )


def _timed(receive: Receive, seconds: float) -> Receive:
    """Return a ``receive`` that gives a body up, with ClientError, 408, that does not arrive in time."""
    until: float | None = None
    arriving = True

    async def receiving() -> Message:
        nonlocal until, arriving
        if not arriving:
            return await receive()
        until = until or asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError as error:
            raise ClientError(
                408,
                "slow_body",
                f"The body did not arrive within {seconds:g} s.",
                headers={"Connection": "close"},
            ) from error
        arriving = bool(message.get("more_body"))
        return message

    return receiving


def _replayed(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
