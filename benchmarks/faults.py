"""What is left after the worst: the service killed by force, the disk full, the database stopped, all under load.

    python -m benchmarks.faults kill --home DROPOFF_HOME --times 50
    python -m benchmarks.faults disk --home DROPOFF_HOME
    python -m benchmarks.faults postgres --home DROPOFF_HOME --times 5

Clients send again whatever was not acknowledged, with the same message ids. Afterwards every acknowledged event must
be in the database, exactly once.
"""

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.acknowledged import Kept, Load, Sent, compare
from benchmarks.report import Figure, Report, as_table
from benchmarks.service import ROOT, free_port, wait_until_ready
from storage.database import database_url

_DISK_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Survived:
    """What a fault left of a load."""

    sent: Sent
    kept: Kept

    @property
    def is_whole(self) -> bool:
        """Whether everything acknowledged is there once, and every refusal said when to come again."""
        return not (self.kept.lost or self.kept.repeated or self.sent.unretryable)


class Service:
    """A service that can be killed with all its processes and started again at the same address."""

    def __init__(self, home: Path, url: str, folder: Path, port: int, largest_file_bytes: int = 0) -> None:
        self.port = port
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DROPOFF_HOME": str(home.resolve()),
            "DROPOFF_DATABASE_URL": url,
            "DROPOFF_INSIGHTS_REFRESH": "0",
        }
        self._output = folder / "service.log"
        self._largest_file_bytes = largest_file_bytes
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [sys.executable, "-m", "cli", "serve", "ecommerce", "--port", str(self.port)]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        wait_until_ready(self.port, self.process)
        if self._largest_file_bytes:
            self.limit_files(self._largest_file_bytes)

    def limit_files(self, size_bytes: int) -> None:
        """Let no file of the service grow beyond a size; writing further fails as it does on a full disk."""
        assert self.process is not None
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))

    def free_files(self) -> None:
        """Let files grow again."""
        self.limit_files(resource.RLIM_INFINITY)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; SIGKILL kills all its processes at once."""
        if self.process is not None:
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
            self.process.wait(60)
            self.process = None

    def said(self) -> str:
        """Return what it has written."""
        return self._output.read_text(encoding="utf-8", errors="replace")


@contextmanager
def started(service: Service) -> Iterator[Service]:
    """Run a service to the end of the block, however often it is killed and started in it."""
    service.start()
    try:
        yield service
    finally:
        service.stop()


def kill_service(home: Path, folder: Path, times: int, seed: int = 1, url: str = "") -> Survived:
    """Kill the whole service by force so many times in the middle of a load, and start it again each time."""
    source = random.Random(seed)
    address = url or database_url(folder)
    with started(Service(home, address, folder, free_port())) as service:
        load = Load(service.port, seed)
        load.start()
        try:
            for _ in track(range(times), "Killing the service", disable=times < 10):
                _after_more(load, 200)
                time.sleep(source.uniform(0, 0.5))
                service.stop(signal.SIGKILL)
                service.start()
            _after_more(load, 200)
        finally:
            sent = load.finish()
    return Survived(sent, compare(address, sent))


def fill_disk(home: Path, folder: Path) -> tuple[Survived, str]:
    """Let a service run out of disk under load, then free it; returns also what the service said meanwhile."""
    address = database_url(folder)
    with started(Service(home, address, folder, free_port(), _DISK_BYTES)) as service:
        load = Load(service.port)
        load.start()
        try:
            _until(lambda: load.sent.answers["503"] > 20)
            service.free_files()
            _after_more(load, 1_000)
        finally:
            service.free_files()
            sent = load.finish()
        said = service.said()
    return Survived(sent, compare(address, sent)), said


def stop_postgres(home: Path, folder: Path, times: int) -> Survived:
    """Stop PostgreSQL, as a crash does every other time, and start it again, under load."""
    from tests.servers import PostgresServer

    server = PostgresServer(folder)
    server.start()
    try:
        with started(Service(home, server.url, folder, free_port())) as service:
            load = Load(service.port)
            load.start()
            try:
                for number in range(times):
                    _after_more(load, 200)
                    server.stop(signal.SIGQUIT if number % 2 else signal.SIGINT)
                    refused = load.sent.answers["503"]
                    _until(lambda refused=refused: load.sent.answers["503"] > refused)  # type: ignore[misc]
                    server.start()
                _after_more(load, 200)
            finally:
                sent = load.finish()
        return Survived(sent, compare(server.url, sent))
    finally:
        server.stop()


def _after_more(load: Load, count: int) -> None:
    wanted = load.acknowledged() + count
    _until(lambda: load.acknowledged() >= wanted)


def _until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"not within {seconds:.0f} s")
        time.sleep(0.02)


def _figures(what: str, survived: Survived) -> list[Figure]:
    sent, kept = survived.sent, survived.kept
    return [
        Figure(
            f"{what}: acknowledged, lost, repeated", f"{len(sent.acknowledged):,}, {kept.lost}, {kept.repeated}", "0, 0"
        ),
        Figure(f"{what}: answers", ", ".join(f"{name}: {count:,}" for name, count in sorted(sent.answers.items()))),
        Figure(f"{what}: 503 without Retry-After", f"{sent.unretryable}", "0"),
        Figure(f"{what}: longest wait of a client that sends again", f"{sent.longest_seconds:.1f} s"),
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=["kill", "disk", "postgres"])
    parser.add_argument("--home", type=Path, required=True, help="DROPOFF_HOME with a champion for ecommerce")
    parser.add_argument("--times", type=int, default=50, help="how often to kill or stop")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        if given.fault == "kill":
            figures = _figures(f"kill -9 x {given.times}", kill_service(given.home, folder, given.times))
        elif given.fault == "disk":
            figures = _figures("full disk", fill_disk(given.home, folder)[0])
        else:
            figures = _figures(f"PostgreSQL stopped x {given.times}", stop_postgres(given.home, folder, given.times))
    command = f"python -m benchmarks.faults {given.fault} --home HOME --times {given.times}"
    Console().print(as_table(Report("Faults under load", command, figures)))


if __name__ == "__main__":
    main()
