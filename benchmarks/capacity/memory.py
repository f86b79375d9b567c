"""Memory of open sessions: in a worker, and in Redis."""

from pathlib import Path

from benchmarks.capacity.traffic import EVENTS_EACH
from benchmarks.sessions import measure_apart
from benchmarks.stores import redis_store
from capacity.costs import MemoryCost


def measure_memory(folder: Path, sessions: int, empty_worker_bytes: float) -> MemoryCost:
    """Return what so many open sessions take, each; in Redis some of their events lie in pieces of their own."""
    place = folder / "memory"
    place.mkdir()
    with redis_store(place) as redis:
        worker = measure_apart("memory", sessions, place / "worker", "", EVENTS_EACH)["bytes"]
        shared = measure_apart("redis-memory", sessions, place / "redis", redis.url, EVENTS_EACH)["loose"]
    return MemoryCost(EVENTS_EACH, worker / sessions, shared / sessions, empty_worker_bytes)
