"""A challenger is set, shown and ended in one command, shared with replicas, and ends where it is promoted."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, NAME, Ran, call, fit_version, publish_version, write_log

from decisions.risk import RiskModel
from serving.answering import NotAnswering, wait_until_answering
from storage.challenge_store import ChallengeCounts, ChallengeStore
from storage.database import database_url, open_database, writing
from storage.models import challenger_history, challenger_version, champion_version
from storage.process_store import Processes
from storage.registry_tables import serving_processes

COUNTS = ChallengeCounts(
    answers=200,
    dropped=7,
    same_side=190,
    gap=4.0,
    squared_gap=2.0,
    blockers=50,
    same_blocker=40,
    decisions=20,
    same_choice=15.0,
    seconds=0.4,
    champion_seconds=0.2,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    return fit_version(write_log(tmp_path_factory.mktemp("log") / "log.jsonl", 200, 1), "1", trees=3)


@pytest.fixture
def home(tmp_path: Path, model: RiskModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    for version in "12":
        publish_version(tmp_path / "home", replace(model, version=version))
    call("promote", EXAMPLE, "1")
    return tmp_path / "home"


def test_a_challenger_is_set_listed_and_ended(home: Path) -> None:
    assert f"{NAME} has no challenger" in call("challenger", EXAMPLE).out
    told = f"Version 2 is asked what the champion of {NAME} answers, from now on.\n"
    assert call("challenger", EXAMPLE, "2", "--reason", "more sessions") == Ran(0, told, "")
    assert challenger_version(home, NAME) == "2"
    assert challenger_history(home, NAME).promotions[0].reason == "more sessions"
    assert "2 ?" in call("models", EXAMPLE).out
    assert call("challenger", EXAMPLE, "--end").out == f"Version 2 is no challenger of {NAME} any more.\n"
    assert challenger_version(home, NAME) is None
    assert call("challenger", EXAMPLE, "--end").status == 1


def test_the_champion_is_no_challenger_and_a_challenger_that_is_promoted_is_none_any_more(home: Path) -> None:
    assert "version 1 is the champion of newsletter_signup" in call("challenger", EXAMPLE, "1").err
    call("challenger", EXAMPLE, "2")
    call("promote", EXAMPLE, "2")
    assert (champion_version(home, NAME), challenger_version(home, NAME)) == ("2", None)


def test_a_copy_of_a_version_that_no_service_would_take_becomes_neither(home: Path) -> None:
    shutil.copytree(home / "models" / NAME / "2", home / "models" / NAME / "3")
    for command in ("promote", "challenger"):
        refused = call(command, EXAMPLE, "3")
        assert refused.err == "dropoff: what is called version 3 is a copy of version 2: name that one instead\n"
    assert (champion_version(home, NAME), challenger_version(home, NAME)) == ("1", None)


def test_what_was_seen_is_shown_in_shares_and_as_json(home: Path, tmp_path: Path) -> None:
    call("challenger", EXAMPLE, "2")
    engine = open_database(database_url(home))
    for part in (COUNTS, ChallengeCounts(answers=0, dropped=3)):
        with writing(engine) as connection:
            ChallengeStore(engine, NAME).add(connection, "2", "1", part, 1)
    engine.dispose()
    ran = call("challenger", EXAMPLE, "--json", "seen.json")
    text = " ".join(ran.out.split())
    # 4 / 200, the root of 2 / 200, and 190 of 200.
    assert "differs by 0.0200 in the mean (0.1000 root mean square)" in text
    assert "same side of the low risk in 95.0%" in text
    assert "10 answers came too fast" in text
    [written] = json.loads((tmp_path / "seen.json").read_text())["challenges"]
    assert (written["same_blocker"], written["blockers"], written["dropped"]) == (40, 50, 10)


def test_two_machines_with_one_database_promote_and_roll_back_for_each_other(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_DATABASE_URL", database_url(tmp_path / "shared"))
    assert call("promote", EXAMPLE, "2").status == 0
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "elsewhere"))
    ran = call("rollback", EXAMPLE, "--reason", "too many false alarms")
    assert f"Version 1 is the champion of {NAME}, in place of version 2." in ran.out
    monkeypatch.setenv("DROPOFF_HOME", str(home))
    assert call("models", EXAMPLE).status == 0
    assert champion_version(home, NAME) == "1"
    monkeypatch.delenv("DROPOFF_DATABASE_URL")
    refused = call("promote", EXAMPLE, "2")
    assert refused.status == 1
    assert "set DROPOFF_DATABASE_URL to their database" in refused.err
    # Told before a log is read for hours.
    (tmp_path / "log.jsonl").write_text("")
    for command in ("train", "recalibrate"):
        assert "set DROPOFF_DATABASE_URL to their database" in call(command, EXAMPLE, "--log", "log.jsonl").err


def test_waiting_names_the_process_that_does_not_switch_and_why(home: Path) -> None:
    engine = open_database(database_url(home))
    processes = Processes(engine, NAME)
    with writing(engine) as connection:
        processes.say(connection, "one:1:a", "2", "", 5.0)
        processes.say(connection, "two:1:b", "1", "other features", 5.0)
        processes.say(connection, "gone:1:c", "1", "", 5.0)
        said = update(serving_processes).where(serving_processes.c.process == "gone:1:c")
        connection.execute(said.values(seen_us=serving_processes.c.seen_us - 16_000_000))
    with pytest.raises(NotAnswering, match=r"1 of 2 processes .* version 2 .*two:1:b has version 1 \(other features\)"):
        wait_until_answering(engine, NAME, "2", seconds=0.0)
    with writing(engine) as connection:
        processes.say(connection, "two:1:b", "1", "", 60.0)
    with pytest.raises(NotAnswering, match=r"two:1:b has version 1 \(it looks every 60 s only\)"):
        wait_until_answering(engine, NAME, "2", seconds=0.0)
    with writing(engine) as connection:
        processes.say(connection, "two:1:b", "2", "", 5.0)
    assert wait_until_answering(engine, NAME, "2", seconds=0.0) == 2
    with writing(engine) as connection:
        processes.leave(connection, "one:1:a")
    assert [one.process for one in processes.answering()] == ["two:1:b"]
    engine.dispose()
