"""Whom a request asks about: the session, the visitor's other sessions, and the moment."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from features.events import US_PER_SECOND
from features.live import LiveSession
from serving.canonical import sessions_of
from serving.errors import ClientError
from serving.messages import ScoreRequest
from serving.persons import find_person, kin_of, latest_session
from serving.runtime import Runtime
from serving.times import parse_time, show_time
from serving.visitor import Visitor

_WAYS = ("session_id", "visitor_id", "user_id", "events")


@dataclass(frozen=True, slots=True)
class Subject:
    """A session at a moment, at which at least one of its events had occurred.

    ``earlier`` are the sessions that the person began before, on whichever device, as known at the moment; ``kin`` are
    the person's visitors, this one first.
    """

    visitor: Visitor
    session: LiveSession
    at_us: int
    earlier: Sequence[LiveSession]
    kin: Sequence[str]


async def find_subject(runtime: Runtime, request: ScoreRequest) -> Subject:
    """Return whom the request is about.

    Raises ClientError: 422 unless exactly one way of naming a session is given, 404 for an unknown one.
    """
    given = [way for way in _WAYS if getattr(request, way) is not UNSET]
    if len(given) != 1:
        found = f"not {' and '.join(given)}" if given else "and the body has none of them"
        message = f"Give exactly one of {', '.join(_WAYS)}, {found}."
        raise ClientError(422, "ambiguous_subject", message, given[-1] if given else None)
    visitor, session = await _session(runtime, request)
    if request.at is not UNSET:
        at_us = parse_time(request.at, "at")
        if at_us > max(_latest_us(runtime), session.last_at_us):
            raise ClientError(422, "time_in_future", f"The moment {show_time(at_us)} lies in the future.", "at")
    elif request.events is not UNSET:
        at_us = session.last_at_us
    else:
        # A client's clock may run a little ahead of the server's; its latest event has happened all the same.
        at_us = max(runtime.now_us(), session.last_at_us)
    if not session.seen(at_us):
        raise ClientError(422, "before_first_event", "Nothing had happened in the session at that moment.", "at")
    if request.events is not UNSET:
        # Events of the body are scored as they are: nobody else's are mixed with them.
        return Subject(visitor, session, at_us, visitor.others(session), await kin_of(runtime, session, at_us))
    earlier, kin = await find_person(runtime, visitor, session, at_us)
    return Subject(visitor, session, at_us, earlier, kin)


async def _session(runtime: Runtime, request: ScoreRequest) -> tuple[Visitor, LiveSession]:
    if request.events is not UNSET:
        return sessions_of(
            request.events,
            runtime.plan,
            runtime.timeout_us,
            latest_us=_latest_us(runtime),
            most=runtime.configuration.max_visitor_events,
        )
    if request.user_id is not UNSET:
        found = await latest_session(runtime, runtime.privacy.user_id(request.user_id))
        if found is None:
            raise ClientError(
                404, "unknown_user", f"No event of the user {request.user_id[:80]!r} is known.", "user_id"
            )
        return found
    if request.session_id is not UNSET:
        return await _find_session(runtime, runtime.privacy.visitor_id(request.session_id))
    visitor_id = str(request.visitor_id)
    visitor = await runtime.sessions.visitor(runtime.privacy.visitor_id(visitor_id))
    session = visitor.latest()
    if session is None:
        raise ClientError(
            404, "unknown_visitor", f"No event of the visitor {visitor_id[:80]!r} is known.", "visitor_id"
        )
    return visitor, session


def _latest_us(runtime: Runtime) -> int:
    return runtime.now_us() + int(runtime.configuration.future_tolerance_seconds * US_PER_SECOND)


def unknown_session(session_id: str) -> ClientError:
    """Return the mistake of asking for a session of which nothing is known."""
    return ClientError(404, "unknown_session", f"No event of the session {session_id[:80]!r} is known.", "session_id")


async def _find_session(runtime: Runtime, session_id: str) -> tuple[Visitor, LiveSession]:
    visitor = await runtime.sessions.visitor_of_session(session_id)
    session = visitor.session(session_id) if visitor is not None else None
    if visitor is None or session is None:
        raise unknown_session(session_id)
    return visitor, session
