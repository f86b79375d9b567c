"""Processor time of running servers, as the kernel counts it."""

import os
from collections.abc import Sequence
from pathlib import Path

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_NANO = 1e-9


def thread_seconds(pid: int) -> dict[int, float]:
    """Return the seconds of processor time of each living thread of a process."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found[int(task.name)] = _NANO * int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found


def family_seconds(pid: int) -> float:
    """Return the seconds of a process, of those that it has started, and of those of them that have ended."""
    own = _seconds(pid)
    return own + sum(map(family_seconds, _children(pid)))


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory, shared pages divided among those that share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"the process {pid} tells no memory")


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # utime, stime, cutime, cstime: the last two are of children that have ended.
    return _TICK_SECONDS * sum(map(int, fields[11:15]))


def _children(pid: int) -> Sequence[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
