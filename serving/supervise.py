"""Several workers on one socket: started together, replaced when they end, stopped together.

This process answers nobody and stays small: it has loaded neither model nor framework.
"""

import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from serving.configuration import METRICS_FOLDER
from serving.errors import StartError

_LOG = logging.getLogger("dropoff.serving")
_ROOT = Path(__file__).parents[1]
_LOOK_SECONDS = 0.2
STOP_SECONDS = 20.0
"""Workers that have not ended so long after they were to stop answering are ended by force."""
SILENT_SECONDS = 30.0
"""A worker whose loop has not turned for so long is ended by force, and replaced."""
_SETTLED_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.5


@dataclass
class _Worker:
    """One place among the workers, and the process that fills it."""

    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    began: float = 0.0
    heard: float = 0.0
    is_ready: bool = False
    said: bytearray = field(default_factory=bytearray)
    error: str = ""
    failures: int = 0
    not_before: float = 0.0


def supervise(listening: socket.socket, workers: int, ready: Callable[[], None], drain_seconds: float = 0.0) -> None:
    """Run so many workers on a bound socket until SIGINT or SIGTERM; ``ready`` is called once, when all answer.

    A worker that ends is replaced: at once, or after a pause that doubles where it did not get as far as answering for
    ten seconds. Raises :class:`StartError` where one of the first cannot start. For ``drain_seconds``
    workers go on that are asked to stop.
    """
    with tempfile.TemporaryDirectory(prefix="dropoff-metrics-") as folder, _stop_signals() as stopping:
        environment = {
            **os.environ,
            "DROPOFF_WORKERS": str(workers),
            METRICS_FOLDER: folder,
            "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        _Supervisor(
            listening, environment, Path(folder), [_Worker() for _ in range(workers)], ready, stopping, drain_seconds
        ).run()
        received = stopping[:1]
    for number in received:
        # How a program ends that a signal ends, for whoever waits for it.
        signal.raise_signal(number)


@dataclass
class _Supervisor:
    listening: socket.socket
    environment: dict[str, str]
    metrics: Path
    workers: list[_Worker]
    ready: Callable[[], None]
    stopping: list[signal.Signals]
    drain_seconds: float = 0.0
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    was_ready: bool = False

    def run(self) -> None:
        try:
            looked = time.monotonic()
            while not self.stopping:
                self._fill()
                self._hear(_LOOK_SECONDS)
                now = time.monotonic()
                # Where this process itself was stopped, it has heard nobody meanwhile.
                was_away, looked = now - looked > SILENT_SECONDS / 2, now
                for worker in self.workers:
                    if was_away:
                        worker.heard = now
                    self._look_after(worker, now)
                if not self.was_ready and all(worker.is_ready for worker in self.workers):
                    self.was_ready = True
                    self.ready()
        finally:
            self._stop_all()
            self.selector.close()

    def _fill(self) -> None:
        for worker in self.workers:
            if worker.process is None and time.monotonic() >= worker.not_before:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        own, others = socket.socketpair()
        with others:
            shared = (self.listening.fileno(), others.fileno())
            worker.process = subprocess.Popen(  # noqa: S603 (this interpreter, and two numbers)
                [sys.executable, "-m", "serving.worker", *map(str, shared)],
                env=self.environment,
                pass_fds=shared,
                stdin=subprocess.DEVNULL,
            )
        own.setblocking(False)
        worker.channel, worker.said, worker.error, worker.is_ready = own, bytearray(), "", False
        worker.began = worker.heard = time.monotonic()
        self.selector.register(own, selectors.EVENT_READ, worker)

    def _hear(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            worker: _Worker = key.data
            try:
                said = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            except (BlockingIOError, ConnectionResetError):
                continue
            if not said:
                self.selector.unregister(key.fileobj)
                continue
            worker.said += said
            *lines, rest = bytes(worker.said).split(b"\n")
            worker.said = bytearray(rest)
            for line in lines:
                told = json.loads(line)
                worker.heard = time.monotonic()
                worker.is_ready = worker.is_ready or "ready" in told
                worker.error = told.get("error", worker.error)

    def _look_after(self, worker: _Worker, now: float) -> None:
        if worker.process is None:
            return
        if worker.process.poll() is not None:
            self._hear(0)
            self._replace(worker, now)
        elif worker.is_ready and now - worker.heard > SILENT_SECONDS:
            _LOG.warning("The worker %d has not moved for %.0f s and is ended.", worker.process.pid, SILENT_SECONDS)
            worker.process.kill()

    def _replace(self, worker: _Worker, now: float) -> None:
        process, status = worker.process, worker.process.returncode if worker.process else 0
        self._forget(worker)
        if not self.was_ready:
            raise StartError(worker.error or "a worker did not start: the lines above say why")
        settled = worker.is_ready and now - worker.began > _SETTLED_SECONDS
        worker.failures = 0 if settled else worker.failures + 1
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (worker.failures - 1), _LONGEST_PAUSE_SECONDS) if worker.failures else 0
        worker.not_before = now + pause
        how = f"signal {-status}" if status < 0 else f"status {status}"
        what = f"{worker.error}; " if worker.error else ""
        _LOG.warning("The worker %d has ended (%s%s); another takes its place.", process and process.pid, what, how)

    def _forget(self, worker: _Worker) -> None:
        if worker.process is not None:
            # What stood in its gauges goes with it; what it has counted stays.
            for pattern in (f"gauge_live*_{worker.process.pid}.db", f"drift_{worker.process.pid}_*.npy"):
                for file in self.metrics.glob(pattern):
                    file.unlink(missing_ok=True)
        if worker.channel is not None:
            if worker.channel in {key.fileobj for key in self.selector.get_map().values()}:
                self.selector.unregister(worker.channel)
            worker.channel.close()
        worker.process, worker.channel = None, None

    def _stop_all(self) -> None:
        # Once the last worker has closed its own, nobody gets as far as waiting for an answer that does not come.
        self.listening.close()
        running = [worker.process for worker in self.workers if worker.process is not None]
        for process in running:
            process.terminate()
        until = time.monotonic() + self.drain_seconds + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _LOG.warning("The worker %d does not end and is ended by force.", process.pid)
                process.kill()
                process.wait()
        for worker in self.workers:
            self._forget(worker)


@contextmanager
def _stop_signals() -> Iterator[list[signal.Signals]]:
    """Yield a list that SIGINT and SIGTERM are added to; what they did before they do again afterwards."""
    received: list[signal.Signals] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
