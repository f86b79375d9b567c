"""Funnels over 50 million events: seconds and memory of ``dropoff funnel``, beside plain DuckDB over the same file.

Run: ``python -m benchmarks.funnel [--events N]``. Each command runs in a process of its own with two threads; compiled
code is there from a run over a small log before.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import duckdb

from benchmarks.report import Figure, Report

STEPS = ("view_product", "add_to_cart", "begin_checkout")
WINDOW = "30m"
_NAMES = (
    *("page_view", "view_category", "view_product", "search", "scroll", "add_to_cart", "view_cart", "begin_checkout"),
    *("enter_payment", "place_order", "zoom_image", "go_back"),
)
_GB = 1e6
_ROOT = Path(__file__).parents[1]

# The first later event of each step from every entry, and how many visitors get there in time. No row is checked, no
# duplicate looked for, and events of one moment are left to chance.
_PLAIN = """
WITH a AS (SELECT visitor_id, occurred_at FROM '{path}' WHERE name = '{steps[0]}'),
b AS (SELECT visitor_id, occurred_at FROM '{path}' WHERE name = '{steps[1]}'),
c AS (SELECT visitor_id, occurred_at FROM '{path}' WHERE name = '{steps[2]}'),
tried AS (
    SELECT a.visitor_id, b.occurred_at - a.occurred_at <= INTERVAL {window} AS second,
        c.occurred_at - a.occurred_at <= INTERVAL {window} AS third
    FROM a ASOF LEFT JOIN b ON a.visitor_id = b.visitor_id AND b.occurred_at > a.occurred_at
    ASOF LEFT JOIN c ON b.visitor_id = c.visitor_id AND c.occurred_at > b.occurred_at
)
SELECT count(DISTINCT visitor_id), count(DISTINCT visitor_id) FILTER (second),
    count(DISTINCT visitor_id) FILTER (third) FROM tried
"""
_PLAIN_PROGRAM = """
import duckdb, json, sys
connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GB", "temp_directory": sys.argv[2]})
print(json.dumps(connection.execute(sys.argv[1]).fetchall()[0]))
"""


class Took(NamedTuple):
    """What a process took: seconds by the clock and of work on all cores, and the most memory."""

    seconds: float
    cpu_seconds: float
    memory_gb: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.cpu_seconds:.1f} s, {self.memory_gb:.1f} GB"


class Ran(NamedTuple):
    """What a process took, and the counts that it gave."""

    took: Took
    counts: list[int]


def write_events(path: Path, events: int) -> None:
    """Write a canonical log: ten events a session, some two sessions a visitor, properties, rows not quite in order."""
    listed = ", ".join(f"'{name}'" for name in _NAMES)
    at_us = "1704067200000000 + i * 50000 + CAST(hash(i + 2) % 12000 AS BIGINT) * 50000 + i % 50000"
    popular = f"CAST(floor(pow((hash(i + 1) % 1000000) / 1e6, 1.6) * {len(_NAMES)}) AS INTEGER)"
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as connection:
        connection.execute(
            f"""COPY (SELECT printf('e%016x', hash(i)) AS event_id, printf('s%09d', i // 10) AS session_id,
                printf('v%09d', hash(i // 10) % {max(1, events // 20)}) AS visitor_id, NULL::VARCHAR AS user_id,
                [{listed}][1 + {popular}] AS name,
                make_timestamptz({at_us}) AS occurred_at,
                'web' AS channel, ['mobile', 'desktop', 'tablet'][1 + CAST(hash(i // 10 + 3) % 3 AS BIGINT)] AS device,
                ['ads', 'search', 'email', 'direct'][1 + CAST(hash(i // 10 + 4) % 4 AS BIGINT)] AS source,
                printf('{{"country":"%s","page":%d}}', ['DE', 'FR', 'PL'][1 + i // 10 % 3], i % 5000) AS properties
                FROM range({events}) AS rows(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
        )


def run_command(log: Path, folder: Path, *options: str) -> Ran:
    """Run ``dropoff funnel`` over the log."""
    out = folder / "funnel.json"
    command = [sys.executable, "-m", "cli", "funnel", "--log", str(log), "--steps", ",".join(STEPS)]
    command += ["--window", WINDOW, "--json", str(out), *options]
    took, _ = _measure(command, {"DROPOFF_HOME": str(folder / "home")})
    return Ran(took, [step["count"] for step in json.loads(out.read_text())["steps"]])


def run_plain(log: Path, folder: Path) -> Ran:
    """Count the same ordered funnel in plain DuckDB."""
    query = _PLAIN.format(path=log, steps=STEPS, window="'30 minutes'")
    took, printed = _measure([sys.executable, "-c", _PLAIN_PROGRAM, query, str(folder / "spill")], {})
    # A long query shows its progress first.
    return Ran(took, json.loads(printed.splitlines()[-1]))


def _measure(command: list[str], environment: dict[str, str]) -> tuple[Took, str]:
    """What the process took, and what it printed."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, env={**os.environ, **environment}, cwd=_ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        # Only this call tells the memory of one child, and not the largest of all so far.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, printed
    return Took(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / _GB), printed


def run(events: int = 50_000_000) -> Report:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        small, log = folder / "small.parquet", folder / "log.parquet"
        write_events(small, 20_000)
        write_events(log, events)
        ways: dict[str, tuple[str, ...]] = {
            "ordered": (),
            "ordered, by device": ("--by", "device"),
            "ordered, 10 minutes a step, one step excluded": ("--step-window", "10m", "--exclude", "go_back"),
            "strict": ("--order", "strict"),
            "unordered": ("--order", "unordered"),
            "ordered, by session": ("--count-by", "session"),
        }
        for options in ways.values():
            run_command(small, folder, *options)
        ran: dict[str, Ran] = {}
        for way, options in ways.items():
            ran[way] = run_command(log, folder, *options)
            print(way, ran[way], f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        plain = run_plain(log, folder)
        print("plain", plain, f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    assert plain.counts == ran["ordered"].counts, (plain.counts, ran["ordered"].counts)
    figures = [
        Figure(f"{events:,} events, {way}: seconds, of work, memory", str(one.took), "30 s") for way, one in ran.items()
    ]
    figures.append(Figure("the ordered counts in plain DuckDB: seconds, of work, memory", str(plain.took)))
    ratio = plain.took.cpu_seconds / ran["ordered"].took.cpu_seconds
    figures.append(Figure("work of plain DuckDB / of dropoff, ordered", f"{ratio:.1f} x"))
    return Report("Funnels", f"python -m benchmarks.funnel --events {events}", figures)


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000_000)
    Console().print(as_table(run(parser.parse_args().events)))
