"""The registry that replicas share: versions and pointer moves in their database, of which every home is a copy.

Nothing else has to be common to replicas on different machines. A pointer moves in one transaction, which also holds
the version's files where the database does not have them yet; what a home has is then made to agree. Files arrive
under the digest that they were published with, or not at all.
"""

import fcntl
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Engine, func, select

from storage.database import writing
from storage.digest import DigestMismatch, digest_of
from storage.history import ASIDE, Action, Promotion, account, iso_moment
from storage.models import CHALLENGERS, MODELS
from storage.packed import Packed, is_whole, pack, unpack
from storage.policies import POLICIES
from storage.registry import COPY_MARK, Registry, is_version, joined
from storage.registry_rows import (
    VersionTaken,
    append_moves,
    files_of,
    have_moved,
    keep_version,
    moves_of,
    pointers_of,
    versions_of,
)
from storage.registry_tables import registry_moves, registry_versions

_LOG = logging.getLogger("dropoff.storage")
REGISTRIES = (MODELS, CHALLENGERS, POLICIES)
"""What is shared: each is a pointer among the versions of its area."""
_MARK_TEXT = (
    "This folder is a copy of what replicas share in their database. Commands that change it need\n"
    "DROPOFF_DATABASE_URL. Remove this file where the database is no more.\n"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the shared registry of a journey has come; equal ones hold the same."""

    moves: int
    versions: int
    latest_us: int


class SharedRegistry:
    """The registry in one database. Writing methods make transactions of their own, for any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def standing(self, journey: str) -> Standing:
        """Return how far a journey's registry has come, by a query that costs little."""
        moves = select(func.coalesce(func.max(registry_moves.c.position), 0)).where(registry_moves.c.journey == journey)
        versions = select(func.count(), func.coalesce(func.max(registry_versions.c.published_us), 0)).where(
            registry_versions.c.journey == journey
        )
        with self._engine.connect() as connection:
            return Standing(connection.execute(moves).scalar_one(), *connection.execute(versions).one())

    def versions(self, registry: Registry, journey: str) -> Collection[str]:
        """Return the versions that are kept."""
        with self._engine.connect() as connection:
            return versions_of(connection, registry, journey)

    def publish(self, registry: Registry, home: Path, journey: str, version: str) -> None:
        """Keep a version that lies in a home; raises :class:`VersionTaken`."""
        packed = self._pack(registry, home, journey, version)
        with writing(self._engine) as connection:
            keep_version(connection, registry, journey, packed)

    def move(
        self,
        registry: Registry,
        home: Path,
        journey: str,
        version: str,
        *,
        action: Action,
        reason: str,
        instead_of: str | None,
        now: datetime | None,
    ) -> Promotion:
        """Move a pointer for all, then in the home; otherwise as ``Registry.point``.

        Where somebody else has moved it, the home has that when this raises.
        """
        packed = self._pack(registry, home, journey, version) if version else None
        with self._drawing_where_moved(registry, home, journey), writing(self._engine) as connection:
            moves = moves_of(connection, registry, journey)
            previous = (moves[-1].version or None) if moves else None
            registry.check_standing(journey, version, previous, instead_of)
            if packed is not None:
                keep_version(connection, registry, journey, packed)
            promotion = Promotion(iso_moment(now or datetime.now(UTC)), account(), action, version, previous, reason)
            append_moves(connection, registry, journey, [promotion])
        self._copy(registry, home, journey)
        return promotion

    def adopt(self, home: Path, journey: str) -> None:
        """Bring in what a home has of a journey, where the database has nothing of it yet: the first one counts.

        Champion and challenger are of one home: beside another champion, a challenger would be a stranger. What is
        damaged stays where it is. Raises :class:`VersionTaken` where something else has the number of what is pointed
        to.
        """
        for area in dict.fromkeys(map(_beside, REGISTRIES)):
            pointers = [one for one in area if one.pointed(home, journey) is not None]
            if pointers:
                self._adopt(pointers, home, journey)

    def _adopt(self, pointers: Sequence[Registry], home: Path, journey: str) -> None:
        registry = pointers[0]
        with self._engine.connect() as connection:
            if have_moved(connection, _beside(registry), journey):
                return
            shared = versions_of(connection, registry, journey)
        whole = {
            version: digest_of(folder)
            for version in registry.versions(home, journey)
            if is_version(version) and is_whole(folder := home / registry.area / journey / version)
        }
        taken = {version for version, digest in whole.items() if shared.get(version, digest) != digest}
        if named := taken & {one.pointed(home, journey) for one in pointers}:
            raise VersionTaken(
                f"{registry.thing} {min(named)} of {journey} is another one in the registry that replicas share than "
                f"in this home, and nothing was changed: move {home / registry.area / journey} elsewhere, and this "
                "home gets what they share"
            )
        packed = [self._pack(registry, home, journey, version) for version in whole if version not in taken]
        with writing(self._engine) as connection:
            # Another home may have been quicker.
            if have_moved(connection, _beside(registry), journey):
                return
            for one in packed:
                keep_version(connection, registry, journey, one)
            for pointer in pointers:
                append_moves(connection, pointer, journey, _promotions(pointer, home, journey))

    def draw(self, home: Path, journey: str, *, whole: bool = False) -> None:
        """Let a home agree with the database: pointers, histories, and the versions that it may need.

        Those are the ones pointed to and every policy, as experiments name some; with ``whole`` all versions. Raises
        ``storage.digest.DigestMismatch`` where the files of one that is pointed to are not what was published; the
        pointer stays then.
        """
        for registry in REGISTRIES:
            with self._engine.connect() as connection:
                is_empty = not (
                    versions_of(connection, registry, journey) or have_moved(connection, _beside(registry), journey)
                )
            if not is_empty:
                self._copy(registry, home, journey, whole=whole)

    def agrees(self, home: Path, journey: str) -> bool:
        """Whether a home's pointers are where the database has them."""
        with self._engine.connect() as connection:
            named = pointers_of(connection, journey)
        return all(
            (registry.pointed(home, journey) or "") == named[registry.pointer]
            for registry in REGISTRIES
            if registry.pointer in named
        )

    @contextmanager
    def _drawing_where_moved(self, registry: Registry, home: Path, journey: str) -> Iterator[None]:
        try:
            yield
        except registry.moved:
            self.draw(home, journey, whole=True)
            raise

    def _copy(self, registry: Registry, home: Path, journey: str, *, whole: bool = False) -> None:
        with _copying(registry, home, journey):
            # Read when it is this process's turn: what another has put here meanwhile may be newer.
            with self._engine.connect() as connection:
                moves = moves_of(connection, registry, journey)
                shared = versions_of(connection, registry, journey)
                is_shared = have_moved(connection, _beside(registry), journey)
            pointed = moves[-1].version if moves else ""
            for version, digest in sorted(shared.items(), key=lambda one: one[0] == pointed):
                if version != pointed and not whole and registry is not POLICIES:
                    continue
                try:
                    self._fetch(registry, home, journey, version, digest)
                except DigestMismatch as error:
                    if version == pointed:
                        raise
                    # What nobody goes by hinders nobody: it is missed where somebody asks for it.
                    _LOG.warning("Version %s of %s is not fetched: %s", version, journey, error)
            if moves or (is_shared and registry.pointed(home, journey) is not None):
                registry.mirror(home, journey, moves)

    def _pack(self, registry: Registry, home: Path, journey: str, version: str) -> Packed:
        """Return a version of a home as the database keeps it, without its files where they are there already.

        To be called before a transaction that writes: decisions would wait for it.
        """
        folder = registry.folder(home, journey, version)
        digest = digest_of(folder)
        with self._engine.connect() as connection:
            if versions_of(connection, registry, journey).get(version) == digest:
                return Packed(version, digest, {})
        return pack(folder, version)

    def _fetch(self, registry: Registry, home: Path, journey: str, version: str, digest: str) -> None:
        target = home / registry.area / journey / version
        if is_whole(target):
            if digest_of(target) == digest:
                return
            # This home had another one under that number before it joined: nothing that was made is thrown away.
            aside = target.with_name(f".{version}{ASIDE}-{digest_of(target)[:8]}")
            if not aside.exists():
                target.rename(aside)
        registry.place(home, journey, version, partial(self._unpack, registry, journey, version, digest))

    def _unpack(self, registry: Registry, journey: str, version: str, digest: str, folder: Path) -> None:
        with self._engine.connect() as connection:
            files = files_of(connection, registry, journey, version)
        # Neither a version nor a file's name may lead out of the folder, whoever has written the database.
        if not is_version(version) or not all(is_version(part) for name in files for part in name.split("/")):
            raise DigestMismatch(f"the shared {registry.thing} {version!r} of {journey} has names that lead elsewhere")
        unpack(Packed(version, digest, files), folder)


@contextmanager
def shared_home(engine: Engine, home: Path, journey: str, *, whole: bool = False) -> Iterator[SharedRegistry]:
    """Join a home to the registry in a database until the block ends: it agrees with it at the beginning.

    A home that is the first to join brings in what it has.
    """
    sharing = SharedRegistry(engine)
    sharing.adopt(home, journey)
    try:
        sharing.draw(home, journey, whole=whole)
    except DigestMismatch as error:
        # Of commands, which have all versions, one is to name another in place of what is damaged.
        if not whole:
            raise
        _LOG.warning("This home does not agree with the registry that replicas share: %s", error)
    with joined(home, sharing):
        yield sharing


@contextmanager
def _copying(registry: Registry, home: Path, journey: str) -> Iterator[None]:
    """Mark a journey's folder as a copy, and let one process at a time change it."""
    parent = home / registry.area / journey
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / COPY_MARK).open("a+", encoding="utf-8") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        if not mark.tell():
            mark.write(_MARK_TEXT)
            mark.flush()
        yield


def _beside(registry: Registry) -> tuple[Registry, ...]:
    """Return what points to versions of the same area, itself included."""
    return tuple(one for one in REGISTRIES if one.area == registry.area)


def _promotions(registry: Registry, home: Path, journey: str) -> tuple[Promotion, ...]:
    """Return the moves by which a pointer came to where it is in a home."""
    pointed, found = registry.pointed(home, journey), registry.history(home, journey).promotions
    last = found[-1].version if found else None
    if pointed is None or last == pointed:
        return found
    moment = iso_moment(datetime.now(UTC))
    return (*found, Promotion(moment, account(), Action.PROMOTE, pointed, last, "as this home had it"))


__all__ = ["REGISTRIES", "SharedRegistry", "Standing", "VersionTaken", "shared_home"]
