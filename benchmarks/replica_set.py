"""Several replicas on one PostgreSQL and one Redis behind a real nginx, each with a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nginx import Nginx
from benchmarks.service import ROOT, free_port, wait_until_ready
from serving.runtime import now_us
from storage.database import open_database
from storage.key_store import Grant, KeyStore

SECRET = "the same for all replicas of this benchmark"  # noqa: S105
DRAIN_SECONDS = 1.0
LEASE_SECONDS = 1.0
SHARE = 0.2
"""Of the decisions at which there is a choice, the share that may be treated."""
EAGER = f"""
from dataclasses import replace
from decisions.budget import Budget
from journeys.ecommerce import JOURNEY as SHOP

every = tuple(friction for friction in SHOP.frictions if friction.addressable)
JOURNEY = replace(
    SHOP,
    interventions=tuple(
        replace(
            one, treats=every, stages=tuple(stage.name for stage in SHOP.stages), prior_effect=0.9,
            prior_deviation=0.1, cost=0.0, cost_if_converted=0.0,
        )
        for one in SHOP.interventions
    ),
    policy=replace(SHOP.policy, low_risk=0.0, exploration=0.0, holdout=0.0, budget=Budget(treated_share={SHARE})),
)
"""
"""A shop that would nudge everybody at once: only caps, pauses and the budget hold it back."""


class Replica:
    """One `dropoff serve` that can be killed, stopped, and started again at the same address."""

    def __init__(self, name: str, journey: str, folder: Path, settings: dict[str, object]) -> None:
        self.name = name
        self.port = free_port()
        self._command = [sys.executable, "-m", "cli", "serve", journey, "--port", str(self.port)]
        named = {f"DROPOFF_{key.upper()}": str(value) for key, value in settings.items()}
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **named}
        self._output = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; :meth:`wait` returns when it is ready."""
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait(self) -> None:
        """Return when it is ready; raises RuntimeError with what it said where it ends before."""
        if self.process is not None:
            try:
                wait_until_ready(self.port, self.process)
            except RuntimeError as error:
                raise RuntimeError(f"{self.name}: {error}; it said: {self.said()}") from error

    def send(self, number: signal.Signals) -> None:
        """Send its processes a signal: SIGKILL kills them, SIGSTOP lets them hang, SIGCONT go on."""
        if self.process is not None:
            os.killpg(self.process.pid, number)
            if number is signal.SIGKILL:
                self.process.wait(30)

    def stop(self) -> None:
        """Stop it as a rolling restart does, and return when it has ended."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def said(self) -> str:
        """Return what it has written."""
        return self._output.read_text(encoding="utf-8", errors="replace")


@dataclass
class ReplicaSet:
    """Replicas, what they share, and what stands before them; ``key`` opens all routes."""

    replicas: Sequence[Replica]
    nginx: Nginx
    database_url: str
    key: str


@contextmanager
def replica_set(
    count: int, home: Path, folder: Path, database_url: str, redis_url: str, journey: str = "", **settings: object
) -> Iterator[ReplicaSet]:
    """Run so many replicas, whose homes are copies of ``home``, until the end of the block; ready when it begins.

    ``journey`` is a name or a file's path, by default the shop that would nudge everybody.
    """
    if not journey:
        (folder / "eager.py").write_text(EAGER, encoding="utf-8")
        journey = str(folder / "eager.py")
    shared = {
        "database_url": database_url,
        "redis_url": redis_url,
        "id_secret": SECRET,
        "cookie_secret": SECRET,
        "shared": 1,
        "replicas": count,
        "trusted_proxies": "127.0.0.1",
        "drain_seconds": DRAIN_SECONDS,
        "lease_seconds": LEASE_SECONDS,
        "insights_refresh": 0,
    }
    key = _key(database_url)
    replicas = []
    for number in range(count):
        own = folder / f"home-{number}"
        shutil.copytree(home / "models", own / "models")
        replicas.append(Replica(f"replica-{number}", journey, folder, {**shared, "home": own, **settings}))
    with ExitStack() as stack:
        for one in replicas:
            stack.callback(_end, one)
            one.start()
        for one in replicas:
            one.wait()
        nginx = Nginx([one.port for one in replicas], folder / "nginx")
        stack.callback(nginx.stop)
        nginx.start()
        yield ReplicaSet(replicas, nginx, database_url, key)


def _end(replica: Replica) -> None:
    if replica.process is not None and replica.process.poll() is None:
        replica.send(signal.SIGCONT)
        replica.stop()


def _key(database_url: str) -> str:
    engine = open_database(database_url)
    try:
        with engine.begin() as connection:
            grant = Grant("load", frozenset({"write", "read", "admin"}))
            return KeyStore(engine).add(connection, grant, actor="benchmark", now_us=now_us()).text
    finally:
        engine.dispose()
