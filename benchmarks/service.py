"""A real service for benchmarks to load, pinned to a core of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
_START_SECONDS = 120


@contextmanager
def serving(
    journey: str, home: Path, folder: Path, core: int | None = None, **settings: object
) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """Serve a journey with settings such as ``durability="FULL"``; yields port and process while it is ready.

    The database is a fresh one in ``folder`` unless ``database_url`` names another. Figures for the pages are not made
    beside it: that is measured on its own.
    """
    own = {"database_url": f"sqlite:///{folder}/bench.db", "insights_refresh": 0, "bench_routes": 1} | settings
    environment = {f"DROPOFF_{name.upper()}": str(value) for name, value in own.items()}
    port = free_port()
    command = [sys.executable, "-c", f"from serving.run import serve; serve({journey!r}, port={port})"]
    with running(command, port, {"DROPOFF_HOME": str(home.resolve()), **environment}, core) as process:
        yield port, process


@contextmanager
def running(
    command: list[str], port: int, environment: Mapping[str, str], core: int | None = None, ready: str = "/readyz"
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a service until the end of the block; it is ready when the block begins."""
    process = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, stdout=subprocess.DEVNULL
    )
    if core is not None:
        os.sched_setaffinity(process.pid, [core])
    try:
        wait_until_ready(port, process, ready)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """Return a port on this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(port: int, service: "subprocess.Popen[bytes]", address: str = "/readyz") -> None:
    """Return once a service is ready; raises RuntimeError where it ends, or takes too long."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if service.poll() is not None:
            raise RuntimeError("the service did not start: the lines above say why")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{address}", timeout=1) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the service was not ready after {_START_SECONDS} s")
