"""Recalibrating: the booster stays, its odds follow recent sessions, and the gate decides."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_logs import SECOND, START_US, sign_ups

from decisions.calibration import CalibratorKind
from decisions.risk import RiskModel
from storage.models import champion_version, model_folder
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
    assert after["ece"] < 0.03
    assert after["log_loss"] < before["log_loss"]
    # A monotone calibrator leaves the order of the risks.
    assert after["auc"] == pytest.approx(before["auc"], abs=0.01)
    model = renewed.model
    assert model.calibrator.kind is not CalibratorKind.IDENTITY
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


@pytest.mark.parametrize("seed", [9, 10])
def test_the_new_calibrator_reigns_only_where_it_is_better_on_sessions_that_it_has_not_seen(
    train_sign_ups: "Train", tmp_path: Path, seed: int
) -> None:
    trained = train_sign_ups()
    renewed = renew(trained, sign_ups(400, seed), tmp_path)
    before: Any = renewed.former
    after: Any = renewed.evaluation
    better = after["log_loss"] < before["log_loss"]
    former = trained.result.model.version
    assert renewed.promoted is better
    assert champion_version(trained.home, "signup") == (renewed.model.version if better else former)


def test_the_result_is_json(train_sign_ups: "Train", tmp_path: Path) -> None:
    written = json.loads(json.dumps(renew(train_sign_ups(), sign_ups(400, 9), tmp_path).to_json()))
    assert set(written) == {"model_version", "promoted", "promotion", "calibrator", "before", "held_out"}
