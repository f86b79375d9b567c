"""Parts of a long job worked on by Dask's workers; the parts of a worker that is lost are done again by others."""

import logging
import platform
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from features.cluster_workers import (
    ClusterError,
    compare_code,
    describe_code,
    require_shared,
    require_there,
    scratch_root,
)
from features.store_path import remove_folder

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")

# Enough that no worker waits for one that is slow, and few enough that results do not fill the memory.
_PARTS_PER_WORKER = 2
_LOOK_SECONDS = 2.0
_WITHOUT_WORKERS_SECONDS = 60.0
# Work that knows all files of a long log or many people would pass through the scheduler with every part.
_MOST_SENT_BYTES = 1 << 20
_REMOVING_TRIES = 3


@dataclass(frozen=True, slots=True)
class SentWork:
    """Work on parts, packed by Dask's pickle, here or in a file that every worker sees; and the code it is meant for.

    A worker may have joined after all the others were asked, so each part asks.
    """

    packed: bytes | Path = field(repr=False)
    code: Mapping[str, str]

    def __call__(self, part: Any) -> Any:
        """Return what the work makes of a part; raises :class:`ClusterError` where other code is installed."""
        from distributed.protocol.pickle import loads

        compare_code(self.code, {platform.node(): describe_code()})
        packed = self.packed.read_bytes() if isinstance(self.packed, Path) else self.packed
        return loads(packed)(part)  # type: ignore[no-untyped-call]


class DaskEngine:
    """The workers that a client of Dask knows, each with one thread for a part."""

    def __init__(self, client: Any, address: str, local_workers: int | None = None) -> None:
        self.client = client
        self.address = address
        self._local_workers = local_workers
        self._folder: Path | None = None
        self._last_event = max((stamp for stamp, _ in client.get_events("all")), default=0.0)

    @property
    def workers(self) -> int:
        """How many parts are worked on at once; at least one, as lost workers are waited for."""
        return max(1, sum(self._threads_of_workers().values()))

    @property
    def threads(self) -> int:
        """How many threads the work on one part may take."""
        return 1

    @property
    def lost(self) -> int:
        """How many workers have been lost since this engine was opened."""
        return sum(
            not event.get("expected", True)
            for stamp, event in self.client.get_events("all")
            if stamp > self._last_event and event.get("action") == "remove-worker"
        )

    def map(self, work: Callable[[_Part], _Result], parts: Sequence[_Part]) -> Iterator[_Result]:
        """Yield what ``work`` makes of each part, in the order of the parts, two parts a worker ahead at most.

        ``work`` may run twice on a part whose worker was lost, so it must not change what another part reads. Raises
        what ``work`` raises, and :class:`ClusterError` where no worker is left, the scheduler has gone, parts cost one
        worker after another, or a worker that has joined meanwhile runs other code.
        """
        waiting = deque[Any]()
        sent = self._send(work)
        try:
            for part in parts:
                waiting.append(self.client.submit(sent, part, pure=False))
                if len(waiting) >= _PARTS_PER_WORKER * self.workers:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            if waiting:
                # Where the scheduler has gone there is nothing to cancel.
                with suppress(OSError):
                    self.client.cancel(list(waiting))

    def require_seen(self, path: Path) -> None:
        """Raise :class:`ClusterError` where a worker does not see a file or folder that is seen here."""
        require_there(self.client, path)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a folder that all workers see, in ``DROPOFF_SCRATCH`` or here, and remove it afterwards.

        Raises :class:`ClusterError` where a worker does not see it.
        """
        root = scratch_root()
        folder = (root or Path(tempfile.gettempdir())).absolute() / f"dropoff-{uuid4().hex}"
        # What is staged tells of people. Workers elsewhere may have another account, for which the root is chosen.
        is_own = root is None or self._local_workers is not None
        folder.mkdir(mode=0o700 if is_own else 0o777, parents=True)
        try:
            require_shared(self.client, folder)
            self._folder = folder
            yield folder
        except BaseException:
            if self._local_workers is not None:
                # Nobody stops what a worker is at, and it would write into a folder that is being removed.
                self.client.cluster.close()
            raise
        finally:
            self._folder = None
            _remove(folder)

    def _send(self, work: Callable[[Any], Any]) -> SentWork:
        from distributed.protocol.pickle import dumps

        packed: bytes = dumps(work)  # type: ignore[no-untyped-call]
        if self._folder is None or len(packed) <= _MOST_SENT_BYTES:
            return SentWork(packed, describe_code())
        file = self._folder / f"work-{uuid4().hex}"
        file.write_bytes(packed)
        return SentWork(file, describe_code())

    def _result(self, future: Any) -> Any:
        import distributed

        try:
            self._wait_for(future)
            return future.result()
        except distributed.KilledWorker as error:
            raise ClusterError(
                "one part of the work was lost with each worker that took it: they may be short of memory; take fewer "
                "workers, or smaller parts"
            ) from error
        except distributed.CancelledError as error:
            raise self._gone() from error

    def _wait_for(self, future: Any) -> None:
        import distributed

        alone_since: float | None = None
        while not future.done():
            try:
                distributed.wait(future, timeout=_LOOK_SECONDS)  # type: ignore[no-untyped-call]
            except TimeoutError:
                self._replace_lost()
                alone_since = None if self._threads_of_workers() else alone_since or time.monotonic()
                if alone_since is not None and time.monotonic() - alone_since > _WITHOUT_WORKERS_SECONDS:
                    raise ClusterError(
                        f"the cluster {self.address} has had no worker for {_WITHOUT_WORKERS_SECONDS:.0f} s; start "
                        "some and run the command again"
                    ) from None

    def _replace_lost(self) -> None:
        # What starts killed workers again gives up on one that is killed while it starts.
        if self._local_workers is not None and len(self._threads_of_workers()) < self._local_workers:
            self.client.cluster.scale(self._local_workers)

    def _threads_of_workers(self) -> Mapping[str, int]:
        try:
            found: Mapping[str, int] = self.client.nthreads()
        except OSError as error:
            raise self._gone() from error
        return found

    def _gone(self) -> ClusterError:
        return ClusterError(f"the scheduler of the cluster {self.address} has gone; run the command again")


def _remove(folder: Path) -> None:
    """Remove a folder; where that fails, say so: what was made of it is not to be lost."""
    # A worker that was given up may still be writing.
    for left in reversed(range(_REMOVING_TRIES)):
        try:
            return remove_folder(folder)
        except FileNotFoundError:
            if not folder.exists():
                return None
        except OSError as error:
            if not left:
                logging.getLogger(__name__).warning("The scratch folder %s cannot be removed: %s", folder, error)
        time.sleep(0.2)
    return None
