"""A published version on its way into a database and out of it: its files, packed by zlib."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.digest import DigestMismatch, digest_of, verify_digest


@dataclass(frozen=True, slots=True)
class Packed:
    """A version with its digest and its files, each packed, by their names within its folder."""

    version: str
    digest: str
    files: Mapping[str, bytes]


def pack(folder: Path, version: str) -> Packed:
    """Return what lies in a version's folder; raises :class:`storage.digest.DigestMismatch` where it was changed."""
    verify_digest(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    packed = {path.relative_to(folder).as_posix(): zlib.compress(path.read_bytes()) for path in files}
    return Packed(version, digest_of(folder), packed)


def unpack(packed: Packed, folder: Path) -> None:
    """Put a version's files into a folder; raises :class:`storage.digest.DigestMismatch` unless they are those."""
    for name, content in packed.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(zlib.decompress(content))
        except zlib.error as error:
            raise DigestMismatch(
                f"{name} of version {packed.version} is damaged where it is shared: {error}"
            ) from error
    verify_digest(folder)
    if digest_of(folder) != packed.digest:
        raise DigestMismatch(f"version {packed.version} is shared, but is not what was published")


def is_whole(folder: Path) -> bool:
    """Whether a folder holds exactly what was published."""
    try:
        verify_digest(folder)
    except (DigestMismatch, OSError):
        return False
    return True
