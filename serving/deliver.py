"""The outbox is emptied: follow-ups go to their webhooks, at least once each, and are given up after many attempts."""

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from sqlalchemy import Connection

from features.events import US_PER_SECOND
from insights.webhook import DELIVERY, NotTaken, post, sign_at
from serving.duty import Duty
from serving.follow_ups import agreed_channels, backoff_seconds, read_addresses
from serving.persons import known_at
from serving.runtime import Runtime
from serving.spans import Kind, outgoing, span, tell
from storage.follow_ups import FollowUp
from storage.session_ends import SessionOutcome

_LOG = logging.getLogger("dropoff.serving")
_AT_ONCE = 8
_TIMEOUT_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_SHOWN_EVERY_SECONDS = 10.0


class Result(StrEnum):
    """What an attempt came to."""

    DELIVERED = "delivered"
    FAILED = "failed"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class _Sent:
    result: Result
    said: str = ""


async def deliver(duty: Duty) -> None:
    """Send what is due until cancelled, a few messages at a time."""
    shown = float("-inf")
    while True:
        sent = await deliver_once(duty)
        if time.monotonic() - shown > _SHOWN_EVERY_SECONDS:
            await asyncio.to_thread(_show_backlog, duty.runtime)
            shown = time.monotonic()
        if not sent:
            await asyncio.sleep(min(_LOOK_SECONDS, duty.runtime.configuration.follow_up_pause_seconds or _LOOK_SECONDS))


async def deliver_once(duty: Duty) -> list[Result]:
    """Make one attempt for the messages that are due longest; raises LeaseLost where the duty is another's by now."""
    runtime = duty.runtime
    due = await asyncio.to_thread(runtime.follow_ups.due, runtime.now_us(), _AT_ONCE)
    return list(await asyncio.gather(*(_attempt(duty, one) for one in due)))


async def _attempt(duty: Duty, one: FollowUp) -> Result:
    runtime = duty.runtime
    unwanted = await asyncio.to_thread(_unwanted, runtime, one)
    if unwanted is not None:
        return await _finish(runtime, one, _Sent(Result.DROPPED, unwanted))

    def claim(connection: Connection) -> bool:
        duty.confirm(connection)
        return runtime.follow_ups.claim(
            connection, one, runtime.now_us() + _us(_TIMEOUT_SECONDS + _pause(runtime, one))
        )

    if not await runtime.commit(claim):
        return Result.FAILED
    with runtime.observer.errand("follow-up"):
        return await _finish(runtime, one, await asyncio.to_thread(_send, runtime, one))


def _unwanted(runtime: Runtime, one: FollowUp) -> str | None:
    """Return why a message must not be sent any more; None where it may be."""
    end = runtime.ends.end_of(one.session_id)
    if end is not None and end.outcome is not SessionOutcome.ABANDONED:
        return f"the session ended otherwise: {end.outcome}"
    known = known_at(runtime, runtime.now_us())
    person = {one.visitor_id, *known.visitors(known.users(json.loads(one.body)["user_id"]))}
    events = [event for visitor_id in sorted(person) for event in runtime.log.visitor_events(visitor_id)]
    since = [event for event in events if event.received_at_us is not None and event.received_at_us > one.created_us]
    if any(event.name in runtime.goals for event in since):
        return "the goal was reached after all"
    if one.channel not in agreed_channels(runtime.journey, events):
        return "the consent was taken back"
    if any(event.session_id == one.session_id and event.occurred_at_us > one.created_us for event in since):
        return "the session went on"
    return None


def _send(runtime: Runtime, one: FollowUp) -> _Sent:
    address = read_addresses(runtime.configuration.follow_up_url).get(one.channel)
    if address is None:
        return _Sent(Result.FAILED, f"no webhook takes messages by {one.channel}: set DROPOFF_FOLLOW_UP_URL")
    body = one.body.encode()
    headers = {"Content-Type": "application/json", "User-Agent": "dropoff", DELIVERY: one.id, "Idempotency-Key": one.id}
    tell(decision_id=one.decision_id)
    headers |= sign_at(runtime.now_us() // US_PER_SECOND, body, runtime.configuration.follow_up_secret)
    try:
        with span(
            "POST", Kind.CLIENT, {"http.request.method": "POST", "server.address": str(urlsplit(address).hostname)}
        ):
            post(address, body, headers | outgoing(), _TIMEOUT_SECONDS)
    except NotTaken as error:
        is_last = not error.may_help or one.attempts + 1 >= runtime.configuration.follow_up_attempts
        return _Sent(Result.GIVEN_UP if is_last else Result.FAILED, str(error))
    return _Sent(Result.DELIVERED)


async def _finish(runtime: Runtime, one: FollowUp, sent: _Sent) -> Result:
    now_us = runtime.now_us()

    def keep(connection: Connection) -> None:
        match sent.result:
            case Result.DELIVERED:
                runtime.follow_ups.record_delivery(connection, one.id, now_us)
            case Result.FAILED:
                due_us = now_us + _us(_pause(runtime, one))
                runtime.follow_ups.postpone(connection, one.id, due_us, sent.said)
            case _:
                runtime.follow_ups.give_up(connection, one.id, now_us, sent.said)

    await runtime.commit(keep)
    if sent.result is not Result.FAILED:
        # Memory takes it for being on its way, which holds back every other nudge.
        await runtime.sessions.forget(one.visitor_id)
    runtime.metrics.follow_ups.labels(sent.result.value).inc()
    if sent.result is Result.GIVEN_UP:
        _LOG.warning("A follow-up is given up (%s); `dropoff follow-ups` lists it: %s", sent.said, one.id)
    return sent.result


def _show_backlog(runtime: Runtime) -> None:
    backlog, shown = runtime.follow_ups.backlog(), runtime.metrics.duties
    late_us = 0 if backlog.due_us is None else max(0, runtime.now_us() - backlog.due_us)
    shown.follow_ups_waiting.set(backlog.waiting)
    shown.follow_ups_lag_seconds.set(late_us / US_PER_SECOND)
    shown.follow_ups_given_up.set(backlog.given_up)


def _pause(runtime: Runtime, one: FollowUp) -> float:
    return backoff_seconds(one.id, one.attempts + 1, runtime.configuration.follow_up_pause_seconds)


def _us(seconds: float) -> int:
    return round(seconds * US_PER_SECOND)
