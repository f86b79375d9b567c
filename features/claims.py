"""What events claim about who is who, and which rows come of it."""

from dataclasses import dataclass, replace
from typing import Protocol

from features.events import Event
from features.identity import Kind, Known, Link, LinkBook, Reason, user_at

ALIAS = "alias"
"""The name of the event that says that two ids are one."""
PREVIOUS_ID = "previous_id"
"""The property of such an event that holds the earlier id."""

_WRITTEN_FOR_NONE = (
    "0 -1 00000000-0000-0000-0000-000000000000 null nil none undefined nan n/a na false true unknown anonymous anon "
    "guest user userid user_id visitor test tester testuser test_user demo admin root example default empty "
    "(null) (none) (not_set) [object_object]"
)
PLACEHOLDERS = frozenset(_WRITTEN_FOR_NONE.split())
"""User ids that programs and testers write for want of one; compared in small letters, with ``_`` for blanks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a person may become: visitors, users that aliases join, and rows about one visitor."""

    visitors: int = 25
    users: int = 5
    turns: int = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """What an event says about who is who; times in microseconds."""

    visitor_id: str
    user_id: str
    event_id: str
    session_id: str | None
    at_us: int
    received_us: int
    previous_id: str | None = None


class GrowingBook(LinkBook, Protocol):
    """A book that rows can be added to."""

    def add(self, link: Link) -> None:
        """Add a row; it gets the next number."""


class IdentityError(ValueError):
    """A link cannot be undone; the text says why."""


def claim_of(event: Event) -> Claim | None:
    """Return what an event says about who is who; None for an event without a user."""
    if not event.user_id:
        return None
    previous = event.properties.get(PREVIOUS_ID) if event.name == ALIAS else None
    return Claim(
        event.visitor_id,
        event.user_id,
        event.event_id,
        event.session_id,
        event.occurred_at_us,
        event.occurred_at_us if event.received_at_us is None else event.received_at_us,
        previous if isinstance(previous, str) and previous else None,
    )


def is_placeholder(identity: str) -> bool:
    """Whether an id is no id at all, such as ``null``: whatever it linked would be many people at once."""
    bare = "_".join(identity.lower().split())
    return not bare or bare in PLACEHOLDERS


def placeholder_sql(column: str) -> str:
    """Return the SQL twin of :func:`is_placeholder` for a column; an empty or missing id is none either."""
    names = ", ".join("'" + name + "'" for name in sorted(PLACEHOLDERS | {""}))
    bare = f"regexp_replace(lower({column}), '^\\s+|\\s+$', '', 'g')"
    return f"coalesce(regexp_replace({bare}, '\\s+', '_', 'g') IN ({names}), true)"


def hear(book: GrowingBook, claim: Claim, limits: Limits) -> None:
    """Add the rows that a claim makes to the book: none where it says nothing new."""
    _hear_turn(book, claim, claim.visitor_id, limits)
    if claim.previous_id is not None and claim.previous_id != claim.user_id:
        _hear_alias(book, claim, claim.previous_id, limits)


def undo(book: GrowingBook, link: Link, now_us: int, limits: Limits) -> None:
    """Add the row that undoes a link: from now on the two are apart, whatever events go on to say.

    Undoing an undoing joins them again. Raises :class:`IdentityError`.
    """
    known = Known(book)
    rows = book.of_visitor(link.visitor_id) if link.previous_id is None else book.of_user(link.user_id)
    latest = known.latest(rows, link.user_id, link.previous_id)
    if link.kind is Kind.REFUSAL:
        raise IdentityError(f"{link.number} is a refusal ({link.reason}): there is nothing to undo")
    # After an undoing, what events say again is refused: the undoing holds for as long as there is no link.
    holds = latest is not None and (latest.kind is Kind.LINK) == (link.kind is Kind.LINK)
    if not holds:
        raise IdentityError(f"{link.number} does not hold any more: `dropoff identity show` tells what came after it")
    kind = Kind.UNDOING
    if link.kind is Kind.UNDOING:
        reason = _too_large(known, link.visitor_id, link.user_id, link.previous_id, limits)
        if reason is not None:
            raise IdentityError(f"the person would become too large ({reason})")
        kind = Kind.LINK
    book.add(
        replace(
            link,
            kind=kind,
            event_id=None,
            session_id=None,
            at_us=now_us,
            received_us=now_us,
            reason=f"undoes {link.number}",
        )
    )


def _hear_turn(book: GrowingBook, claim: Claim, visitor_id: str, limits: Limits) -> None:
    rows = book.of_visitor(visitor_id)
    known = Known(book)
    if is_placeholder(claim.user_id) or is_placeholder(visitor_id):
        if len(rows) < limits.turns and known.latest(rows, claim.user_id) is None:
            _add(book, claim, visitor_id, Reason.PLACEHOLDER)
        return
    turns = known.turns(visitor_id)
    if turns and user_at(turns, claim.at_us) == claim.user_id:
        return
    latest = known.latest(rows, claim.user_id)
    if len(rows) >= limits.turns:
        # The last row that a visitor gets isolates it: a device of so many people is nobody's.
        return
    if len(rows) == limits.turns - 1:
        _add(book, claim, visitor_id, Reason.TOO_MANY_TURNS)
    elif latest is None:
        _add(book, claim, visitor_id, _too_large(known, visitor_id, claim.user_id, None, limits))
    else:
        _add(book, claim, visitor_id, None if latest.kind is Kind.LINK else Reason.REFUSED_BEFORE)


def _hear_alias(book: GrowingBook, claim: Claim, previous_id: str, limits: Limits) -> None:
    rows = book.of_user(claim.user_id)
    known = Known(book)
    is_user = any(row.user_id == previous_id for row in book.of_user(previous_id))
    both = {claim.user_id, previous_id}
    aliases = [row for row in rows if row.previous_id is not None]
    if len(aliases) < limits.turns and not any({row.user_id, row.previous_id} == both for row in aliases):
        if is_placeholder(claim.user_id) or is_placeholder(previous_id):
            reason: Reason | None = Reason.PLACEHOLDER
        else:
            reason = _too_large(known, claim.visitor_id, claim.user_id, previous_id, limits)
        _add(book, claim, claim.visitor_id, reason, previous_id)
    if not is_user and previous_id != claim.visitor_id:
        # It may be a visitor's id too: that of the browser before it became known.
        _hear_turn(book, replace(claim, session_id=None), previous_id, limits)


def _add(
    book: GrowingBook, claim: Claim, visitor_id: str, reason: Reason | None, previous_id: str | None = None
) -> None:
    book.add(
        Link(
            number=0,
            kind=Kind.LINK if reason is None else Kind.REFUSAL,
            visitor_id=visitor_id,
            user_id=claim.user_id,
            previous_id=previous_id,
            event_id=claim.event_id,
            session_id=claim.session_id,
            at_us=claim.at_us,
            received_us=claim.received_us,
            reason=reason,
        )
    )


def _too_large(known: Known, visitor_id: str, user_id: str, previous_id: str | None, limits: Limits) -> Reason | None:
    users = known.users(user_id)
    visitors = set(known.visitors(users))
    if previous_id is None:
        visitors.add(visitor_id)
    else:
        others = known.users(previous_id)
        users |= others
        visitors |= set(known.visitors(others))
    if len(users) > limits.users:
        return Reason.TOO_MANY_USERS
    return Reason.TOO_MANY_VISITORS if len(visitors) > limits.visitors else None
