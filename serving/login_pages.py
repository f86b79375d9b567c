"""The pages that let people in with an admin key, and out again; and the check that stands before all other pages."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from insights.pages.render import asset, render_template
from insights.pages.site import PAGES
from serving.access import Permission
from serving.admission import admit, let_in
from serving.body import read_body
from serving.clients import client_of
from serving.errors import ClientError
from serving.headers import PAGE_HEADERS
from serving.logins import Login, no_login
from serving.runtime import Runtime

LOGIN, LOGOUT = "/login", "/logout"
_MOST_BYTES = 10_000
_HTML = "text/html; charset=utf-8"
_FORM = "application/x-www-form-urlencoded"
_PRIVATE = {**PAGE_HEADERS, "Cache-Control": "no-store"}
_ADDRESSES = frozenset({"/", *(f"/{entry.slug}" for entry in PAGES)})

Answer = Callable[[Runtime, Request], Awaitable[Response]]


def login_routes() -> list[Route]:
    """Return the routes by which people come in and go out."""
    return [
        Route(LOGIN, _answering(_ask), methods=["GET"]),
        Route(LOGIN, _answering(_log_in), methods=["POST"]),
        Route(LOGOUT, _answering(_ask_to_leave), methods=["GET"]),
        Route(LOGOUT, _answering(_log_out), methods=["POST"]),
    ]


async def admit_reader(
    runtime: Runtime, request: Request, permissions: Collection[Permission] = (Permission.ADMIN,)
) -> None:
    """Return if the request comes with a login, or with a key of one of these permissions; raises ClientError.

    That is 401, 403 or 429. Where there are no keys everybody may read: the guard has let this machine through only.
    """
    login = _login(runtime, request)
    if login is not None:
        let_in(request, login.key)
        return
    await admit(runtime, request, permissions)


def way_in(request: Request, error: ClientError) -> Response | None:
    """Return the way to the login for somebody with a browser and without a login; None for anybody else."""
    if error.status != 401 or request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{LOGIN}?next={quote(request.url.path + query, safe='')}", 303, _PRIVATE)


def require_same_origin(request: Request) -> None:
    """Raise ClientError, 403, unless the request comes from a page of this service: other sites may send forms too."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if (site is not None and site != "same-origin") or origin != own:
        raise ClientError(
            403,
            "other_origin",
            "Forms are taken from the pages of this service only. Behind a proxy, it has to pass Host and "
            "X-Forwarded-Proto on, and to be named in DROPOFF_TRUSTED_PROXIES.",
        )


async def read_form(request: Request, most_bytes: int) -> dict[str, str]:
    """Return the fields of a form; raises ClientError."""
    body = await read_body(request, most_bytes)
    if request.headers.get("content-type", "").split(";")[0].strip() != _FORM:
        raise ClientError(415, "wrong_type", f"Send the form as {_FORM}.")
    return dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))


def _answering(answering: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        runtime: Runtime | None = request.app.state.runtime
        if runtime is None or not runtime.access.keyed:
            return RedirectResponse("/", 303, _PRIVATE)
        try:
            return await answering(runtime, request)
        except ClientError as error:
            return _shown("/", error.message, error.status, error.headers)

    return endpoint


async def _ask(runtime: Runtime, request: Request) -> Response:
    following = _within(request.query_params.get("next", ""))
    if _login(runtime, request) is not None:
        return RedirectResponse(following, 303, _PRIVATE)
    return _shown(following)


async def _log_in(runtime: Runtime, request: Request) -> Response:
    require_same_origin(request)
    given = await read_form(request, _MOST_BYTES)
    following = _within(given.get("next", ""))
    access, client, now_us = runtime.access, client_of(request.scope), runtime.now_us()
    try:
        access.require_slow_login(client, now_us)
        try:
            key = access.identify(given.get("key", "").strip(), now_us)
            access.require(key, (Permission.ADMIN,))
        except ClientError:
            access.count_login(client, now_us)
            raise
    except ClientError as error:
        said = "Enter a key." if error.code == "no_key" else error.message
        return _shown(following, said, error.status, error.headers)
    cookie = runtime.logins.begin(key, request.url.scheme, now_us)
    return RedirectResponse(following, 303, {**_PRIVATE, "Set-Cookie": cookie})


async def _ask_to_leave(runtime: Runtime, request: Request) -> Response:
    login = _login(runtime, request)
    if login is None:
        return RedirectResponse(LOGIN, 303, _PRIVATE)
    return Response(render_template("logout.html", key_name=login.key.grant.name, asset=asset), 200, _PRIVATE, _HTML)


async def _log_out(runtime: Runtime, request: Request) -> Response:
    require_same_origin(request)
    login = _login(runtime, request)
    if login is not None:
        await _end(runtime, login)
    return RedirectResponse(LOGIN, 303, {**_PRIVATE, "Set-Cookie": no_login(request.url.scheme)})


async def _end(runtime: Runtime, login: Login) -> None:
    now_us = runtime.now_us()
    await runtime.commit(
        lambda connection: runtime.keys.end_login(connection, login.login_id, until_us=login.until_us, now_us=now_us)
    )
    runtime.access.ended_logins |= {login.login_id}


def _login(runtime: Runtime, request: Request) -> Login | None:
    if not runtime.access.keyed or not request.cookies:
        return None
    return runtime.logins.read(request.cookies, request.url.scheme, runtime.access, runtime.now_us())


def _within(address: str) -> str:
    """Return an address if it is that of a page of this service, else that of the first: nobody is led elsewhere."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path not in _ADDRESSES:
        return "/"
    query = urlencode(parse_qsl(parts.query))
    return f"{parts.path}?{query}" if query else parts.path


def _shown(following: str, mistake: str = "", status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    page = render_template("login.html", next=following, mistake=mistake, asset=asset)
    return Response(page, status, {**_PRIVATE, **(headers or {})}, _HTML)
