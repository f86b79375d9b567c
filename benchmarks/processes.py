"""What processes have used of the machine."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_TIMES = slice(11, 15)
"""Of a process and of its children that have ended: user and system, fields of /proc/PID/stat after the name."""


def cpu_seconds(process: int) -> float:
    """Return the time that a process and all its descendants have worked, ended ones too, in seconds of a core."""
    return sum(_own_seconds(one) for one in (process, *_descendants(process)))


def thread_seconds(process: int) -> dict[int, float]:
    """Return the time that each living thread of a process has worked, in seconds of a core."""
    found = {}
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            found[int(task.name)] = 1e-9 * int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
    return found


def resident_bytes(process: int) -> int:
    """Return what a process holds in memory, shared pages divided among those that share them."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"the process {process} tells no memory")


def _own_seconds(process: int) -> float:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return 0.0
    # The name ends at the last bracket, whatever it holds.
    return sum(map(int, stat.rpartition(")")[2].split()[_TIMES])) / _TICKS


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    waiting = [process]
    while waiting:
        one = waiting.pop()
        try:
            threads = [*Path(f"/proc/{one}/task").iterdir()]
            children = [int(child) for thread in threads for child in (thread / "children").read_text().split()]
        except FileNotFoundError:
            continue
        found += children
        waiting += children
    return found
