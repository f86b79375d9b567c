"""What happened to a person outside of sessions, for one of its sessions."""

from features.identity import Person
from features.touchpoints import Touchpoint
from serving.messages import SessionTouchpoint
from serving.runtime import Runtime
from serving.times import show_time


def touchpoints_of(
    runtime: Runtime, person: Person, visitor_id: str, user_id: str | None, until_us: int
) -> list[Touchpoint]:
    """Return the touchpoints of a person until a moment, the oldest first; for any thread.

    ``visitor_id`` and ``user_id`` are those of the session that is asked about.
    """
    users = {user for user in (user_id, *person.users) if user}
    found = runtime.touchpoints.of_person({visitor_id, *person.visitors}, users, until_us)
    # On a device that two people share, what names the other one is not this one's.
    return [one for one in found if one.user_id is None or not users or one.user_id in users]


def show_touchpoint(one: Touchpoint) -> SessionTouchpoint:
    """Return a touchpoint as a session's answer has it."""
    return SessionTouchpoint(
        one.touchpoint_id, one.name, show_time(one.occurred_at_us), one.channel, one.campaign, dict(one.properties)
    )
