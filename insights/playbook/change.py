"""What people change in the playbook: a tactic that they add, its status, its owner, and what was learnt."""

import time
from dataclasses import replace

from sqlalchemy import Connection, Engine

from insights.playbook.names import Key, name_of, parse_name
from insights.playbook.status import TacticError, parse_tactic_status, require_change
from journeys.journey import Journey
from storage.database import writing
from storage.history import account
from storage.playbook import Tactic, TacticStatus
from storage.playbook_store import PlaybookStore

BY_HAND = "by hand"
LONGEST = 500
"""Characters of a learning or a reason; what needs more is a document to name in it."""


def find_tactic(connection: Connection, store: PlaybookStore, journey: Journey, given: str) -> Tactic:
    """Return the tactic of a name; raises :class:`TacticError` where the playbook has none."""
    key = parse_name(journey, given)
    found = next((one for one in store.all_tactics(connection) if one.key == key), None)
    if found is None:
        raise TacticError(f"the playbook of {journey.name} has no {given!r} yet; add it first")
    return found


def add_tactic(
    connection: Connection,
    store: PlaybookStore,
    journey: Journey,
    given: str,
    *,
    owner: str = "",
    learning: str = "",
    actor: str,
    now_us: int,
) -> Tactic:
    """Put a tactic into the playbook as proposed and return it; its owner is by default that of the intervention."""
    key = parse_name(journey, given)
    added = new_tactic(journey, key, source=BY_HAND, owner=owner, learning=_said(learning), now_us=now_us)
    opened = store.open_tactic(connection, added, actor=actor)
    if opened is None:
        raise TacticError(f"the playbook of {journey.name} has {given!r} already; change that one")
    return opened


def change_tactic(
    connection: Connection,
    store: PlaybookStore,
    journey: Journey,
    given: str,
    *,
    status: str = "",
    reason: str = "",
    owner: str = "",
    learning: str = "",
    actor: str,
    now_us: int,
) -> Tactic:
    """Give a tactic a status, an owner and a learning, each where it is not empty, and return it.

    Raises :class:`TacticError` for a status that it cannot have (:mod:`insights.playbook.status`).
    """
    before = find_tactic(connection, store, journey, given)
    wanted = parse_tactic_status(status) if status else before.status
    if before.experiment and wanted is not before.status:
        raise TacticError(f"the experiment {before.experiment} is testing {given}: stop that first")
    require_change(given, before.status, wanted, before.evidence, reason)
    after = replace(
        before,
        status=wanted,
        owner=owner.strip() or before.owner,
        learning=_said(learning) or before.learning,
    )
    action = "set tactic status" if wanted is not before.status else "revise tactic"
    return store.revise_tactic(connection, after, action=action, actor=actor, now_us=now_us, reason=_said(reason))


def keep_tactic(
    engine: Engine,
    journey: Journey,
    given: str,
    *,
    add: bool = False,
    status: str = "",
    reason: str = "",
    owner: str = "",
    learning: str = "",
    author: str = "",
) -> Tactic:
    """Add or change a tactic in the database; the author is by default the account that is at work."""
    store, actor, now_us = PlaybookStore(engine, journey.name), author or account(), time.time_ns() // 1_000
    with writing(engine) as connection:
        if add:
            kept = add_tactic(
                connection, store, journey, given, owner=owner, learning=learning, actor=actor, now_us=now_us
            )
            if not status:
                return kept
        return change_tactic(
            connection,
            store,
            journey,
            given,
            status=status,
            reason=reason,
            owner=owner,
            learning=learning,
            actor=actor,
            now_us=now_us,
        )


def new_tactic(journey: Journey, key: Key, *, source: str, owner: str = "", learning: str = "", now_us: int) -> Tactic:
    """Return a tactic to be opened, owned by who owns the intervention unless somebody else is named."""
    blocker, stage, audience, intervention = key
    declared = next((one.owner for one in journey.interventions if one.name == intervention), "")
    return Tactic(
        id=0,
        blocker=blocker,
        stage=stage,
        audience=audience,
        intervention=intervention,
        owner=owner.strip() or declared or journey.owner or name_of(*key),
        status=TacticStatus.PROPOSED,
        learning=learning,
        source=source,
        experiment="",
        draft=None,
        created_us=now_us,
        changed_us=now_us,
    )


def _said(text: str) -> str:
    said = " ".join(text.split())
    if len(said) > LONGEST:
        raise TacticError(f"a text of the playbook has at most {LONGEST} characters, not {len(said)}")
    return said
