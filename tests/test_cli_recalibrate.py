"""The command that moves a model's odds and keeps its trees."""

import json
import sys
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, START, call, fit_version, publish_version, write_log

from decisions.calibration import Calibrator, CalibratorKind
from training.fit import Settings

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log, and a champion that was fitted on another and then thinks too little of the odds to leave."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    earlier = write_log(tmp_path / "earlier.jsonl", 200, 1)
    model = fit_version(earlier, "2", trees=30, card={"settings": asdict(Settings())})
    publish_version(tmp_path / "home", model)
    hopeful = replace(model, version="1", calibrator=Calibrator(CalibratorKind.PLATT, (1.0, -1.5)))
    publish_version(tmp_path / "home", hopeful)
    assert call("promote", EXAMPLE, "1").status == 0
    return write_log(tmp_path / "later.jsonl", 600, 2, START + timedelta(days=10))


def test_it_shows_both_calibrators_on_the_same_sessions_and_says_who_is_champion(log: Path, tmp_path: Path) -> None:
    ran = call("recalibrate", EXAMPLE, "--log", log, "--json", tmp_path / "out.json")
    assert ran.err == ""
    assert ran.status == 0
    assert "Version 1 as it was, on held-out sessions" in ran.out
    assert ", recalibrated, on the same" in ran.out
    written = json.loads((tmp_path / "out.json").read_text())
    assert f"Version {written['model_version']} is {written['promotion']}." in ran.out
    assert (written["calibrator"]["kind"], written["calibrator"]["x"]) == ("platt", [1.0, -1.5])
    assert max(written["calibrator"]["shifts"]) > 0.5
    assert written["held_out"]["log_loss"] < written["before"]["log_loss"]
    assert written["promoted"]
    latest = json.loads(Path("home/models/newsletter_signup/champions.jsonl").read_text().splitlines()[-1])
    assert (latest["action"], latest["previous"]) == ("recalibrate", "1")


def test_a_version_whose_odds_hold_is_left_and_the_command_says_that_nothing_was_registered(
    log: Path, tmp_path: Path
) -> None:
    ran = call("recalibrate", EXAMPLE, "--log", log.with_name("earlier.jsonl"), "--model", "2", "--json", "out.json")
    assert ran.status == 0
    assert "Version 2 stays as it is, and nothing was registered: shifted odds gain nothing beyond chance" in ran.out
    assert "recalibrated, on the same" not in ran.out
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["registered"], written["promoted"], written["model_version"]) == (False, False, "2")
    assert not Path("home/models/newsletter_signup/3").exists()


def test_sessions_before_since_do_not_count(log: Path, tmp_path: Path) -> None:
    since = (START + timedelta(days=14)).date()
    ran = call("recalibrate", EXAMPLE, "--log", log, "--since", since, "--json", tmp_path / "out.json")
    assert ran.status == 0
    # 600 sessions 20 minutes apart: 312 of them in the last four and a third days, of which a quarter judges.
    assert json.loads((tmp_path / "out.json").read_text())["before"]["n_sessions"] == pytest.approx(78, abs=3)


def test_a_log_that_ends_before_since_is_refused_in_one_line(log: Path) -> None:
    ran = call("recalibrate", EXAMPLE, "--log", log, "--since", "2027-01-01")
    assert ran.status == 1
    # 600 sessions, one every twenty minutes: the log ends eight and a third days after its first event.
    assert ran.err.startswith(
        "dropoff: only 0 sessions have a known end and an event before it; a log needs at least 20; sessions that "
        f"began before 2027-01-01T00:00:00Z are left out; the log ends at {(START + timedelta(days=18)).date()}T"
    )
    assert ran.err.count("\n") == 1


def test_a_since_that_is_no_time_is_refused_with_an_example_of_one(log: Path) -> None:
    ran = call("recalibrate", EXAMPLE, "--log", log, "--since", "yesterday")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "dropoff: 'yesterday' is no time; write it as 2026-03-17 or 2026-03-17T08:00\n"
