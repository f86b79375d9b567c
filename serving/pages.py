"""The marketer's pages: addresses in, HTML or CSV out, on this machine only."""

import asyncio
import logging
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import duckdb
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from insights.current import current_facts
from insights.facts import Facts, FactsError
from insights.filters import FilterError
from insights.pages.export import to_csv
from insights.pages.figure import Unit
from insights.pages.make import FIRST, MadePage, render_made
from insights.pages.render import STATIC, asset, render_message
from insights.pages.site import PAGES, Entry
from insights.pages.write import write
from serving.body import read_body
from serving.errors import ClientError
from serving.forms import FORMS
from serving.live_log import LiveLog
from serving.made_pages import MadePages
from serving.runtime import Runtime
from serving.times import show_time
from storage.record_store import load_records

_LOG = logging.getLogger("dropoff.serving")
_T = TypeVar("_T")

SECURITY_HEADERS: Mapping[str, str] = {
    # Charts set the style attribute of what they draw; scripts and style sheets come from files of the service only.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_PRIVATE = {**SECURITY_HEADERS, "Cache-Control": "no-store"}
_DONE = "done"
"""The form that was just sent, in the address that the browser is led back to."""
_HTML = "text/html; charset=utf-8"
_LINKS = (("API", "/docs.json"), ("Metrics", "/metrics"), ("Readiness", "/readyz"))

_MADE = MadePages()
# Not the threads that others of the service wait for, and not so many that pages take the machine.
_MAKING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pages")

Answer = Callable[[Runtime, Request], Awaitable[Response]]


def page_routes() -> list[Route]:
    """Return the routes of all pages, their downloads, their forms and their static files."""
    routes = [Route("/", _guarded(partial(_page, PAGES[0])), methods=["GET"])]
    for entry in PAGES:
        answering = _first_page if entry.slug == FIRST else partial(_page, entry)
        routes.append(Route(f"/{entry.slug}", _guarded(answering), methods=["GET"]))
        routes.append(Route(f"/{entry.slug}/{{figure}}.csv", _guarded(partial(_download, entry)), methods=["GET"]))
    for slug, name in FORMS:
        routes.append(Route(f"/{slug}/{name}", _guarded(partial(_change, slug, name)), methods=["POST"]))
    routes.append(Route("/static/{name}", _static, methods=["GET"]))
    return routes


def _guarded(answering: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        runtime: Runtime | None = request.app.state.runtime
        if runtime is None:
            return _mistake(request, ClientError(503, "not_ready", "The service is starting: ask /readyz."), "json")
        if not _is_local(request):
            refused = ClientError(
                403,
                "pages_are_local",
                "The pages have no login, so they answer on this machine only, at http://127.0.0.1 or "
                "http://localhost: open them there, or through an SSH tunnel.",
            )
            return _mistake(request, refused)
        try:
            return await answering(runtime, request)
        except ClientError as error:
            return _mistake(request, error)

    return endpoint


async def _first_page(runtime: Runtime, request: Request) -> Response:
    del runtime
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/{query}", 308, SECURITY_HEADERS)


async def _page(entry: Entry, runtime: Runtime, request: Request) -> Response:
    return await _in_thread(partial(_render, entry, runtime, request))


def _render(entry: Entry, runtime: Runtime, request: Request) -> Response:
    facts = _current_facts(runtime)
    if facts is None:
        return _not_yet(runtime)
    made = _make(entry, runtime, facts, request)
    taken = FORMS.get((entry.slug, request.query_params.get(_DONE, "")))
    return Response(render_made(made, _foot(runtime, facts), _LINKS, taken.done if taken else ""), 200, _PRIVATE, _HTML)


async def _download(entry: Entry, runtime: Runtime, request: Request) -> Response:
    return await _in_thread(partial(_csv, entry, runtime, request))


def _csv(entry: Entry, runtime: Runtime, request: Request) -> Response:
    name = request.path_params["figure"]
    facts = _current_facts(runtime)
    if facts is None:
        raise ClientError(404, "no_facts", "There are no figures yet: the pages say when there will be.")
    figure = _make(entry, runtime, facts, request).figure(name)
    if figure is None:
        raise ClientError(404, "no_such_figure", f"The page {entry.title} has no figure {name[:80]!r}.")
    headers = {**_PRIVATE, "Content-Disposition": f'attachment; filename="{entry.slug}-{figure.name}.csv"'}
    return Response(to_csv(figure.table), 200, headers, "text/csv; charset=utf-8")


def _current_facts(runtime: Runtime) -> Facts | None:
    try:
        return current_facts(runtime.configuration.home, runtime.journey.name)
    except FactsError as error:
        # Such as those of another version of dropoff: they are made anew like missing ones.
        _LOG.warning("The pages' figures cannot be read: %s", error)
        return None


def _make(entry: Entry, runtime: Runtime, facts: Facts, request: Request) -> MadePage:
    query = [pair for pair in request.query_params.multi_items() if pair[0] != _DONE]
    records = load_records(runtime.engine, runtime.journey.name, runtime.configuration.home)
    try:
        return _MADE.make(entry, runtime.journey, facts, records, query, LiveLog(runtime))
    except FilterError as error:
        raise ClientError(400, "wrong_filter", f"{str(error)[0].upper()}{str(error)[1:]}.") from error
    except duckdb.IOException as error:
        # Whoever erases a visitor takes the facts away too, also from under a page that is being made.
        raise ClientError(503, "no_facts", "The figures are being made anew: ask again in a minute.") from error


async def _change(slug: str, name: str, runtime: Runtime, request: Request) -> Response:
    _require_same_origin(request)
    body = await read_body(request, runtime.configuration.max_body_bytes)
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise ClientError(415, "wrong_type", "Send the form as application/x-www-form-urlencoded.")
    given = dict(parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True))
    await FORMS[slug, name].change(runtime, given)
    return RedirectResponse(_back(request, slug, name), 303, SECURITY_HEADERS)


def _back(request: Request, slug: str, name: str) -> str:
    """Return the address of the page whence the form came, which then says what was done."""
    came = urlsplit(request.headers.get("referer", ""))
    kept = [pair for pair in parse_qsl(came.query) if pair[0] != _DONE]
    return f"{'/' if slug == FIRST else f'/{slug}'}?{urlencode([*kept, (_DONE, name)])}"


def _require_same_origin(request: Request) -> None:
    """Raise ClientError, 403, unless the request comes from a page of this service: other sites may send forms too."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if (site is not None and site != "same-origin") or origin != own:
        raise ClientError(403, "other_origin", "Forms are taken from the pages of this service only.")


def _is_local(request: Request) -> bool:
    """Whether the connection, and the name by which it was asked for, are this machine's own."""
    server, client = request.scope.get("server"), request.scope.get("client")
    hosts = [address[0] if address else None for address in (server, client)]
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname
    # A name of somebody else's that leads here would let their page read ours.
    return all(map(_is_loopback, hosts)) and (named == "localhost" or _is_loopback(named))


def _is_loopback(host: str | None) -> bool:
    try:
        return host is not None and ip_address(host).is_loopback
    except ValueError:
        return False


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    path = STATIC / name
    if name not in _STATIC_NAMES:
        return _mistake(request, ClientError(404, "no_such_file", "There is no such file."), "json")
    version = asset(name).partition("?v=")[2]
    headers = {**SECURITY_HEADERS, "ETag": f'"{version}"'}
    headers["Cache-Control"] = (
        "public, max-age=31536000, immutable" if request.query_params.get("v") == version else "no-cache"
    )
    if request.headers.get("if-none-match") == f'"{version}"':
        return Response(b"", 304, headers)
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    content = await asyncio.to_thread(path.read_bytes)
    return Response(content, 200, headers, "text/javascript" if kind.endswith("javascript") else kind)


_STATIC_NAMES = frozenset(path.name for path in STATIC.iterdir())


def _not_yet(runtime: Runtime) -> Response:
    title = "No figures yet"
    if runtime.log.last_position() is None:
        text = (
            "No events have been received. Send them to POST /v1/track or POST /v1/batch, or try it with "
            f"dropoff replay {runtime.journey.name} --log PATH; the pages follow about a minute later."
        )
    elif not runtime.configuration.insights_refresh:
        text = "DROPOFF_INSIGHTS_REFRESH is 0, so no figures are made. Set it to 60, or leave it out, and start again."
    else:
        text = "The figures are being made from the events received so far. This page asks again every few seconds."
    headers = {**_PRIVATE, "Refresh": "5"}
    return Response(render_message(title, text, links=_LINKS), 200, headers, _HTML)


def _foot(runtime: Runtime, facts: Facts) -> list[str]:
    made = write(show_time(facts.built_at_us), Unit.TIME, facts.timezone)
    return [
        f"Figures of {made} ({facts.timezone}), from {facts.events:,} events",
        f"Model version {runtime.model_version}",
        f"{runtime.sessions.open_sessions(runtime.now_us()):,} sessions open in memory",
    ]


def _mistake(request: Request, error: ClientError, kind: str = "") -> Response:
    if kind == "json" or "text/html" not in request.headers.get("accept", ""):
        return Response(error.body(), error.status, SECURITY_HEADERS, "application/json")
    titles = {400: "This address cannot be understood", 403: "Not from here", 404: "There is no such page"}
    title = titles.get(error.status, "This page cannot be shown")
    links = () if error.status == 403 else (("Overview", "/"),)
    return Response(render_message(title, error.message, links=links), error.status, _PRIVATE, _HTML)


async def _in_thread(work: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(_MAKING, work)
