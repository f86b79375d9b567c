"""The OpenAPI description, generated from the message types."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from serving import messages as m
from serving.errors import ErrorAnswer
from serving.ga4 import Measurement
from serving.ga4_validation import ValidationAnswer
from serving.segment import Batch, Message
from serving.snowplow import PayloadData

_JSON = "application/json"
_VERSION = "1"
_TRACKING = "Tracking"
_ADVICE = "Advice"
_NOTES = "Annotations"
_SDKS = "Clients"
_BROWSER = "Browser"
_SCRIPT = "text/javascript"


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as the description shows it; ``answer`` None is text of the kind ``media``."""

    method: str
    path: str
    summary: str
    tag: str
    body: type | None = None
    answer: type | None = None
    mistakes: tuple[int, ...] = ()
    media: str = "text/plain"
    status: int = 200
    """What a request that can be answered is answered with; 204 has no content."""
    query: tuple[str, ...] = ()
    """Parameters of the address, of which all are text and none is required."""


_CALLS = (("track", "t"), ("page", "p"), ("screen", "s"), ("identify", "i"), ("alias", "a"), ("group", "g"))

TRACKING_ROUTES = {f"/v1/{address}": call for call, short in _CALLS for address in (call, short)}
"""Address of each of Segment's calls, long and short, and the call's type."""

_TRACKING_MISTAKES = (400, 413, 415, 422, 503)

_GOOGLES_QUERY = ("measurement_id", "firebase_app_id", "api_secret")
BATCH_ROUTES = ("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch")

OPERATIONS = (
    *(
        Operation(
            "post",
            address,
            f"Receive one {call} call in Segment's format",
            _TRACKING,
            Message,
            m.TrackAnswer,
            _TRACKING_MISTAKES,
        )
        for address, call in TRACKING_ROUTES.items()
    ),
    *(
        Operation(
            "post",
            address,
            "Receive many calls in Segment's format",
            _TRACKING,
            Batch,
            m.BatchAnswer,
            _TRACKING_MISTAKES,
        )
        for address in BATCH_ROUTES
    ),
    Operation(
        "post",
        "/v1/score",
        "How likely is this session to be abandoned?",
        _ADVICE,
        m.ScoreRequest,
        m.ScoreAnswer,
        (400, 404, 413, 415, 422),
    ),
    Operation(
        "post",
        "/v1/recommend",
        "What stands in the way, and what should be done about it?",
        _ADVICE,
        m.RecommendRequest,
        m.RecommendAnswer,
        (400, 404, 413, 415, 422, 503),
    ),
    Operation(
        "post",
        "/v1/touchpoints",
        "Receive what happened to people outside of their sessions, one object or an array",
        _TRACKING,
        m.TouchpointRequest,
        m.TouchpointsAnswer,
        (400, 413, 415, 422, 503),
    ),
    Operation(
        "post",
        "/v1/outcome",
        "Report what became of a decision",
        _ADVICE,
        m.OutcomeRequest,
        m.Success,
        (400, 404, 413, 415, 422, 503),
    ),
    Operation(
        "get",
        "/v1/sessions/{session_id}",
        "A session's events, the risk after each, and its decisions",
        _ADVICE,
        None,
        m.SessionAnswer,
        (404,),
    ),
    Operation(
        "post",
        "/v1/annotations",
        "Note down what was done, such as a release or a policy",
        _NOTES,
        m.AnnotationRequest,
        m.AnnotationAnswer,
        (400, 413, 415, 422, 503),
    ),
    Operation("get", "/v1/annotations", "What is noted down", _NOTES, None, m.AnnotationsAnswer),
    Operation(
        "delete",
        "/v1/visitors/{visitor_id}",
        "Erase all that is known about a visitor",
        "Privacy",
        None,
        m.ErasureReceipt,
        (422, 503),
        query=("person",),
    ),
    Operation(
        "post",
        "/com.snowplowanalytics.snowplow/tp2",
        "Receive events of Snowplow's trackers",
        _TRACKING,
        PayloadData,
        m.BatchAnswer,
        (400, 422, 503),
    ),
    Operation(
        "get",
        "/i",
        "Receive one event of Snowplow's trackers, and answer with an image of one pixel",
        _TRACKING,
        mistakes=(422, 503),
        media="image/gif",
        query=("e", "eid", "duid", "tnuid", "uid", "sid", "p", "ua", "url", "page", "dtm", "stm", "ttm", "ue_px", "cx"),
    ),
    Operation(
        "get",
        "/v1/pixel/{call}",
        "Receive one call in Segment's format, as JSON in base64, and answer with an image of one pixel",
        _TRACKING,
        mistakes=(400, 404, 413, 422, 503),
        media="image/gif",
        query=("data",),
    ),
    Operation(
        "post",
        "/mp/collect",
        "Receive events of GA4's Measurement Protocol",
        _TRACKING,
        Measurement,
        mistakes=_TRACKING_MISTAKES,
        status=204,
        query=_GOOGLES_QUERY,
    ),
    Operation(
        "post",
        "/debug/mp/collect",
        "Say what is wrong with a request of GA4's Measurement Protocol, of which nothing is kept",
        _TRACKING,
        Measurement,
        ValidationAnswer,
        (413, 415),
        query=_GOOGLES_QUERY,
    ),
    Operation("get", "/v1/projects/{write_key}/settings", "Settings of Segment's SDK for browsers", _SDKS, None, dict),
    Operation("get", "/sourceConfig", "Settings of RudderStack's SDK for browsers", _SDKS, None, dict),
    Operation(
        "get", "/dropoff.js", "The snippet, with this journey's settings", _BROWSER, mistakes=(503,), media=_SCRIPT
    ),
    Operation(
        "get", "/dropoff-banner.js", "The snippet's banner, which it loads", _BROWSER, mistakes=(503,), media=_SCRIPT
    ),
    Operation("get", "/livez", "Is the process alive?", "Operations"),
    Operation("get", "/readyz", "Is the model loaded and the kernel compiled?", "Operations", mistakes=(503,)),
    Operation("get", "/metrics", "Metrics for Prometheus", "Operations"),
)

