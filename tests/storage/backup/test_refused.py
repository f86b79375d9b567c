"""A backup that is not whole changes nothing, nor does one whose restoration fails; and what was revoked stays so."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filled_database import ROWS, every_row, fill, kept, put
from servers import ROOT, PostgresServer
from sqlalchemy import Engine, insert, update

from features.events import Event
from insights.forget import erase_people
from storage.access_tables import ended_logins, keys
from storage.audit import ERASURE, names_visitor
from storage.backup.archive import BackupError
from storage.backup.make import make_backup
from storage.database import database_url, open_database, writing
from storage.erasure import Erasure
from storage.event_log import EventLog
from storage.leases import Leases
from storage.record_store import RecordStore

MINUTE_US = 60_000_000


def rewritten(backup: io.BytesIO, change: Callable[[tarfile.TarInfo, bytes], tuple[str, bytes] | None]) -> io.BytesIO:
    """Return the backup with each file as `change` wants it, or without it."""
    backup.seek(0)
    out = io.BytesIO()
    with tarfile.open(fileobj=backup) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            changed = change(member, file.read())
            if changed is not None:
                member.name, content = changed
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return out


@pytest.fixture
def small(tmp_path: Path, home: Path) -> io.BytesIO:
    """A backup of a SQLite database."""
    address = database_url(tmp_path / "kept")
    engine = open_database(address)
    fill(engine)
    engine.dispose()
    return kept(address, home)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda member, content: None if member.name == "contents.json" else (member.name, content), "cut short"),
        (lambda member, content: (member.name, content.replace(b"trees", b"leafs")), "was changed"),
        (lambda member, content: None if member.name.endswith("cookie") else (member.name, content), "was changed"),
        (lambda member, content: (member.name.replace("home/secrets/", "home/secrets/../"), content), "no backup"),
        (lambda member, content: (f"/{member.name}", content), "no backup"),
        (lambda member, content: (member.name, content.replace(b'"format":1', b'"format":9')), "another version"),
        (lambda member, content: None if member.name == "backup.json" else (member.name, content), "no backup"),
    ],
)
def test_one_that_is_not_as_it_was_made_is_refused(
    small: io.BytesIO,
    change: Callable[[tarfile.TarInfo, bytes], tuple[str, bytes] | None],
    said: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(BackupError, match=said):
        put(rewritten(small, change), database_url(tmp_path / "other"), tmp_path / "new home")
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "new home").exists()


@pytest.mark.parametrize("name", ["home/models/shop/challenger", "home/models/shop/champion"])
def test_one_that_somebody_has_added_to_is_refused(small: io.BytesIO, name: str, tmp_path: Path) -> None:
    small.seek(0)
    with tarfile.open(fileobj=small, mode="a") as tar:
        added = tarfile.TarInfo(name)
        added.size = 2
        tar.addfile(added, io.BytesIO(b"9\n"))
    with pytest.raises(BackupError, match=f"was changed after it was made .{name}"):
        put(small, database_url(tmp_path / "other"), tmp_path / "new home")
    assert not (tmp_path / "new home").exists()


@pytest.mark.parametrize("part", [0, 0.3, 0.6, 0.95])
def test_one_that_was_cut_off_is_refused(small: io.BytesIO, part: float, tmp_path: Path) -> None:
    content = small.getvalue()
    with pytest.raises(BackupError, match=r"cut short|damaged|no backup"):
        put(io.BytesIO(content[: int(part * len(content))]), database_url(tmp_path / "other"), tmp_path / "new home")
    assert not (tmp_path / "other").exists()


def test_what_is_there_is_replaced_only_when_that_is_said(
    small: io.BytesIO, engine: Engine, address: str, tmp_path: Path, home: Path
) -> None:
    _append(engine, "v", "theirs")
    with pytest.raises(BackupError, match="holds rows already"):
        put(small, address, tmp_path / "new home")
    with pytest.raises(BackupError, match="has models and secrets already"):
        put(small, database_url(tmp_path / "other"), home)
    assert [row["event_id"] for row in every_row(engine)["events"]] == ["theirs"]
    assert not any((tmp_path / "new home").iterdir())

    (home / "models/shop/champion").write_text("2\n")
    put(small, address, home, replace=True)
    assert "theirs" not in [row["event_id"] for row in every_row(engine)["events"]]
    assert (home / "models/shop/champion").read_text() == "1\n"
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []


def test_where_loading_fails_the_database_and_the_home_are_as_they_were(
    small: io.BytesIO, engine: Engine, address: str, home: Path
) -> None:
    _append(engine, "v", "theirs")
    (home / "models/shop/champion").write_text("2\n")
    before = every_row(engine)

    def mistaken(member: tarfile.TarInfo, content: bytes) -> tuple[str, bytes]:
        # Whole as a file, but the rows of one table are those of another.
        name = member.name
        if name == "contents.json":
            told = json.loads(content)
            told["files"]["database/tactics/000000.parquet"] = told["files"]["database/evidence/000000.parquet"]
            content = json.dumps(told).encode()
        return name, parts["evidence"] if name == "database/tactics/000000.parquet" else content

    small.seek(0)
    with tarfile.open(fileobj=small) as tar:
        file = tar.extractfile("database/evidence/000000.parquet")
        assert file is not None
        parts = {"evidence": file.read()}
    with pytest.raises(BackupError, match="is as it was"):
        put(rewritten(small, mistaken), address, home, replace=True)
    assert every_row(engine) == before
    assert (home / "models/shop/champion").read_text() == "2\n"
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []


KILLED = """
import os, pathlib, signal, sys
from storage.backup.archive import open_archive
from storage.backup.restore import restore

