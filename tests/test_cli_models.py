"""The list of versions: what each was trained on, how good it was, who is champion and who was, and why."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, NAME, Ran, call, fit_version, publish_version, write_log

from decisions.risk import RiskModel
from storage.history import account

BLOCK = {"base_rate": 0.612, "log_loss": 0.534, "auc": 0.771, "ap": 0.845, "ece": 0.031}


def card(log_loss: float, digest: str) -> dict[str, Any]:
    """The parts of a card that are listed; all else that a training writes is left out."""
    first, last = 1_772_323_200_000_000, 1_774_915_200_000_000  # 1 and 31 March 2026
    return {
        "data": {"digest": digest, "first_at_us": first, "last_at_us": last, "held_out_from_us": last},
        "held_out": {"n_sessions": 1_234, **BLOCK, "log_loss": log_loss},
        "trees": 120,
    }


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    return fit_version(write_log(tmp_path_factory.mktemp("log") / "log.jsonl", 200, 1), "1", trees=3)


@pytest.fixture
def home(tmp_path: Path, model: RiskModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    publish_version(tmp_path / "home", replace(model, version="1", card=card(0.534, "abcdef0123")))
    publish_version(tmp_path / "home", replace(model, version="2", card=card(0.521, "0123abcdef")))
    call("promote", EXAMPLE, "1", "--reason", "it is the first")
    call("promote", EXAMPLE, "2", "--reason", "better [on] mobile")
    call("rollback", EXAMPLE, "--reason", "too many false alarms")
    return tmp_path / "home"


def test_the_list_has_each_version_s_data_and_figures_and_the_history(home: Path) -> None:
    ran = call("models", EXAMPLE)
    assert (ran.status, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "1 * abcdef01 2026-03-31 0.612 0.534 0.771 0.845 0.031 1,234 120" in lines
    assert "2 0123abcd 2026-03-31 0.612 0.521 0.771 0.845 0.031 1,234 120" in lines
    who = account()
    assert [line.split(f"Z {who} ")[1] for line in lines if f"Z {who} " in line] == [
        "promote 1 it is the first",
        "promote 2 for 1 better [on] mobile",
        "rollback 1 for 2 too many false alarms",
    ]
    assert all(len(line) <= 80 for line in ran.out.splitlines())


def test_the_json_holds_cards_and_history_as_they_are(home: Path, tmp_path: Path) -> None:
    call("models", EXAMPLE, "--json", "out/models.json")
    written = json.loads((tmp_path / "out" / "models.json").read_text())
    assert (written["journey"], written["champion"]) == (NAME, "1")
    assert [(one["version"], one["is_champion"], one["damage"]) for one in written["versions"]] == [
        ("1", True, None),
        ("2", False, None),
    ]
    assert written["versions"][1]["card"]["held_out"]["log_loss"] == 0.521
    kept = (home / "models" / NAME / "champions.jsonl").read_text().splitlines()
    assert written["history"] == [json.loads(line) for line in kept]
    assert written["damaged_history_lines"] == []


def test_a_damaged_version_is_listed_as_such_and_hides_no_other(home: Path) -> None:
    (home / "models" / NAME / "2" / "card.json").write_text("{}")
    ran = call("models", EXAMPLE)
    assert ran.status == 0
    assert "damaged" in ran.out
    assert "Version 2 cannot serve: " in ran.out
    assert "0.534" in ran.out


def test_a_version_that_tells_nothing_about_itself_is_listed(home: Path, model: RiskModel) -> None:
    publish_version(home, replace(model, version="3", card={}))
    assert call("models", EXAMPLE).status == 0


def test_without_a_version_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", "home")
    line = f"dropoff: {NAME} has no model yet under home; run `dropoff train {NAME} --log PATH` first\n"
    assert call("models", EXAMPLE) == Ran(1, "", line)
