"""The newsletter's journey with versions of its model that are fitted in a moment, for tests of commands."""

import contextlib
import io
import json
import random
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from console import terminal
from decisions.calibration import Calibrator
from decisions.risk import RiskModel
from features.build import build
from features.plan import compile_plan
from features.read_log import read_log
from features.vocabulary import Vocabulary
from journeys.ends import find_ends
from journeys.load import load_journey
from storage.models import publish
from training.blockers import fit_blockers
from training.cutoffs import after_every_event
from training.fit import Rows, Settings, fit

EXAMPLE = Path(__file__).parents[1] / "examples" / "newsletter_signup.py"
NAME = "newsletter_signup"
START = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


def call(*arguments: object) -> Ran:
    """Run the command in this process, as ``dropoff ARGUMENTS`` would, on a screen of eighty columns."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    patch = pytest.MonkeyPatch()
    patch.setattr(terminal.out, "width", 80)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as left:
            cli.main([str(argument) for argument in arguments])
    finally:
        patch.undo()
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ran(int(left.value.code or 0), out.getvalue(), err.getvalue())


def write_log(path: Path, sessions: int, seed: int, start: datetime = START) -> Path:
    """Write a log in which form errors go with leaving; every other visitor comes twice."""
    source = random.Random(seed)
    rows = []
    for session in range(sessions):
        at = start + timedelta(minutes=20 * session)
        errors = source.choice((0, 0, 1, 2, 4))
        names = ["page_view"] * source.randint(1, 4) + ["view_signup"] + ["form_error"] * errors + ["submit_signup"]
        stays = source.random() < 0.85 / (1 + errors)
        for place, name in enumerate([*names, "confirm"] if stays else names):
            at += timedelta(seconds=source.randint(2, 60))
            rows.append(
                {
                    "event_id": f"e{seed}-{session:05}-{place:02}",
                    "session_id": f"s{seed}-{session:05}",
                    "visitor_id": f"v{seed}-{session * 2 // 3:05}",
                    "name": name,
                    "occurred_at": at.isoformat(),
                    "device": source.choice(["mobile", "desktop"]),
                }
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_steady_log(path: Path, sessions: int, *, first: datetime, apart: timedelta) -> Path:
    """Write sessions at even distances, each of three events six seconds apart; every other one goes on to its goal."""
    lines = []
    for session in range(sessions):
        moment = first + apart * session
        names = ["page_view", "view_signup", "edit_field"] + ["submit_signup", "confirm"] * (session % 2)
        for place, name in enumerate(names):
            row = {"event_id": f"{session}-{place}", "session_id": f"s{session}", "visitor_id": f"v{session}"}
            lines.append(json.dumps({**row, "name": name, "occurred_at": moment.isoformat()}))
            moment += timedelta(seconds=6)
    path.write_text("\n".join(lines) + "\n")
    return path


def fit_version(log: Path, version: str, *, trees: int, card: Mapping[str, Any] | None = None) -> RiskModel:
    """Return a model of so many trees of all sessions of a log, uncalibrated."""
    journey = load_journey(str(EXAMPLE))
    plan = compile_plan(journey.table)
    with read_log(log, plan, timeout_seconds=journey.session_timeout_seconds) as read:
        encoded = read.whole()
        ends = find_ends(plan, encoded, journey, read.summary.last_at_us)
    cutoffs = after_every_event(encoded, np.where(np.isnan(ends.outcome), 0, ends.usable))
    rows = Rows(build(plan, encoded, cutoffs), ends.outcome[cutoffs.session], cutoffs.after)
    vocabulary = Vocabulary.learn(journey.table, rows.features)
    booster = fit(journey.table, vocabulary, rows, Settings(), seed=1, threads=1, trees=trees)
    blockers = fit_blockers(journey.table, rows.features, rows.labels, seed=1)
    return RiskModel(
        journey=NAME,
        version=version,
        table=journey.table,
        booster=booster,
        calibrator=Calibrator(),
        vocabulary=vocabulary,
        blockers=blockers,
        card=card or {},
    )


def publish_version(home: Path, model: RiskModel) -> Path:
    return publish(home, NAME, model.version, model.save)
