"""What waits in a process: for the database, for the loop, and what the process itself takes of the machine."""

import asyncio
import os
import shutil
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from storage.writer import Writer, Written

_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 4.096)
_LOOP_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024)
_LOOK_SECONDS = 0.25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class QueueMetrics:
    """The queues of one process; where there are several, ``pid`` tells apart what each takes of the machine."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.writer_waiting = Gauge(
            "dropoff_writer_waiting",
            "Events and other writes that wait for their commit.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.writer_oldest_seconds = Gauge(
            "dropoff_writer_oldest_seconds",
            "For how long the oldest of them has waited.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        commits = Histogram(
            "dropoff_commit_seconds",
            "What a commit is made of: the longest wait for it, and the transaction.",
            ["part"],
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._waited, self._wrote = commits.labels("wait"), commits.labels("write")
        writes = Counter("dropoff_writes", "Writes by what came of them.", ["result"], registry=registry)
        self._committed, self._failed = writes.labels("committed"), writes.labels("failed")
        self._loop = Histogram(
            "dropoff_loop_lag_seconds",
            "How late the loop that answers does what it was to do at a moment.",
            buckets=_LOOP_SECONDS,
            registry=registry,
        )
        self._resident_bytes, self._cpu_seconds, self._started = (
            Gauge(f"dropoff_process_{name}", about, registry=registry, multiprocess_mode="liveall")
            for name, about in (
                ("resident_bytes", "Memory that a process holds."),
                ("cpu_seconds", "Seconds of a core that a process has taken since it started."),
                ("start_seconds", "When a process started, in seconds since 1970."),
            )
        )
        self._started.set(time.time())
        self._disk_free_bytes = Gauge(
            "dropoff_disk_free_bytes",
            "What is free on the disk of the home folder.",
            registry=registry,
            multiprocess_mode="livemin",
        )

    def observe_commit(self, written: Written) -> None:
        """Record a turn of the writer."""
        self._waited.observe(written.waited_seconds)
        self._wrote.observe(written.seconds)
        self._committed.inc(written.writes - written.failed)
        self._failed.inc(written.failed)

    async def watch_loop(self) -> None:
        """Record how late the running loop is, four times a second, until cancelled."""
        while True:
            due = time.monotonic() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            self._loop.observe(max(0.0, time.monotonic() - due))

    def set_gauges(self, writer: Writer, home: Path) -> None:
        """Record what waits for the database at this moment, and what the process takes."""
        self.writer_waiting.set(writer.waiting)
        self.writer_oldest_seconds.set(writer.oldest_seconds)
        self._cpu_seconds.set(time.process_time())
        self._resident_bytes.set(_resident_bytes())
        self._disk_free_bytes.set(_free_bytes(home))


def _free_bytes(folder: Path) -> int:
    for there in (folder, *folder.resolve().parents):
        try:
            return shutil.disk_usage(there).free
        except FileNotFoundError:
            # Where a folder is not there yet, or no more, its place is on the disk of the one above.
            continue
    return 0


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except FileNotFoundError:
        # Elsewhere than on Linux nobody says what is held now.
        return 0
