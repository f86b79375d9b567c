"""``dropoff identity`` as people type it: who an id is, and how a link is undone."""

import json
from pathlib import Path

import pytest
from newsletter import call

from features.events import Event
from features.identity import Known
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.identity_store import IdentityStore
from storage.writer import Writer

pytestmark = pytest.mark.xdist_group("cli")

START_US = 1_772_368_200_000_000  # 2026-03-01T12:30:00Z
EVENTS = (
    ("phone", None, "s1"),
    ("phone", "anna", "s1"),
    ("laptop", "anna", "s2"),
    ("tablet", "anna", "s3"),
    ("tablet", "cora", "s4"),
    ("laptop", "null", "s2"),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("DROPOFF_HOME", str(home))
    engine = open_database(database_url(home))
    log, identity, writer = EventLog(engine, "shop"), IdentityStore(engine, "shop"), Writer(engine)
    received = [
        Event(f"e{place}", "page_view", at, visitor, session, user, at)
        for place, (visitor, user, session) in enumerate(EVENTS)
        for at in [START_US + place * 1_000_000]
    ]

    def write(connection: object) -> None:
        log.append(connection, received)  # type: ignore[arg-type]
        identity.record(connection, received)  # type: ignore[arg-type]

    writer.submit(write).result()
    writer.close()
    engine.dispose()
    return home


def test_a_person_is_told_with_visitors_users_links_refusals_and_sessions(home: Path, tmp_path: Path) -> None:
    ran = call("identity", "show", "anna", "--json", tmp_path / "who.json")
    assert (ran.status, ran.err) == (0, "")
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert lines[0] == "shop: anna is a person on laptop, phone, tablet; users: anna."
    assert "link 1: 2026-03-01T12:30:01.000Z phone has anna, by event e1" in lines
    assert "link 5: 2026-03-01T12:30:05.000Z refused that laptop has null: placeholder, by event e5" in lines
    assert "2026-03-01T12:30:04.000Z session s4 on tablet: 1 events, not this person's: cora" in lines
    assert "2026-03-01T12:30:00.000Z session s1 on phone: 2 events" in lines
    (found,) = json.loads((tmp_path / "who.json").read_text(encoding="utf-8"))["found"]
    assert found["visitors"] == ["laptop", "phone", "tablet"]
    assert [session["is_own"] for session in found["sessions"]] == [False, True, True, True]


def test_a_link_is_undone_by_its_number_and_stays_in_the_list(home: Path) -> None:
    ran = call("identity", "undo", "2")
    assert ran.status == 0
    assert "no longer holds that laptop has anna (undoes 2)" in " ".join(ran.out.split())
    assert "shop: anna is a person on phone, tablet; users: anna." in call("identity", "show", "anna").out
    engine = open_database(database_url(home))
    assert Known(IdentityStore(engine, "shop")).visitors(frozenset({"anna"})) == ("phone", "tablet")
    engine.dispose()
    again = call("identity", "undo", "2")
    assert (again.status, "does not hold any more" in again.err) == (1, True)


def test_what_cannot_be_undone_is_one_clear_line(home: Path) -> None:
    assert "there is no link 99" in call("identity", "undo", "99").err
    assert "is a refusal (placeholder)" in call("identity", "undo", "5").err
    assert call("identity", "undo", "anna").status == 2
    assert "nothing is known of nobody" in call("identity", "show", "nobody").out
