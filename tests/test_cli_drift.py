"""``dropoff drift`` as people type it: its lines, its exit status, its file."""

import contextlib
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call

pytestmark = [
    pytest.mark.xdist_group("cli"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]


def write_log(path: Path, sessions: int, seed: int, without: str = "") -> Path:
    """Write sign-ups for the newsletter in which errors go with leaving; ``without`` leaves one event's rows out."""
    source = random.Random(seed)
    lines = []
    for session in range(sessions):
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=20 * session)
        errors = source.choice([0, 0, 1, 2])
        names = ["page_view"] * source.randint(1, 3) + ["view_signup", "edit_field"] + ["form_error"] * errors
        names.append("submit_signup")
        names = [*names, "confirm"] if source.random() < 0.8 - 0.3 * errors else names[: source.randint(2, len(names))]
        for place, name in enumerate(names):
            moment += timedelta(seconds=source.randint(2, 60))
            if name != without:
                row = {"event_id": f"{session}-{place}", "session_id": f"s{session}", "visitor_id": f"v{session}"}
                lines.append(json.dumps({**row, "name": name, "occurred_at": moment.isoformat()}))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    log = write_log(folder / "log.jsonl", 400, 1)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROPOFF_HOME", str(folder / "home"))
        ran = call("train", EXAMPLE, "--log", log)
    assert ran.status == 0, ran.err
    return folder / "home"


@pytest.fixture(autouse=True)
def in_a_folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(home))


def test_a_log_like_the_training_ends_with_status_0(tmp_path: Path) -> None:
    ran = call("drift", EXAMPLE, "--log", write_log(tmp_path / "log.jsonl", 400, 2), "--json", "drift.json")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[1].startswith("Version 1 was trained on 400 sessions of 6 days; compared with 400 sessions of 6 days")
    assert lines[2] == "Nothing moved beyond a PSI of 0.2 or a difference of 5%."
    assert json.loads((tmp_path / "drift.json").read_text())["moved"] is False


def test_a_broken_tracker_is_named_first_and_ends_with_status_3(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 400, 2, without="form_error")
    ran = call("drift", EXAMPLE, "--log", log, "--json", "drift.json")
    assert (ran.status, ran.err) == (3, "")
    told = [line for line in ran.out.splitlines() if line[:1].isdigit() and line[1:3] == ". "]
    assert told[0].startswith("1. form_error no longer occurs; in training it did in ")
    written = json.loads((tmp_path / "drift.json").read_text())
    assert written["moved"] is True
    assert written["told"][0] in told[0]


def test_errors_have_a_status_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = call("drift", EXAMPLE, "--log", tmp_path / "nothing.parquet")
    assert (ran.status, ran.out) == (1, "")
    log = write_log(tmp_path / "log.jsonl", 30, 2)
    assert call("drift", EXAMPLE, "--log", log, "--threshold", 0).status == 2
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "empty"))
    ran = call("drift", EXAMPLE, "--log", log)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("dropoff: newsletter_signup has no model under ")
