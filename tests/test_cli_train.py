"""``dropoff train`` on a log that gives the end away: one line, and the way round it."""

import inspect
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call

from commands import learn
from training.pipeline import train

pytestmark = [
    pytest.mark.xdist_group("cli"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Sign-ups of which each that is confirmed looks at a sample issue right before, and no other does."""
    source = random.Random(1)
    lines = []
    for session in range(900):
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=20 * session)
        names = ["page_view"] * source.randint(1, 3) + ["view_signup", "edit_field", "submit_signup"]
        confirmed = source.random() < 0.6
        names = [*names, "view_sample", "confirm"] if confirmed else names[: source.randint(2, len(names))]
        for place, name in enumerate(names):
            moment += timedelta(seconds=source.randint(2, 60))
            row = {"event_id": f"{session}-{place}", "session_id": f"s{session}", "visitor_id": f"v{session}"}
            lines.append(json.dumps({**row, "name": name, "occurred_at": moment.isoformat()}))
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_leak_is_refused_in_one_line_that_says_how_to_train_all_the_same(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = call("train", EXAMPLE, "--log", log)
    assert ran.status == 1
    assert ran.err.startswith("dropoff: the event 'view_sample' gives the end away: of the ")
    assert ran.err.endswith("To train all the same: --allow-leak view_sample\n")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "mlruns").exists()

    allowed = call("train", EXAMPLE, "--log", log, "--allow-leak", "view_sample", "--json", "t.json", "--resamples", 0)
    assert allowed.status == 0
    assert "The event 'view_sample' gives the end away: of the " in allowed.out
    assert "Leaving within 1m: against what knows less" in allowed.out
    written = json.loads((tmp_path / "t.json").read_text())
    assert [leak["name"] for leak in written["leaks"]] == ["view_sample"]
    assert written["held_out"]["leaving_soon"]["within"] == "1m"

    scored = call("score", EXAMPLE, "--log", log, "--out", "scores.jsonl")
    assert scored.status == 0
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert all(0 < row["leaving_soon"] < 1 for row in rows)


def test_a_name_that_the_journey_does_not_have_cannot_be_allowed(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = call("train", EXAMPLE, "--log", log, "--allow-leak", "view_samples")
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "--allow-leak view_samples: newsletter_signup has no event and no feature of that name" in ran.err


def test_the_defaults_of_the_command_are_those_of_the_training_itself() -> None:
    command, run = inspect.signature(learn.train).parameters, inspect.signature(train).parameters
    for name in ("sessions", "trials", "seed", "resamples"):
        assert command[name].default == run[name].default, name
