"""The routes: HTTP in, one function call, HTTP out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from serving import advice, annotations, collect, metrics, openapi, records, touchpoints, tracking
from serving.access import Permission
from serving.admission import actor_of, admit, key_of, permissions_of, read_admitted
from serving.cors import Cors, SharedRoute
from serving.decoding import decode
from serving.drain import is_draining
from serving.errors import ClientError
from serving.login_pages import admit_reader, login_routes
from serving.messages import AnnotationRequest, OutcomeRequest, RecommendRequest, ScoreRequest
from serving.once import note_attempt
from serving.pages import page_routes
from serving.request_metrics import Counted
from serving.route_names import UNSERVED, route_name
from serving.runtime import Runtime
from serving.sdk_settings import rudder_source, segment_settings
from serving.segment import MessageType
from serving.snippet import snippet_routes
from serving.spans import span, tell
from storage.writer import WriterClosed, WriterFull

_JSON = "application/json"
_LOG = logging.getLogger("dropoff.serving")
_WATCHING = (Permission.ADMIN, Permission.METRICS)

Endpoint = Callable[[Request], Awaitable[Response]]
Answer = Callable[[Runtime, Request], Awaitable[Any]]


def create_app(*, bench_routes: bool = False) -> Starlette:
    """Return the application; :func:`attach` gives it what it serves."""
    routes = [
        # Routes are tried in this order: the ones that are asked most come first.
        _post("/v1/recommend", _recommend, Permission.READ),
        _post("/v1/score", _score, Permission.READ),
        *(
            _post(address, _tracking(MessageType(call)), Permission.WRITE)
            for address, call in openapi.TRACKING_ROUTES.items()
        ),
        *(_post(address, _track_batch, Permission.WRITE) for address in openapi.BATCH_ROUTES),
        _post("/com.snowplowanalytics.snowplow/tp2", collect.collect_snowplow, Permission.WRITE),
        _route("GET", "/i", collect.collect_pixel, Permission.WRITE),
        _route("GET", "/v1/pixel/{call}", collect.collect_segment_pixel, Permission.WRITE),
        _post("/mp/collect", collect.collect_measurement, Permission.WRITE),
        _post("/debug/mp/collect", collect.validate_measurement, Permission.WRITE),
        _post("/v1/touchpoints", _touchpoints, Permission.WRITE),
        _post("/v1/outcome", _outcome, Permission.WRITE, Permission.READ),
        _post("/v1/annotations", _annotate, Permission.ADMIN),
        _route("GET", "/v1/annotations", _annotations, Permission.ADMIN),
        _route("GET", "/v1/sessions/{session_id:path}", _session, Permission.ADMIN),
        _route("DELETE", "/v1/visitors/{visitor_id:path}", _erase, Permission.ADMIN),
        # Browsers load these before they have a key to show.
        SharedRoute("/v1/projects/{write_key}/settings", _segment_settings, "GET", public=True),
        *(SharedRoute(path, _rudder_source, "GET", public=True) for path in ("/sourceConfig", "/sourceConfig/")),
        Route("/docs.json", _docs, methods=["GET"]),
        SharedRoute("/metrics", _metrics, "GET", _WATCHING),
        Route("/livez", _livez, methods=["GET"]),
        Route("/readyz", _readyz, methods=["GET"]),
        *snippet_routes(),
        *login_routes(),
        *page_routes(),
    ]
    if bench_routes:
        routes.append(SharedRoute("/bench/empty", _empty, "POST", [Permission.READ]))
    # Addresses that nobody serves get the same error shape, and BentoML's own pages stay hidden.
    routes.append(Route(UNSERVED, _Unserved(tuple(routes))))
    for route in routes:
        route.app = Counted(route.app, route_name(route.path))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Cors, routes=tuple(routes))],
        exception_handlers={HTTPException: _http_error, Exception: _unforeseen},
    )
    app.state.runtime = None
    return app


def attach(app: Starlette, runtime: Runtime | None) -> None:
    """Let the application serve with this runtime; None takes it away."""
    app.state.runtime = runtime


async def answer(runtime: Runtime, route: str, answering: Awaitable[Any]) -> Response:
    """Return what a route says, or the client's mistake, as a response."""
    try:
        said = await answering
        response = said if isinstance(said, Response) else Response(_ENCODER.encode(said), media_type=_JSON)
    except ClientError as error:
        response = _error(error)
    except WriterFull as error:
        response = _error(ClientError(503, "overloaded", f"Too much is waiting: {error}. Send again later."))
    except (SQLAlchemyError, WriterClosed) as error:
        runtime.outages.tell(route, error)
        response = _error(ClientError(503, "log_unavailable", "The database cannot be reached: nothing was kept."))
    return response


_ENCODER = msgspec.json.Encoder()


def _post(address: str, answering: Answer, *permissions: Permission) -> Route:
    return _route("POST", address, answering, *permissions)


def _route(method: str, address: str, answering: Answer, *permissions: Permission) -> Route:
    """Return a route that a key with any of the permissions opens."""
    return SharedRoute(address, _endpoint(route_name(address), answering, permissions), method, permissions)


