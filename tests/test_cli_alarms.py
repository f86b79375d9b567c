"""``dropoff alarms`` and ``dropoff annotate`` as people type them."""

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "insights"))

from newsletter import EXAMPLE, call
from receiver import receiving

pytestmark = pytest.mark.xdist_group("cli")

START = datetime(2026, 3, 2, tzinfo=UTC)
CHANGE_DAY = 17


def write_log(path: Path, changed: float) -> Path:
    """Write twenty days of a visitor every five minutes; from the seventeenth on ``changed`` leave the form."""
    source, lines = random.Random(1), []
    for number in range(20 * 288):
        at = START + timedelta(minutes=5 * number)
        leaves = source.random() < (changed if at >= START + timedelta(days=CHANGE_DAY) else 0.25)
        names = ["page_view", "view_signup"] if leaves else ["page_view", "view_signup", "submit_signup", "confirm"]
        for place, name in enumerate(names):
            at += timedelta(seconds=20)
            row = {"event_id": f"{number}-{place}", "session_id": f"s{number}", "visitor_id": f"v{number}"}
            lines.append(json.dumps({**row, "name": name, "occurred_at": at.isoformat()}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))


@pytest.mark.slow
def test_a_change_is_told_sent_once_and_ends_with_status_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPOFF_WEBHOOK_SECRET", "s3cret")
    log = write_log(tmp_path / "log.jsonl", 0.6)
    noted = call("annotate", EXAMPLE, "--at", "2026-03-19", "--kind", "release", "--by", "ann", "A longer form")
    assert (noted.status, noted.err) == (0, "")
    with receiving() as server:
        for new in (1, 0):
            ran = call("alarms", EXAMPLE, "--log", log, "--webhook", server.url, "--json", "alarms.json")
            assert (ran.status, ran.err) == (3, "")
            # Before it: no model to name blockers by, and what was read.
            assert ran.out.splitlines()[2].startswith("At form more sessions are abandoned since 2026-03-19 ")
            written = json.loads((tmp_path / "alarms.json").read_text())
            assert (written["open"], len(written["new"])) == (1, new)
            [alarm] = written["alarms"]
            assert (alarm["stage"], alarm["cohort"], alarm["direction"]) == ("form", None, "rise")
            assert [one["text"] for one in alarm["annotations"]] == ["A longer form"]
    [(headers, body)] = server.got
    assert headers["X-Dropoff-Signature"].startswith("sha256=")
    assert json.loads(body)["id"] == alarm["id"]


@pytest.mark.slow
def test_a_calm_log_ends_with_status_0(tmp_path: Path) -> None:
    ran = call("alarms", EXAMPLE, "--log", write_log(tmp_path / "log.jsonl", 0.25))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[2:] == [
        "No alarm is open: as far as so many sessions can tell, as many leave at each stage as is usual."
    ]


def test_without_figures_of_a_service_a_log_is_asked_for() -> None:
    ran = call("alarms", EXAMPLE)
    assert (ran.status, ran.out) == (1, "")
    assert "give a log with --log PATH" in ran.err


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    ran = call("alarms", EXAMPLE, "--webhook", "example.org")
    assert ran.status == 1
    assert ran.err.startswith("dropoff: the webhook 'example.org' is no address")


def test_what_is_noted_down_is_listed_in_order() -> None:
    assert call("annotate", EXAMPLE).out.startswith("Nothing is noted down for newsletter_signup")
    first = call("annotate", EXAMPLE, "--at", "2026-03-20T08:30", "--by", "ann", "Second")
    assert (first.status, first.out) == (0, "Noted down for 2026-03-20 09:30 (Europe/Paris): other, Second\n")
    assert call("annotate", EXAMPLE, "--at", "2026-03-19", "--kind", "policy", "--by", "bob", "First").status == 0
    assert call("annotate", EXAMPLE).out.splitlines() == [
        "2026-03-19 01:00 (Europe/Paris)  policy: First (bob)",
        "2026-03-20 09:30 (Europe/Paris)  other: Second (ann)",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["Text"], 2, "say when with --at TIME"),
        (["--at", "soon", "Text"], 1, "'soon' is no time"),
        (["--at", "2026-03-19", "--kind", "party", "Text"], 1, "there are release, policy, campaign, other"),
        (["--at", "2026-03-19", " "], 1, "has 1 to 500 characters"),
    ],
)
def test_what_cannot_be_noted_down_is_said_in_a_line(arguments: list[str], status: int, said: str) -> None:
    ran = call("annotate", EXAMPLE, *arguments)
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
