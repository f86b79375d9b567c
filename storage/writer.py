"""One thread that writes: many callers wait for one commit."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine

from storage.database import connect_writer
from storage.failures import is_lost, is_unavailable

_MOST_WRITES_PER_COMMIT = 256
_MUCH_PER_COMMIT = 5_000
"""A commit that holds so much takes in no more: other processes wait for their turn meanwhile."""
_MOST_WAITING = 100_000

_Item = TypeVar("_Item")
_T = TypeVar("_T")


class WriterClosed(RuntimeError):
    """A write was handed to a writer that has been closed."""


class WriterFull(RuntimeError):
    """As much is waiting to be written as may wait."""


class Written(NamedTuple):
    """What one turn came to: ``writes`` in one transaction, for ``seconds``; the first had waited ``waited_seconds``.

    ``failed`` of them raised something: what they raised is with whoever handed them in.
    """

    writes: int
    failed: int
    waited_seconds: float
    seconds: float


class Job(NamedTuple):
    """What was handed in: what writes it, by itself or ``together`` with its like, and what it was marked with."""

    together: Callable[[Connection, Sequence[Any]], Sequence[Any]]
    item: Any
    size: int
    done: "Future[Any]"
    submitted: float
    mark: object


def _alone(connection: Connection, writes: Sequence[Callable[[Connection], _T]]) -> list[_T]:
    return [write(connection) for write in writes]


def _ignore(_written: Written) -> None:
    pass


class Writer:
    """Runs writes in the order of their arrival, as many as are waiting in one transaction, and some in one go.

    A write's future is done only after the commit that holds it. A write that fails takes no other with it: the
    transaction is then repeated write by write. Where the database can serve nobody all of them fail at once, and the
    next ones connect anew. ``most_waiting`` bounds the sizes, such as numbers of events, of what waits together.
    ``told`` hears of every turn, in the thread that writes.
    """

    told: Callable[[Written], None] = staticmethod(_ignore)

    def __init__(self, engine: Engine, most_waiting: int = _MOST_WAITING) -> None:
        self._engine = engine
        self._most_waiting = most_waiting
        self._waiting = 0
        self._oldest: float | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closed = False
        self._guard = threading.Lock()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="dropoff-writer", daemon=True)
        self._thread.start()

    def submit(self, write: Callable[[Connection], _T], size: int = 1) -> "Future[_T]":
        """Queue a write and return its future.

        Raises :class:`WriterClosed` after :meth:`close`, and :class:`WriterFull` where too much is waiting; a write
        of whatever size is taken where nothing is.
        """
        return self.submit_to(_alone, write, size)

    def submit_to(
        self, together: Callable[[Connection, Sequence[_Item]], Sequence[_T]], item: _Item, size: int = 1
    ) -> "Future[_T]":
        """Queue what is written ``together`` with all that waits for the same, at the turn of the first of them.

        The items are handed over in the order of their arrival, and what is returned has to be in that order. Raises
        what :meth:`submit` does.
        """
        done: Future[_T] = Future()
        # Whoever waits may give up, but what is queued will be written: a running future cannot be cancelled.
        done.set_running_or_notify_cancel()
        with self._guard:
            if self._closed:
                raise WriterClosed("the service is stopping and takes no more writes")
            if self._waiting and self._waiting + size > self._most_waiting:
                raise WriterFull(f"{self._waiting:,} events and other writes wait for the database already")
            self._waiting += size
            self._jobs.put(Job(together, item, size, done, time.monotonic(), self._mark(done)))
        return done

    @property
    def waiting(self) -> int:
        """The sizes, such as numbers of events, of all that is not committed yet."""
        return self._waiting

    @property
    def oldest_seconds(self) -> float:
        """For how long the oldest of what is being written has waited; 0 where nothing is."""
        oldest = self._oldest
        return 0.0 if oldest is None else time.monotonic() - oldest

    def close(self) -> None:
        """Write what is queued, then end the thread; closing twice is fine."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last and (first := self._jobs.get()) is not None:
            jobs, last = self._together(first)
            self._oldest, began = first.submitted, time.monotonic()
            self._commit(jobs)
            with self._guard:
                self._waiting -= sum(job.size for job in jobs)
            self._oldest = None
            failed = sum(job.done.exception() is not None for job in jobs)
            self.told(Written(len(jobs), failed, began - first.submitted, time.monotonic() - began))
        self._disconnect()

    def _together(self, first: Job) -> tuple[list[Job], bool]:
        jobs, size = [first], first.size
        while len(jobs) < _MOST_WRITES_PER_COMMIT and size < _MUCH_PER_COMMIT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
            size += job.size
        return jobs, False

    def _commit(self, jobs: list[Job]) -> None:
        try:
            results = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 (whatever a write raises belongs to its caller's future)
            if len(jobs) == 1 or is_unavailable(error):
                for job in jobs:
                    job.done.set_exception(error)
                return
            for job in jobs:
                self._commit([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)

    def _transact(self, jobs: list[Job]) -> list[Any]:
        written = False
        try:
            with self._connected().begin():
                results = self._write_all(jobs)
                written = True
            return results
        except Exception as error:
            if is_unavailable(error):
                self._disconnect()
            # A connection that ended while nobody used it is noticed only now. One that ends at the commit may have
            # committed: then it is not for us to write again.
            if written or not is_lost(error):
                raise
        with self._connected().begin():
            return self._write_all(jobs)

    def _write_all(self, jobs: list[Job]) -> list[Any]:
        """Return what came of each job, of which those that are written together are so at the turn of the first."""
        results: list[Any] = [None] * len(jobs)
        for places in _groups(jobs):
            written = self._write(self._connected(), [jobs[place] for place in places])
            for place, result in zip(places, written, strict=True):
                results[place] = result
        return results

    def _write(self, connection: Connection, jobs: Sequence[Job]) -> Sequence[Any]:
        """Write jobs that go together; whoever watches what is written overrides this."""
        return jobs[0].together(connection, [job.item for job in jobs])

    def _mark(self, done: "Future[Any]") -> object:  # noqa: ARG002 (those who override it ask for it)
        """Return what a job is marked with when it is handed in; for whoever overrides :meth:`_write`."""
        return None

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = connect_writer(self._engine)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _groups(jobs: Sequence[Job]) -> Iterable[list[int]]:
    """Return the places of jobs by what writes them, each write of its own apart, in the order of the first."""
    groups: dict[object, list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(place if job.together is _alone else job.together, []).append(place)
    return groups.values()
