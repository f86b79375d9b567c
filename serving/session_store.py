"""What a store of sessions does, whether one process has it to itself or several share it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from decisions.decision import Decision
from decisions.past import PastIntervention
from features.events import Event
from features.live import LiveSession
from serving.visitor import Placed, Visitor
from serving.visitor_memory import VisitorMemory


@dataclass(frozen=True, slots=True)
class Placements:
    """What became of events: those in their sessions, of which some were known before, and those of full visitors."""

    placed: Sequence[Placed]
    full: Sequence[Event]

    @property
    def duplicates(self) -> int:
        """How many of the placed events the log had before."""
        return sum(not one.is_new for one in self.placed)


@dataclass(frozen=True, slots=True)
class Limits:
    """The silence that ends a session, in microseconds, and the most events of one visitor and in memory."""

    timeout_us: int
    visitor_events: int
    memory_events: int


Alongside = Callable[[Connection, Placements], None]
"""Written in the transaction of the events themselves."""

Decide = Callable[[Sequence[PastIntervention]], Decision]
"""Decides about a visitor, given what the person was recommended before; may be asked again with more."""


def _ignore(_: str) -> None:
    pass


@dataclass(slots=True)
class Counts:
    """How often a visitor was asked of Redis: known there, not known, and filled in from the log.

    ``told`` hears ``hit``, ``miss`` or ``refill`` each time.
    """

    hits: int = 0
    misses: int = 0
    refills: int = 0
    told: Callable[[str], None] = _ignore

    def hit(self) -> None:
        """Count a visitor that Redis knew."""
        self.hits += 1
        self.told("hit")

    def miss(self) -> None:
        """Count a visitor that Redis did not know."""
        self.misses += 1
        self.told("miss")

    def refill(self) -> None:
        """Count a visitor that was filled in from the log."""
        self.refills += 1
        self.told("refill")


class SessionStore(Protocol):
    """The sessions of a journey's visitors: the log's, kept at hand.

    What :meth:`keep` has returned is seen by every later call, in every process that shares the store.
    """

    kind: str
    """``alone``, ``database`` or ``redis``."""

    counts: Counts
    memory: VisitorMemory
    """The visitors that this process has at hand."""

    async def visitor(self, visitor_id: str) -> Visitor:
        """Return a visitor with all that the log knows; an unknown one has no sessions."""

    async def visitor_of_session(self, session_id: str) -> Visitor | None:
        """Return whose session it is, or None for an unknown one."""

    async def visitor_of_user(self, user_id: str) -> tuple[Visitor, LiveSession] | None:
        """Return a user's visitor and the session of the user's latest event, or None for an unknown user."""

    async def keep(self, events: Sequence[Event], alongside: Alongside) -> Placements:
        """Put events, of which no two have one id, into their sessions and into the log, in this order.

        All is committed, or nothing, when this returns or raises.
        """

    async def advise(
        self, visitor_ids: Sequence[str], decide: Decide, write: Callable[[Connection, Decision], None]
    ) -> Decision:
        """Return a decision about the first visitor, once it is written.

        It was made with all that these visitors, who are one person, were recommended before.
        """

    async def forget(self, visitor_id: str) -> None:
        """Drop a visitor who has been erased from the log."""

    async def close(self) -> None:
        """Let go of what the store has opened."""


def past_of(decision: Decision) -> PastIntervention | None:
    """Return a decision as later ones about the visitor have to know it; None where it recommends nothing."""
    if decision.recommendation is None:
        return None
    return PastIntervention(decision.score.session_id, decision.score.at_us, decision.recommendation.intervention)
