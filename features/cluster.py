"""A cluster of Dask workers to work on the parts of a long job: processes of this machine, or of any others."""

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from features.cluster_workers import ClusterError, require_same

if TYPE_CHECKING:
    from features.cluster_engine import DaskEngine

_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
_REMOTE = re.compile(r"(tcp|tls|ws|wss)://[^\s:/]+:[0-9]+|(tcp|tls)://\[[0-9a-fA-F:]+\]:[0-9]+")
_CONNECTING_SECONDS = 15


def local_workers(address: str) -> int | None:
    """Return how many processes ``local:N`` asks for, None for a scheduler's address.

    Raises :class:`ClusterError` for what is neither.
    """
    if found := _LOCAL.fullmatch(address):
        return int(found[1])
    if not _REMOTE.fullmatch(address):
        raise ClusterError(
            f"{address!r} is no cluster: write local:4 for four processes of this machine, or the address of a Dask "
            "scheduler, tcp://host:8786"
        )
    return None


@contextmanager
def open_engine(address: str) -> Iterator["DaskEngine"]:
    """Yield the engine of ``local:N``, started and ended here, or of a Dask scheduler at ``tcp://host:port``.

    Raises :class:`ClusterError` where nobody answers, nobody works there, or other code is installed there.
    """
    count = local_workers(address)
    try:
        import dask.config
        import distributed
    except ImportError as error:
        raise ClusterError("a cluster needs packages that are not installed: pip install 'dropoff[cluster]'") from error
    from features.cluster_engine import DaskEngine

    # A worker that starts slowly, as on a machine that is short of memory, is not given up at once.
    patience = {"distributed.deploy.lost-worker-timeout": "60s"}
    with _quiet(), dask.config.set(patience), ExitStack() as stack:
        if count is None:
            client = stack.enter_context(_connected(address))
        else:
            # One thread each: Python's lock is a process's, and DuckDB and the kernel would share the cores anyway.
            cluster = distributed.LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=count,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=_SILENT,
                preload=_DEAF,
            )
            stack.enter_context(cluster)
            client = stack.enter_context(distributed.Client(cluster))  # type: ignore[no-untyped-call]
        require_same(client)
        yield DaskEngine(client, address, count)


_SILENT = logging.CRITICAL + 1
# A terminal sends Ctrl-C to the workers as well, each of which would tell of it at length; this process ends them.
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    import distributed

    try:
        client = distributed.Client(address, timeout=_CONNECTING_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} within {_CONNECTING_SECONDS} s; start one with: dask scheduler"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECTING_SECONDS)
        except TimeoutError as error:
            raise ClusterError(
                f"the scheduler at {address} has no worker; start some with: dask worker {address} --nthreads 1"
            ) from error
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log of workers that come and go off the terminal; what counts is said in a sentence."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado.application")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(_SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
