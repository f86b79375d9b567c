"""The person behind a session: other devices, what was recommended there, and on which side chance has put it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from decisions.assignment import assignment_id, in_holdout
from features.histories import history, person_of
from features.identity import Kind, Known, Link, Person
from features.live import LiveSession
from serving.runtime import Runtime
from serving.visitor import Visitor
from storage.assignments import Assignment
from storage.identity_store import NotRemembered

_P = ParamSpec("_P")
_T = TypeVar("_T")


async def find_person(
    runtime: Runtime, visitor: Visitor, session: LiveSession, at_us: int
) -> tuple[Sequence[LiveSession], Sequence[str]]:
    """Return the sessions that the same person began before, as known at a moment, and its visitors, this one first."""
    known, person = await _person(runtime, session, at_us)
    visitors = {visitor.visitor_id: visitor}
    for visitor_id in person.visitors:
        if visitor_id not in visitors:
            visitors[visitor_id] = await runtime.sessions.visitor(visitor_id)
    return history(known, person, session, lambda visitor_id: visitors[visitor_id].sessions), tuple(visitors)


async def kin_of(runtime: Runtime, session: LiveSession, at_us: int) -> Sequence[str]:
    """Return the visitors of a session's person, the session's own first."""
    _, person = await _person(runtime, session, at_us)
    return (session.visitor_id, *(one for one in person.visitors if one != session.visitor_id))


async def latest_session(runtime: Runtime, user_id: str) -> tuple[Visitor, LiveSession] | None:
    """Return the latest session of a user's person, on whichever device, or None for an unknown user."""
    await _look_at_links(runtime)
    known = Known(runtime.identity, runtime.now_us())
    users = await _reading(runtime, known.users, user_id)
    found: list[tuple[Visitor, LiveSession]] = []
    for visitor_id in await _reading(runtime, known.visitors, users):
        visitor = await runtime.sessions.visitor(visitor_id)
        for session in visitor.sessions:
            owner = known.owner(visitor_id, session.session_id, session.first_at_us)
            if owner.joined and owner.user_id in users:
                found.append((visitor, session))
    if found:
        return max(found, key=lambda one: (one[1].last_at_us, one[1].first_at_us, one[1].session_id))
    # A user of whom no link was made: refused, or named before links were kept.
    return await runtime.sessions.visitor_of_user(user_id)


async def assignment_of(runtime: Runtime, session: LiveSession) -> tuple[Assignment, bool]:
    """Return by whom chance goes for a session's visitor, and whether that is kept already.

    What is kept stays. A visitor without an assignment takes the earliest that its person has, else one of its own.
    """
    visitor_id = session.visitor_id
    kept = (await _reading(runtime, runtime.assignments.find, [visitor_id])).get(visitor_id)
    if kept is not None:
        return kept, True
    _, person = await _person(runtime, session, runtime.now_us())
    of_person = await _reading(runtime, runtime.assignments.find, person.visitors)
    first = min(of_person.values(), key=lambda one: (one.at_us, one.visitor_id), default=None)
    own = assignment_id(runtime.journey.name, visitor_id)
    return Assignment(visitor_id, first.assignment_id if first else own, runtime.now_us()), False


def known_at(runtime: Runtime, at_us: int) -> Known:
    """Return what is known about who is who at a moment; for any thread."""
    runtime.identity.catch_up()
    return Known(runtime.identity, at_us)


def learn_links(runtime: Runtime, links: Sequence[Link]) -> None:
    """Know links that have been committed, and count them, with those that join both sides of the holdout."""
    runtime.identity.learn(links)
    for link in links:
        runtime.metrics.links.labels(link.kind.value, link.reason or "").inc()
        if link.kind is Kind.LINK and _joins_both_sides(runtime, link):
            runtime.metrics.crossovers.inc()


def _joins_both_sides(runtime: Runtime, link: Link) -> bool:
    own = runtime.assignments.find([link.visitor_id]).get(link.visitor_id)
    share = runtime.journey.policy.holdout
    if own is None or not share:
        return False
    known = Known(runtime.identity)
    visitors = known.visitors(known.users(link.user_id))
    found = runtime.assignments.find(visitor for visitor in visitors if visitor != link.visitor_id)
    journey = runtime.journey.name
    others = {in_holdout(journey, one.assignment_id, share) for one in found.values()}
    return others == {not in_holdout(journey, own.assignment_id, share)}


async def _person(runtime: Runtime, session: LiveSession, at_us: int) -> tuple[Known, Person]:
    await _look_at_links(runtime)
    known = Known(runtime.identity, at_us)
    try:
        # Of who has been asked about before nothing has to be read.
        return known, person_of(Known(runtime.identity.remembered, at_us), session)
    except NotRemembered:
        return known, await _reading(runtime, person_of, known, session)


async def _look_at_links(runtime: Runtime) -> None:
    """Have memory know of the links that others have committed by now."""
    if runtime.configuration.shared:
        await runtime.look_at_links()
    else:
        runtime.identity.catch_up()


async def _reading(runtime: Runtime, read: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    # Where processes share a database, nearly every reading asks it; else nearly none does.
    if runtime.configuration.shared:
        return await asyncio.to_thread(read, *arguments, **named)
    return read(*arguments, **named)
