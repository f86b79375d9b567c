"""Note down what was done, and read it again: releases, policies, campaigns."""

import time
from collections.abc import Iterator

from sqlalchemy import Engine

from insights.say_alarms import say_time
from journeys.journey import Journey
from storage.database import writing
from storage.history import account
from storage.record_store import RecordStore
from storage.records import AnnotationKind, RecordError

LONGEST = 500
"""Characters of a text; what needs more is a document to name in it."""


def write_annotation(engine: Engine, journey: Journey, *, at_us: int, kind: str, text: str, author: str = "") -> str:
    """Write an annotation down and return the line that says so; raises ``RecordError`` for what cannot be kept.

    ``author`` is by default the account that is at work.
    """
    checked = check_annotation(kind, text)
    with writing(engine) as connection:
        written = RecordStore(engine, journey.name).annotate(
            connection,
            at_us=at_us,
            kind=checked,
            text=text.strip(),
            actor=author or account(),
            now_us=time.time_ns() // 1_000,
        )
    return f"Noted down for {say_time(at_us, journey.timezone)} ({journey.timezone}): {written.kind}, {written.text}"


def check_annotation(kind: str, text: str) -> AnnotationKind:
    """Return the kind; raises ``RecordError`` for an unknown one, and for a text that is empty or too long."""
    kinds = [known.value for known in AnnotationKind]
    if kind not in kinds:
        raise RecordError(f"{kind[:40]!r} is no kind of annotation; there are {', '.join(kinds)}")
    if not text.strip() or len(text) > LONGEST:
        raise RecordError(f"an annotation's text has 1 to {LONGEST} characters, not {len(text.strip())}")
    return AnnotationKind(kind)


def list_annotations(engine: Engine, journey: Journey) -> Iterator[str]:
    """Yield a line for each annotation, in the order of what they are about."""
    found = RecordStore(engine, journey.name).annotations()
    if not found:
        yield f"Nothing is noted down for {journey.name}; do so with --at TIME TEXT."
    for one in found:
        at = say_time(one.at_us, journey.timezone)
        yield f"{at} ({journey.timezone})  {one.kind.value}: {one.text} ({one.author})"
