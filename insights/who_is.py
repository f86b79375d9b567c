"""Who an id is, as known now: visitors, users, sessions, and the links and refusals that say so."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from features.claims import IdentityError
from features.identity import Kind, Known, Link
from storage.database import writing
from storage.erasure import journeys_kept
from storage.fill_links import fill_links
from storage.identity_store import IdentityStore, journey_of_link
from storage.visitor_log import Span, VisitorLog

_ROWS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PersonSession:
    """A session on one of the visitors, and whether it is the person's: that of another user of the device is not."""

    session_id: str
    visitor_id: str
    user_id: str | None
    span: Span
    is_own: bool


@dataclass(frozen=True, slots=True)
class WhoIs:
    """What is known of an id in one journey."""

    journey: str
    identity: str
    visitors: tuple[str, ...]
    users: tuple[str, ...]
    links: tuple[Link, ...]
    sessions: tuple[PersonSession, ...]

    def describe(self) -> list[str]:
        """Return it as lines to read."""
        if not self.sessions and not self.links:
            return [f"{self.journey}: nothing is known of {self.identity}."]
        users = ", ".join(self.users) or "none known"
        lines = [f"{self.journey}: {self.identity} is a person on {', '.join(self.visitors)}; users: {users}."]
        lines += [f"  {_say(link)}" for link in self.links[-_ROWS_SHOWN:]]
        for session in self.sessions[:_ROWS_SHOWN]:
            whose = "" if session.is_own else f", not this person's: {session.user_id or 'nobody known'}"
            began = f"{_time(session.span.first_at_us)} session {session.session_id} on {session.visitor_id}"
            lines.append(f"  {began}: {session.span.events} events{whose}")
        hidden = max(len(self.links) - _ROWS_SHOWN, 0) + max(len(self.sessions) - _ROWS_SHOWN, 0)
        return [*lines, f"  and {hidden} rows more; --json PATH has all of them"] if hidden else lines

    def to_json(self) -> dict[str, Any]:
        """Return it for a file."""
        return {
            "journey": self.journey,
            "id": self.identity,
            "visitors": list(self.visitors),
            "users": list(self.users),
            "links": [
                {
                    "number": link.number,
                    "kind": link.kind.value,
                    "reason": link.reason,
                    "visitor_id": link.visitor_id,
                    "user_id": link.user_id,
                    "previous_id": link.previous_id,
                    "event_id": link.event_id,
                    "session_id": link.session_id,
                    "at": _time(link.at_us),
                    "received_at": _time(link.received_us),
                }
                for link in self.links
            ],
            "sessions": [
                {
                    "session_id": session.session_id,
                    "visitor_id": session.visitor_id,
                    "user_id": session.user_id,
                    "first_at": _time(session.span.first_at_us),
                    "last_at": _time(session.span.last_at_us),
                    "events": session.span.events,
                    "is_own": session.is_own,
                }
                for session in self.sessions
            ],
        }


def who_is(engine: Engine, visitor_id: str, user_id: str, journey: str = "") -> list[WhoIs]:
    """Return what is known of an id, which may be a visitor's or a user's, in one journey or in all."""
    return [_who_is(engine, name, visitor_id, user_id) for name in ((journey,) if journey else journeys_kept(engine))]


def undo_link(engine: Engine, number: int, now_us: int) -> Link:
    """Append the row that undoes a link, and return it; raises ``features.claims.IdentityError``."""
    journey = journey_of_link(engine, number)
    if journey is None:
        raise IdentityError(f"there is no link {number}: `dropoff identity show ID` tells the numbers")
    with writing(engine) as connection:
        return IdentityStore(engine, journey).undo(connection, number, now_us)


def _who_is(engine: Engine, journey: str, visitor_id: str, user_id: str) -> WhoIs:
    store = IdentityStore(engine, journey)
    fill_links(engine, store)
    known = Known(store)
    if store.of_user(user_id):
        users = known.users(user_id)
        visitors: tuple[str, ...] = known.visitors(users)
    else:
        turns = known.turns(visitor_id)
        latest = turns[-1].user_id if turns and known.is_joined(visitor_id, turns[-1].user_id) else None
        users = known.users(latest) if latest is not None else frozenset[str]()
        visitors = known.visitors(users) if latest is not None else (visitor_id,)
    links = {row.number: row for name in {*visitors, *users, visitor_id, user_id} for row in store.rows_about(name)}
    with engine.connect() as connection:
        spans = VisitorLog(engine, journey).spans(connection, visitors)
    sessions = []
    for name in visitors:
        for session_id, span in spans[name].items():
            owner = known.owner(name, session_id, span.first_at_us)
            is_own = owner.joined and owner.user_id in users if users else owner.user_id is None or not owner.joined
            sessions.append(PersonSession(session_id, name, owner.user_id, span, is_own))
    sessions.sort(key=lambda session: -session.span.first_at_us)
    rows = tuple(links[number] for number in sorted(links))
    return WhoIs(journey, user_id, visitors, tuple(sorted(users)), rows, tuple(sessions))


def _say(link: Link) -> str:
    what = f"{link.previous_id} is {link.user_id}" if link.previous_id else f"{link.visitor_id} has {link.user_id}"
    match link.kind:
        case Kind.LINK:
            said = what if link.reason is None else f"{what} again ({link.reason})"
        case Kind.REFUSAL:
            said = f"refused that {what}: {(link.reason or '').replace('_', ' ')}"
        case Kind.UNDOING:
            said = f"no longer holds that {what} ({link.reason})"
    by = "" if link.event_id is None else f", by event {link.event_id}"
    return f"link {link.number}: {_time(link.at_us)} {said}{by}"


def _time(at_us: int) -> str:
    moment = datetime.fromtimestamp(at_us / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
