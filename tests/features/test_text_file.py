"""What is found out about text files before they are read: headers, and lines that would be lost."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.text_file import DELIMITERS, TextFileError, read_header, require_short_lines

NAMES = st.lists(
    st.text(st.characters(categories=("L", "N"), include_characters=' _-"'), min_size=1).filter(str.strip),
    min_size=1,
    max_size=6,
    unique_by=str.casefold,
)


@settings(max_examples=50)
@given(NAMES, st.sampled_from(DELIMITERS), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(0, 2))
def test_a_header_is_read_as_the_standard_library_wrote_it(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], delimiter: str, ending: str, empty_lines: int
) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator=ending).writerow(names)
    file = tmp_path_factory.mktemp("header") / "log.csv"
    file.write_bytes((ending * empty_lines + written.getvalue() + "1,2;3" + ending).encode())
    header = read_header(file)
    assert list(header.names) == names
    assert header.skipped == empty_lines
    assert len(names) == 1 or header.delimiter == delimiter


def test_a_byte_order_mark_is_no_part_of_a_name_and_a_nameless_column_gets_one(tmp_path: Path) -> None:
    file = tmp_path / "log.csv.gz"
    with gzip.open(file, "wb") as content:
        content.write(b"\xef\xbb\xbfname,,occurred_at\n")
    assert read_header(file).names == ("name", "column1", "occurred_at")


def test_an_empty_file_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("\n\n")
    assert read_header(tmp_path / "log.csv").names == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("naïve,b\n".encode("latin-1"), "its first line is no text in UTF-8"),
        ("a,b\n".encode("utf-16"), "its first line is no text in UTF-8"),
        (b"a\0,b\n", "holds NUL bytes"),
        (b"Name,b,name\n", "names the column 'Name' twice"),
    ],
)
def test_a_header_that_is_none_is_refused_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(TextFileError, match=said):
        read_header(tmp_path / "log.csv")


def test_a_file_that_is_not_compressed_as_its_name_says_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv.gz").write_text("a,b\n")
    for check in (read_header, lambda file: require_short_lines(file, 10)):
        with pytest.raises(TextFileError, match="gzip"):
            check(tmp_path / "log.csv.gz")


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 15), st.booleans())
def test_lines_of_two_windows_are_found_and_those_shorter_than_one_never_refused(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], window: int, ends: bool
) -> None:
    content = b"\n".join(b"x" * length for length in lengths) + b"\n" * ends
    file = tmp_path_factory.mktemp("lines") / "log.jsonl"
    file.write_bytes(content)
    longest = max(lengths, default=0)
    if longest >= 2 * window:
        with pytest.raises(TextFileError, match="longer than"):
            require_short_lines(file, window)
    elif longest < window:
        require_short_lines(file, window)
