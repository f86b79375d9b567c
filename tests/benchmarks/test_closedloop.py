"""The closed loop: a real service that learns, and simulated visitors whose conversions depend on it."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from benchmarks.closedloop import follow, publish_champion
from journeys.load import load_journey
from training.pipeline import train
from training.simulator import simulate

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]
DECISIONS = 600


def test_a_live_service_that_learns_decides_better_than_an_even_draw_ever_would(tmp_path: Path) -> None:
    simulate("ecommerce", sessions=4_000, seed=3, out=tmp_path / "log")
    home = tmp_path / "home"
    home.mkdir()
    trained = train(
        load_journey("ecommerce"),
        tmp_path / "log" / "events",
        home=tmp_path / "trained",
        mlruns=tmp_path / "mlruns",
        pictures=False,
        threads=1,
    )
    publish_champion(home, trained.model)
    course = follow(home, tmp_path, DECISIONS, seed=7)
    # An even draw gets there once in thirty thousand times.
    assert course.better_than(course.evenly) > 4.0
    assert 0.1 < course.acted.mean() < 0.9
    with sqlite3.connect(tmp_path / "closed_loop.db") as database:
        decided = database.execute("SELECT session_id FROM decisions").fetchall()
        [(rewards, converted)] = database.execute("SELECT count(*), avg(converted) FROM rewards").fetchall()
        [(versions,)] = database.execute("SELECT count(DISTINCT policy_version) FROM decisions").fetchall()
    assert len(decided) == len(set(decided)) == DECISIONS
    # All but the latest sessions have ended, and more than one revision has decided.
    assert rewards > 0.8 * DECISIONS
    assert versions > 3
    error = np.sqrt(course.converted.var() / rewards)
    assert abs(converted - course.converted.mean()) < 4.5 * error