backup, address, home = sys.argv[1:]

def killed(phase, fraction):
    if phase == "writing the database" and fraction > 0.5:
        os.kill(os.getpid(), signal.SIGKILL)

with open(backup, "rb") as file, open_archive(file, backup) as archive:
    restore(archive, address, pathlib.Path(home), replace=True, actor="tester", progress=killed)
"""


def test_killed_by_force_in_its_midst_it_leaves_everything_as_it_was(
    small: io.BytesIO, engine: Engine, address: str, home: Path, tmp_path: Path
) -> None:
    _append(engine, "v", "theirs")
    (home / "models/shop/champion").write_text("2\n")
    before = every_row(engine)
    backup = tmp_path / "a.backup"
    backup.write_bytes(small.getvalue())
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(backup), address, str(home)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL
    assert every_row(engine) == before
    assert (home / "models/shop/champion").read_text() == "2\n"
    # And it can be done again.
    put(small, address, home, replace=True)
    assert len(every_row(engine)["events"]) == ROWS
    assert (home / "models/shop/champion").read_text() == "1\n"
    # Nor are the secrets left that lay ready beside the home's own.
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []


def test_nothing_is_restored_under_a_service_that_serves(
    small: io.BytesIO, engine: Engine, address: str, tmp_path: Path
) -> None:
    with writing(engine) as connection:
        assert Leases(engine).take(connection, "sweep", "somebody", 30.0)
    with pytest.raises(BackupError, match="a service is serving"):
        put(small, address, tmp_path / "new home", replace=True)
    with writing(engine) as connection:
        Leases(engine).release(connection, "sweep", "somebody")
    put(small, address, tmp_path / "new home", replace=True)
    assert len(every_row(engine)["events"]) == ROWS


def test_whom_people_erased_since_the_backup_is_erased_again(
    engine: Engine, address: str, home: Path, tmp_path: Path
) -> None:
    for visitor in ("stays", "goes", "went before"):
        _append(engine, visitor, f"of {visitor}")
    _erase(engine, "went before", time.time_ns() // 1_000 - 2 * MINUTE_US)
    _append(engine, "went before", "came back")
    backup = kept(address, home)
    _erase(engine, "goes", time.time_ns() // 1_000)

    restored = put(backup, address, tmp_path / "new home", replace=True)

    rows = every_row(engine)
    assert restored.erased == 1
    assert {row["event_id"] for row in rows["events"]} == {"of stays", "came back"}
    again = rows["audit"][-1]
    assert (again["action"], again["actor"]) == (ERASURE, "tester")
    assert names_visitor(again["subject"], "goes")


def test_whom_people_erased_stays_erased_when_a_backup_without_and_then_an_older_one_with_them_is_restored(
    engine: Engine, address: str, home: Path, tmp_path: Path
) -> None:
    nobody = kept(address, home)
    _append(engine, "goes", "of goes")
    somebody = kept(address, home)
    _erase(engine, "goes", time.time_ns() // 1_000)

    assert put(nobody, address, tmp_path / "one", replace=True).erased == 0
    assert put(nobody, address, tmp_path / "two", replace=True).erased == 0
    (told,) = every_row(engine)["audit"]
    assert (told["action"], told["actor"]) == (ERASURE, "somebody")
    assert put(somebody, address, tmp_path / "three", replace=True).erased == 1
    assert every_row(engine)["events"] == []


def test_keys_and_logins_stay_as_they_are_when_rows_go_back(
    engine: Engine, address: str, home: Path, tmp_path: Path
) -> None:
    def key(name: str, revoked_us: int | None = None) -> dict[str, object]:
        row = {"key_id": name, "name": name, "permissions": "read", "secret_hash": "h", "created_us": 1}
        return row | {"revoked_us": revoked_us}

    with writing(engine) as connection:
        connection.execute(insert(keys), [key("kept"), key("stolen"), key("old", 3)])
    backup = kept(address, home)
    with writing(engine) as connection:
        connection.execute(update(keys).where(keys.c.key_id == "stolen").values(revoked_us=7))
        connection.execute(insert(keys), key("new"))
        connection.execute(insert(ended_logins), {"login_id": "out", "until_us": 9})

    put(backup, address, tmp_path / "new home", replace=True)

    rows = every_row(engine)
    revoked = {row["key_id"]: row["revoked_us"] for row in rows["keys"]}
    assert revoked == {"kept": None, "stolen": 7, "old": 3, "new": None}
    assert [row["login_id"] for row in rows["ended_logins"]] == ["out"]


def test_where_no_database_is_replaced_nothing_is_known_of_the_time_since(small: io.BytesIO, tmp_path: Path) -> None:
    restored = put(small, database_url(tmp_path / "other"), tmp_path / "new home")
    assert (restored.erased, restored.keys) == (None, None)


def test_a_database_that_nobody_has_used_yet_knows_nothing_of_the_time_since_either(
    small: io.BytesIO, engine: Engine, address: str, tmp_path: Path
) -> None:
    restored = put(small, address, tmp_path / "new home")
    assert len(every_row(engine)["events"]) == ROWS
    assert (restored.erased, restored.keys) == (None, None)


def test_a_home_or_database_with_nothing_to_keep_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no database"):
        make_backup(database_url(tmp_path), tmp_path, io.BytesIO())
    with pytest.raises(BackupError, match="nothing to keep"):
        make_backup(database_url(tmp_path), tmp_path, io.BytesIO(), with_database=False)


def test_an_empty_database_of_somebody_else_is_no_backup(postgres_server: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds nothing of dropoff"):
        make_backup(postgres_server.new_database("strangers"), tmp_path, io.BytesIO())


def _append(engine: Engine, visitor: str, event_id: str) -> None:
    now_us = time.time_ns() // 1_000
    with writing(engine) as connection:
        EventLog(engine, "shop").append(connection, [Event(event_id, "page_view", 1, visitor, "s", None, now_us)])


def _erase(engine: Engine, visitor: str, at_us: int) -> None:
    with writing(engine) as connection:
        erase_people(connection, Erasure(engine, "shop"), RecordStore(engine, "shop"), [visitor], "somebody", at_us)
