"""Parts of a long job worked on by Dask's workers; the parts of a worker that is lost are done again by others."""

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from features.cluster_workers import ClusterError, require_shared, require_there, scratch_root
from features.store_path import remove_folder

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")

# Enough that no worker waits for one that is slow, and few enough that results do not fill the memory.
_PARTS_PER_WORKER = 2
_LOOK_SECONDS = 2.0
_WITHOUT_WORKERS_SECONDS = 60.0


class DaskEngine:
    """The workers that a client of Dask knows, each with one thread for a part."""

    def __init__(self, client: Any, address: str, local_workers: int | None = None) -> None:
        self.client = client
        self.address = address
        self._local_workers = local_workers
        self._last_event = max((stamp for stamp, _ in client.get_events("all")), default=0.0)

    @property
    def workers(self) -> int:
        """How many parts are worked on at once; at least one, as lost workers are waited for."""
        return max(1, sum(int(threads) for threads in self.client.nthreads().values()))

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
        what ``work`` raises, and :class:`ClusterError` where no worker is left or parts cost one worker after another.
        """
        waiting = deque[Any]()
        try:
            for part in parts:
                waiting.append(self.client.submit(work, part, pure=False))
                if len(waiting) >= _PARTS_PER_WORKER * self.workers:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            if waiting:
                self.client.cancel(list(waiting))

    def require_seen(self, path: Path) -> None:
        """Raise :class:`ClusterError` where a worker does not see a file or folder that is seen here."""
        require_there(self.client, path)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a folder that all workers see, in ``DROPOFF_SCRATCH`` or here, and remove it afterwards.

        Raises :class:`ClusterError` where a worker does not see it.
        """
        folder = (scratch_root() or Path(tempfile.gettempdir())) / f"dropoff-{uuid4().hex}"
        folder.mkdir(parents=True)
        try:
            require_shared(self.client, folder)
            yield folder
        except BaseException:
            if self._local_workers is not None:
                # Nobody stops what a worker is at, and it would write into a folder that is being removed.
                self.client.cluster.close()
            raise
        finally:
            remove_folder(folder)

    def _result(self, future: Any) -> Any:
        import distributed

        alone_since: float | None = None
        while not future.done():
            try:
                distributed.wait(future, timeout=_LOOK_SECONDS)  # type: ignore[no-untyped-call]
            except TimeoutError:
                self._replace_lost()
                alone_since = None if self._has_workers() else alone_since or time.monotonic()
                if alone_since is not None and time.monotonic() - alone_since > _WITHOUT_WORKERS_SECONDS:
                    raise ClusterError(
                        f"the cluster {self.address} has had no worker for {_WITHOUT_WORKERS_SECONDS:.0f} s; start "
                        "some and run the command again"
                    ) from None
        try:
            return future.result()
        except distributed.KilledWorker as error:
            raise ClusterError(
                "one part of the work was lost with each worker that took it: they may be short of memory; take fewer "
                "workers, or smaller parts"
            ) from error
        except distributed.CancelledError as error:
            raise ClusterError(
                f"the scheduler of the cluster {self.address} has gone; run the command again"
            ) from error

    def _replace_lost(self) -> None:
        # What starts killed workers again gives up on one that is killed while it starts.
        if self._local_workers is not None and len(self.client.nthreads()) < self._local_workers:
            self.client.cluster.scale(self._local_workers)

    def _has_workers(self) -> bool:
        return bool(self.client.nthreads())
