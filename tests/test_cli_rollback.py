"""Back to the champion before: in one command, with a reason, and not to a version that could not serve."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, NAME, Ran, call, fit_version, publish_version, write_log

from decisions.risk import RiskModel
from storage.models import champion_version

UNKNOWN = "MLflow's store in this folder does not know the version, so its alias and tags stay as they are.\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    return fit_version(write_log(tmp_path_factory.mktemp("log") / "log.jsonl", 200, 1), "1", trees=3)


@pytest.fixture
def home(tmp_path: Path, model: RiskModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with three versions, promoted in their order, and no store of MLflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    for version in "123":
        publish_version(tmp_path / "home", replace(model, version=version))
        assert call("promote", EXAMPLE, version, "--reason", f"try {version}").status == 0
    return tmp_path / "home"


def told(version: str, instead: str) -> str:
    return f"Version {version} is the champion of {NAME}, in place of version {instead}.\n"


def history(home: Path) -> list[dict[str, str]]:
    lines = (home / "models" / NAME / "champions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def refused(ran: Ran) -> str:
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    return ran.err


def test_one_rollback_goes_back_one_champion_and_a_second_one_further(home: Path) -> None:
    assert call("rollback", EXAMPLE, "--reason", "too many false alarms") == Ran(0, told("2", "3") + UNKNOWN, "")
    assert call("rollback", EXAMPLE).out == told("1", "2") + UNKNOWN
    assert champion_version(home, NAME) == "1"
    kept = [(line["action"], line["version"], line["previous"], line["reason"]) for line in history(home)]
    assert kept == [
        ("promote", "1", None, "try 1"),
        ("promote", "2", "1", "try 2"),
        ("promote", "3", "2", "try 3"),
        ("rollback", "2", "3", "too many false alarms"),
        ("rollback", "1", "2", ""),
    ]
    line = refused(call("rollback", EXAMPLE))
    assert line == (
        f"dropoff: no version was champion of {NAME} before version 1, so there is none to go back to; "
        f"`dropoff promote {NAME} VERSION` makes another one champion (versions: 1, 2, 3)\n"
    )


def test_a_rollback_does_not_make_a_store_where_there_is_none(home: Path) -> None:
    call("rollback", EXAMPLE)
    assert not (home.parent / "mlruns").exists()


def test_without_a_champion_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", "home")
    assert "has no model yet under home; run `dropoff train" in refused(call("rollback", EXAMPLE))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "no model version '2'"),
        (lambda folder: (folder / "model.txt").write_text("tree"), "was changed after it was published (model.txt)"),
        (lambda folder: (folder / "vocabulary.json").unlink(), "was changed after it was published (vocabulary.json)"),
        (lambda folder: (folder / "digest.json").write_text("{"), "was changed after it was published"),
    ],
)
def test_a_version_whose_files_are_missing_or_damaged_is_not_gone_back_to(home: Path, damage, said: str) -> None:
    damage(home / "models" / NAME / "2")
    line = refused(call("rollback", EXAMPLE))
    assert "the champion before version 3 was version 2, which cannot serve: " in line
    assert said in line
    assert f"nothing was changed; `dropoff promote {NAME} VERSION` makes another one champion" in line
    assert champion_version(home, NAME) == "3"
    assert len(history(home)) == 3


def test_a_version_of_another_feature_table_is_not_gone_back_to(home: Path, tmp_path: Path) -> None:
    changed = EXAMPLE.read_text().replace("half_life=60", "half_life=90")
    (tmp_path / "mine.py").write_text(changed)
    line = refused(call("rollback", tmp_path / "mine.py"))
    assert "version 2, which cannot serve: " in line
    assert "changed: form_errors_recent" in line


def test_a_torn_line_of_the_history_stops_no_rollback(home: Path) -> None:
    path = home / "models" / NAME / "champions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:30] + b"\n" + lines[2])
    assert call("rollback", EXAMPLE).out == told("2", "3") + UNKNOWN
    assert "Lines of the history that cannot be read: 2." in call("models", EXAMPLE).out


def test_a_champion_whose_own_files_are_lost_is_rolled_back_from(home: Path) -> None:
    shutil.rmtree(home / "models" / NAME / "3")
    assert call("rollback", EXAMPLE).out == told("2", "3") + UNKNOWN
