"""How fast a backup is written and restored, between either kind of database.

    python -m benchmarks.backup --events 300000

The rows are events of a shop's size with their properties; the ratio is to a plain copy of the same SQLite database
(``VACUUM INTO``), which is what a backup costs at least.
"""

import argparse
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks.report import Figure, Report
from features.events import Event
from storage.backup.archive import open_archive
from storage.backup.make import make_backup
from storage.backup.restore import restore
from storage.database import database_url, open_database, writing
from storage.event_log import EventLog

_MB = 1e6
_EVENTS_AT_ONCE = 10_000
_PROPERTIES = {"product": "desk lamp", "price": 59.0, "basket_value": 118.0, "items": 2, "load_seconds": 0.8}


def run(events: int = 300_000) -> Report:
    """Fill a SQLite database; back it up and restore it into each kind, then PostgreSQL's likewise."""
    from tests.servers import PostgresServer

    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        Path(folder / "postgres").mkdir()
        server = PostgresServer(folder / "postgres")
        server.start()
        try:
            return _measure(folder, events, server.url)
        finally:
            server.stop()


def _measure(folder: Path, events: int, postgresql: str) -> Report:
    sqlite = database_url(folder / "home")
    _fill(sqlite, events)
    seconds: dict[str, float] = {}
    with _timed(seconds, "copy"), closing(sqlite3.connect(folder / "home" / "dropoff.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
    size = _back_up(seconds, "from SQLite", sqlite, folder / "first.backup")
    _put_back(seconds, "into PostgreSQL", folder / "first.backup", postgresql, folder / "new home")
    _back_up(seconds, "from PostgreSQL", postgresql, folder / "second.backup")
    _put_back(seconds, "into SQLite", folder / "second.backup", database_url(folder / "other"), folder / "other")
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    copied = (folder / "copy.db").stat().st_size
    return Report(
        "Backups of a database",
        f"python -m benchmarks.backup --events {events}",
        [
            Figure("events", f"{events:,}"),
            *(Figure(f"events a second, {way}", f"{events / seconds[way]:,.0f}") for way in seconds if way != "copy"),
            Figure(
                "time to write, to that of a plain copy of SQLite", f"{seconds['from SQLite'] / seconds['copy']:.1f} x"
            ),
            Figure("size, to that of a plain copy of SQLite", f"{size / copied:.2f} x ({size / _MB:,.0f} MB)"),
            Figure("peak memory of all of it", f"{peak_bytes / _MB:,.0f} MB"),
        ],
    )


def _fill(address: str, events: int) -> None:
    engine = open_database(address)
    log = EventLog(engine, "ecommerce")
    for start in range(0, events, _EVENTS_AT_ONCE):
        made = [
            Event(
                f"{number:032x}",
                "view_product",
                number * 1_000_000,
                f"visitor-{number // 12}",
                f"session-{number // 12}",
                None,
                number * 1_000_000,
                device="mobile",
                properties=_PROPERTIES,
            )
            for number in range(start, min(start + _EVENTS_AT_ONCE, events))
        ]
        with writing(engine) as connection:
            log.append(connection, made)
    engine.dispose()


def _back_up(seconds: dict[str, float], way: str, address: str, out: Path) -> int:
    with _timed(seconds, way), out.open("wb") as file:
        make_backup(address, out.parent / "no home", file)
    return out.stat().st_size


def _put_back(seconds: dict[str, float], way: str, backup: Path, address: str, home: Path) -> None:
    with _timed(seconds, way), backup.open("rb") as file, open_archive(file, str(backup)) as archive:
        restore(archive, address, home, actor="benchmark")


@contextmanager
def _timed(seconds: dict[str, float], way: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[way] = time.perf_counter() - started


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    Console().print(as_table(run(parser.parse_args().events)))
