"""Replay recorded sessions against a running service: send each event, then ask for advice at its moment."""

import http
import http.client
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from features.events import Event
from features.read_sessions import RecordedSession
from serving.messages import RecommendAnswer
from serving.times import show_time

_TIMEOUT_SECONDS = 30.0
_BATCH = 500


class ReplayError(ValueError):
    """The service cannot be reached or refuses an event; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One event that was sent, and the advice at its moment; None for an event that ends the session, and after it."""

    session: RecordedSession
    number: int
    event: Event
    advice: RecommendAnswer | None


def replay(
    url: str, sessions: Sequence[RecordedSession], *, ends: Collection[str] = (), erase_first: bool = False
) -> Iterator[Step]:
    """Send the sessions one after the other, event by event, with their own times, and yield each answer.

    What their visitors had done earlier is sent before, at once. ``ends`` are the events after which there is nothing
    to predict. ``erase_first`` makes the service forget the visitors, so that a replay repeats itself exactly. Raises
    :class:`ReplayError`.
    """
    service = _Service(url)
    try:
        for visitor_id in dict.fromkeys(session.visitor_id for session in sessions) if erase_first else ():
            service.ask("DELETE", f"/v1/visitors/{quote(visitor_id, safe='')}")
        for session in sessions:
            yield from _replay_session(service, session, ends)
    finally:
        service.close()


def require_ready(url: str) -> None:
    """Raise :class:`ReplayError` unless a service with a loaded model answers at ``url``."""
    service = _Service(url)
    try:
        service.ask("GET", "/readyz")
    finally:
        service.close()


def _replay_session(service: "_Service", session: RecordedSession, ends: Collection[str]) -> Iterator[Step]:
    for start in range(0, len(session.earlier), _BATCH):
        calls = [segment_call(event) for event in session.earlier[start : start + _BATCH]]
        service.ask("POST", "/v1/batch", {"batch": calls})
    over = False
    for number, event in enumerate(session.events, start=1):
        tracked = service.ask("POST", "/v1/track", segment_call(event))
        over = over or event.name in ends
        advice = None
        if not over:
            asked = {"session_id": json.loads(tracked)["session_id"], "at": show_time(event.occurred_at_us)}
            advice = msgspec.json.decode(service.ask("POST", "/v1/recommend", asked), type=RecommendAnswer)
        yield Step(session, number, event, advice)


def segment_call(event: Event) -> dict[str, Any]:
    """Return an event as a track call of Segment's format, which the service reads back as the same event."""
    context: dict[str, Any] = {
        "sessionId": event.session_id,
        "channel": event.channel,
        "device": {"type": event.device} if event.device else None,
        "source": event.source,
        "campaign": {"name": event.campaign} if event.campaign else None,
    }
    call = {
        "type": "track",
        "messageId": event.event_id,
        "anonymousId": event.visitor_id,
        "userId": event.user_id,
        "event": event.name,
        "timestamp": show_time(event.occurred_at_us),
        "properties": dict(event.properties),
        "context": {name: value for name, value in context.items() if value is not None},
    }
    return {name: value for name, value in call.items() if value is not None}


class _Service:
    """One connection that stays open; where the service has keys, it is opened by the one in ``DROPOFF_KEY``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ReplayError(f"{url} is no address of a service; write it like http://127.0.0.1:3000")
        self._url = url
        self._prefix = parts.path.rstrip("/")
        # An argument of a command can be read by every account of a machine.
        key = os.environ.get("DROPOFF_KEY", "").strip()
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        try:
            connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self._connection = connect(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)
        except ValueError as error:
            raise ReplayError(f"{url} is no address of a service: {error}") from error

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        content = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, self._prefix + path, content, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ReplayError(
                f"no service answers at {self._url} ({error or type(error).__name__}): start one with `dropoff serve`"
            ) from error
        if response.status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise ReplayError(
                f"{self._url}{path} answered {response.status}: {_said(answer)} Put a key that may write and read into "
                "the environment variable DROPOFF_KEY"
            )
        if response.status != http.HTTPStatus.OK:
            raise ReplayError(f"{self._url}{path} answered {response.status}: {_said(answer)}")
        return answer

    def close(self) -> None:
        self._connection.close()


def _said(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return answer[:200].decode("utf-8", "replace").strip() or "nothing"
