"""Follow-ups: what to say off-site to somebody who has left, decided as in an open session, and put into the outbox."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection

from decisions.assignment import uniform
from decisions.decision import Decision
from decisions.eligibility import Reach
from decisions.intervention import MESSAGE_CHANNELS
from decisions.past import PastIntervention
from features.events import US_PER_SECOND, Event
from journeys.journey import Journey
from serving.advice import decide
from serving.closing import Closing
from serving.configuration import Configuration
from serving.errors import StartError
from serving.persons import assignment_of, find_person
from serving.runtime import Runtime
from serving.subject import Subject
from storage.assignments import Assignment
from storage.follow_ups import FollowUp
from storage.ledger import Ledger
from storage.session_ends import SessionOutcome

_AGREED = ("1", "1.0", "true", "yes", "granted")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_LONGEST_PAUSE_SECONDS = 6 * 3_600.0


class AddressError(ValueError):
    """The addresses of webhooks cannot be used; one sentence that says what to write."""


def read_addresses(text: str) -> Mapping[str, str]:
    """Return the webhook of each channel: one address for all, or ``CHANNEL=ADDRESS``, with spaces between.

    Raises :class:`AddressError`. Only https is taken, and http on this machine: the messages name people.
    """
    addresses: dict[str, str] = {}
    for part in text.split():
        name, found, address = part.partition("=")
        channels: Sequence[str] = (name,)
        if not found or "/" in name:
            channels, address = MESSAGE_CHANNELS, part
        for channel in channels:
            if channel not in MESSAGE_CHANNELS:
                raise AddressError(f"{channel!r} is no channel of messages; write one of {', '.join(MESSAGE_CHANNELS)}")
            _require_safe(address)
            # A channel's own address goes before the one for all, wherever it stands.
            if len(channels) == 1 or channel not in addresses:
                addresses[channel] = address
    return addresses


def check_follow_ups(configuration: Configuration) -> None:
    """Raise :class:`StartError` where messages are to be sent and could not be."""
    try:
        addresses = read_addresses(configuration.follow_up_url)
    except AddressError as error:
        raise StartError(f"DROPOFF_FOLLOW_UP_URL: {error}") from error
    if addresses and not configuration.follow_up_secret:
        raise StartError(
            "follow-ups name people, so their receiver has to know who sends them: set DROPOFF_FOLLOW_UP_SECRET too"
        )


def _require_safe(address: str) -> None:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise AddressError(
            f"{address[:80]!r} is no address that follow-ups go to: write it like https://example.org/hook"
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision about somebody who has left, and the message for the outbox; None for nothing.

    ``assignment`` is what chance went by; ``visits`` are the sessions before this one. The decision was made with the
    ``history`` of all visitors of the person, ``kin``.
    """

    decision: Decision
    message: FollowUp | None
    assignment: Assignment
    is_kept: bool
    visits: int
    kin: Sequence[str]
    history: Sequence[PastIntervention]

    def is_overtaken(self, connection: Connection, ledger: Ledger) -> bool:
        """Whether the person was recommended something since this was decided, as a transaction sees it."""
        if self.decision.recommendation is None:
            return False
        return ledger.recommendations(self.kin, connection) != list(map(astuple, self.history))


async def propose(runtime: Runtime, closing: Closing, now_us: int, *, held_back: bool = False) -> Proposal | None:
    """Return what to do about a session that was abandoned by silence; keeps nothing.

    ``held_back`` says that the budget is used up, whatever this worker knows.

    None where nothing is decided: nobody takes messages, the user is not known, the person has come back in another
    session, on whichever device, or the end is long past.
    """
    end = closing.end
    silent_since_us = closing.session.last_at_us + runtime.timeout_us
    addresses = read_addresses(runtime.configuration.follow_up_url)
    if (
        not addresses
        or end.outcome is not SessionOutcome.ABANDONED
        # A declared end is somebody's own word, which no message should question.
        or end.risk is None
        or end.user_id is None
        or now_us - silent_since_us > runtime.configuration.follow_up_within_seconds * US_PER_SECOND
    ):
        return None
    earlier, kin = await find_person(runtime, closing.visitor, closing.session, silent_since_us)
    others = [await runtime.sessions.visitor(visitor_id) for visitor_id in kin[1:]]
    latest = [visitor.latest() for visitor in (closing.visitor, *others)]
    if any(one is not None and one.last_at_us > closing.session.last_at_us for one in latest):
        return None
    user_id = end.user_id
    assignment, is_kept = await assignment_of(runtime, closing.session)
    subject = Subject(closing.visitor, closing.session, silent_since_us, earlier, kin)

    def deciding() -> Proposal:
        history = [PastIntervention(*one) for one in runtime.ledger.recommendations(kin)]
        events = [event for visitor_id in kin for event in runtime.log.visitor_events(visitor_id)]
        decision = decide(
            runtime,
            subject,
            history,
            reach=Reach(frozenset(addresses), agreed_channels(runtime.journey, events)),
            assignment_id=assignment.assignment_id,
            # The same end draws the same number, however often it has to be worked out.
            decision_id=_identity("follow-up", runtime.journey.name, subject.session.session_id, str(silent_since_us)),
            held_back=held_back,
        )

        message = _message(decision, user_id, now_us)
        return Proposal(decision, message, assignment, is_kept, len(earlier), kin, history)

    return await asyncio.to_thread(deciding)


def agreed_channels(journey: Journey, events: Sequence[Event]) -> frozenset[str]:
    """Return the channels that a person agreed to, by what was said last about each in these events."""
    agreed = set()
    for channel, name in journey.consents.items():
        said = [event for event in events if event.properties.get(name) is not None]
        latest = max(said, key=lambda event: (event.occurred_at_us, event.event_id.encode()), default=None)
        if latest is not None and str(latest.properties[name]).strip().lower() in _AGREED:
            agreed.add(channel)
    return frozenset(agreed)


def backoff_seconds(follow_up_id: str, attempts: int, first_seconds: float) -> float:
    """Return the pause after so many attempts: twice as long each time, up to six hours, and half to one and a half it.

    The part that looks like chance goes by the message, so that those which failed together do not come together.
    """
    pause: float = min(first_seconds * 2 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)
    return pause * (0.5 + uniform("backoff", follow_up_id, str(attempts)))


def _message(decision: Decision, user_id: str, now_us: int) -> FollowUp | None:
    chosen = decision.recommendation
    if chosen is None:
        return None
    score = decision.score
    body = {
        "id": _identity("message", decision.decision_id),
        "decision_id": decision.decision_id,
        "journey": score.journey,
        "session_id": score.session_id,
        "user_id": user_id,
        "stage": score.stage,
        "blocker": decision.blockers[0].friction.name if decision.blockers else None,
        "narrative": decision.narrative,
        "recommendation": {
            "intervention": chosen.intervention,
            "title": chosen.title,
            "message": chosen.message,
            "channel": chosen.channel,
        },
    }
    return FollowUp(
        id=str(body["id"]),
        session_id=score.session_id,
        visitor_id=decision.visitor_id,
        decision_id=decision.decision_id,
        channel=chosen.channel,
        body=msgspec.json.encode(body).decode(),
        created_us=now_us,
        due_us=now_us,
    )


def _identity(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
