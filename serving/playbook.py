"""The playbook in the service: what its figures propose is opened, and what people change by the forms is kept."""

import logging
from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from insights.facts import Facts
from insights.playbook.change import LONGEST, add_tactic, change_tactic
from insights.playbook.follow import follow_experiments
from insights.playbook.names import name_of
from insights.playbook.propose import keep_proposals
from insights.playbook.status import TacticError
from serving.errors import ClientError
from serving.runtime import Runtime
from storage.playbook import Tactic
from storage.playbook_store import PlaybookStore
from storage.record_store import load_records
from storage.records import RecordError

_LOG = logging.getLogger("dropoff.serving")
_LONGEST_NAME = 100
_TEXTS = {"reason": LONGEST, "learning": LONGEST, "owner": _LONGEST_NAME, "author": _LONGEST_NAME}


def keep_playbook(runtime: Runtime, facts: Facts) -> None:
    """Follow the experiments, and open what the figures that were just made propose."""
    follow_experiments(runtime.engine, runtime.journey, now_us=runtime.now_us())
    records = load_records(runtime.engine, runtime.journey.name)
    opened = keep_proposals(runtime.engine, runtime.journey, facts, records, now_us=runtime.now_us())
    if opened:
        _LOG.info("New in the playbook: %d tactics; the page /playbook tells them", len(opened))


async def add(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Put the tactic that the form holds into the playbook; raises ClientError, 422, for what is none."""
    store, texts = _store(runtime), _texts(given)
    parts = [given.get(name, "").strip() for name in ("blocker", "stage", "intervention")]
    name = name_of(parts[0], parts[1], "", parts[2])
    await _commit(
        runtime,
        lambda connection: add_tactic(
            connection,
            store,
            runtime.journey,
            name,
            owner=texts["owner"],
            learning=texts["learning"],
            actor=texts["author"],
            now_us=runtime.now_us(),
        ),
    )


async def set_status(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Keep the status, and the owner if one is named, that the form holds; raises ClientError, 422."""
    texts, status = _texts(given), given.get("status", "")
    if not status:
        raise ClientError(422, "invalid_field", "Choose a status.", "status")
    await _change(runtime, given, status=status, reason=texts["reason"], owner=texts["owner"])


async def learn(runtime: Runtime, given: Mapping[str, str]) -> None:
    """Keep the learning that the form holds; raises ClientError, 422."""
    texts = _texts(given)
    if not texts["learning"]:
        raise ClientError(422, "invalid_field", "Write what is known, in a sentence.", "learning")
    await _change(runtime, given, learning=texts["learning"])


async def _change(runtime: Runtime, given: Mapping[str, str], **changes: str) -> None:
    store, author = _store(runtime), _texts(given)["author"]
    await _commit(
        runtime,
        lambda connection: change_tactic(
            connection,
            store,
            runtime.journey,
            given.get("tactic", ""),
            actor=author,
            now_us=runtime.now_us(),
            **changes,
        ),
    )


async def _commit(runtime: Runtime, write: Callable[[Connection], Tactic]) -> None:
    try:
        await runtime.commit(write)
    except (TacticError, RecordError) as error:
        text = str(error)
        raise ClientError(422, "invalid_tactic", f"{text[0].upper()}{text[1:]}.") from error


def _texts(given: Mapping[str, str]) -> dict[str, str]:
    texts = {name: given.get(name, "").strip() for name in _TEXTS}
    for name, longest in _TEXTS.items():
        if len(texts[name]) > longest:
            raise ClientError(422, "too_long", f"The field {name} has at most {longest} characters.", name)
    return texts


def _store(runtime: Runtime) -> PlaybookStore:
    return PlaybookStore(runtime.engine, runtime.journey.name)
