"""``dropoff backup`` and ``dropoff restore`` as people type them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filled_database import ROWS, every_row, fill
from newsletter import call
from servers import ROOT

from storage.database import database_url, open_database
from storage.schema import metadata
from storage.secrets import local_secret

pytestmark = pytest.mark.xdist_group("cli")
ALL_ROWS = ROWS * len(metadata.tables)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a secret and a database with rows in every table."""
    home = tmp_path / "home"
    monkeypatch.setenv("DROPOFF_HOME", str(home))
    local_secret(home, "cookie")
    engine = open_database(database_url(home))
    fill(engine)
    engine.dispose()
    return home


def test_a_backup_in_a_folder_is_checked_and_restored_elsewhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    told = tmp_path / "told.json"
    ran = call("backup", "--out", f"{folder}/", "--keep", 2, "--json", told)
    (backup,) = folder.iterdir()
    assert (ran.status, ran.err) == (0, "")
    assert " ".join(ran.out.split()) == (
        f"Wrote {backup}: {ALL_ROWS:,} rows of {len(metadata.tables)} tables, and 1 file."
    )
    assert json.loads(told.read_text())["rows"]["events"] == ROWS

    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "elsewhere"))
    ran = call("restore", backup, "--check")
    assert (ran.status, ran.err) == (0, "")
    assert f"It holds {ALL_ROWS:,} rows" in " ".join(ran.out.split())
    assert not (tmp_path / "elsewhere").exists()

    ran = call("restore", backup)
    assert (ran.status, ran.err) == (0, "")
    assert f"Restored {ALL_ROWS:,} rows" in " ".join(ran.out.split())
    engine = open_database(database_url(tmp_path / "elsewhere"))
    found = {name: len(rows) for name, rows in every_row(engine).items()}
    assert found == dict.fromkeys(metadata.tables, ROWS) | {"serving_processes": 0}
    engine.dispose()
    assert (tmp_path / "elsewhere/secrets/cookie").is_file()

    ran = call("restore", backup)
    assert (ran.status, ran.out) == (1, "")
    assert "add --replace" in ran.err
    assert ran.err.count("\n") == 1


def test_an_address_of_redis_that_is_none_is_told_before_anything_is_restored(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "a.backup"
    assert call("backup", "--out", backup).status == 0
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DROPOFF_REDIS_URL", "http://127.0.0.1")
    ran = call("restore", backup)
    assert (ran.status, ran.out) == (1, "")
    assert "DROPOFF_REDIS_URL" in ran.err
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backup", "--out", "a.backup", "--keep", "3"), "--keep needs a folder"),
        (("restore", "nowhere.backup"), "there is no backup at nowhere.backup"),
        (("restore", __file__), "damaged, or no backup"),
        (("backup",), "Missing option '--out'"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    arguments: tuple[str, ...], said: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = call(*arguments)
    assert ran.status
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_full_disk_is_told_in_a_line(home: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "backup", "--out", "/dev/full"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "dropoff: No space left on device\n")


def test_a_backup_goes_through_a_pipe_into_another_installation(home: Path, tmp_path: Path) -> None:
    dropoff = [sys.executable, "-m", "cli"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    backup = subprocess.run(
        [*dropoff, "backup", "--out", "-"], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    assert backup.stderr == b""
    there = environment | {"DROPOFF_HOME": str(tmp_path / "elsewhere")}
    restored = subprocess.run(
        [*dropoff, "restore", "-"], env=there, cwd=tmp_path, input=backup.stdout, capture_output=True, check=True
    )
    assert restored.stderr == b""
    assert f"Restored {ALL_ROWS:,} rows".encode() in b" ".join(restored.stdout.split())
