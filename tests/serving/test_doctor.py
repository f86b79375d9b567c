"""The doctor: what is well, what is to be done, what is broken, and which names nobody declared."""

import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import NOW_US, SECOND, VERSION, Client, OpenClient
from servers import RedisServer, free_port
from sqlalchemy import delete
from typer.testing import CliRunner

from cli import app
from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.doctor import Checkup, examine
from serving.findings import Finding, State
from serving.name_checks import names_of_database, names_of_log
from serving.times import show_time
from storage.database import database_url, writing
from storage.models import point_champion, publish
from storage.process_store import Processes
from storage.registry_tables import registry_versions
from storage.shared_registry import shared_home


def states(checkup: Checkup) -> dict[str, State]:
    return {one.about: one.state for one in checkup.findings}


def track(client: Client, number: int, name: str, **properties: Any) -> None:
    call = {"event": name, "anonymousId": "v", "messageId": f"m{number}", "properties": properties}
    assert client.post("/v1/track", call | {"timestamp": show_time(NOW_US - number * SECOND)}).status_code == 200


def test_before_anything_has_been_done_the_steps_are_told(shop: Journey, tmp_path: Path) -> None:
    checkup = examine(Configuration(home=tmp_path / "home"), shop, NOW_US)
    assert checkup.state is State.TODO
    assert states(checkup) == {
        "home": State.TODO,
        "disk": State.WELL,
        "database": State.TODO,
        "model": State.TODO,
    }
    assert all(one.advice for one in checkup.findings if one.state is not State.WELL)
    # Looking changes nothing.
    assert not (tmp_path / "home").exists()


def test_a_service_with_model_and_events_is_well_but_for_its_keys(
    open_client: OpenClient, shop: Journey, tmp_path: Path, model_home: Path
) -> None:
    client, _ = open_client()
    track(client, 1, "view_product")
    (tmp_path / "models").symlink_to(model_home / "models")
    found = states(examine(Configuration(home=tmp_path), shop, NOW_US + 5 * SECOND))
    assert found.pop("keys") is State.TODO
    assert found.pop("pages") is State.TODO
    assert set(found) == {"home", "disk", "database", "clock", "events", "quarantine", "model"}
    assert set(found.values()) == {State.WELL}


def test_silence_refused_events_and_a_wrong_clock_are_told(
    open_client: OpenClient, shop: Journey, tmp_path: Path
) -> None:
    client, _ = open_client()
    track(client, 1, "view_product")
    client.post("/v1/batch", {"batch": [{"type": "track", "anonymousId": "v"}] * 2})
    later = examine(Configuration(home=tmp_path), shop, NOW_US + 3 * 86_400 * SECOND)
    assert (states(later)["events"], states(later)["quarantine"]) == (State.TODO, State.TODO)
    [reason] = later.refused
    assert (reason.reason, reason.rows) == ("A track call needs the name of its event.", 2)
    assert json.loads(reason.example)["anonymousId"] == "v"
    earlier = examine(Configuration(home=tmp_path), shop, NOW_US - 3_600 * SECOND)
    assert states(earlier)["clock"] is State.BROKEN
    assert earlier.state is State.BROKEN


def test_a_damaged_page_of_the_database_is_found(
    open_client: OpenClient, shop: Journey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, runtime = open_client()
    for number in range(200):
        track(client, number, "view_product", query="x" * 50)
    runtime.close()
    path = tmp_path / "dropoff.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events'").fetchall()
        [(size,)] = connection.execute("PRAGMA page_size").fetchall()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * size : (root - 1) * size + 200] = b"\xff" * 200
    path.write_bytes(content)
    [found] = [one for one in examine(Configuration(home=tmp_path), shop, NOW_US).findings if one.about == "database"]
    assert found.state is State.BROKEN
    assert "damaged" in found.found
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "ecommerce"])
    assert result.exit_code == 1
    # The others are told as well.
    assert {"BROKEN  database", "TO DO   model"} <= {line.partition(":")[0] for line in result.output.splitlines()}


