"""Paths in object stores: their text, their files, and one sentence where a store cannot be reached."""

import pickle
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from object_store import no_store, object_store, put
from small_logs import NOW, TIMEOUT_SECONDS, event, small_plan, write_lines

from features.export import export_features
from features.import_log import import_log
from features.log_files import LogError, find_files
from features.output import OutputError, require_writable
from features.raw_log import RawLog
from features.read_log import read_log
from features.source import CANONICAL
from features.staging import Staging
from features.store_path import (
    StoreError,
    StorePath,
    files_below,
    register_store,
    remove_folder,
    to_path,
    without_password,
)

pytestmark = pytest.mark.xdist_group("stores")


@pytest.fixture(scope="module")
def bucket() -> Iterator[StorePath]:
    with object_store() as found:
        yield found


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A log of three files in two folders: 60 events of seven visitors."""
    for part in range(3):
        rows = [
            event(number, visitor_id=f"v{number % 7}", properties={"price": number * 0.5})
            for number in range(part * 20, part * 20 + 20)
        ]
        folder = tmp_path / "log" / f"day={part % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        write_lines(folder / f"part [{part}].jsonl", rows)
    return tmp_path / "log"


@pytest.mark.parametrize("text", ["s3://bucket", "s3://bucket/a/b.parquet", "gs://b/x", "https://host:80/x.csv"])
def test_the_text_of_an_address_stays_as_it_was_written(text: str) -> None:
    path = to_path(text)
    assert isinstance(path, StorePath)
    assert str(path) == text
    assert str(path / "more") == f"{text}/more"
    assert str((path / "more").parent) == text
    assert pickle.loads(pickle.dumps(path)) == path  # noqa: S301


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sftp://ann:secret@host", "sftp://ann@host"),
        ("sftp://ann:secret@host:22/a:b@c", "sftp://ann@host:22/a:b@c"),
        ("s3://shop/log", "s3://shop/log"),
        ("logs/a:b@c", "logs/a:b@c"),
    ],
)
def test_a_password_is_not_told_with_its_address(text: str, told: str) -> None:
    assert without_password(to_path(text)) == told


@pytest.mark.parametrize(
    ("text", "path"), [("a/b", "a/b"), ("/a", "/a"), ("file:///a/b", "/a/b"), ("./s3:/b", "s3:/b"), ("c:/x", "c:/x")]
)
def test_what_is_no_address_is_a_path_of_this_machine(text: str, path: str) -> None:
    found = to_path(text)
    assert not isinstance(found, StorePath)
    assert str(found) == path


def test_files_are_written_found_renamed_and_removed(bucket: StorePath) -> None:
    folder = bucket / "notes"
    assert not folder.exists()
    (folder / "b.txt").write_text("grün", encoding="utf-8")
    (folder / "deep" / "a.txt").write_bytes(b"\x00\x01")
    assert folder.is_dir()
    assert not folder.is_file()
    assert (folder / "b.txt").is_file()
    assert (folder / "b.txt").read_text(encoding="utf-8") == "grün"
    assert [str(file.relative_to(folder)) for file in files_below(folder)] == ["b.txt", "deep/a.txt"]
    assert [file.stat().st_size for file in files_below(folder)] == [5, 2]
    assert (folder / "b.txt").stat().st_size == 5
    (folder / "b.txt").replace(folder / "c.txt")
    assert [file.name for file in folder.glob("*.txt")] == ["c.txt"]
    assert [file.name for file in folder.iterdir()] == ["c.txt", "deep"]
    (folder / "deep").rename(folder / "deeper")
    assert [str(file.relative_to(folder)) for file in files_below(folder)] == ["c.txt", "deeper/a.txt"]
    (folder / "c.txt").unlink()
    (folder / "c.txt").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "c.txt").stat()
    remove_folder(folder)
    assert not folder.exists()


def test_a_log_in_a_store_is_read_as_the_same_files_here_are(bucket: StorePath, local: Path, tmp_path: Path) -> None:
    put(local, bucket / "log")
    plan = small_plan()
    there, here = bucket / "results" / "out.parquet", tmp_path / "out.parquet"
    read = [
        export_features(plan, log, out, timeout_seconds=TIMEOUT_SECONDS)
        for log, out in ((bucket / "log", there), (local, here))
    ]
    assert read[0] == read[1]
    assert read[0][0] == 60
    with there.open("rb") as content:
        assert pq.read_table(content).equals(pq.read_table(here))
    assert [file.name for file in files_below(there.parent)] == ["out.parquet"]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl.gz", "parquet"])
def test_every_format_is_read_from_a_store(bucket: StorePath, local: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"log.{ending}"
    files = [str(one) for one in find_files(local)]
    kind = {"csv": "csv", "jsonl": "json", "parquet": "parquet"}[ending.partition(".")[0]]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.read_json(files, format="newline_delimited").project("* EXCLUDE (properties)")
        connection.execute(f"COPY ({relation.sql_query()}) TO '{file}' (FORMAT {kind})")
    there = bucket / "formats" / file.name
    there.write_bytes(file.read_bytes())
    with read_log(there, small_plan(), timeout_seconds=TIMEOUT_SECONDS) as log:
        assert log.summary.used == 60
        assert log.summary.visitors == 7


def test_a_log_is_imported_from_one_place_of_a_store_into_another(bucket: StorePath, local: Path) -> None:
    put(local, bucket / "raw")
    summary = import_log(CANONICAL, bucket / "raw", bucket / "clean" / "log.parquet")
    assert summary.used == 60
    with read_log(bucket / "clean", small_plan(), timeout_seconds=TIMEOUT_SECONDS) as log:
        assert log.summary.used == 60


def test_results_are_kept_apart_from_the_log_in_a_store_too(bucket: StorePath, local: Path) -> None:
    put(local, bucket / "apart")
    require_writable(bucket / "elsewhere" / "out.parquet", log=bucket / "apart", suffixes=(".parquet",))
    with pytest.raises(OutputError, match=r"s3://shop/apart/x\.parquet lies in s3://shop/apart and would be read"):
        require_writable(bucket / "apart" / "x.parquet", log=bucket / "apart")
    with pytest.raises(OutputError, match="s3://shop/apart is a folder"):
        require_writable(bucket / "apart")
    with pytest.raises(OutputError, match="nothing can be written into s3://absent/folder"):
        require_writable(StorePath("s3://absent/folder/x.parquet"))


def test_a_log_that_is_not_in_the_store_is_named_by_its_address(bucket: StorePath) -> None:
    with (
        pytest.raises(LogError, match="there is no log at s3://shop/absent; give"),
        read_log(bucket / "absent", small_plan(), timeout_seconds=TIMEOUT_SECONDS),
    ):
        pass


def test_a_store_that_does_not_answer_is_told_in_one_sentence(bucket: StorePath) -> None:
    with no_store(), pytest.raises(StoreError, match="s3://shop/log cannot be reached: Could not connect to the end"):
        (bucket / "log").exists()


def test_a_scheme_that_nobody_serves_says_what_to_install() -> None:
    with pytest.raises(StoreError, match=r"nosuch://x/y cannot be opened .*install fsspec's package for nosuch"):
        to_path("nosuch://x/y").exists()


def test_what_does_not_fit_into_memory_is_spilled_where_nobody_else_looks(tmp_path: Path) -> None:
    log, scratch = RawLog((), "parquet", ()), StorePath("memory://scratch")
    job = Staging(tmp_path, CANONICAL, log, small_plan(), scratch, 1, 0, NOW, memory_gb=0.05, threads=1)
    with job.connect() as connection:
        [(spilled,)] = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        connection.execute("CREATE TEMP TABLE large AS SELECT range AS one, hash(range) AS other FROM range(5_000_000)")
        assert any(Path(spilled).iterdir())
        assert stat.S_IMODE(Path(spilled).parent.stat().st_mode) == 0o700
    assert not Path(spilled).parent.exists()


def test_a_connection_is_told_of_a_store_once(bucket: StorePath, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        register_store(connection, tmp_path, bucket, bucket / "again")
        register_store(connection, bucket)
        assert connection.list_filesystems() == ["s3"]
