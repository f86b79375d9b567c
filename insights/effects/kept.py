"""Effects beside the facts of a journey, so that a page need not read the ledger."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from decisions.logged import LoggedDecisions
from insights.effects.effects import STAGE, Effects, EffectsError, measure_effects
from journeys.journey import Journey

_KEPT = "effects.json"


def keep_effects(folder: Path, journey: Journey, logged: LoggedDecisions) -> None:
    """Write the effects, also by stage and by each cohort that the decisions tell; nothing where there are none."""
    found: dict[str, Effects] = {}
    for by in ("", STAGE, *logged.cohorts):
        with suppress(EffectsError):
            found[by] = measure_effects(journey, logged, by)
    (folder / _KEPT).write_bytes(msgspec.json.encode(found))


def kept_effects(folder: Path) -> Mapping[str, Effects]:
    """Return the effects that lie beside facts, by what they are grouped by; empty where none were measured."""
    try:
        return msgspec.json.decode((folder / _KEPT).read_bytes(), type=dict[str, Effects])
    except FileNotFoundError:
        return {}
