"""Exported models: folders that the service reads without MLflow, and an atomic pointer to the champion.

Layout: ``HOME/models/JOURNEY/VERSION/`` with a ``digest.json`` over its files, and ``HOME/models/JOURNEY/champion``,
a file that holds the version. Every move of the pointer is a line of the history (``storage.history``).
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from storage.history import Action, History, Promotion, append, appending, read_history

DIGESTS = "digest.json"
CHAMPION = "champion"
_CARD = "card.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
ANYONE = ""
"""In the place of a version: whoever is champion."""


class ModelNotFound(LookupError):
    """There is no such model; the text says which command makes one."""


class ChampionMoved(RuntimeError):
    """Another version became champion meanwhile, so that what was decided no longer holds."""


class DigestMismatch(ValueError):
    """A model's files are not those that were published."""


def home_folder() -> Path:
    """Return where all state lives: the environment's ``DROPOFF_HOME``, or ``.dropoff`` in the working directory."""
    return Path(os.environ.get("DROPOFF_HOME", ".dropoff"))


def publish(home: Path, journey: str, version: str, write: Callable[[Path], None]) -> Path:
    """Let ``write`` fill a folder, then make it the model's in one step, in place of an older one."""
    parent = home / "models" / journey
    parent.mkdir(parents=True, exist_ok=True)
    prepared = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=parent))
    try:
        write(prepared)
        (prepared / DIGESTS).write_text(json.dumps(_digests(prepared), indent=1) + "\n", encoding="utf-8")
        prepared.chmod(0o755)
        target = parent / version
        if target.exists():
            shutil.rmtree(target)
        prepared.rename(target)
    except BaseException:
        shutil.rmtree(prepared, ignore_errors=True)
        raise
    return target


def model_folder(home: Path, journey: str, version: str) -> Path:
    """Return a published model's folder; raises :class:`ModelNotFound`, also for one that lies elsewhere.

    A version is a name: whoever can change the champion's pointer cannot lead out of the registry by ``../`` or a link.
    """
    registry = home / "models"
    folder = registry / journey / version
    is_within = _NAME.fullmatch(version) and folder.resolve().is_relative_to(registry.resolve())
    if not is_within or not (folder / DIGESTS).is_file():
        known = ", ".join(versions(home, journey)) or "none"
        raise ModelNotFound(f"{journey} has no model version {version!r} under {home} (versions: {known})")
    return folder


def versions(home: Path, journey: str) -> tuple[str, ...]:
    """Return the published versions, the oldest first."""
    found = (home / "models" / journey).glob(f"*/{DIGESTS}")
    names = [path.parent.name for path in found if not path.parent.name.startswith(".")]
    return tuple(sorted(names, key=lambda name: (len(name), name)))


def trained_on(home: Path, journey: str, first_us: int, last_us: int) -> tuple[str, ...]:
    """Return the versions whose training data overlaps a stretch of time, the oldest first.

    A version whose card does not say which data it had may have had any.
    """
    return tuple(
        version
        for version in versions(home, journey)
        if _overlaps(home / "models" / journey / version / _CARD, first_us, last_us)
    )


def _overlaps(card: Path, first_us: int, last_us: int) -> bool:
    try:
        data = json.loads(card.read_text(encoding="utf-8"))["data"]
        return bool(data["first_at_us"] <= last_us and data["last_at_us"] >= first_us)
    except (OSError, ValueError, LookupError, TypeError):
        return True


def point_champion(
    home: Path,
    journey: str,
    version: str,
    *,
    action: Action = Action.PROMOTE,
    reason: str = "",
    instead_of: str | None = ANYONE,
    now: datetime | None = None,
) -> Promotion:
    """Make a published version the champion, atomically, and return the line that the history keeps of it.

    Raises :class:`ModelNotFound`, and :class:`ChampionMoved` where another than ``instead_of`` is champion by now
    (None for nobody).
    """
    pointer = model_folder(home, journey, version).parent / CHAMPION
    with appending(pointer.parent) as history:
        previous = champion_version(home, journey)
        if instead_of not in (ANYONE, previous):
            raise ChampionMoved(
                f"version {previous} became champion of {journey} meanwhile, nothing was changed; look at "
                f"`dropoff models {journey}` and try again"
            )
        # A crash after this line leaves a promotion that did not happen; before it, one that nobody could explain.
        promotion = append(history, version, previous, action, reason, now)
        _point(pointer, version)
    return promotion


def champion_history(home: Path, journey: str) -> History:
    """Return the history of a journey's champions, empty before the first promotion."""
    return read_history(home / "models" / journey)


def _point(pointer: Path, version: str) -> None:
    descriptor, prepared = tempfile.mkstemp(prefix=f".{CHAMPION}-", dir=pointer.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(version + "\n")
        file.flush()
        os.fsync(file.fileno())
    Path(prepared).chmod(0o644)
    Path(prepared).replace(pointer)
    folder = os.open(pointer.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def champion_version(home: Path, journey: str) -> str | None:
    """Return the champion's version, or None before the first promotion."""
    pointer = home / "models" / journey / CHAMPION
    return pointer.read_text(encoding="utf-8", errors="replace").strip() if pointer.is_file() else None


def champion_folder(home: Path, journey: str) -> Path:
    """Return the champion's folder; raises :class:`ModelNotFound`."""
    version = champion_version(home, journey)
    if version is None:
        raise ModelNotFound(f"{journey} has no model yet under {home}; run `dropoff train {journey} --log PATH` first")
    return model_folder(home, journey, version)


def verify_digest(folder: Path) -> None:
    """Raise :class:`DigestMismatch` unless the folder holds exactly the files that were published, and no links."""
    try:
        published = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    except ValueError:
        published = None
    if not isinstance(published, dict):
        raise DigestMismatch(f"{folder / DIGESTS} was changed after it was published; train again")
    strange = [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if strange or folder.is_symlink():
        named = strange[0] if strange else folder
        raise DigestMismatch(f"{named} is a link or no file at all, which a published model never holds; train again")
    found = _digests(folder)
    changed = sorted({name for name in {*published, *found} if published.get(name) != found.get(name)})
    if changed:
        raise DigestMismatch(f"{folder} was changed after it was published ({', '.join(changed)}); train again")


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / DIGESTS
    }
