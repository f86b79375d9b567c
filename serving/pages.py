"""The marketer's pages: addresses in, HTML or CSV out, on this machine or for whoever is logged in."""

import asyncio
import logging
import mimetypes
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
from serving.admission import actor_of, key_of
from serving.errors import ClientError
from serving.forms import AUTHOR, FORMS
from serving.headers import PAGE_HEADERS
from serving.live_log import LiveLog
from serving.login_pages import LOGOUT, admit_reader, read_form, require_same_origin, way_in
from serving.made_pages import MadePages
from serving.runtime import Runtime
from serving.spans import carried, span, tell
from serving.times import show_time
from storage.record_store import load_records

_LOG = logging.getLogger("dropoff.serving")
_T = TypeVar("_T")

_PRIVATE = {**PAGE_HEADERS, "Cache-Control": "no-store"}
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
        try:
            await admit_reader(runtime, request)
            return await answering(runtime, request)
        except ClientError as error:
            return way_in(request, error) or _mistake(request, error)

    return endpoint


async def _first_page(runtime: Runtime, request: Request) -> Response:
    del runtime
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/{query}", 308, PAGE_HEADERS)


async def _page(entry: Entry, runtime: Runtime, request: Request) -> Response:
    return await _in_thread(partial(_render, entry, runtime, request))


def _render(entry: Entry, runtime: Runtime, request: Request) -> Response:
    facts = _current_facts(runtime)
    if facts is None:
        return _not_yet(runtime)
    made = _make(entry, runtime, facts, request)
    taken = FORMS.get((entry.slug, request.query_params.get(_DONE, "")))
    page = render_made(made, _foot(runtime, facts), _links(request), taken.done if taken else "")
    return Response(page, 200, _PRIVATE, _HTML)


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
    require_same_origin(request)
    given = await read_form(request, runtime.configuration.max_body_bytes)
    actor = actor_of(request)
    if actor is not None:
        # Whoever is logged in is known, and cannot write in the name of somebody else.
        given[AUTHOR] = actor
    await FORMS[slug, name].change(runtime, given)
    return RedirectResponse(_back(request, slug, name), 303, PAGE_HEADERS)


def _back(request: Request, slug: str, name: str) -> str:
    """Return the address of the page whence the form came, which then says what was done."""
    came = urlsplit(request.headers.get("referer", ""))
    kept = [pair for pair in parse_qsl(came.query) if pair[0] != _DONE]
    return f"{'/' if slug == FIRST else f'/{slug}'}?{urlencode([*kept, (_DONE, name)])}"


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    path = STATIC / name
    if name not in _STATIC_NAMES:
        return _mistake(request, ClientError(404, "no_such_file", "There is no such file."), "json")
    version = asset(name).partition("?v=")[2]
    headers = {**PAGE_HEADERS, "ETag": f'"{version}"'}
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
        f"{runtime.sessions.memory.open_sessions(runtime.now_us()):,} sessions open in memory",
    ]


def _links(request: Request) -> tuple[tuple[str, str], ...]:
    return _LINKS if key_of(request) is None else (*_LINKS, ("Log out", LOGOUT))


def _mistake(request: Request, error: ClientError, kind: str = "") -> Response:
    tell(error=error.code)
    if kind == "json" or "text/html" not in request.headers.get("accept", ""):
        return Response(error.body(), error.status, {**PAGE_HEADERS, **(error.headers or {})}, "application/json")
    titles = {
        400: "This address cannot be understood",
        403: "Not with this key, or not from here",
        404: "There is no such page",
    }
    title = titles.get(error.status, "This page cannot be shown")
    links = () if error.status == 403 else (("Overview", "/"),)
    return Response(
        render_message(title, error.message, links=links), error.status, {**_PRIVATE, **(error.headers or {})}, _HTML
    )


async def _in_thread(work: Callable[[], _T]) -> _T:
    with span("page"):
        return await asyncio.get_running_loop().run_in_executor(_MAKING, carried(work))
