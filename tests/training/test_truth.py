"""A truth file is read from any format, and whatever is wrong with it is said in one line."""

import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from features.friction import Friction
from training.truth import Truth, TruthError, read_truth

FRICTIONS = (Friction.FORM, Friction.PAYMENT)
ROWS = (("007", "PAYMENT", True), ("s2", None, False), ("s3", "form", False))


def read(path: Path) -> Truth:
    return read_truth(path, FRICTIONS, "newsletter")


def write_csv(path: Path, *lines: str, header: str = "session_id,blocker,caused_exit") -> Path:
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def write_parquet(path: Path) -> Path:
    values = ", ".join(
        f"('{session}', {'NULL' if blocker is None else repr(blocker)}, {caused}, {place})"
        for place, (session, blocker, caused) in enumerate(ROWS)
    )
    table = f"(VALUES {values}) AS rows(session_id, blocker, caused_exit, further)"
    duckdb.sql(f"COPY (SELECT * FROM {table}) TO '{path}' (FORMAT parquet)")
    return path


def write_json_lines(path: Path) -> Path:
    lines = [
        json.dumps({"session_id": session, "further": {"a": [1]}, "blocker": blocker, "caused_exit": caused})
        for session, blocker, caused in ROWS
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_format_says_the_same(tmp_path: Path) -> None:
    texts = [f"{session};{place};{blocker or ''};{caused}" for place, (session, blocker, caused) in enumerate(ROWS)]
    files = [
        write_parquet(tmp_path / "truth[1].parquet"),
        write_json_lines(tmp_path / "truth.jsonl"),
        write_csv(tmp_path / "truth.CSV", *texts, header="session_id;further;blocker;caused_exit"),
    ]
    for file in files:
        truth = read(file)
        assert truth.session_ids.tolist() == ["007", "s2", "s3"], file
        assert truth.blockers.tolist() == [1, -1, 0], file
        assert truth.caused_exit.tolist() == [True, False, False], file
        assert (truth.planted.tolist(), truth.repeated) == ([0, 1], 0), file


def test_sessions_are_found_by_their_ids(tmp_path: Path) -> None:
    truth = read(write_parquet(tmp_path / "truth.parquet"))
    assert truth.places(np.array(["s3", "nobody", "007"], object)).tolist() == [2, -1, 0]


@pytest.mark.parametrize("nothing", ["", "none", "NONE", "  "])
def test_an_empty_blocker_and_none_are_no_blocker(nothing: str, tmp_path: Path) -> None:
    truth = read(write_csv(tmp_path / "truth.csv", f"a,{nothing},", "b,form,1", f"c,{nothing},false"))
    assert truth.blockers.tolist() == [-1, 0, -1]
    assert truth.caused_exit.tolist() == [False, True, False]


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("1", "0"), ("TRUE", "False"), ("yes", "no"), ("t", "f")])
def test_true_and_false_may_be_written_in_many_ways(yes: str, no: str, tmp_path: Path) -> None:
    truth = read(write_csv(tmp_path / "truth.csv", f"a,form,{yes}", f"b,form,{no}"))
    assert truth.caused_exit.tolist() == [True, False]


def test_a_row_said_twice_is_counted_and_a_contradiction_refused(tmp_path: Path) -> None:
    assert read(write_csv(tmp_path / "same.csv", "a,form,1", "a,FORM,true", "b,,0")).repeated == 1
    with pytest.raises(TruthError, match="says two different things about the session 'a'; keep one row of it"):
        read(write_csv(tmp_path / "other.csv", "a,form,1", "a,form,0"))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("a,paiment,1", "b,paiment,0"), r"names the blocker 'paiment' \(2 rows\), of which no feature of newsletter"),
        (("a,paiment,1",), "did you mean one of payment, form"),
        ((",form,1",), "has a row without a session_id; name the session or remove the row"),
        (("a,,1",), "says that a blocker ended 'a', but not which one; name it"),
        (("a,form,maybe",), "caused_exit of 'a' is 'maybe'; write true or false"),
        (("a,form,",), "caused_exit of 'a' is 'missing'; write true or false"),
        ((), "holds no session; give the truth about at least one"),
    ],
    ids=["unknown", "near", "no session", "no blocker", "no truth value", "nothing", "no rows"],
)
def test_what_cannot_be_used_is_named(lines: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(TruthError, match=said) as refusal:
        read(write_csv(tmp_path / "truth.csv", *lines))
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_or_of_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match=r"there is no truth file at .*nowhere.csv; give a Parquet, CSV or JSON Lines"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "truth.xlsx").write_text("x")
    with pytest.raises(TruthError, match=r"is in no format that can be read; its name should end in \.parquet"):
        read(tmp_path / "truth.xlsx")
    with pytest.raises(TruthError, match="there is no truth file at"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["truth.parquet", "truth.jsonl", "truth.csv"])
def test_a_file_without_the_columns_or_with_rubbish_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    match path.suffix:
        case ".parquet":
            duckdb.sql(f"COPY (SELECT 's' AS session_id, 'form' AS blocker) TO '{path}' (FORMAT parquet)")
        case ".jsonl":
            path.write_text('{"session_id": "s", "blocker": "form"}\n')
        case _:
            path.write_text("session_id,blocker\ns,form\n")
    wanted = (
        "lacks the column 'caused_exit'; a truth file has the columns session_id, blocker, caused_exit, and this one"
    )
    with pytest.raises(TruthError, match=f"{wanted} has session_id, blocker"):
        read(path)
    path.write_bytes(b"\x00\xff rubbish")
    with pytest.raises(TruthError) as refusal:
        read(path)
    assert "\n" not in str(refusal.value)
