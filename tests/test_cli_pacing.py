"""``dropoff pacing`` as people type it: its tables, its exit status, its file."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call, write_steady_log

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty sign-ups, of which every second opens the form after so many seconds and is done."""
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    return write_steady_log(
        tmp_path / "log.jsonl", 60, first=datetime(2026, 3, 1, tzinfo=UTC), apart=timedelta(minutes=40)
    )


def test_the_pace_is_shown_and_written_and_without_a_model_it_is_said(log: Path, tmp_path: Path) -> None:
    ran = call("pacing", EXAMPLE, "--log", log, "--json", tmp_path / "pacing.json")
    assert ran.status == 0, ran.err
    assert "newsletter_signup has no model" in ran.out
    assert "The pace of each stage" in ran.out
    written = json.loads((tmp_path / "pacing.json").read_text())
    assert {stage["median_seconds"] for stage in written["stages"]} == {6.0}
    assert written["threshold"] == 0.5
    point = written["nudges"][-1]["points"][0]
    assert point["leaving"] == point["observed"]
    assert point["reached"] + point["interrupted"] == pytest.approx(1.0)


def test_a_threshold_that_is_no_share_is_refused(log: Path) -> None:
    ran = call("pacing", EXAMPLE, "--log", log, "--threshold", "50")
    assert ran.status == 2
    assert "less than or equal to 0.95" in ran.err


def test_a_version_that_there_is_not_is_named(log: Path) -> None:
    ran = call("pacing", EXAMPLE, "--log", log, "--model", "7")
    assert ran.status == 1
    assert "dropoff train" in ran.err
