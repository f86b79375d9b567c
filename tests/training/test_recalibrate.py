"""Recalibrating: the booster stays, its odds follow recent sessions, and the gate decides."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_logs import SECOND, START_US, sign_ups

from decisions.calibration import Calibrator
from decisions.risk import RiskModel
from storage.models import champion_version, model_folder, versions
from training.recalibrate import Recalibration, recalibrate
from training.tracking import connect

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

SESSIONS, TURN = 3_000, 1_500
TURN_US = START_US + TURN * 200 * SECOND


def turned() -> pa.Table:
    """From the middle on, nine of ten who would have signed up leave instead."""
    log = sign_ups(SESSIONS, 1, returning=False)
    late = pc.greater_equal(log["session_id"], f"s{TURN:05}")
    leaves = pc.and_(
        pc.and_(late, pc.equal(log["name"], "sign_up")), pc.not_equal(pc.utf8_slice_codeunits(log["event_id"], 6), "0")
    )
    return log.set_column(log.column_names.index("name"), "name", pc.if_else(leaves, "leave", log["name"]))


def renew(trained: "Trained", log: pa.Table, folder: Path, **options: Any) -> Recalibration:
    path = folder / "recent.parquet"
    pq.write_table(log, path)
    return recalibrate(trained.journey, path, trained.result.model, home=trained.home, mlruns=trained.mlruns, **options)


def test_after_odds_have_moved_the_same_trees_are_right_again_and_take_the_crown(
    train_sign_ups: "Train", tmp_path: Path
) -> None:
    log = turned()
    trained = train_sign_ups(log.filter(pc.less(log["session_id"], f"s{TURN:05}")))
    renewed = renew(trained, log, tmp_path, since_us=TURN_US)
    before: Any = renewed.former
    after: Any = renewed.evaluation
    assert before["ece"] > 0.2
    # Odds have moved by far more than the prior expects, which holds back a little.
    assert after["ece"] < 0.05
    assert after["log_loss"] < before["log_loss"]
    model = renewed.model
    assert replace(model.calibrator, shifts=()) == trained.result.model.calibrator
    assert min(model.calibrator.shifts[1:]) > 1.0
    assert model.booster.model_to_string() == trained.result.model.booster.model_to_string()
    assert renewed.promoted
    assert champion_version(trained.home, "signup") == model.version != trained.result.model.version
    loaded = RiskModel.load(model_folder(trained.home, "signup", model.version), trained.journey.table)
    assert loaded.calibrator == model.calibrator
    assert loaded.card["recalibrated_from"] == trained.result.model.version
    run = connect(trained.mlruns).MlflowClient().get_run(model.card["run_id"])
    assert run.data.tags["dropoff.kind"] == "recalibration"


def test_only_sessions_from_then_on_calibrate_and_judge(train_sign_ups: "Train", tmp_path: Path) -> None:
    log = turned()
    trained = train_sign_ups(log.filter(pc.less(log["session_id"], f"s{TURN:05}")))
    recent: Any = renew(trained, log, tmp_path, since_us=TURN_US).evaluation
    everything: Any = renew(trained, log, tmp_path).evaluation
    # A quarter of the 1,500 sessions since, and of all 3,000; the few that are open at the end are in neither.
    assert recent["n_sessions"] == pytest.approx(375, abs=8)
    assert everything["n_sessions"] == pytest.approx(750, abs=8)


def test_where_odds_have_not_moved_nothing_is_registered(train_sign_ups: "Train", tmp_path: Path) -> None:
    trained = train_sign_ups()
    registered = versions(trained.home, "signup")
    renewed = renew(trained, sign_ups(400, 9), tmp_path)
    former = trained.result.model
    assert (renewed.model, renewed.evaluation, renewed.promoted) == (former, None, False)
    assert renewed.promotion.startswith("shifted odds gain nothing beyond chance, log loss 0.")
    assert versions(trained.home, "signup") == registered
    assert champion_version(trained.home, "signup") == former.version
    written = json.loads(json.dumps(renewed.to_json()))
    assert (written["model_version"], written["registered"], written["held_out"]) == (former.version, False, None)


def test_shifts_add_to_those_of_the_recalibrated_version(train_sign_ups: "Train", tmp_path: Path) -> None:
    log = turned()
    trained = train_sign_ups(log.filter(pc.less(log["session_id"], f"s{TURN:05}")))
    model = trained.result.model
    ahead = replace(model, calibrator=replace(model.calibrator, shifts=(0.0, 1.0, 1.0)))
    path = tmp_path / "recent.parquet"
    pq.write_table(log, path)
    once, twice = (
        recalibrate(trained.journey, path, start, home=trained.home, mlruns=trained.mlruns, since_us=TURN_US)
        for start in (model, ahead)
    )
    # Who starts one ahead has less to go, and the prior holds back less of it.
    for one, other in zip(once.model.calibrator.shifts[1:], twice.model.calibrator.shifts[1:], strict=True):
        assert 0 < other - one < 0.5


def test_the_result_is_json(train_sign_ups: "Train", tmp_path: Path) -> None:
    trained = train_sign_ups()
    askew = replace(trained.result.model, calibrator=Calibrator(shifts=(0.0, -2.0, -2.0)))
    path = tmp_path / "recent.parquet"
    pq.write_table(sign_ups(400, 9), path)
    renewed = recalibrate(trained.journey, path, askew, home=trained.home, mlruns=trained.mlruns)
    written = json.loads(json.dumps(renewed.to_json()))
    assert set(written) == {
        "model_version",
        "registered",
        "promoted",
        "promotion",
        "calibrator",
        "before",
        "held_out",
    }
    assert written["registered"]
