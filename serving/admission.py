"""Let a request in, or say why not: what every route with a permission asks first."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from serving.access import Permission
from serving.body import read_body, too_large
from serving.clients import client_of
from serving.cors import SharedRoute
from serving.credentials import choose_key, key_in_body, key_in_headers, key_in_query
from serving.runtime import Runtime
from serving.spans import span
from storage.key_store import StoredKey
from storage.key_text import is_key

_KEY, _BODY = "dropoff.key", "dropoff.body"


def permissions_of(routes: Iterable[BaseRoute]) -> Mapping[tuple[str, str], Sequence[Permission]]:
    """Return what routes ask for, by method, in small letters, and address."""
    guarded = (route for route in routes if isinstance(route, SharedRoute))
    return {
        (method.lower(), route.path.replace(":path}", "}")): sorted(route.permissions)
        for route in guarded
        for method in route.methods or ()
    }


async def admit(runtime: Runtime, request: Request, asked: Collection[Permission]) -> None:
    """Return if the request may ask for what needs any of the permissions; raises ClientError, 401, 403 or 429.

    A route that asks for none is open to all.
    """
    if not asked:
        return
    scope, access = request.scope, runtime.access
    text = await _key_of(runtime, request, asked) if access.keyed else None
    scope[_KEY] = access.admit(text, asked, client_of(scope), runtime.now_us())


def key_of(request: Request) -> StoredKey | None:
    """Return the key that let the request in; None where there are no keys."""
    key: StoredKey | None = request.scope.get(_KEY)
    return key


def let_in(request: Request, key: StoredKey) -> None:
    """Keep which key lets the request in."""
    request.scope[_KEY] = key


def actor_of(request: Request) -> str | None:
    """Return the name of the key that let the request in, for the audit; None where there are no keys."""
    key = key_of(request)
    return None if key is None else key.grant.name


async def read_admitted(runtime: Runtime, request: Request) -> bytes:
    """Return the body of a request, as large as its key allows; raises ClientError."""
    with span("body"):
        return await _read_admitted(runtime, request)


async def _read_admitted(runtime: Runtime, request: Request) -> bytes:
    kept: bytes | None = request.scope.pop(_BODY, None)
    key = key_of(request)
    most_bytes = key.grant.max_body_bytes if key is not None else None
    if kept is None:
        return await read_body(request, most_bytes or runtime.configuration.max_body_bytes)
    if most_bytes is not None and len(kept) > most_bytes:
        raise too_large(most_bytes)
    return kept


async def _key_of(runtime: Runtime, request: Request, asked: Collection[Permission]) -> str | None:
    scope = request.scope
    sent = key_in_headers(scope["headers"])
    if Permission.WRITE not in asked:
        return sent
    chosen = choose_key((sent, key_in_query(scope["query_string"])))
    if scope["method"] != "POST" or (chosen is not None and is_key(chosen)):
        return chosen
    # The body of a beacon: read once, as large as anybody may send it.
    body = scope[_BODY] = await read_body(request, runtime.configuration.max_body_bytes)
    return choose_key((chosen, key_in_body(body)))
