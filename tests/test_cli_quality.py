"""``dropoff quality`` as people type it: its lines, its exit status, its file."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call

pytestmark = pytest.mark.xdist_group("cli")

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 16


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))


def write_log(path: Path, lost: str = "") -> Path:
    """Write sixteen equal days of 60 page views and 30 edited fields, the last one without ``lost``, and a view."""
    lines = []
    for day in range(DAYS):
        for number in range(90):
            moment = FIRST + timedelta(days=day, hours=6, minutes=8 * number)
            name = "edit_field" if number % 3 == 0 else "page_view"
            if day < DAYS - 1 or name != lost:
                row = {"event_id": f"{day}-{number}", "visitor_id": f"v{day}-{number}", "name": name}
                lines.append(json.dumps({**row, "occurred_at": moment.isoformat(), "channel": "on_site"}))
    after = {"event_id": "after", "visitor_id": "v", "name": "page_view"}
    lines.append(json.dumps({**after, "occurred_at": (FIRST + timedelta(days=DAYS)).isoformat()}))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_equal_days_end_with_status_0(tmp_path: Path) -> None:
    ran = call("quality", EXAMPLE, "--log", write_log(tmp_path / "log.jsonl"), "--json", "quality.json")
    assert ran.status == 0, ran.err
    assert "No alarm" in ran.out
    told = json.loads((tmp_path / "quality.json").read_text())
    assert (told["alarm"], told["alarms"], told["day"], len(told["days"])) == (False, [], "2026-06-16", DAYS)


def test_an_event_that_is_lost_ends_with_status_3_and_is_named_with_its_steward(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", lost="edit_field")
    ran = call("quality", EXAMPLE, "--log", log, "--json", "quality.json")
    assert ran.status == 3
    assert "ALARM edit_field: 0 events, usually 30 events on a Tuesday" in ran.out
    (alarm,) = json.loads((tmp_path / "quality.json").read_text())["alarms"]
    assert (alarm["event"], alarm["value"], alarm["usual"], alarm["yesterday"]) == ("edit_field", 0, 30, 30)


def test_the_day_before_the_loss_can_be_judged(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", lost="edit_field")
    ran = call("quality", EXAMPLE, "--log", log, "--until", "2026-06-15")
    assert ran.status == 0, ran.out
    assert "Monday, 2026-06-15: 90 events" in ran.out


def test_what_is_no_day_is_refused_in_one_line(tmp_path: Path) -> None:
    ran = call("quality", EXAMPLE, "--log", write_log(tmp_path / "log.jsonl"), "--until", "yesterday")
    assert ran.status == 1
    assert ran.err.strip() == "dropoff: 'yesterday' is no day; write it as 2026-03-17"
