"""The files of an installation that are kept: published models and policies, and the secrets it made for itself."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.backup.archive import HOME, Archive, BackupError
from storage.digest import DIGESTS, DigestMismatch, verify_digest
from storage.models import MODELS
from storage.policies import POLICIES
from storage.secrets import SECRETS

AREAS = (MODELS.area, POLICIES.area, SECRETS)
"""The folders of a home that are kept. What else lies there is made anew from them, or from the database."""
_PREPARED = ".restored-"


def kept_files(home: Path, areas: tuple[str, ...] = AREAS) -> Iterator[tuple[str, Path]]:
    """Yield the name in the backup and the path of every file that is kept; what is only being made is left out."""
    for area in areas:
        folder = home / area
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in inside.parts):
                yield f"{HOME}/{area}/{inside.as_posix()}", path


@dataclass(frozen=True, slots=True)
class Prepared:
    """Files that lie beside the home's own, ready to take their places."""

    home: Path
    folder: Path
    areas: tuple[str, ...]

    def put_in_place(self) -> None:
        """Let each folder take the place of the home's own; those that the backup does not have stay as they are."""
        for area in self.areas:
            replaced = self.folder / f"replaced-{area}"
            with suppress(FileNotFoundError):
                (self.home / area).rename(replaced)
            (self.folder / area).rename(self.home / area)
        self.drop()
        # What a restoration left behind that was ended by force holds secrets, too.
        for left in self.home.glob(f"{_PREPARED}*"):
            shutil.rmtree(left)

    def drop(self) -> None:
        """Delete what was prepared and not used, or what was replaced."""
        shutil.rmtree(self.folder)


def occupied(home: Path, archive: Archive) -> list[str]:
    """Return which of the backup's folders the home has already."""
    return [area for area in _areas(archive) if any(kept_files(home, (area,)))]


def prepare_files(home: Path, archive: Archive) -> Prepared:
    """Unpack the files beside the home's own; raises BackupError for a version that is not as it was published."""
    home.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREPARED, dir=home))
    prepared = Prepared(home, folder, _areas(archive))
    try:
        for member in archive.members(HOME):
            _write(folder, Path(*member.parts[1:]), member.content.read(), member.mode)
        for published in sorted(folder.glob(f"*/*/*/{DIGESTS}")):
            verify_digest(published.parent)
    except DigestMismatch as error:
        prepared.drop()
        raise BackupError(f"the backup holds a version that was changed before it was made: {error}") from error
    except BaseException:
        prepared.drop()
        raise
    return prepared


def _areas(archive: Archive) -> tuple[str, ...]:
    return tuple(area for area in AREAS if archive.names(HOME, area))


def _write(folder: Path, inside: Path, content: bytes, mode: int) -> None:
    # A secret's folder is nobody else's business either.
    (folder / inside.parts[0]).mkdir(mode=0o700 if inside.parts[0] == SECRETS else 0o755, exist_ok=True)
    path = folder / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
