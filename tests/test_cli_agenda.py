"""``dropoff agenda``, ``milestone`` and ``audit`` as people type them, one after the other."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call

from storage.database import database_url, open_database, writing
from storage.record_store import RecordStore

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def soon(days: int) -> str:
    return str((datetime.now(UTC) + timedelta(days)).date())


def test_a_milestone_is_added_moved_done_and_stands_in_agenda_and_audit(tmp_path: Path) -> None:
    assert "No milestone yet" in call("milestone", EXAMPLE).out
    added = call("milestone", EXAMPLE, "Shorter form", "--due", soon(-3), "--owner", "Forms")
    assert (added.status, added.out.strip()) == (0, f"1. {soon(-3)}  Shorter form (Forms), overdue")
    assert "Do, move or drop the milestone 'Shorter form'? **Forms**" in call("agenda", EXAMPLE).out
    assert call("milestone", EXAMPLE, "--move", "1", "--due", soon(5)).out.strip().endswith("due soon")
    assert call("milestone", EXAMPLE, "--done", "1").out.strip().endswith("done")
    assert "Milestone done: Shorter form. **Forms**" in call("agenda", EXAMPLE).out
    ran = call("audit", EXAMPLE, "--json", "audit.json")
    assert [line.split(": ", 1)[1].split(",")[0] for line in ran.out.splitlines()[1:]] == [
        "add milestone",
        "move milestone",
        "complete milestone",
    ]
    entries = json.loads((tmp_path / "audit.json").read_text())["entries"]
    assert (entries[1]["before"]["due"], entries[1]["after"]["due"]) == (soon(-3), soon(5))


def test_the_next_agenda_begins_after_the_review_that_was_held(tmp_path: Path) -> None:
    first = call("agenda", EXAMPLE, "--out", "agenda.md", "--held")
    assert first.status == 0, first.err
    assert (tmp_path / "agenda.md").read_text().startswith("# Review: ")
    assert "The review of the days up to" in first.out
    assert "hold review" in call("audit", EXAMPLE).out


def test_an_agenda_of_a_log_tells_what_moved(tmp_path: Path) -> None:
    lines = []
    for day in range(14):
        for number in range(20):
            moment = datetime(2026, 6, 1, 9, tzinfo=UTC) + timedelta(days=day, minutes=number)
            names = ["page_view", "view_signup"] + (["submit_signup", "confirm"] if day < 7 else [])
            for place, name in enumerate(names):
                row = {"event_id": f"{day}-{number}-{place}", "visitor_id": f"v{day}-{number}", "name": name}
                lines.append(json.dumps({**row, "occurred_at": (moment + timedelta(seconds=place)).isoformat()}))
    # A last event, weeks later, lets the sessions before it end.
    after = {
        "event_id": "after",
        "visitor_id": "after",
        "name": "page_view",
        "occurred_at": "2026-06-15T00:30:00+00:00",
    }
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, json.dumps(after)]) + "\n")
    ran = call("agenda", EXAMPLE, "--log", "log.jsonl", "--since", "2026-06-08")
    assert ran.status == 0, ran.err
    assert "2026-06-08 to 2026-06-14" in ran.out
    assert "Sessions that reached the goal: 0.0%, before 100.0%; a difference of -100.0 points" in ran.out


def test_the_audit_shows_an_erasure_to_who_has_the_id_and_holds_no_id(home: Path) -> None:
    engine = open_database(database_url(home))
    store = RecordStore(engine, "newsletter_signup")
    with writing(engine) as connection:
        store.audit_erasure(connection, "someone@example.org", {"events": 3}, actor="ann", now_us=1)
    engine.dispose()
    assert "someone" not in call("audit", EXAMPLE).out
    assert "erase visitor" in call("audit", EXAMPLE, "--visitor", "someone@example.org").out
    assert "No erasure of this visitor" in call("audit", EXAMPLE, "--visitor", "another").out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("A title",), "say by when with --due DAY"),
        (("A title", "--due", "2026-07-01", "--done", "1"), "give one of TITLE, --done and --move"),
        (("--done", "9"), "newsletter_signup has no milestone 9"),
        (("A title", "--due", "tomorrow"), "'tomorrow' is no day; write it as 2026-03-17"),
        ((" ", "--due", "2026-07-01"), "the title is empty; write what it is"),
    ],
)
def test_a_milestone_that_cannot_be_written_is_one_clear_line(given: tuple[str, ...], said: str) -> None:
    ran = call("milestone", EXAMPLE, *given)
    assert ran.status != 0
    assert said in ran.err
    assert ran.err.count("\n") == 1