def _endpoint(route: str, answering: Answer, permissions: Sequence[Permission]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        runtime: Runtime | None = request.app.state.runtime
        if runtime is None:
            return _error(ClientError(503, "not_ready", "The service is starting: ask /readyz."))
        return await answer(runtime, route, admitted(runtime, request, permissions, answering))

    return endpoint


async def admitted(runtime: Runtime, request: Request, permissions: Sequence[Permission], answering: Answer) -> Any:
    """Return what a route says to whom a key lets in; raises ClientError for anybody else."""
    with span("admission"):
        await admit(runtime, request, permissions)
    key = key_of(request)
    note_attempt(request.scope, "" if key is None else key.key_id)
    return await answering(runtime, request)


def _tracking(kind: MessageType) -> Answer:
    async def answering(runtime: Runtime, request: Request) -> Any:
        return await tracking.track(runtime, await read_admitted(runtime, request), kind)

    return answering


async def _track_batch(runtime: Runtime, request: Request) -> Any:
    return await tracking.track_batch(runtime, await read_admitted(runtime, request))


async def _score(runtime: Runtime, request: Request) -> Any:
    return await advice.score(runtime, decode(await read_admitted(runtime, request), ScoreRequest))


async def _recommend(runtime: Runtime, request: Request) -> Any:
    return await advice.recommend(runtime, decode(await read_admitted(runtime, request), RecommendRequest))


async def _touchpoints(runtime: Runtime, request: Request) -> Any:
    return await touchpoints.keep_touchpoints(runtime, await read_admitted(runtime, request))


async def _outcome(runtime: Runtime, request: Request) -> Any:
    return await records.record_outcome(runtime, decode(await read_admitted(runtime, request), OutcomeRequest))


async def _annotate(runtime: Runtime, request: Request) -> Any:
    asked = decode(await read_admitted(runtime, request), AnnotationRequest)
    return await annotations.annotate(runtime, asked, actor_of(request))


async def _annotations(runtime: Runtime, _: Request) -> Any:
    return await annotations.list_annotations(runtime)


async def _session(runtime: Runtime, request: Request) -> Any:
    session_id = runtime.privacy.visitor_id(request.path_params["session_id"])
    return await records.describe_session(runtime, session_id)


async def _erase(runtime: Runtime, request: Request) -> Any:
    person = _flag(request, "person")
    return await records.erase_visitor(runtime, request.path_params["visitor_id"], actor_of(request), person=person)


def _flag(request: Request, name: str) -> bool:
    said = request.query_params.get(name, "false")
    if said not in ("true", "false"):
        raise ClientError(422, "invalid_field", f"Write {name}=true or {name}=false.", name)
    return said == "true"


async def _segment_settings(request: Request) -> Response:
    return Response(_ENCODER.encode(segment_settings(request)), media_type=_JSON)


async def _rudder_source(request: Request) -> Response:
    return Response(_ENCODER.encode(rudder_source(request)), media_type=_JSON)


async def _docs(request: Request) -> Response:
    runtime: Runtime | None = request.app.state.runtime
    name = runtime.journey.name if runtime else ""
    asked = permissions_of(request.app.routes) if runtime and runtime.access.keyed else {}
    return Response(_ENCODER.encode(openapi.describe(name, asked)), media_type=_JSON)


async def _metrics(request: Request) -> Response:
    runtime: Runtime | None = request.app.state.runtime
    try:
        if runtime is not None:
            await admit_reader(runtime, request, _WATCHING)
    except ClientError as error:
        return _error(error)
    # Counting a hundred thousand open sessions takes a while, in which others must be answered.
    shown = await asyncio.to_thread(runtime.show_metrics) if runtime else b""
    return Response(shown, media_type=metrics.CONTENT_TYPE)


async def _livez(_: Request) -> Response:
    return PlainTextResponse("alive\n")


async def _readyz(request: Request) -> Response:
    if is_draining(request.app):
        return _error(ClientError(503, "stopping", "This process is about to stop: ask another."))
    if request.app.state.runtime is None:
        return _error(ClientError(503, "not_ready", "The model is not loaded yet."))
    return PlainTextResponse("ready\n")


async def _empty(request: Request) -> Response:
    runtime: Runtime | None = request.app.state.runtime
    try:
        if runtime is not None:
            await admit(runtime, request, (Permission.READ,))
    except ClientError as error:
        return _error(error)
    return Response(b"{}", media_type=_JSON)


class _Unserved:
    """Answers, whatever the method, what none of the routes serves."""

    def __init__(self, served: Sequence[Route]) -> None:
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say which methods the address answers, or that there is no such address."""
        address, asked = scope["path"][:100], scope["method"][:20]
        matching = (route for route in self._served if route.matches(scope)[0] is Match.PARTIAL)
        methods = sorted({method for route in matching for method in route.methods or ()})
        if methods:
            named = ", ".join(method for method in methods if method != "HEAD")
            wrong = ClientError(405, "wrong_method", f"{address} answers {named}, not {asked}.")
            tell(error=wrong.code)
            answer = Response(wrong.body(), wrong.status, {"Allow": ", ".join(methods)}, _JSON)
        else:
            answer = _error(
                ClientError(404, "no_such_address", f"Nothing is served at {address}; /docs.json lists what is.")
            )
        await answer(scope, receive, send)


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "error"
    return _error(ClientError(status, detail.lower().replace(" ", "_"), f"{detail}; /docs.json lists what is served."))


async def _unforeseen(_: Request, __: Exception) -> Response:
    # Starlette raises the error again after this answer, so that it reaches the log.
    return _error(ClientError(500, "internal_error", "The service has failed at this request; its log says more."))


def _error(error: ClientError) -> Response:
    tell(error=error.code)
    return Response(error.body(), error.status, error.headers, _JSON)
