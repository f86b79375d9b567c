"""The registry that replicas share: versions and pointer moves in their database, of which every home is a copy.

Nothing else has to be common to replicas on different machines. A pointer moves in one transaction, which also holds
the version's files where the database does not have them yet; what a home has is then made to agree. Files arrive
under the digest that they were published with, or not at all.
"""

import fcntl
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select

from storage.database import writing
from storage.digest import DigestMismatch, digest_of, verify_digest
from storage.history import Action, Promotion, account, iso_moment
from storage.leases import database_now_us
from storage.models import CHALLENGERS, MODELS
from storage.policies import POLICIES
from storage.registry import COPY_MARK, Registry, is_version, joined
from storage.registry_tables import registry_files, registry_moves, registry_versions

REGISTRIES = (MODELS, CHALLENGERS, POLICIES)
"""What is shared: each is a pointer among the versions of its area."""
_MARK_TEXT = (
    "This folder is a copy of what replicas share in their database. Commands that change it need\n"
    "DROPOFF_DATABASE_URL. Remove this file where the database is no more.\n"
)


class VersionTaken(ValueError):
    """Another model or policy has the same version in the shared registry; the text says what to do."""


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
            return self._versions(connection, registry, journey)

    def publish(self, registry: Registry, home: Path, journey: str, version: str) -> None:
        """Keep a version that lies in a home; raises :class:`VersionTaken`."""
        with writing(self._engine) as connection:
            self._keep(connection, registry, home, journey, version)

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
        with self._drawing_where_moved(registry, home, journey), writing(self._engine) as connection:
            moves = self._moves(connection, registry, journey)
            previous = (moves[-1].version or None) if moves else None
            registry.check_standing(journey, version, previous, instead_of)
            if version:
                self._keep(connection, registry, home, journey, version)
            promotion = Promotion(iso_moment(now or datetime.now(UTC)), account(), action, version, previous, reason)
            self._append(connection, registry, journey, promotion)
        with _copying(registry, home, journey):
            registry.mirror(home, journey, (*moves, promotion))
        return promotion

    def adopt(self, home: Path, journey: str) -> None:
        """Bring in what a home has of a journey, where the database has nothing of it yet: the first one counts."""
        for registry in REGISTRIES:
            pointed = registry.pointed(home, journey)
            if pointed is None or not self._is_new(registry, journey):
                continue
            with writing(self._engine) as connection:
                if self._moves(connection, registry, journey):
                    continue
                for version in registry.versions(home, journey):
                    if version == pointed or _is_whole(registry.folder(home, journey, version)):
                        self._keep(connection, registry, home, journey, version)
                promotions = registry.history(home, journey).promotions
                if not promotions or promotions[-1].version != pointed:
                    last = promotions[-1].version if promotions else None
                    moment = iso_moment(datetime.now(UTC))
                    promotions += (Promotion(moment, account(), Action.PROMOTE, pointed, last, "as this home had it"),)
                for promotion in promotions:
                    self._append(connection, registry, journey, promotion)

    def draw(self, home: Path, journey: str, *, whole: bool = False) -> None:
        """Let a home agree with the database: pointers, histories, and the versions that it may need.

        Those are the ones pointed to and every policy, as experiments name some; with ``whole`` all versions. Raises
        ``storage.digest.DigestMismatch`` for files that are not what was published; the pointer stays then.
        """
        for registry in REGISTRIES:
            with self._engine.connect() as connection:
                moves = self._moves(connection, registry, journey)
                shared = self._versions(connection, registry, journey)
            pointed = moves[-1].version if moves else ""
            needed = [version for version in shared if whole or version == pointed or registry is POLICIES]
            if not moves and not needed:
                continue
            with _copying(registry, home, journey):
                for version in needed:
                    self._fetch(registry, home, journey, version, shared[version])
                if moves:
                    registry.mirror(home, journey, moves)

    def agrees(self, home: Path, journey: str) -> bool:
        """Whether a home's pointers are where the database has them."""
        with self._engine.connect() as connection:
            for registry in REGISTRIES:
                moves = self._moves(connection, registry, journey)
                if moves and (registry.pointed(home, journey) or "") != moves[-1].version:
                    return False
        return True

    @contextmanager
    def _drawing_where_moved(self, registry: Registry, home: Path, journey: str) -> Iterator[None]:
        try:
            yield
        except registry.moved:
            self.draw(home, journey, whole=True)
            raise

    def _is_new(self, registry: Registry, journey: str) -> bool:
        with self._engine.connect() as connection:
            return not self._moves(connection, registry, journey)

    def _moves(self, connection: Connection, registry: Registry, journey: str) -> tuple[Promotion, ...]:
        mine = (registry_moves.c.journey == journey, registry_moves.c.pointer == registry.pointer)
        columns = [registry_moves.c[name] for name in Promotion.__slots__]
        rows = connection.execute(select(*columns).where(*mine).order_by(registry_moves.c.position)).mappings()
        return tuple(Promotion(**{**row, "action": Action(row["action"])}) for row in rows)

    def _append(self, connection: Connection, registry: Registry, journey: str, promotion: Promotion) -> None:
        connection.execute(
            insert(registry_moves), asdict(promotion) | {"journey": journey, "pointer": registry.pointer}
        )

    def _versions(self, connection: Connection, registry: Registry, journey: str) -> dict[str, str]:
        """Return the versions that are shared, with their digests."""
        query = select(registry_versions.c.version, registry_versions.c.digest).where(
            registry_versions.c.area == registry.area, registry_versions.c.journey == journey
        )
        return {row.version: row.digest for row in connection.execute(query)}

    def _keep(self, connection: Connection, registry: Registry, home: Path, journey: str, version: str) -> None:
        folder = registry.folder(home, journey, version)
        standing, digest = self._versions(connection, registry, journey).get(version), digest_of(folder)
        if standing == digest:
            return
        if standing is not None:
            raise VersionTaken(
                f"another {registry.thing} is version {version} of {journey} in the registry that replicas share, and "
                "nothing was changed there: make this one anew, it gets a number of its own then"
            )
        verify_digest(folder)
        one = {"area": registry.area, "journey": journey, "version": version}
        published_us = database_now_us(connection)
        connection.execute(insert(registry_versions), one | {"digest": digest, "published_us": published_us})
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        packed = [
            one | {"name": path.relative_to(folder).as_posix(), "content": zlib.compress(path.read_bytes())}
            for path in files
        ]
        connection.execute(insert(registry_files), packed)

    def _fetch(self, registry: Registry, home: Path, journey: str, version: str, digest: str) -> None:
        target = home / registry.area / journey / version
        if target.is_dir() and not target.is_symlink() and _has_digest(target, digest):
            return
        registry.place(home, journey, version, partial(self._unpack, registry, journey, version, digest))

    def _unpack(self, registry: Registry, journey: str, version: str, digest: str, folder: Path) -> None:
        mine = {"area": registry.area, "journey": journey, "version": version}
        query = select(registry_files.c.name, registry_files.c.content).where(
            *(registry_files.c[name] == value for name, value in mine.items())
        )
        with self._engine.connect() as connection:
            packed = connection.execute(query).all()
        # Neither a version nor a file's name may lead out of the folder, whoever has written the database.
        if not is_version(version) or not all(is_version(part) for row in packed for part in row.name.split("/")):
            raise DigestMismatch(f"the shared {registry.thing} {version!r} of {journey} has names that lead elsewhere")
        for row in packed:
            path = folder / row.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(zlib.decompress(row.content))
        verify_digest(folder)
        if not _has_digest(folder, digest):
            raise DigestMismatch(f"the shared {registry.thing} {version} of {journey} is not what was published")


@contextmanager
def shared_home(engine: Engine, home: Path, journey: str, *, whole: bool = False) -> Iterator[SharedRegistry]:
    """Join a home to the registry in a database until the block ends: it agrees with it at the beginning.

    A home that is the first to join brings in what it has.
    """
    sharing = SharedRegistry(engine)
    sharing.adopt(home, journey)
    sharing.draw(home, journey, whole=whole)
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


def _has_digest(folder: Path, digest: str) -> bool:
    try:
        return digest_of(folder) == digest
    except OSError:
        return False


def _is_whole(folder: Path) -> bool:
    try:
        verify_digest(folder)
    except (DigestMismatch, OSError):
        return False
    return True
