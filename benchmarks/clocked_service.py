"""The real service, by another clock: simulated days pass in minutes.

    python -m benchmarks.clocked_service JOURNEY PORT CLOCK

CLOCK is a file of eight bytes, the time in microseconds since 1970, which whoever drives the service writes.
"""

import mmap
import struct
import sys
from functools import partial
from pathlib import Path

_FORMAT = struct.Struct("<q")


class SharedClock:
    """A moment that two processes see."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_FORMAT.pack(0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORMAT.size)

    def __call__(self) -> int:
        """Return how late it is, in microseconds since 1970."""
        moment: int = _FORMAT.unpack_from(self._memory)[0]
        return moment

    def move_to(self, at_us: int) -> None:
        """Let it be this late, if it is not later already."""
        _FORMAT.pack_into(self._memory, 0, max(self(), at_us))


def serve_by(clock: SharedClock, journey: str, port: int) -> None:
    """Serve a journey until interrupted."""
    import serving.start
    from serving.open_runtime import open_runtime
    from serving.run import serve

    # The service asks for the time in one place, and nothing else of it is touched.
    vars(serving.start)["open_runtime"] = partial(open_runtime, clock=clock)
    serve(journey, port=port)


if __name__ == "__main__":
    serve_by(SharedClock(Path(sys.argv[3])), sys.argv[1], int(sys.argv[2]))
