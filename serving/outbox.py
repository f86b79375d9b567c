"""The outbox of follow-ups, for who looks after the service."""

from collections.abc import Mapping

from sqlalchemy import Engine

from serving.runtime import now_us
from serving.times import show_time
from storage.database import writing
from storage.follow_ups import FollowUp, FollowUps, FollowUpState

_ORDER = (FollowUpState.DELIVERED, FollowUpState.PENDING, FollowUpState.GIVEN_UP)


def retry_follow_ups(engine: Engine, store: FollowUps) -> int:
    """Let all that were given up be sent again, from now on; return how many."""
    with writing(engine) as connection:
        return store.retry(connection, now_us())


def describe_follow_up(one: FollowUp) -> str:
    """Return a line about a message that has not arrived."""
    attempts = f"{one.attempts} attempt" + ("" if one.attempts == 1 else "s")
    if one.state is FollowUpState.GIVEN_UP:
        what = f"given up after {attempts}"
    else:
        what = f"{attempts}, the next one from {show_time(one.due_us)} on"
    said = f" ({one.said})" if one.said else ""
    return f"{show_time(one.created_us)}  {one.id}  {one.channel}: {what}{said}"


def summarise(counts: Mapping[FollowUpState, int]) -> str:
    """Return how many messages there are of each kind, in a line."""
    return ", ".join(f"{counts[state]:,} {state.replace('_', ' ')}" for state in _ORDER) + "."
