"""``dropoff forget`` as people type it: what it erases, its receipt, and what it leaves."""

import json
from pathlib import Path

import pytest
from newsletter import call

from features.events import Event
from serving.configuration import Configuration
from serving.privacy import ids_of
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.models import publish
from storage.record_store import load_records
from storage.writer import Writer

pytestmark = pytest.mark.xdist_group("cli")

START_US = 1_772_368_200_000_000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one person on two devices, somebody else, and models of two times."""
    home = tmp_path / "home"
    monkeypatch.setenv("DROPOFF_HOME", str(home))
    engine = open_database(database_url(home))
    log, writer = EventLog(engine, "shop"), Writer(engine)
    people = (("phone", None), ("phone", "anna"), ("laptop", "anna"), ("laptop", None), ("other", "ben"))
    received = [
        Event(f"e{place}", "page_view", START_US + place, visitor, f"s-{visitor}", user, START_US + place)
        for place, (visitor, user) in enumerate(people)
    ]
    writer.submit(lambda connection: log.append(connection, received)).result()
    writer.close()
    engine.dispose()
    for version, first_us in (("1", START_US - 10), ("2", START_US + 1_000)):
        card = {"data": {"first_at_us": first_us, "last_at_us": first_us + 20}}
        publish(home, "shop", version, lambda folder, card=card: _write(folder / "card.json", card))
    return home


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _left(home: Path) -> list[str]:
    engine = open_database(database_url(home))
    found = [row for batch in EventLog(engine, "shop").batches() for row in batch["event_id"].to_pylist()]
    engine.dispose()
    return found


def test_a_person_is_erased_on_all_devices_and_the_receipt_names_the_models(home: Path, tmp_path: Path) -> None:
    ran = call("forget", "anna", "--json", tmp_path / "receipt.json")
    assert (ran.status, ran.err) == (0, "")
    assert " ".join(ran.out.split()) == (
        "shop: Erased 2 visitors, 2 sessions, 4 events, 2 identity links. "
        "shop: model 1 may have learnt from that; `dropoff train` makes another."
    )
    (receipt,) = json.loads((tmp_path / "receipt.json").read_text(encoding="utf-8"))["receipts"]
    assert (receipt["visitors"], receipt["events"], receipt["models"]) == (2, 4, ["1"])
    assert _left(home) == ["e4"]
    engine = open_database(database_url(home))
    assert [entry.action for entry in load_records(engine, "shop").audit] == ["erase visitor", "erase visitor"]
    engine.dispose()


def test_a_visitor_s_id_leads_to_the_person_too_unless_only_the_visitor_is_meant(home: Path) -> None:
    assert "Would erase 2 visitors" in call("forget", "phone", "--dry-run").out
    assert call("forget", "phone", "--only-visitor").status == 0
    assert _left(home) == ["e2", "e3", "e4"]


def test_a_dry_run_erases_nothing(home: Path) -> None:
    assert "Would erase 2 visitors" in call("forget", "anna", "--dry-run").out
    assert len(_left(home)) == 5


def test_nothing_is_kept_about_somebody_unknown(home: Path) -> None:
    ran = call("forget", "nobody")
    assert (ran.status, ran.out.strip()) == (0, "shop: nothing is kept about this id.")
    assert len(_left(home)) == 5


def test_an_empty_database_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever forgets in the wrong folder must see it.
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "elsewhere"))
    for command in (("forget", "anna"), ("identity", "show", "anna")):
        ran = call(*command)
        assert (ran.status, "".join(ran.out.split()).count(str(tmp_path / "elsewhere" / "dropoff.db"))) == (0, 1)


def test_a_journey_of_which_nothing_is_kept_is_no_receipt(home: Path) -> None:
    ran = call("forget", "anna", "--journey", "shpo")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.strip() == "dropoff: the database holds no journey 'shpo', but: shop"


@pytest.mark.parametrize("hashed_then", [False, True])
def test_users_are_forgotten_whether_or_not_ids_are_hashed_by_now(
    home: Path, monkeypatch: pytest.MonkeyPatch, hashed_then: bool
) -> None:
    monkeypatch.setenv("DROPOFF_HASH_USER_IDS", str(hashed_then))
    ids = ids_of(Configuration.from_environment())
    engine = open_database(database_url(home))
    writer, log = Writer(engine), EventLog(engine, "shop")
    event = Event("f0", "page_view", START_US, "tablet", "s-tablet", ids.user_id("dora"), START_US)
    writer.submit(lambda connection: log.append(connection, [event])).result()
    writer.close()
    engine.dispose()
    monkeypatch.setenv("DROPOFF_HASH_USER_IDS", str(not hashed_then))
    assert "Erased 1 visitor" in call("forget", "dora").out
    assert "f0" not in _left(home)


def test_people_who_share_a_device_or_a_placeholder_are_not_forgotten_with_somebody(home: Path) -> None:
    engine = open_database(database_url(home))
    log, writer = EventLog(engine, "shop"), Writer(engine)
    people = (("phone", "null"), ("stranger", "null"), ("tablet", "anna"), ("tablet", "cora"), ("desk", "cora"))
    received = [
        Event(f"f{place}", "page_view", START_US + place, visitor, f"s-{visitor}", user, START_US + place)
        for place, (visitor, user) in enumerate(people)
    ]
    writer.submit(lambda connection: log.append(connection, received)).result()
    writer.close()
    engine.dispose()
    assert call("forget", "cora").status == 0
    assert _left(home) == ["e0", "e1", "e2", "e3", "e4", "f0", "f1"]
    assert call("forget", "null").status == 0
    assert call("forget", "anna").status == 0
    assert _left(home) == ["e4", "f1"]
