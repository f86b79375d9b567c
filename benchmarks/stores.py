"""Redis and PostgreSQL of a benchmark's own, on free ports of this machine, with the settings that production has."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from benchmarks.service import free_port

_POSTGRES_BINARIES = "usr/lib/postgresql/*/bin"
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Store:
    """A running server: its address as a setting of the service, its port and its process."""

    url: str
    port: int
    pid: int


@contextmanager
def redis_store(folder: Path, core: int | None = None) -> Iterator[Store]:
    """Run a Redis until the end of the block, on one core or on any."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise SystemExit("there is no redis-server; install it with: apt-get install redis-server")
    port = free_port()
    command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    process = subprocess.Popen([*_pinned(core), *command], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, retry=Retry(ConstantBackoff(0.05), 200)) as client:
            client.ping()
        yield Store(f"redis://127.0.0.1:{port}/0", port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def postgres_store(folder: Path, core: int | None = None) -> Iterator[Store]:
    """Run a PostgreSQL that waits for its disk at every commit, until the end of the block, on one core or on any."""
    initdb, postgres = (_postgres_binary(name) for name in ("initdb", "postgres"))
    data, port, as_owner = folder / "postgres", free_port(), _as_owner(folder)
    made = [*as_owner, initdb, "-D", str(data), "-U", "dropoff", "-A", "trust", "-E", "UTF8"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    settings = (
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={folder}",
        "shared_buffers=512MB",
        "max_wal_size=4GB",
    )
    options = [part for setting in settings for part in ("-c", setting)]
    process = subprocess.Popen(
        [*_pinned(core), *as_owner, postgres, "-D", str(data), "-p", str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _create_database(port, process)
        yield Store(f"postgresql+psycopg://dropoff@127.0.0.1:{port}/dropoff", port, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def connect(port: int, database: str = "dropoff") -> "psycopg.Connection[tuple[object, ...]]":
    """Return a connection on which every statement is a transaction of its own."""
    return psycopg.connect(host="127.0.0.1", port=port, user="dropoff", dbname=database, autocommit=True)


def _create_database(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            with connect(port, "postgres") as connection:
                connection.execute("CREATE DATABASE dropoff")
                return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise RuntimeError("PostgreSQL did not start")


def _postgres_binary(name: str) -> str:
    found = shutil.which(name) or next(
        (str(folder / name) for folder in sorted(Path("/").glob(_POSTGRES_BINARIES), reverse=True)), None
    )
    if found is None:
        raise SystemExit("there is no PostgreSQL; install it with: apt-get install postgresql")
    return found


def _pinned(core: int | None) -> list[str]:
    return [] if core is None else ["taskset", "-c", str(core)]


def _as_owner(folder: Path) -> list[str]:
    """Return how to run what refuses to run as root, and give it the folder."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    folder.chmod(0o755)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
