"""``dropoff policy list``, ``show``, ``pause`` and ``resume``."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine

import cli
from decisions.beliefs import believed_effects
from decisions.policy_files import BAYES, save_policy
from journeys.journey import Journey
from journeys.load import load_journey
from journeys.policies import NoFormerPolicy, declared_policy, roll_back_policy
from storage.audit import read_audit
from storage.database import database_url, open_database
from storage.policies import live_history, live_version, point_live, publish_policy
from storage.policy_store import PolicyState, PolicyStates
from storage.record_store import load_records


@pytest.fixture(scope="module")
def shop() -> Journey:
    return load_journey("ecommerce")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def running(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            cli.main(["policy", *arguments])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return running


def publish(home: Path, shop: Journey, version: str) -> None:
    policy = replace(declared_policy(shop), version=version)
    publish_policy(home, shop.name, version, lambda folder: save_policy(folder, policy))


def learnt(engine: Engine, shop: Journey, version: str, decisions: int, revision: int = 1) -> None:
    states = PolicyStates(engine, shop.name)
    text = replace(declared_policy(shop).posterior, decisions=decisions).to_json()
    state = PolicyState(version, revision, 1_772_368_200_000_000, decisions, 10, text)
    with engine.connect() as connection, connection.begin():
        states.start(connection, BAYES, replace(state, revision=0, decisions=0))
        assert states.add(connection, state)


def test_without_anything_published_the_declared_effects_decide(
    home: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    status, said, _ = run("list", "ecommerce", "--json", str(home / "list.json"))
    assert status == 0
    assert "priors-1" in said
    [only] = json.loads((home / "list.json").read_text())["policies"]
    assert (only["version"], only["decides"], only["status"]) == ("priors-1", True, "decides")
    assert not (home / "dropoff.db").exists()


def test_the_list_tells_who_decides_who_learns_and_who_is_damaged(
    home: Path, shop: Journey, run: Callable[..., tuple[int, str, str]]
) -> None:
    for version in ("1", "2", "3"):
        publish(home, shop, version)
    point_live(home, shop.name, "2", reason="better")
    (home / "policies" / shop.name / "3" / "posterior.json").write_text("{}")
    engine = open_database(database_url(home))
    learnt(engine, shop, "2", 1_234)
    learnt(engine, shop, declared_policy(shop).version, 55)
    engine.dispose()
    status, said, _ = run("list", "ecommerce", "--json", str(home / "list.json"))
    assert status == 0
    assert "1,234" in said
    assert "Version 3 cannot decide" in said
    assert "better" in said
    listed = json.loads((home / "list.json").read_text())["policies"]
    assert {one["version"]: one["status"] for one in listed} == {
        "2": "decides, learns",
        "1": "published",
        "3": "damaged",
        declared_policy(shop).version: "learns",
    }
    assert listed[0]["version"] == "2"


def test_beliefs_are_shown_with_a_picture_and_are_those_of_the_newest_revision(
    home: Path, shop: Journey, run: Callable[..., tuple[int, str, str]]
) -> None:
    engine = open_database(database_url(home))
    learnt(engine, shop, declared_policy(shop).version, 77)
    engine.dispose()
    picture, written = home / "beliefs.png", home / "beliefs.json"
    status, said, _ = run("show", "ecommerce", "--out", str(picture), "--json", str(written))
    assert status == 0
    assert "after 77 decisions" in said
    with Image.open(picture) as drawn:
        assert drawn.size[0] > 600
    found = json.loads(written.read_text())
    assert found["version"] == f"{declared_policy(shop).version}.1"
    assert len(found["effects"]) == len(shop.frictions) * len(shop.interventions)


def test_what_is_declared_is_what_is_believed_before_anything_is_learnt(shop: Journey) -> None:
    """An intervention adds its declared effect to the goal's rate of a session that it treats, at the usual risk."""
    declared = {one.name: one for one in shop.interventions}
    for one in believed_effects(declared_policy(shop)):
        assert one.low <= one.effect <= one.high
        if one.is_treated:
            effect = declared[one.intervention].prior_effect
            assert one.low < effect < one.high
        else:
            assert abs(one.effect) < 0.02


def test_a_live_version_whose_folder_is_gone_is_told(
    home: Path, shop: Journey, run: Callable[..., tuple[int, str, str]]
) -> None:
    for version in ("1", "2"):
        publish(home, shop, version)
    point_live(home, shop.name, "2")
    shutil.rmtree(home / "policies" / shop.name / "2")
    assert run("list", "ecommerce", "--json", str(home / "list.json"))[0] == 0
    first, *_ = json.loads((home / "list.json").read_text())["policies"]
    assert (first["version"], first["decides"], first["status"]) == ("2", True, "live, and damaged")
    assert "has no policy version '2'" in first["damage"]


def test_learning_is_paused_resumed_and_put_back_and_the_audit_has_it(
    home: Path, shop: Journey, run: Callable[..., tuple[int, str, str]]
) -> None:
    version = declared_policy(shop).version
    assert run("pause", "ecommerce")[0] == 1
    engine = open_database(database_url(home))
    status, _, said = run("pause", "ecommerce")
    assert status == 1
    assert "has learnt anything" in said
    learnt(engine, shop, version, 77)
    assert run("pause", "ecommerce")[0] == 0
    assert "learns no more" in run("list", "ecommerce")[1]
    assert run("resume", "ecommerce", "--revision", "9")[0] == 1
    assert run("resume", "ecommerce", "--revision", "0")[0] == 0
    states = PolicyStates(engine, shop.name)
    with engine.connect() as connection:
        newest = states.newest(connection, version)
        assert newest is not None
        assert (newest.revision, newest.decisions, states.paused_us(connection, version)) == (2, 0, None)
        actions = [entry.action for entry in read_audit(connection, shop.name)]
    engine.dispose()
    assert actions == ["pause learning", "return to revision 0", "resume learning"]


def test_rolling_back_goes_to_the_version_before_and_from_the_first_to_what_is_declared(
    home: Path, shop: Journey
) -> None:
    for version in ("1", "2"):
        publish(home, shop, version)
        point_live(home, shop.name, version)
    assert roll_back_policy(shop, home, reason="worse").version == "1"
    assert live_version(home, shop.name) == "1"
    assert roll_back_policy(shop, home).version == ""
    assert live_version(home, shop.name) is None
    with pytest.raises(NoFormerPolicy, match="none to go back from"):
        roll_back_policy(shop, home)
    point_live(home, shop.name, "2")
    assert roll_back_policy(shop, home).version == ""
    engine = open_database(database_url(home))
    audited = [entry for entry in load_records(engine, shop.name, home).audit if entry.subject == "live policy"]
    engine.dispose()
    assert len(audited) == len(live_history(home, shop.name).promotions) == 6


def test_a_former_policy_that_is_damaged_is_not_gone_back_to(home: Path, shop: Journey) -> None:
    for version in ("1", "2"):
        publish(home, shop, version)
        point_live(home, shop.name, version)
    (home / "policies" / shop.name / "1" / "policy.json").write_text("{}")
    line = roll_back_policy(shop, home, reason="worse")
    assert (line.version, live_version(home, shop.name)) == ("", None)
    assert line.reason.startswith("worse; version 1, which was live before, can no longer decide")
