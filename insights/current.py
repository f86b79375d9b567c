"""The facts of a journey that the service keeps fresh: where they lie, and how newer ones take their place.

Each building has a folder of its own under ``DROPOFF_HOME/insights/JOURNEY``, and a pointer names the current one. A
page that is being made keeps reading the files it began with.
"""

import json
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from insights.facts import Facts, FactsError, open_facts

_POINTER = "current.json"
_BUILT = "facts-"
MAKING = "making-"
"""How the folders begin in which facts are being made."""
_KEEP_SECONDS = 300.0
_ABANDONED_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Building:
    """One making of facts: its folder's name, up to which event of the database it reads, and how long it took."""

    name: str
    position: int
    seconds: float
    model_version: str | None


def facts_home(home: Path, journey: str) -> Path:
    """Return the folder with everything that is kept fresh for a journey's pages."""
    return home / "insights" / journey


def current_building(home: Path, journey: str) -> Building | None:
    """Return the building that pages read; None before the first one."""
    try:
        return Building(**json.loads((facts_home(home, journey) / _POINTER).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise FactsError(f"{facts_home(home, journey) / _POINTER} cannot be read ({error}); remove it") from error


def current_facts(home: Path, journey: str) -> Facts | None:
    """Return the facts that pages read; None before the first building.

    Raises :class:`FactsError` for damaged facts, and for those of another version of dropoff.
    """
    # A building may be replaced and cleared away between reading the pointer and reading what it points to.
    for _ in range(3):
        building = current_building(home, journey)
        if building is None:
            return None
        folder = facts_home(home, journey) / building.name
        if folder.is_dir():
            return open_facts(folder)
    return None


def publish_building(home: Path, journey: str, built: Path, position: int, seconds: float) -> Facts:
    """Make the facts in the folder ``built`` the current ones and return them; older buildings go after a while."""
    folder = facts_home(home, journey)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{_BUILT}{time.time_ns() // 1_000}"
    built.rename(folder / name)
    facts = open_facts(folder / name)
    _point(folder, Building(name, position, seconds, facts.model_version))
    for old in sorted(folder.glob(f"{_BUILT}*")):
        if old.name != name and time.time() - old.stat().st_mtime > _KEEP_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    # What a making left behind that was ended by force.
    for old in folder.glob(f"{MAKING}*"):
        if old != built.parent and time.time() - old.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return facts


def forget_facts(home: Path, journey: str) -> None:
    """Remove all facts of a journey, for when somebody's events have been erased from what they were made of.

    Files of a making that is under way go too; it fails, and has to be begun again.
    """
    folder = facts_home(home, journey)
    (folder / _POINTER).unlink(missing_ok=True)
    for kind in (_BUILT, MAKING):
        for old in folder.glob(f"{kind}*"):
            shutil.rmtree(old, ignore_errors=True)


def _point(folder: Path, building: Building) -> None:
    handle, prepared = tempfile.mkstemp(dir=folder, prefix=".current-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(building)) + "\n")
    Path(prepared).chmod(0o644)
    Path(prepared).replace(folder / _POINTER)
