"""The digest of a published version: the SHA-256 of each of its files, in a file of its own."""

import hashlib
import json
from pathlib import Path

DIGESTS = "digest.json"


class DigestMismatch(ValueError):
    """A version's files are not those that were published."""


def write_digest(folder: Path) -> None:
    """Write down what a folder holds."""
    (folder / DIGESTS).write_text(json.dumps(_digests(folder), indent=1) + "\n", encoding="utf-8")


def digest_of(folder: Path) -> str:
    """Return one digest of all that was published: that of the file which has those of the others."""
    return hashlib.sha256((folder / DIGESTS).read_bytes()).hexdigest()


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
