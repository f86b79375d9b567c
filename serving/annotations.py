"""Annotations and alarms as programs and people change them: over HTTP, and by the forms of the page of alerts."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from features.events import US_PER_SECOND
from insights.annotate import check_annotation
from insights.pages.alerts import alarm_of
from serving.errors import ClientError
from serving.messages import AnnotationAnswer, AnnotationRequest, AnnotationsAnswer
from serving.runtime import Runtime
from serving.times import EARLIEST_US, parse_time, show_time
from storage.records import Annotation, AnnotationKind, RecordError

_FURTHEST_US = 2 * 366 * 86_400 * US_PER_SECOND
_LONGEST_NAME = 100
_BY_PAGE = "page"


async def annotate(runtime: Runtime, request: AnnotationRequest, actor: str | None = None) -> AnnotationAnswer:
    """Keep an annotation, by ``actor`` where it is known who asks.

    Raises ClientError, 422, for a time or a text that cannot be meant.
    """
    at_us = parse_time(request.at, "at")
    return _answer(await _keep(runtime, at_us, request.kind, request.text, actor or request.author))


async def list_annotations(runtime: Runtime) -> AnnotationsAnswer:
    """Return all annotations."""
    return AnnotationsAnswer([_answer(one) for one in await asyncio.to_thread(runtime.records.annotations)])


async def take_annotation(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Keep what the form of the page of alerts holds; its times are in the journey's time zone."""
    text = given.get("at", "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ClientError(422, "invalid_time", f"{text[:40]!r} is no time: choose a day and an hour.", "at") from error
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(runtime.journey.timezone))
    kind = given.get("kind", AnnotationKind.OTHER.value)
    await _keep(runtime, int(local.timestamp()) * US_PER_SECOND, kind, given.get("text", ""), given.get("author", ""))


async def acknowledge(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Keep that somebody looks after an alarm."""
    alarm_id, actor = alarm_of(given.get("alarm", "")), _actor(given.get("author", ""))
    await _change(runtime, alarm_id, actor, close=False)


async def close(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Close an alarm by hand."""
    alarm_id, actor = alarm_of(given.get("alarm", "")), _actor(given.get("author", ""))
    await _change(runtime, alarm_id, actor, close=True)


async def _change(runtime: Runtime, alarm_id: str, actor: str, *, close: bool) -> None:
    change = runtime.records.close_alarm if close else runtime.records.acknowledge_alarm
    try:
        await runtime.commit(lambda connection: change(connection, alarm_id, actor=actor, now_us=runtime.now_us()))
    except RecordError as error:
        raise ClientError(422, "no_such_alarm", _sentence(error), "alarm") from error


async def _keep(runtime: Runtime, at_us: int, kind: str, text: str, author: str) -> Annotation:
    now_us = runtime.now_us()
    if not EARLIEST_US <= at_us <= now_us + _FURTHEST_US:
        raise ClientError(
            422, "invalid_time", f"{show_time(at_us)} lies before the year 2000, or more than two years ahead.", "at"
        )
    try:
        checked = check_annotation(kind, text)
    except RecordError as error:
        raise ClientError(422, "invalid_annotation", _sentence(error), "text" if text != kind else None) from error
    actor = _actor(author)
    return await runtime.commit(
        lambda connection: runtime.records.annotate(
            connection, at_us=at_us, kind=checked, text=text.strip(), actor=actor, now_us=now_us
        )
    )


def _actor(author: str) -> str:
    return author.strip()[:_LONGEST_NAME] or _BY_PAGE


def _sentence(error: RecordError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def _answer(one: Annotation) -> AnnotationAnswer:
    return AnnotationAnswer(one.id, show_time(one.at_us), one.kind, one.text, one.author, show_time(one.created_us))