def test_every_finding_of_the_integrity_check_makes_a_database_broken(
    open_client: OpenClient, shop: Journey, tmp_path: Path
) -> None:
    _, runtime = open_client()
    runtime.close()
    with sqlite3.connect(tmp_path / "dropoff.db") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO outcomes (decision_id, outcome, at_us) VALUES ('of nobody', 'shown', 1)")
    connection.close()
    [found] = [one for one in examine(Configuration(home=tmp_path), shop, NOW_US).findings if one.about == "database"]
    assert found.state is State.BROKEN
    assert "a row of outcomes belongs to one of decisions that is not there" in found.found


def test_a_redis_that_does_not_answer_is_broken_and_its_password_is_not_told(
    tmp_path: Path,
) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    [found] = [
        one for one in examine(Configuration(home=tmp_path, redis_url=url), None).findings if one.about == "redis"
    ]
    assert (found.state, "does not answer" in found.found, "secret" in found.found) == (State.BROKEN, True, False)
    assert "503" in found.advice
    server = RedisServer(tmp_path)
    server.start()
    try:
        checkup = examine(Configuration(home=tmp_path, redis_url=server.url), None)
    finally:
        server.stop()
    assert states(checkup)["redis"] is State.WELL


def test_a_server_that_nobody_started_is_not_blamed_on_a_folder(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://me@127.0.0.1:{free_port()}/none"
    [found] = [
        one for one in examine(Configuration(home=tmp_path, database_url=url), None).findings if one.about == "database"
    ]
    assert (found.state, "\n" in found.found) == (State.BROKEN, False)
    assert "check that the server runs" in found.advice


def test_a_secret_that_others_may_read_is_broken(shop: Journey, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ids").write_bytes(b"x" * 32)
    (tmp_path / "secrets" / "ids").chmod(0o644)
    assert states(examine(Configuration(home=tmp_path), shop, NOW_US))["secrets"] is State.BROKEN


def test_a_model_whose_files_were_changed_is_broken(shop: Journey, tmp_path: Path, model_home: Path) -> None:
    shutil.copytree(model_home / "models", tmp_path / "models")
    assert states(examine(Configuration(home=tmp_path), shop, NOW_US))["model"] is State.WELL
    booster = next((tmp_path / "models").rglob("*.txt"))
    booster.write_text(booster.read_text() + " ")
    assert states(examine(Configuration(home=tmp_path), shop, NOW_US))["model"] is State.BROKEN


@pytest.mark.parametrize(
    ("setting", "address", "about"),
    [
        ("database_url", "nonsense", "database"),
        ("database_url", "postgresql+psycopg://me:1/secret@127.0.0.1/shop", "database"),
        ("redis_url", "nonsense", "redis"),
        ("redis_url", "redis://me:1/secret@127.0.0.1/0", "redis"),
        ("redis_url", "redis://me:secret@127.0.0.1:secret/0", "redis"),
        ("follow_up_url", "http://example.org/hook", "follow-ups"),
    ],
)
def test_an_address_that_is_none_is_broken_and_no_part_of_a_password_is_told(
    setting: str, address: str, about: str, tmp_path: Path
) -> None:
    checkup = examine(Configuration(**{"home": tmp_path, setting: address}), None)  # type: ignore[arg-type]
    [found] = [one for one in checkup.findings if one.about == about]
    assert found.state is State.BROKEN
    assert found.advice
    assert "secret" not in f"{found.found} {found.advice}"


def test_a_champion_that_is_gone_is_broken_and_the_versions_that_are_there_are_told(
    shop: Journey, tmp_path: Path, model_home: Path
) -> None:
    shutil.copytree(model_home / "models", tmp_path / "models")
    (tmp_path / "models" / "ecommerce" / "champion").write_text("gone")
    [found] = [one for one in examine(Configuration(home=tmp_path), shop, NOW_US).findings if one.about == "model"]
    assert (found.state, f"versions: {VERSION}" in found.found) == (State.BROKEN, True)
    assert "dropoff promote ecommerce VERSION" in found.advice


def test_unknown_names_are_counted_with_a_proposal_live_and_in_a_log(
    open_client: OpenClient, shop: Journey, tmp_path: Path
) -> None:
    client, runtime = open_client()
    sent = ["Product Seen", "Product Seen", "heartbeat", "view_product", "Product Viewed"]
    for number, name in enumerate(sent):
        track(client, number, name, product="p", **({"price": 1} if number == 0 else {}))
    runtime.log.export(tmp_path / "log.parquet")
    live = names_of_database(Configuration(home=tmp_path), shop)
    logged = names_of_log(tmp_path / "log.parquet", shop)
    # What the journey names by an alias is known.
    assert live == logged
    seen, beat = live.names
    assert (seen.found.name, seen.found.events, seen.found.properties) == ("Product Seen", 2, ("product", "price"))
    assert (seen.found.first_us, seen.found.last_us) == (NOW_US - SECOND, NOW_US)
    assert seen.proposal is not None
    assert seen.proposal.meant == "view_product"
    assert (beat.found.name, beat.proposal) == ("heartbeat", None)
    assert live.aliases == 'aliases={"Product Seen": "view_product"},'


def test_the_command_exits_with_its_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DROPOFF_JOURNEY", raising=False)
    row = {"event_id": "1", "visitor_id": "v", "name": "Order Completed!", "occurred_at": show_time(NOW_US)}
    Path("log.jsonl").write_text(json.dumps(row) + "\n")
    result = CliRunner().invoke(app, ["doctor", "ecommerce", "--log", "log.jsonl", "--json", "out.json"])
    assert result.exit_code == 3, result.output
    assert "TO DO   model: ecommerce has no champion" in result.output
    written = json.loads(Path("out.json").read_text())
    assert (written["state"], written["unknown"][0]["proposal"]["meant"]) == ("to do", "purchase")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dropoff.db").write_text("no database at all, but long enough to look like one")
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1
    assert CliRunner().invoke(app, ["doctor", "--log", "log.jsonl"]).exit_code == 2


def test_the_registry_that_replicas_share_is_told_of_from_any_home(
    open_client: OpenClient, shop: Journey, shop_model: RiskModel, tmp_path: Path
) -> None:
    address = database_url(tmp_path / "shared")
    _, runtime = open_client(database_url=address)
    configuration = Configuration(home=tmp_path / "operator", database_url=address)

    def told() -> dict[str, Finding]:
        return {one.about: one for one in examine(configuration, shop, NOW_US).findings}

    assert told()["registry"].state is State.TODO
    assert told()["model"].state is State.TODO
    with shared_home(runtime.engine, tmp_path, shop.name):
        publish(tmp_path, shop.name, VERSION, shop_model.save)
        point_champion(tmp_path, shop.name, VERSION)
    found = told()
    assert found["registry"].state is State.WELL
    assert found["registry"].found.startswith("models and policies of ecommerce in the database: 1, 0.")
    assert found["registry"].found.endswith("this home is behind, and follows with the next command")
    # The champion is that of all; this home only has no copy yet.
    assert "model" not in found
    with writing(runtime.engine) as connection:
        connection.execute(delete(registry_versions))
    assert told()["registry"].state is State.BROKEN


def test_a_process_that_refuses_the_champion_is_told_of(open_client: OpenClient, shop: Journey, tmp_path: Path) -> None:
    _, runtime = open_client()
    processes = Processes(runtime.engine, shop.name)
    for process, refused in (("a:1", ""), ("b:2", "the model was changed")):
        with writing(runtime.engine) as connection:
            processes.say(connection, process, VERSION, refused, 5.0)
        checkup = examine(Configuration(home=tmp_path), shop, NOW_US)
        [found] = [one for one in checkup.findings if one.about == "answers"]
        assert found.state is (State.BROKEN if refused else State.WELL)
        assert process in found.found or found.found == "1 running processes answer with version 7"
    assert "b:2 answers with version 7, not with the champion: the model was changed" in found.found
