"""Where the parts of a long job are worked on: in this process, or on a cluster (``features.cluster``)."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


class Engine(Protocol):
    """Works on parts; ``workers`` at a time, each with so many ``threads``."""

    @property
    def workers(self) -> int:
        """How many parts are worked on at once."""

    @property
    def threads(self) -> int:
        """How many threads the work on one part may take."""

    def map(self, work: Callable[[_Part], _Result], parts: Sequence[_Part]) -> Iterator[_Result]:
        """Yield what ``work`` makes of each part, in the order of the parts, with a bounded number waiting.

        ``work`` may run twice on a part whose worker was lost, so it must not change what another part reads.
        """

    def require_seen(self, path: Path) -> None:
        """Raise an error that says what to do where a worker does not see a file or folder that is seen here."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Return a folder that all workers see and that is gone afterwards."""


@dataclass(frozen=True, slots=True)
class Here:
    """This process, one part after the other."""

    threads: int = 2

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def map(self, work: Callable[[_Part], _Result], parts: Sequence[_Part]) -> Iterator[_Result]:
        """Yield what ``work`` makes of each part, which is worked on when it is asked for."""
        return map(work, parts)

    def require_seen(self, path: Path) -> None:
        """Do nothing: what is seen here is seen by this process."""

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield a temporary folder."""
        with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
            yield Path(folder)


HERE: Engine = Here()
