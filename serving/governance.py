"""What the forms of the governance page write down: milestones, and that a review was held."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import TypeVar

from sqlalchemy import Connection

from serving.errors import ClientError
from serving.runtime import Runtime
from storage.history import account
from storage.records import RecordError

_T = TypeVar("_T")


async def add_milestone(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Write down a milestone; raises ClientError, 422, for what cannot be used."""
    title, owner, due = given.get("title", ""), given.get("owner", ""), _day(given, "due")
    await _commit(
        runtime,
        lambda connection: runtime.records.add_milestone(
            connection, due=due, title=title.strip(), owner=owner.strip(), actor=_actor(given), now_us=runtime.now_us()
        ),
    )


async def complete_milestone(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Say that a milestone is done; raises ClientError, 422, where there is none of this number."""
    number = given.get("number", "").partition(":")[0].strip()
    if not number.isdecimal() or len(number) > 18:
        raise ClientError(422, "invalid_field", "Name the milestone by its number.", "number")
    await _commit(
        runtime,
        lambda connection: runtime.records.complete_milestone(
            connection, int(number), actor=_actor(given), now_us=runtime.now_us()
        ),
    )


async def hold_review(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Keep that a review was held; raises ClientError, 422, for what is no day."""
    until = _day(given, "until")
    await _commit(
        runtime,
        lambda connection: runtime.records.hold_review(connection, until, actor=_actor(given), now_us=runtime.now_us()),
    )


async def _commit(runtime: Runtime, write: Callable[[Connection], _T]) -> None:
    try:
        await runtime.commit(write)
    except RecordError as error:
        raise ClientError(422, "invalid_field", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def _day(given: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(given.get(name, ""))
    except ValueError as error:
        raise ClientError(422, "invalid_field", f"{name!r} is a day, such as 2026-06-01.", name) from error


def _actor(given: Mapping[str, str]) -> str:
    """Return who is logged in, else the account of the service."""
    return given.get("author", "") or account()
