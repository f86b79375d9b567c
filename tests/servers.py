"""Real servers for tests: Redis, PostgreSQL and dropoff itself, each on a free loopback port.

Where a binary is absent, the test is skipped with the command that installs it; in CI it fails.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis

ROOT = Path(__file__).parents[1]
_START_SECONDS = 90.0
_POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require(found: str | None, what: str, package: str) -> str:
    """Return the path of a binary; skip the test, or fail it in CI, where there is none."""
    if found:
        return found
    absent = f"there is no {what}; install it with: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(absent)
    pytest.skip(absent)


class RedisServer:
    """A Redis (or Valkey) of its own that can be stopped, killed and started again."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        binary = require(shutil.which("redis-server") or shutil.which("valkey-server"), "Redis", "redis-server")
        self._process = subprocess.Popen(
            [binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", *self._arguments],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )
        with redis.Redis(port=self.port) as client:
            wait_for(lambda: bool(client.ping()), (redis.ConnectionError,), self._process)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP lets it hang, SIGCONT go on."""
        if self._process is not None:
            self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """Its process; 0 while it does not run."""
        return self._process.pid if self._process is not None else 0

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it, by force with SIGKILL."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None


class PostgresServer:
    """A PostgreSQL of its own that can be stopped, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql+psycopg://dropoff@127.0.0.1:{self.port}/dropoff"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; makes its files the first time."""
        data = self._folder / "data"
        if not data.exists():
            self._make(data)
        # What the system has been given outlives the server; tests need not wait for the disk as well.
        settings = ("listen_addresses=127.0.0.1", f"unix_socket_directories={self._folder}", "fsync=off")
        options = [part for setting in settings for part in ("-c", setting)]
        self._process = subprocess.Popen(
            [*_unprivileged(), _postgres_binary("postgres"), "-D", str(data), "-p", str(self.port), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers, (psycopg.OperationalError,), self._process)
        with self._connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'dropoff'").fetchone():
                connection.execute("CREATE DATABASE dropoff")

    @property
    def pid(self) -> int:
        """Its process, the parent of all its others; 0 while it does not run."""
        return self._process.pid if self._process is not None else 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT closes connections and ends, SIGQUIT ends as a crash does."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None

    def new_database(self, name: str, template: str = "template1") -> str:
        """Create a database, empty or the copy of another, and return its address."""
        with self._connect("postgres") as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return f"postgresql+psycopg://dropoff@127.0.0.1:{self.port}/{name}"

    def _connect(self, database: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="dropoff", dbname=database, autocommit=True, connect_timeout=2
        )

    def _answers(self) -> bool:
        with self._connect("postgres"):
            return True

    def _make(self, data: Path) -> None:
        initdb = _postgres_binary("initdb")
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root: the folder, and the way to it, belong to its own account.
            shutil.chown(self._folder, "postgres")
            for parent in self._folder.parents:
                if parent.owner() == "root" and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
        subprocess.run(
            [*_unprivileged(), initdb, "-D", str(data), "-U", "dropoff", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _postgres_binary(name: str) -> str:
    found = shutil.which(name)
    if not found:
        for pattern in _POSTGRES_FOLDERS:
            folders = sorted(Path("/").glob(pattern[1:]))
            found = next((str(folder / name) for folder in reversed(folders) if (folder / name).exists()), None)
            if found:
                break
    return require(found, "PostgreSQL", "postgresql")


def _unprivileged() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


class Service:
    """A running `dropoff serve` and its address."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.output = folder / f"service-{port}.log"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Return when the service answers; fails with what it said where it ends before."""
        try:
            wait_for(
                lambda: httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200,
                (httpx.TransportError,),
                self.process,
            )
        except RuntimeError as error:
            raise RuntimeError(f"{error}; it said: {self.said()}") from error

    def said(self) -> str:
        """Return what the service has written so far."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the service and its workers; SIGKILL kills them all at once."""
        if self.process.poll() is None:
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
            self.process.wait(timeout=60)


@contextmanager
def serving(
    journey: str, home: Path, *arguments: str, port: int | None = None, **settings: object
) -> Iterator[Service]:
    """Run `dropoff serve` with settings such as ``redis_url=...`` until the end of the block; ready when it begins."""
    chosen = port or free_port()
    command = [sys.executable, "-m", "cli", "serve", journey, "--port", str(chosen), *arguments]
    own = {f"DROPOFF_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DROPOFF_HOME": str(home), "DROPOFF_JOURNEY": "", **own}
    service = Service(command, environment, home.parent, chosen)
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.stop()


def wait_for(
    condition: Callable[[], bool],
    failures: tuple[type[Exception], ...] = (),
    process: "subprocess.Popen[Any] | None" = None,
    seconds: float = _START_SECONDS,
) -> None:
    """Return once the condition holds; ``failures`` count as not yet. Raises RuntimeError after so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the process ended with status {process.returncode}")
        try:
            if condition():
                return
        except failures:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"nothing within {seconds:.0f} s")
