"""The rows of the registry that replicas share: read, and written in the transaction of a connection."""

from collections.abc import Collection, Iterable
from dataclasses import asdict

from sqlalchemy import Connection, func, insert, select

from storage.history import Action, Promotion
from storage.leases import database_now_us
from storage.packed import Packed
from storage.registry import Registry
from storage.registry_tables import registry_files, registry_moves, registry_versions


class VersionTaken(ValueError):
    """Another model or policy has the same version in the shared registry; the text says what to do."""


def moves_of(connection: Connection, registry: Registry, journey: str) -> tuple[Promotion, ...]:
    """Return all moves of a pointer, the oldest first."""
    mine = (registry_moves.c.journey == journey, registry_moves.c.pointer == registry.pointer)
    columns = [registry_moves.c[name] for name in Promotion.__slots__]
    rows = connection.execute(select(*columns).where(*mine).order_by(registry_moves.c.position)).mappings()
    return tuple(Promotion(**{**row, "action": Action(row["action"])}) for row in rows)


def pointers_of(connection: Connection, journey: str) -> dict[str, str]:
    """Return which version each pointer names that has ever moved, an empty one where it names nothing any more."""
    mine = registry_moves.c.journey == journey
    latest = select(func.max(registry_moves.c.position)).where(mine).group_by(registry_moves.c.pointer)
    query = select(registry_moves.c.pointer, registry_moves.c.version).where(registry_moves.c.position.in_(latest))
    return {row.pointer: row.version for row in connection.execute(query)}


def have_moved(connection: Connection, registries: Iterable[Registry], journey: str) -> bool:
    """Whether any of some pointers has ever moved."""
    pointers = [one.pointer for one in registries]
    mine = (registry_moves.c.journey == journey, registry_moves.c.pointer.in_(pointers))
    return connection.execute(select(registry_moves.c.position).where(*mine).limit(1)).first() is not None


def append_moves(connection: Connection, registry: Registry, journey: str, promotions: Collection[Promotion]) -> None:
    """Let a pointer be moved as it was by promotions, in their order."""
    for promotion in promotions:
        connection.execute(
            insert(registry_moves), asdict(promotion) | {"journey": journey, "pointer": registry.pointer}
        )


def versions_of(connection: Connection, registry: Registry, journey: str) -> dict[str, str]:
    """Return the versions that are shared, with their digests."""
    query = select(registry_versions.c.version, registry_versions.c.digest).where(
        registry_versions.c.area == registry.area, registry_versions.c.journey == journey
    )
    return {row.version: row.digest for row in connection.execute(query)}


def keep_version(connection: Connection, registry: Registry, journey: str, packed: Packed) -> None:
    """Keep a version, unless it is there already; raises :class:`VersionTaken`."""
    standing = versions_of(connection, registry, journey).get(packed.version)
    if standing == packed.digest:
        return
    if standing is not None:
        raise VersionTaken(
            f"another {registry.thing} is version {packed.version} of {journey} in the registry that replicas share, "
            "and nothing was changed there: make this one anew, it gets a number of its own then"
        )
    one = {"area": registry.area, "journey": journey, "version": packed.version}
    published_us = database_now_us(connection)
    connection.execute(insert(registry_versions), one | {"digest": packed.digest, "published_us": published_us})
    files = [one | {"name": name, "content": content} for name, content in packed.files.items()]
    connection.execute(insert(registry_files), files)


def files_of(connection: Connection, registry: Registry, journey: str, version: str) -> dict[str, bytes]:
    """Return the files of a version, packed, by their names."""
    query = select(registry_files.c.name, registry_files.c.content).where(
        registry_files.c.area == registry.area,
        registry_files.c.journey == journey,
        registry_files.c.version == version,
    )
    return {row.name: row.content for row in connection.execute(query)}


def kept_of(connection: Connection, journey: str) -> tuple[int, int]:
    """Return how many models and policies of a journey are kept, and the bytes that their files take."""
    versions = select(func.count()).select_from(registry_versions).where(registry_versions.c.journey == journey)
    size = select(func.coalesce(func.sum(func.length(registry_files.c.content)), 0)).where(
        registry_files.c.journey == journey
    )
    return int(connection.execute(versions).scalar_one()), int(connection.execute(size).scalar_one())
