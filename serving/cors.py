"""Which pages of other origins a browser lets send and ask: the Fetch Standard's CORS protocol, without credentials."""

import re
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access import Permission

_EVERYBODY = "*"
_LOOPBACK = re.compile(r"https?://(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
# The star stands for all names but Authorization, and old browsers do not know it.
_HEADERS = "Authorization, Content-Type, Content-Encoding, AnonymousId, X-Dropoff-Key, X-Retry-Count, SentAt, *"
_CACHED_SECONDS = "86400"


class SharedRoute(Route):
    """A route with what it asks of a key; pages elsewhere may use it by that, never where it asks for ``ADMIN``.

    ``public`` ones ask for none, and every page may use them that may send.
    """

    def __init__(
        self,
        address: str,
        endpoint: object,
        method: str,
        permissions: Sequence[Permission] = (),
        *,
        public: bool = False,
    ) -> None:
        super().__init__(address, endpoint, methods=[method])  # type: ignore[arg-type]
        self.permissions = frozenset(permissions)
        self.opens = self.permissions | ({Permission.WRITE} if public else set())


class Cors:
    """Answers browsers' preflight requests, and says who may read an answer."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        shared = [route for route in routes if isinstance(route, SharedRoute)]
        self._patterned = [route for route in shared if "{" in route.path]
        self._fixed: dict[str, list[SharedRoute]] = {}
        for route in shared:
            self._fixed.setdefault(route.path, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the answer whom a browser may give it to."""
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        allowed = self._allowed(scope, origin) if origin else None
        if allowed is None:
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope).get("access-control-request-method")
        if scope["method"] == "OPTIONS" and asked is not None:
            await _preflight(allowed, self._methods(scope))(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = allowed
                headers["Access-Control-Expose-Headers"] = "Retry-After"
                headers.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, sending)

    def _allowed(self, scope: Scope, origin: str) -> str | None:
        """Return what ``Access-Control-Allow-Origin`` says for an origin, None where it may not read the answer."""
        permissions = {permission for route in self._at(scope) for permission in route.opens}
        runtime = scope["app"].state.runtime
        if not permissions or Permission.ADMIN in permissions or runtime is None:
            return None
        named = runtime.configuration.allowed_origins
        if origin in named:
            return origin
        if Permission.WRITE in permissions:
            return _EVERYBODY if _EVERYBODY in named else None
        return origin if _LOOPBACK.fullmatch(origin) else None

    def _methods(self, scope: Scope) -> str:
        return ", ".join(sorted({method for route in self._at(scope) for method in route.methods or ()}))

    def _at(self, scope: Scope) -> list[SharedRoute]:
        return self._fixed.get(scope["path"]) or [
            route for route in self._patterned if route.matches(scope)[0] is not Match.NONE
        ]


def _preflight(allowed: str, methods: str) -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": allowed,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": _CACHED_SECONDS,
            "Vary": "Origin",
        },
    )
