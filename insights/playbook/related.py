"""Which tactic of the playbook belongs to an opportunity, an alarm or a blocker."""

from collections.abc import Iterator, Sequence

from insights.playbook.look import ORDER
from insights.playbook.names import first_stage_name, name_tactic
from journeys.journey import Journey
from storage.playbook import Tactic, TacticStatus


def tactic_for(
    journey: Journey, tactics: Sequence[Tactic], *, source: str, stage: str, audience: str, blocker: str = ""
) -> str | None:
    """Return the name of the tactic that a source opened, else of one for the stage, audience and blocker.

    Of several the one that has come furthest, of whatever blocker where none is named; None where there is none.
    """
    opened = [one for one in tactics if one.source == source and one.status is not TacticStatus.RETIRED]
    there = list(_there(journey, tactics, stage, audience, blocker))
    found = opened or sorted(there, key=lambda one: (ORDER.index(one.status), one.id))
    return name_tactic(found[0]) if found else None


def tactics_against(tactics: Sequence[Tactic], blocker: str) -> list[Tactic]:
    """Return the tactics against a blocker, those that have come furthest first."""
    return sorted((one for one in tactics if one.blocker == blocker), key=lambda one: (ORDER.index(one.status), one.id))


def _there(journey: Journey, tactics: Sequence[Tactic], stage: str, audience: str, blocker: str) -> Iterator[Tactic]:
    first = first_stage_name(journey, stage)
    for one in tactics:
        if one.stage in (first, "") and one.audience == audience and blocker in ("", one.blocker):
            yield one
