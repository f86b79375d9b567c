"""The earlier sessions of a person, wherever they took place: what a session's history is made of at a moment.

A row of features that is read at a moment carries what the person had done before the session began, as was known at
that moment. So a login in the middle of a session brings the history of the other devices along, for the rows after
it; the rows before it, and those of all earlier sessions, stay what they were.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

import numpy as np

from features.events import FloatArray
from features.identity import Known, LinkBook, Person
from features.live import LiveSession

SessionsOf = Callable[[str], Iterable[LiveSession]]
"""Returns the sessions of a visitor."""


def person_of(known: Known, session: LiveSession) -> Person:
    """Return whose a session is."""
    return known.person(known.owner(session.visitor_id, session.session_id, session.first_at_us))


def history(known: Known, person: Person, session: LiveSession, sessions_of: SessionsOf) -> list[LiveSession]:
    """Return the sessions that the person of a session began before it."""
    return [
        one
        for visitor_id in person.visitors
        for one in sessions_of(visitor_id)
        if len(one)
        and one is not session
        and one.first_at_us < session.first_at_us
        and person.has(known.owner(visitor_id, one.session_id, one.first_at_us))
    ]


def rows_as_known(
    session: LiveSession, moments: Sequence[tuple[int, int]], book: LinkBook, sessions_of: SessionsOf
) -> FloatArray:
    """Return the features (R, F) at several ``(events seen, moment)``, each with what was known at its moment.

    ``sessions_of`` must return the same objects whenever it is asked.
    """
    told = []
    for moment in moments:
        known = Known(book, moment[1])
        told.append((moment, history(known, person_of(known, session), session, sessions_of)))
    parts = []
    for _, group in groupby(told, key=lambda one: sorted(id(earlier) for earlier in one[1])):
        alike = list(group)
        parts.append(session.rows([moment for moment, _ in alike], alike[0][1]))
    rows: FloatArray = np.concatenate(parts)
    return rows
