"""Published versions: folders with a digest over their files, an atomic pointer to one of them, and its history.

Layout: ``HOME/AREA/JOURNEY/VERSION/`` with a ``digest.json``, and beside them the pointer, a file that holds a version.
Every move of the pointer is a line of the history (``storage.history``). Models are kept so, and policies.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage.history import Action, History, Promotion, append, appending, read_history

DIGESTS = "digest.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
ANYONE = ""
"""In the place of a version: whichever the pointer names."""


class VersionNotFound(LookupError):
    """There is no such version; the text says which command makes one."""


class PointerMoved(RuntimeError):
    """The pointer names another version meanwhile, so that what was decided no longer holds."""


class DigestMismatch(ValueError):
    """A version's files are not those that were published."""


def home_folder() -> Path:
    """Return where all state lives: the environment's ``DROPOFF_HOME``, or ``.dropoff`` in the working directory."""
    return Path(os.environ.get("DROPOFF_HOME", ".dropoff"))


@dataclass(frozen=True)
class Registry:
    """The versions of one kind of thing under any home; ``pointer`` is also what the version that it names is called.

    ``make`` and ``look`` are the commands that make a first version and that list them.
    """

    area: str
    thing: str
    pointer: str
    history_name: str
    make: str
    look: str
    not_found: type[VersionNotFound]
    moved: type[PointerMoved]

    def publish(self, home: Path, journey: str, version: str, write: Callable[[Path], None]) -> Path:
        """Let ``write`` fill a folder, then make it the version's in one step, in place of an older one."""
        parent = home / self.area / journey
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

    def folder(self, home: Path, journey: str, version: str) -> Path:
        """Return a published version's folder; raises ``not_found``, also for one that lies elsewhere.

        A version is a name: whoever can change the pointer cannot lead out of the registry by ``../`` or a link.
        """
        registry = home / self.area
        folder = registry / journey / version
        is_within = _NAME.fullmatch(version) and folder.resolve().is_relative_to(registry.resolve())
        if not is_within or not (folder / DIGESTS).is_file():
            known = ", ".join(self.versions(home, journey)) or "none"
            raise self.not_found(f"{journey} has no {self.thing} version {version!r} under {home} (versions: {known})")
        return folder

    def versions(self, home: Path, journey: str) -> tuple[str, ...]:
        """Return the published versions, the oldest first."""
        found = (home / self.area / journey).glob(f"*/{DIGESTS}")
        names = [path.parent.name for path in found if not path.parent.name.startswith(".")]
        return tuple(sorted(names, key=lambda name: (len(name), name)))

    def point(
        self,
        home: Path,
        journey: str,
        version: str,
        *,
        action: Action = Action.PROMOTE,
        reason: str = "",
        instead_of: str | None = ANYONE,
        now: datetime | None = None,
    ) -> Promotion:
        """Let the pointer name a published version, atomically, and return the line that the history keeps of it.

        Raises ``not_found``, and ``moved`` where it names another than ``instead_of`` by now (None for nobody).
        """
        pointer = self.folder(home, journey, version).parent / self.pointer
        with appending(pointer.parent, self.history_name) as history:
            previous = self.pointed(home, journey)
            if instead_of not in (ANYONE, previous):
                raise self.moved(
                    f"version {previous} became {self.pointer} of {journey} meanwhile, nothing was changed; look at "
                    f"`{self.look.format(journey=journey)}` and try again"
                )
            # A crash after this line leaves a promotion that did not happen; before it, one that nobody could explain.
            promotion = append(history, version, previous, action, reason, now)
            self._point(pointer, version)
        return promotion

    def withdraw(
        self,
        home: Path,
        journey: str,
        *,
        reason: str = "",
        instead_of: str | None = ANYONE,
        now: datetime | None = None,
    ) -> Promotion:
        """Let the pointer name nothing any more, as before it first named a version; otherwise as :meth:`point`.

        The history keeps it as a rollback to a version without a name. Raises ``not_found`` where it names nothing.
        """
        pointer = home / self.area / journey / self.pointer
        if self.pointed(home, journey) is None:
            raise self.not_found(f"no {self.thing} of {journey} is {self.pointer} under {home}")
        with appending(pointer.parent, self.history_name) as history:
            previous = self.pointed(home, journey)
            if previous is None or instead_of not in (ANYONE, previous):
                raise self.moved(
                    f"version {previous} became {self.pointer} of {journey} meanwhile, nothing was changed; look at "
                    f"`{self.look.format(journey=journey)}` and try again"
                )
            promotion = append(history, "", previous, Action.ROLLBACK, reason, now)
            pointer.unlink()
        return promotion

    def history(self, home: Path, journey: str) -> History:
        """Return the history of a journey's pointer, empty before it first named a version."""
        return read_history(home / self.area / journey, self.history_name)

    def pointed(self, home: Path, journey: str) -> str | None:
        """Return the version that the pointer names, or None before it first named one."""
        pointer = home / self.area / journey / self.pointer
        return pointer.read_text(encoding="utf-8", errors="replace").strip() if pointer.is_file() else None

    def pointed_folder(self, home: Path, journey: str) -> Path:
        """Return the folder of the version that the pointer names; raises ``not_found``."""
        version = self.pointed(home, journey)
        if version is None:
            raise self.not_found(
                f"{journey} has no {self.thing} yet under {home}; run `{self.make.format(journey=journey)}` first"
            )
        return self.folder(home, journey, version)

    def _point(self, pointer: Path, version: str) -> None:
        descriptor, prepared = tempfile.mkstemp(prefix=f".{self.pointer}-", dir=pointer.parent)
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
        raise DigestMismatch(f"{named} is a link or no file at all, which a published version never holds; train again")
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
