"""`dropoff policy segments`: counts with intervals from a file of decisions, as a table, JSON and a picture."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import app
from decisions.logged import LoggedDecisions
from decisions.logged_files import write_decisions
from decisions.policy import NOTHING
from journeys.load import load_journey


def write_some(path: Path, size: int = 400) -> None:
    journey, rng = load_journey("ecommerce"), np.random.default_rng(3)
    options = (NOTHING, *(intervention.name for intervention in journey.interventions))
    propensities = np.zeros((size, len(options)))
    propensities[:, [0, options.index("trust_panel")]] = 0.5
    ids = np.array([f"{number:05}" for number in range(size)], object)
    chosen = np.where(rng.random(size) < 0.5, options.index("trust_panel"), 0)
    logged = LoggedDecisions(
        options=options,
        stages=tuple(stage.name for stage in journey.stages),
        frictions=tuple(friction.name for friction in journey.frictions),
        decision_ids=ids,
        session_ids=ids,
        units=np.arange(size),
        at_us=np.arange(size) * 1_000_000,
        stage=np.full(size, 2),
        risk=rng.uniform(0.6, 0.95, size),
        confidence=rng.dirichlet(np.ones(len(journey.frictions)), size) * 0.5,
        chosen=chosen,
        propensities=propensities,
        converted=(rng.random(size) < np.where(chosen > 0, 0.4, 0.2)).astype(np.float64),
        holdout=np.zeros(size, np.bool_),
        policy_versions=np.full(size, "uniform", object),
    )
    write_decisions(logged, path)


def test_the_segments_of_a_file_are_counted_and_drawn(tmp_path: Path) -> None:
    decisions, picture, answer = tmp_path / "decisions.parquet", tmp_path / "who.png", tmp_path / "who.json"
    write_some(decisions)
    arguments = ["policy", "segments", "ecommerce", "--decisions", str(decisions)]
    result = CliRunner().invoke(app, [*arguments, "--out", str(picture), "--json", str(answer)])
    assert result.exit_code == 0, result.output
    assert "persuadables" in result.output
    found = json.loads(answer.read_text())
    assert found["decisions"] == 400
    assert sum(one["expected"] for one in found["segments"].values()) == pytest.approx(400)
    # Twice as many reach the goal with it, for 6 cents: whom it may be shown to is worth persuading.
    assert found["segments"]["persuadables"]["share"] > 0.9
    assert 200 < found["segments"]["persuadables"]["low"] <= found["segments"]["persuadables"]["high"] == 400
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_no_decisions_are_no_segments(tmp_path: Path) -> None:
    decisions, answer = tmp_path / "none.parquet", tmp_path / "who.json"
    write_some(decisions, size=0)
    result = CliRunner().invoke(
        app, ["policy", "segments", "ecommerce", "--decisions", str(decisions), "--json", str(answer)]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(answer.read_text())["segments"]["persuadables"]["share"] is None
