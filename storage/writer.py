"""One thread that writes: many callers wait for one commit."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine

_MOST_WRITES_PER_COMMIT = 256

_T = TypeVar("_T")


class WriterClosed(RuntimeError):
    """A write was handed to a writer that has been closed."""


class _Job(NamedTuple):
    write: Callable[[Connection], Any]
    done: "Future[Any]"


class Writer:
    """Runs writes in the order of their arrival, as many as are waiting in one transaction.

    A write's future is done only after the commit that holds it. A write that fails takes no other with it: the
    transaction is then repeated write by write.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="dropoff-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Callable[[Connection], _T]) -> "Future[_T]":
        """Queue a write and return its future; raises :class:`WriterClosed` after :meth:`close`."""
        done: Future[_T] = Future()
        # Whoever waits may give up, but what is queued will be written: a running future cannot be cancelled.
        done.set_running_or_notify_cancel()
        with self._guard:
            if self._closed:
                raise WriterClosed("the service is stopping and takes no more writes")
            self._jobs.put(_Job(write, done))
        return done

    def close(self) -> None:
        """Write what is queued, then end the thread; closing twice is fine."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._engine.connect() as connection:
            writing = connection.execution_options(immediate=True)
            while (first := self._jobs.get()) is not None:
                jobs, last = self._waiting(first)
                self._commit(writing, jobs)
                if last:
                    return

    def _waiting(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < _MOST_WRITES_PER_COMMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _commit(self, connection: Connection, jobs: list[_Job]) -> None:
        try:
            with connection.begin():
                results = [job.write(connection) for job in jobs]
        except Exception as error:  # noqa: BLE001 (whatever a write raises belongs to its caller's future)
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
                return
            for job in jobs:
                self._commit(connection, [job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)
