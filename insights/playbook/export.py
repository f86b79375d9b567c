"""The playbook for programs, and as tables for a terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from features.events import US_PER_SECOND
from insights.intervals import Estimate
from insights.playbook.declare import declare_command
from insights.playbook.look import ORDER, Entry
from insights.playbook.standing import US_PER_DAY, Standing
from insights.playbook.words import say_effect, say_shortly
from journeys.journey import Journey
from journeys.tables import FittedTable
from storage.playbook import Draft, TacticEvidence


def playbook_tables(journey: Journey, entries: Sequence[Entry]) -> Iterator[FittedTable]:
    """Yield the tactics with what is known of them, and the tests that are proposed; nothing where there are none."""
    if not entries:
        return
    yield FittedTable(
        f"The playbook of {journey.title}: {count_entries(entries)}",
        ("Tactic", "Status", "Rise", "Tests", "Owner"),
        [
            (
                one.name,
                f"{one.tactic.status}, due" if one.why_due else one.tactic.status.value,
                _known_shortly(one),
                str(len(one.tactic.evidence)),
                one.tactic.owner,
            )
            for one in entries
        ],
        numbers=("Rise", "Tests"),
    )
    tests = [(one.name, one.test) for one in entries if one.test]
    if tests:
        yield FittedTable(
            "Tests that are proposed",
            ("Tactic", "Hypothesis", "Visitors", "Days"),
            [(name, test.hypothesis, _count(test.people), _count(test.days)) for name, test in tests],
            numbers=("Visitors", "Days"),
        )


def count_entries(entries: Sequence[Entry]) -> str:
    """Return how many tactics there are of each status, and how many are due: ``1 proven, 2 proposed; 1 due``."""
    counts = Counter(one.tactic.status for one in entries)
    told = ", ".join(f"{counts[status]} {status}" for status in ORDER if counts[status])
    due = sum(bool(one.why_due) for one in entries)
    return f"{told or 'nothing yet'}{f'; {due} due for a re-test' if due else ''}"


def say_known(entry: Entry) -> str:
    """Return the effect that the evidence leaves with its interval, or that nothing is known yet."""
    standing = entry.standing
    return "not tested yet" if standing is None else say_effect(standing.now.effect, share=standing.is_share)


def to_json(journey: Journey, entries: Sequence[Entry], now_us: int) -> dict[str, Any]:
    """Return the playbook as plain values; effects are rises with the ends of their 95 % interval."""
    return {"journey": journey.name, "at": _iso(now_us), "tactics": [_one(journey, entry) for entry in entries]}


def _known_shortly(entry: Entry) -> str:
    standing = entry.standing
    return "-" if standing is None else say_shortly(standing.now.effect, share=standing.is_share)


def _one(journey: Journey, entry: Entry) -> dict[str, Any]:
    tactic = entry.tactic
    return {
        "name": entry.name,
        "blocker": tactic.blocker,
        "stage": tactic.stage or None,
        "audience": tactic.audience or None,
        "intervention": tactic.intervention,
        "title": entry.title,
        "owner": tactic.owner,
        "status": tactic.status.value,
        "learning": tactic.learning,
        "source": tactic.source,
        "experiment": tactic.experiment or None,
        "opened": _iso(tactic.created_us),
        "changed": _iso(tactic.changed_us),
        "evidence": [_evidence(one) for one in tactic.evidence],
        "standing": None if entry.standing is None else _standing(entry.standing),
        "due": entry.why_due or None,
        "test": None if entry.test is None else _draft(entry.test) | {"declare": declare_command(journey, entry)},
    }


def _evidence(one: TacticEvidence) -> dict[str, Any]:
    told = {name: value for name, value in asdict(one).items() if name not in ("from_us", "to_us")}
    return told | {"from": _iso(one.from_us), "to": _iso(one.to_us)}


def _standing(one: Standing) -> dict[str, Any]:
    return {
        "metric": one.latest.metric,
        "experiments": [counted.experiment for counted in one.counted],
        "measured": _ends(one.measured.effect),
        "now": _ends(one.now.effect),
        "between": one.now.between,
        "weight": one.weight,
        "age_days": one.age_us / US_PER_DAY,
    }


def _draft(one: Draft) -> dict[str, Any]:
    told = {name: value for name, value in asdict(one).items() if name != "drafted_us"}
    return told | {"drafted": _iso(one.drafted_us)}


def _ends(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / US_PER_SECOND, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
