"""A result is there when it is whole, and not before."""

from pathlib import Path

import pytest

from features.finished import finished


def test_a_file_appears_under_its_name_when_the_block_has_ended(tmp_path: Path) -> None:
    out = tmp_path / "new" / "rows.csv"
    with finished(out) as unfinished:
        unfinished.write_text("half")
        assert not out.exists()
        unfinished.write_text("whole")
    assert out.read_text() == "whole"
    assert [*out.parent.iterdir()] == [out]


def test_where_the_block_fails_what_was_there_before_stays_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    out.write_text("older")

    def fail() -> None:
        with finished(out) as unfinished:
            unfinished.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert out.read_text() == "older"
    assert [*tmp_path.iterdir()] == [out]


def test_a_folder_begins_without_what_an_earlier_attempt_has_left(tmp_path: Path) -> None:
    out = tmp_path / "facts"
    left = tmp_path / ".facts.unfinished"
    left.mkdir()
    (left / "old.parquet").write_bytes(b"")
    with finished(out) as unfinished:
        assert not unfinished.exists()
        unfinished.mkdir()
        (unfinished / "new.parquet").write_bytes(b"")
    assert [file.name for file in out.iterdir()] == ["new.parquet"]
    assert [*tmp_path.iterdir()] == [out]
