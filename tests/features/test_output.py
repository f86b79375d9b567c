"""Results are refused before the work, not after it."""

from pathlib import Path

import pytest

from features.output import OutputError, require_folder, require_new_folder, require_writable
from features.store_path import StorePath


def test_a_file_in_a_new_folder_is_accepted_and_not_made(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "out.parquet", log=tmp_path / "log.parquet", suffixes=(".parquet",))
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("out.csv", r"out.csv should end in .parquet$"),
        ("folder.parquet", r"folder.parquet is a folder; give the path of a file$"),
        ("log/../log", r"log is the log itself; choose another file to write$"),
        ("file/out.parquet", r"nothing can be written into .*file: File exists$"),
        ("file/x/out.parquet", r"nothing can be written into .*file/x: Not a directory$"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_sentence(tmp_path: Path, out: str, said: str) -> None:
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "log").write_text("")
    suffixes = () if out.startswith("log") else (".parquet",)
    with pytest.raises(OutputError, match=said):
        require_writable(tmp_path / out, log=tmp_path / "log", suffixes=suffixes)


def test_a_result_may_not_become_a_part_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(OutputError, match="would be read as a part of the log next time; choose another folder"):
        require_writable(tmp_path / "log" / "deep" / "out.jsonl", log=tmp_path / "log")
    for unread in (".hidden/out.jsonl", "figures.txt", "_out.parquet"):
        require_writable(tmp_path / "log" / unread, log=tmp_path / "log")
    require_writable(tmp_path / "logs.jsonl", log=tmp_path / "log")


def test_a_folder_in_which_nothing_can_be_written_is_refused() -> None:
    with pytest.raises(OutputError, match="nothing can be written into /proc/none"):
        require_folder(Path("/proc/none"))


def test_an_address_where_only_paths_of_this_machine_are_taken_makes_no_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"s3:/shop/deep is in an object store, .* give a path of this machine"):
        require_writable(Path("s3://shop/deep/figures.json"))
    assert list(tmp_path.iterdir()) == []
    # Who has such a folder may write into it.
    (tmp_path / "s3:").mkdir()
    require_writable(Path("s3:/figures.json"))


@pytest.mark.parametrize("address", ["s3://shop", "memory://out.parquet"])
def test_a_whole_store_is_no_result(address: str, tmp_path: Path) -> None:
    said = rf"{address} is all of a store; name something in it, such as {address}/results"
    with pytest.raises(OutputError, match=said):
        require_writable(StorePath(address))
    if not address.endswith(".parquet"):
        with pytest.raises(OutputError, match=said):
            require_new_folder(StorePath(address), log=tmp_path)


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "ROWS.PARQUET"])
def test_a_folder_is_not_called_as_a_file_of_another_format_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=rf"{name} is no name of a folder; .* or a file that ends in \.parquet$"):
        require_new_folder(tmp_path / name, log=tmp_path / "log")
    require_new_folder(tmp_path / "rows.v2", log=tmp_path / "log")
