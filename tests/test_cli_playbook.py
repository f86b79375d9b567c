"""`dropoff playbook` and `dropoff tactic`: what works, what to test, and what people note down."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "insights"))

from made_facts import MadeSession, write_facts
from newsletter import EXAMPLE, call, fit_version, publish_version, write_log

from insights.current import facts_home, publish_building


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_an_empty_playbook_says_how_to_fill_it(home: Path) -> None:
    ran = call("playbook", EXAMPLE)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("The playbook is empty.")
    assert "--log PATH" in ran.out


def test_the_services_figures_open_what_they_propose_once(home: Path, tmp_path: Path) -> None:
    made = [MadeSession(5, confidences={"payment": 0.9}), MadeSession(5, "goal", value=50.0)]
    facts = write_facts(facts_home(home, "ecommerce") / "making-here" / "facts", made * 40)
    publish_building(home, "ecommerce", facts.folder, 1, 1.0)
    found, document = tmp_path / "playbook.json", tmp_path / "playbook.md"
    ran = call("playbook", "ecommerce", "--propose", "--json", found, "--markdown", document)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("New in the playbook: 1.\n")
    assert max(map(len, ran.out.splitlines()[:-1])) <= 80
    [tactic] = json.loads(found.read_text())["tactics"]
    assert (tactic["name"], tactic["status"]) == ("payment.payment.other_payment", "proposed")
    assert tactic["test"]["hypothesis"].startswith("If visitors in whom payment is named at payment see ")
    assert document.read_text().startswith("# The playbook of Online shop\n")
    again = call("playbook", "ecommerce", "--propose", "--json", found)
    assert again.out.startswith("New in the playbook: 0.\n")
    assert len(json.loads(found.read_text())["tactics"]) == 1


def test_a_log_is_read_as_it_is_for_opportunities(home: Path, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", sessions=100, seed=2)
    publish_version(home, fit_version(log, "1", trees=3))
    ran = call("playbook", EXAMPLE, "--log", log, "--model", "1")
    assert (ran.status, ran.err) == (0, "")
    assert "events read" in ran.out
    # The few whom its one intervention is for are not worth showing it to.
    assert "New in the playbook: 0." in ran.out


def test_tactics_are_added_changed_and_listed_by_what_is_asked(home: Path, tmp_path: Path) -> None:
    known = "form.form.light_form"
    ran = call("tactic", EXAMPLE, known, "--add", "--by", "Ada")
    assert (ran.status, ran.out) == (0, f"{known} of newsletter_signup is proposed, owned by Growth.\n")
    changed = call(
        "tactic", EXAMPLE, known, "--status", "testing", "--owner", "Forms", "--learning", "Short forms.", "--by", "Bo"
    )
    assert changed.out == f"{known} of newsletter_signup is testing, owned by Forms.\n"
    found = tmp_path / "found.json"
    for options, count in (
        ((), 1),
        (("--status", "testing"), 1),
        (("--status", "proven"), 0),
        (("--blocker", "form"), 1),
        (("--blocker", "nothing"), 0),
        (("--due",), 0),
    ):
        assert call("playbook", EXAMPLE, *options, "--json", found).status == 0
        assert len(json.loads(found.read_text())["tactics"]) == count, options
    audit = call("audit", EXAMPLE)
    assert "Bo: set tactic status" in audit.out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["tactic", EXAMPLE, "a.b.c"], 2, "say what to change"),
        (["tactic", EXAMPLE, "a.b.c", "--add"], 1, "newsletter_signup has no tactic 'a.b.c'"),
        (["playbook", EXAMPLE, "--status", "done"], 1, "'done' is no status"),
        (["playbook", EXAMPLE, "--propose"], 1, "has made no figures"),
        (["playbook", EXAMPLE, "--markdown", "playbook.txt"], 1, "should end in .md"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(home: Path, words: list[object], status: int, said: str) -> None:
    ran = call(*words)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
