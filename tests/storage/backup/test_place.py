"""Files, folders and object stores that backups lie in."""

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.store_path import StoreError
from storage.backup.archive import BackupError
from storage.backup.place import drop_older, file_in, reading_from, writing_to


def test_a_file_is_its_owners_alone_and_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    with writing_to(str(path)) as file:
        file.write(b"whole")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyError):
        _write_half(str(path))
    assert [one.name for one in tmp_path.iterdir()] == ["a.backup"]
    assert path.read_bytes() == b"whole"


def test_a_folder_keeps_the_latest_and_what_is_no_backup(tmp_path: Path) -> None:
    days = [file_in(tmp_path, datetime(2026, 2, day, 3, 0, 0, tzinfo=UTC)) for day in (9, 10, 11, 12)]
    for path in (*days, tmp_path / "by hand.backup"):
        path.touch()
    assert days[0].name == "dropoff-20260209T030000Z.backup"
    assert drop_older(tmp_path, 2) == days[:2]
    assert drop_older(tmp_path, 5) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by hand.backup", days[2].name, days[3].name]


def test_an_address_of_a_file_is_its_owners_alone_too(tmp_path: Path) -> None:
    with writing_to(f"file://{tmp_path}/a.backup") as file:
        file.write(b"whole")
    assert (tmp_path / "a.backup").stat().st_mode & 0o777 == 0o600
    with reading_from(f"file://{tmp_path}/a.backup") as file:
        assert file.read() == b"whole"


def test_a_named_pipe_stays_one_and_gets_the_bytes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    with writing_to(str(pipe)) as file:
        file.write(b"whole")
    reader.join(5)
    assert read == [b"whole"]
    assert pipe.is_fifo()


def test_a_link_goes_on_leading_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a.backup")
    (tmp_path / "a.backup").touch()
    with writing_to(str(tmp_path / "link")) as file:
        file.write(b"whole")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a.backup").read_bytes() == b"whole"


def test_what_one_that_was_killed_left_behind_goes_when_it_is_a_day_old(tmp_path: Path) -> None:
    left = [tmp_path / f".dropoff-20260209T030000Z.backup-{name}" for name in ("abcd1234", "efgh5678")]
    for path in left:
        path.touch()
    os.utime(left[0], (0, 0))
    assert drop_older(tmp_path, 1) == [left[0]]
    assert left[1].exists()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of an object store that runs on this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    # Whatever servers were started in this process share what they keep.
    s3fs.S3FileSystem().makedirs("kept", exist_ok=True)
    yield "s3://kept"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
def test_an_object_store_gets_the_whole_or_nothing(bucket: str) -> None:
    where = f"{bucket}/monday.backup"
    with pytest.raises(KeyError):
        _write_half(where)
    with pytest.raises(BackupError, match="no backup at s3://"), reading_from(where):
        pass
    with writing_to(where) as file:
        file.write(b"whole" * 2_000_000)
    with reading_from(where) as file:
        assert file.read() == b"whole" * 2_000_000


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
def test_a_store_that_does_not_take_it_is_named(bucket: str) -> None:
    with pytest.raises(StoreError, match=r"s3://of-nobody/a\.backup cannot be written: .*bucket"):
        _write(f"{bucket.replace('kept', 'of-nobody')}/a.backup", b"whole" * 2_000_000)


@pytest.mark.parametrize("where", ["nowhere/a.backup", "memory://nowhere/a.backup", "what://kept/a.backup"])
def test_a_place_without_a_backup_is_named(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((BackupError, StoreError), match=where), reading_from(where):
        pass


def _write(where: str, content: bytes) -> None:
    with writing_to(where) as file:
        file.write(content)


def _write_half(where: str) -> None:
    with writing_to(where) as file:
        file.write(b"half")
        raise KeyError