_MEANINGS = {
    400: "The body is not JSON, or not what its encoding packs",
    401: "Without a key, or with one that is not valid (any more)",
    403: "The key has not the permission, or is for another journey",
    404: "Unknown session, visitor, user, decision or call",
    408: "The request took too long to arrive",
    413: "Too large",
    415: "The body is packed, but neither by gzip nor by deflate",
    422: "A value of a wrong shape; `error.field` names the part at fault",
    429: "Too many requests; the header Retry-After says in how many seconds to try again",
    503: "Cannot be done right now; nothing was kept",
}


_ALWAYS = (408, 429)
_KEYED = (401, 403)

SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    "basic": {"type": "http", "scheme": "basic", "description": "A key as the user name, without a password"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Dropoff-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key", "description": "For clients that can send no header"},
}
_WRITTEN_ONLY = "query"

Permissions = Mapping[tuple[str, str], Sequence[str]]
"""What each method, in small letters, and address asks for."""


def describe(journey: str, permissions: Permissions | None = None) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the service; ``permissions`` only where there are keys."""
    types = [kind for one in OPERATIONS for kind in (one.body, one.answer) if kind not in (None, dict)]
    _, components = msgspec.json.schema_components(
        dict.fromkeys([*types, ErrorAnswer]), ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        asked = (permissions or {}).get((one.method, one.path), ())
        paths.setdefault(one.path, {})[one.method] = _operation(one, asked)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dropoff",
            "version": _VERSION,
            "description": f"Risk of abandonment, blockers and recommendations for the journey {journey}.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SECURITY_SCHEMES if permissions else {}},
    }


def _operation(one: Operation, asked: Sequence[str]) -> dict[str, Any]:
    # No address has a line break in it, whatever a part of it is called.
    unaddressed = (404,) if "{" in one.path else ()
    mistakes = sorted({*one.mistakes, *_ALWAYS, *unaddressed, *(_KEYED if asked else ())})
    described: dict[str, Any] = {
        "summary": one.summary,
        "tags": [one.tag],
        "responses": {str(one.status): _done(one)}
        | {str(status): {"description": _MEANINGS[status], "content": _content(ErrorAnswer)} for status in mistakes},
    }
    if asked:
        schemes = [name for name in SECURITY_SCHEMES if name != _WRITTEN_ONLY or "write" in asked]
        described["security"] = [{name: []} for name in schemes]
        described["description"] = f"Needs a key with the permission {' or '.join(asked)}."
    if one.body is not None:
        described["requestBody"] = {"required": True, "content": _content(one.body)}
    text = {"type": "string"}
    parameters = [{"name": name, "in": "query", "required": False, "schema": text} for name in one.query]
    if "{" in one.path:
        name = one.path[one.path.index("{") + 1 : one.path.index("}")]
        parameters.append({"name": name, "in": "path", "required": True, "schema": text})
    if parameters:
        described["parameters"] = parameters
    return described


def _done(one: Operation) -> dict[str, Any]:
    if one.status == 204:
        return {"description": "Done"}
    return {"description": "Done", "content": _content(one.answer, one.media)}


def _content(kind: type | None, media: str = _JSON) -> dict[str, Any]:
    if kind is None:
        return {media: {"schema": {"type": "string"}}}
    if kind is dict:
        return {_JSON: {"schema": {"type": "object"}}}
    return {_JSON: {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
