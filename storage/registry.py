"""Published versions: folders with a digest over their files, an atomic pointer to one of them, and its history.

Layout: ``HOME/AREA/JOURNEY/VERSION/`` with a ``digest.json``, and beside them the pointer, a file that holds a version.
Every move of the pointer is a line of the history (``storage.history``). Models are kept so, and policies.

Where replicas share a registry, a home is its copy (``storage.shared_registry``): pointers move there first.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from storage.digest import DIGESTS, write_digest
from storage.history import Action, History, Promotion, append, appending, mirror, read_history

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
ANYONE = ""
"""In the place of a version: whichever the pointer names."""
COPY_MARK = ".shared"
"""The file that says of a journey's folder that it is a copy of what replicas share."""


class VersionNotFound(LookupError):
    """There is no such version; the text says which command makes one."""


class PointerMoved(RuntimeError):
    """The pointer names another version meanwhile, so that what was decided no longer holds."""


class NotJoined(RuntimeError):
    """A home that is a copy of a shared registry was to be changed without it; the text says what to do."""


class Sharing(Protocol):
    """Where the versions and pointers of homes are kept for all who share them."""

    def versions(self, registry: "Registry", journey: str) -> Collection[str]:
        """Return the versions that are kept."""

    def publish(self, registry: "Registry", home: Path, journey: str, version: str) -> None:
        """Keep a version that lies in a home."""

    def move(
        self,
        registry: "Registry",
        home: Path,
        journey: str,
        version: str,
        *,
        action: Action,
        reason: str,
        instead_of: str | None,
        now: datetime | None,
    ) -> Promotion:
        """Move a pointer for all, then in the home; otherwise as :meth:`Registry.point`."""


_JOINED: dict[Path, Sharing] = {}


@contextmanager
def joined(home: Path, sharing: Sharing) -> Iterator[None]:
    """Let whatever is published and promoted under a home be shared, in this process until the block ends."""
    key = home.resolve()
    before = _JOINED.get(key)
    _JOINED[key] = sharing
    try:
        yield
    finally:
        if before is None:
            _JOINED.pop(key, None)
        else:
            _JOINED[key] = before


def home_folder() -> Path:
    """Return where all state lives: the environment's ``DROPOFF_HOME``, or ``.dropoff`` in the working directory."""
    return Path(os.environ.get("DROPOFF_HOME", ".dropoff"))


def is_version(name: str) -> bool:
    """Whether a name is one that a version can have, and leads nowhere else as a path."""
    return _NAME.fullmatch(name) is not None


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

        def fill(prepared: Path) -> None:
            write(prepared)
            write_digest(prepared)

        target = self.place(home, journey, version, fill)
        sharing = _JOINED.get(home.resolve())
        if sharing is not None:
            sharing.publish(self, home, journey, version)
        return target

    def place(self, home: Path, journey: str, version: str, fill: Callable[[Path], None]) -> Path:
        """Let ``fill`` put all of a version's files into a folder, then make it the version's in one step."""
        parent = home / self.area / journey
        parent.mkdir(parents=True, exist_ok=True)
        prepared = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=parent))
        try:
            fill(prepared)
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
        is_within = is_version(version) and folder.resolve().is_relative_to(registry.resolve())
        if not is_within or not (folder / DIGESTS).is_file():
            known = ", ".join(self.versions(home, journey)) or "none"
            raise self.not_found(f"{journey} has no {self.thing} version {version!r} under {home} (versions: {known})")
        return folder

    def versions(self, home: Path, journey: str) -> tuple[str, ...]:
        """Return the published versions, the oldest first."""
        found = (home / self.area / journey).glob(f"*/{DIGESTS}")
        names = [path.parent.name for path in found if not path.parent.name.startswith(".")]
        return tuple(sorted(names, key=lambda name: (len(name), name)))

    def is_taken(self, home: Path, journey: str, version: str) -> bool:
        """Whether something is called by this version already: here, or wherever it is shared."""
        sharing = _JOINED.get(home.resolve())
        shared = sharing.versions(self, journey) if sharing is not None else ()
        return version in shared or version in self.versions(home, journey)

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
        self.folder(home, journey, version)
        return self._move(home, journey, version, action, reason, instead_of, now)

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
        if self.pointed(home, journey) is None:
            raise self.not_found(f"no {self.thing} of {journey} is {self.pointer} under {home}")
        return self._move(home, journey, "", Action.ROLLBACK, reason, instead_of, now)

    def check_standing(self, journey: str, version: str, standing: str | None, instead_of: str | None) -> None:
        """Raise ``moved`` unless the pointer may move from ``standing`` to ``version``."""
        if instead_of not in (ANYONE, standing) or (standing is None and not version):
            happened = (
                f"no version is {self.pointer} of {journey} any more"
                if standing is None
                else f"version {standing} became {self.pointer} of {journey} meanwhile"
            )
            raise self.moved(
                f"{happened}, nothing was changed; look at `{self.look.format(journey=journey)}` and try again"
            )

    def require_joined(self, home: Path, journey: str) -> None:
        """Raise :class:`NotJoined` where a journey's folder is a copy of what is shared, and not joined."""
        mark = home / self.area / journey / COPY_MARK
        if home.resolve() not in _JOINED and mark.exists():
            raise NotJoined(
                f"{mark.parent} is a copy of what replicas share, and nothing was changed: set DROPOFF_DATABASE_URL to "
                f"their database, or remove {mark} where they are no more"
            )

    def mirror(self, home: Path, journey: str, promotions: Sequence[Promotion]) -> None:
        """Let the pointer and its history be those that replicas share, of which ``promotions`` are all, in order."""
        parent = home / self.area / journey
        parent.mkdir(parents=True, exist_ok=True)
        with appending(parent, self.history_name) as history:
            mirror(history, parent / self.history_name, promotions)
            version = promotions[-1].version if promotions else ""
            if (self.pointed(home, journey) or "") != version:
                self._set(parent / self.pointer, version)

    def _move(
        self,
        home: Path,
        journey: str,
        version: str,
        action: Action,
        reason: str,
        instead_of: str | None,
        now: datetime | None,
    ) -> Promotion:
        parent, sharing = home / self.area / journey, _JOINED.get(home.resolve())
        if sharing is not None:
            return sharing.move(
                self, home, journey, version, action=action, reason=reason, instead_of=instead_of, now=now
            )
        self.require_joined(home, journey)
        with appending(parent, self.history_name) as history:
            previous = self.pointed(home, journey)
            self.check_standing(journey, version, previous, instead_of)
            # A crash after this line leaves a promotion that did not happen; before it, one that nobody could explain.
            promotion = append(history, version, previous, action, reason, now)
            self._set(parent / self.pointer, version)
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

    def _set(self, pointer: Path, version: str) -> None:
        if not version:
            pointer.unlink(missing_ok=True)
            return
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
