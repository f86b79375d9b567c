"""A real service is replayed to, and ``dropoff retrain`` trains on what it has kept."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call

from features.plan import compile_plan
from features.read_sessions import read_sessions
from journeys.load import load_journey
from serving.replay import replay
from storage.database import database_url, open_database
from storage.ledger import Ledger
from storage.models import champion_version

pytestmark = [
    pytest.mark.xdist_group("cli"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

SESSIONS = 140


def write_log(path: Path, sessions: int, seed: int) -> Path:
    """Write sign-ups in which errors in the form go with leaving."""
    source = random.Random(seed)
    lines = []
    for session in range(sessions):
        moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=40 * session)
        errors = source.choice([0, 0, 1, 2])
        names = ["page_view"] * source.randint(1, 2) + ["view_signup", "edit_field"] + ["form_error"] * errors
        names = [*names, "submit_signup", "confirm"] if source.random() < 0.6 - 0.2 * errors else names
        for place, name in enumerate(names):
            moment += timedelta(seconds=source.randint(2, 30))
            row = {"event_id": f"{session}-{place}", "session_id": f"s{session}", "visitor_id": f"v{session}"}
            lines.append(json.dumps({**row, "name": name, "occurred_at": moment.isoformat()}))
    path.write_text("\n".join(lines) + "\n")
    return path


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    environment = {**os.environ, "DROPOFF_HOME": str(folder / "home")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", "serve", str(EXAMPLE), "--port", "0"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().partition(" at ")[2].split()[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_what_a_service_has_kept_becomes_the_next_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    empty = call("retrain", EXAMPLE)
    assert (empty.status, empty.out) == (1, "")
    assert empty.err.startswith("dropoff: the service has logged no event of newsletter_signup in sqlite:///")
    assert call("train", EXAMPLE, "--log", write_log(tmp_path / "log.jsonl", 200, 1)).status == 0

    journey = load_journey(str(EXAMPLE))
    recorded = read_sessions(
        write_log(tmp_path / "live.jsonl", SESSIONS, 2),
        compile_plan(journey.table),
        timeout_seconds=journey.session_timeout_seconds,
        most=SESSIONS,
        min_events=1,
    )
    with serving(tmp_path) as address:
        steps = list(replay(address, recorded, ends=journey.ends.all_names))
    treated = {step.session.session_id for step in steps if step.advice and step.advice.recommendation}
    assert treated

    few = call("retrain", EXAMPLE, "--min-sessions", 10_000)
    assert few.status == 1
    assert "sessions that were not treated have a known end, and 10,000 are needed" in few.err
    ran = call("retrain", EXAMPLE, "--min-sessions", 40, "--json", "retrain.json")
    assert (ran.status, ran.err) == (0, "")
    written = json.loads((tmp_path / "retrain.json").read_text())
    engine = open_database(database_url(tmp_path / "home"))
    decisions = list(Ledger(engine, journey.name).all_decisions())
    engine.dispose()
    assert written["log"]["sessions"] == len(recorded)
    assert written["log"]["events"] == len(steps)
    assert written["log"]["treated"] == len(treated)
    assert written["log"]["used"] <= len(recorded) - len(treated)
    assert written["log"]["decisions"] == sum(entry.reason != "ended" for entry in decisions)
    assert f"{len(treated):,} sessions (" in ran.out
    assert written["model_version"] == "2"
    assert "on the same held-out sessions" in written["promotion"]
    assert champion_version(tmp_path / "home", journey.name) == ("2" if written["promoted"] else "1")
