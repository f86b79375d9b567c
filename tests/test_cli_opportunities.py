"""`dropoff opportunities` and `dropoff decide`: what to do next, and what becomes of it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call, fit_version, publish_version, write_log


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "log.jsonl", sessions=300, seed=2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    publish_version(tmp_path / "home", fit_version(log, "1", trees=3))
    return tmp_path / "home"


def test_opportunities_are_ranked_with_what_was_decided_of_them(home: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    decided = call("decide", EXAMPLE, "form.form", "accepted", "--by", "Ada")
    assert (decided.status, decided.err) == (0, "")
    assert decided.out == "form.form of newsletter_signup is accepted, says Ada.\n"
    ran = call("opportunities", EXAMPLE, "--log", log, "--model", "1", "--json", out)
    assert (ran.status, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80
    found = json.loads(out.read_text())
    assert found["journey"] == "newsletter_signup"
    # The log covers 300 sessions of 20 minutes, five days of Paris.
    assert (found["first"], found["last"]) == ("2026-03-01", "2026-03-05")
    statuses = {one["id"]: one["status"] for one in found["opportunities"]}
    unseen = {one["opportunity"]: one["status"] for one in found["unseen"]}
    assert (statuses | unseen)["form.form"] == "accepted"
    ranks = [one["plan"]["priority"] for one in found["opportunities"] if one["plan"]]
    assert ranks == sorted(ranks, reverse=True)


def test_a_decision_may_have_come_into_force_before_it_is_written_down(home: Path) -> None:
    ran = call("decide", EXAMPLE, "form.form", "done", "--by", "Ada", "--since", "2026-03-02", "--reason", "one field")
    assert ran.status == 0
    assert call("decide", EXAMPLE, "form.form", "done", "--since", "yesterday").status == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["form.frm", "done"], "newsletter_signup has no opportunity 'form.frm'; did you mean 'form.form'"),
        (["form.form", "doing"], "'doing' is no status; write one of proposed, accepted, testing, done, dismissed"),
        (["form.form", "dismissed"], "dismissing 'form.form' needs a reason"),
    ],
)
def test_what_cannot_be_decided_is_said_in_one_line(home: Path, words: list[str], said: str) -> None:
    ran = call("decide", EXAMPLE, *words, "--by", "Ada")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith(f"dropoff: {said}")
    assert ran.err.count("\n") == 1


def test_without_a_model_it_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    ran = call("opportunities", EXAMPLE, "--log", log)
    assert ran.status == 1
    assert "run `dropoff train" in ran.err
