"""``dropoff evaluate --truth`` for a journey of one's own, with a truth of one's own, as people type it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call, fit_version, publish_version, write_log

from storage.models import point_champion

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "log.jsonl", 300, 1)


@pytest.fixture(autouse=True)
def home(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    publish_version(tmp_path / "home", fit_version(log, "1", trees=20))
    point_champion(tmp_path / "home", "newsletter_signup", "1")
    return tmp_path / "home"


def write_truth(path: Path, log: Path) -> dict[str, int]:
    """Say that errors ended the sessions that had some, and that one in three others was ended by slow pages."""
    errors: dict[str, int] = {}
    confirmed = set()
    for line in log.read_text().splitlines():
        row = json.loads(line)
        errors[row["session_id"]] = errors.get(row["session_id"], 0) + (row["name"] == "form_error")
        confirmed |= {row["session_id"]} if row["name"] == "confirm" else set()
    rows = ["note,session_id,blocker,caused_exit"]
    counts = {"form": 0, "speed": 0}
    for place, (session, count) in enumerate(errors.items()):
        blocker = "Form" if count else "speed" if place % 3 == 0 else ""
        left = bool(blocker) and session not in confirmed
        rows.append(f"x,{session},{blocker},{str(left).lower()}")
        if left:
            counts[blocker.lower()] += 1
    path.write_text("\n".join([*rows, "x,another,,false"]) + "\n")
    return counts


def test_it_prints_and_writes_how_right_the_blockers_are(log: Path, tmp_path: Path) -> None:
    counts = write_truth(tmp_path / "truth.csv", log)
    ran = call(
        "evaluate",
        EXAMPLE,
        "--log",
        log,
        "--truth",
        "truth.csv",
        "--refits",
        2,
        "--resamples",
        20,
        "--json",
        "a/b.json",
        "--pictures",
        "p",
    )
    assert (ran.status, ran.err) == (0, "")
    written: Any = json.loads((tmp_path / "a" / "b.json").read_text())
    assert set(written) >= {"model_version", "held_out", "diagnosis"}
    block = written["diagnosis"]
    assert {name: part["n"] for name, part in block["session_end"]["by_blocker"].items()} == pytest.approx(
        counts, abs=2
    )
    # A dozen sessions; most have errors, and errors are what they are.
    assert block["session_end"]["top1_forced"] > 0.6
    assert block["truth_sessions_not_in_log"] == 1
    assert block["stability"]["refits"] == 2
    assert "'confirmation' (the third declared one)" in block["decision_point"]["definition"]
    for folder in ("a", "p"):
        assert (tmp_path / folder / "diagnosis.png").stat().st_size > 20_000
    for words in (
        "Blockers against the truth",
        "By true blocker",
        "Checks",
        "Sessions of the truth that are not in the log: 1.",
    ):
        assert words in ran.out
    assert max(map(len, ran.out.split("The decision point is")[0].splitlines())) <= 80


def test_without_a_truth_nothing_is_said_about_blockers(log: Path, tmp_path: Path) -> None:
    ran = call("evaluate", EXAMPLE, "--log", log, "--json", "figures.json")
    assert ran.status == 0
    assert "diagnosis" not in json.loads((tmp_path / "figures.json").read_text())
    assert not (tmp_path / "diagnosis.png").exists()
    assert "truth" not in ran.out


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        (None, "there is no truth file at truth.csv; give a Parquet, CSV or JSON Lines file"),
        (
            "session_id,blocker,caused_exit\ns1-00001,fromm,true\n",
            "truth.csv names the blocker 'fromm' (1 row), of which no feature of newsletter_signup gives evidence; "
            "did you mean one of form, information, effort? Rename it, or leave these sessions out",
        ),
    ],
    ids=["missing", "misspelt"],
)
def test_a_truth_that_cannot_be_used_is_refused_before_anything_is_measured(
    truth: str | None, said: str, log: Path, tmp_path: Path
) -> None:
    if truth is not None:
        (tmp_path / "truth.csv").write_text(truth)
    ran = call("evaluate", EXAMPLE, "--log", log, "--truth", "truth.csv", "--json", "figures.json")
    assert (ran.status, ran.out, ran.err) == (1, "", f"dropoff: {said}\n")
    assert not (tmp_path / "figures.json").exists()
