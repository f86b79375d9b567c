"""What an analyst finds in MLflow: runs to filter and compare, trials below them, and the data as inputs."""

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from made_logs import sign_ups

from features.build import build
from features.plan import compile_plan
from features.read_log import read_log
from journeys.ends import find_ends
from training.cutoffs import after_every_event
from training.row_profile import RowProfile
from training.split import forward_split
from training.tracking import connect, mlflow_name

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [
    pytest.mark.xdist_group("training"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]


@pytest.fixture(scope="module")
def mlflow(trained: "Trained") -> Any:
    return connect(trained.mlruns)


def search(mlflow: Any, question: str, journey: str = "ecommerce", order: str = "") -> list[Any]:
    """The runs of a journey's experiment that answer a question, as an analyst asks it."""
    experiment = mlflow.get_experiment_by_name(mlflow_name(journey))
    found = mlflow.MlflowClient().search_runs([experiment.experiment_id], question, order_by=[order] if order else [])
    return list(found)


@pytest.fixture(scope="module")
def run(mlflow: Any, trained: "Trained") -> Any:
    [found] = search(mlflow, "tags.`dropoff.kind` = 'training'")
    return found


def test_every_trial_is_a_run_below_the_training(mlflow: Any, trained: "Trained", run: Any) -> None:
    children = search(mlflow, f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", order="tags.`dropoff.trial` ASC")
    assert len(children) == len(trained.trials) == 2
    for child, trial in zip(children, trained.trials, strict=True):
        assert child.data.params["learning_rate"] == str(trial.settings.learning_rate)
        assert child.data.params["trees"] == str(trial.trees)
        assert child.data.metrics["tuning.log_loss"] == trial.log_loss
        assert child.data.metrics["tuning.auc"] == trial.figures["auc"]
        assert (child.data.tags["dropoff.state"], child.info.status) == ("complete", "FINISHED")
        assert (child.info.start_time, child.info.end_time) == (trial.started_at_ms, trial.ended_at_ms)
        assert child.data.metrics["seconds"] == (trial.ended_at_ms - trial.started_at_ms) / 1_000 > 0
        curve = mlflow.MlflowClient().get_metric_history(child.info.run_id, "tuning.log_loss_by_trees")
        assert tuple((point.step, point.value) for point in curve) == trial.curve
        assert [point.step for point in curve] == list(range(1, curve[-1].step + 1, 10))


def test_the_trial_that_was_chosen_is_found_and_is_the_best(mlflow: Any, run: Any) -> None:
    trials = search(mlflow, "tags.`dropoff.kind` = 'trial'", order="metrics.`tuning.log_loss` ASC")
    [chosen] = search(mlflow, "tags.`dropoff.chosen` = 'true'")
    assert chosen.info.run_id == trials[0].info.run_id
    searched = {name: chosen.data.params[name] for name in ("learning_rate", "num_leaves", "lambda_l2")}
    assert searched == {name: run.data.params[name] for name in searched}
    # A training's figures of tuning are those of its chosen trial, so that both can stand in one column. LightGBM
    # keeps weights in single precision.
    for name in ("tuning.log_loss", "tuning.auc", "tuning.ap", "tuning.ece", "tuning.base_rate"):
        assert run.data.metrics[name] == pytest.approx(chosen.data.metrics[name], abs=1e-8)


def test_a_pruned_trial_is_killed_and_shows_how_far_it_came(train_sign_ups: "Train") -> None:
    trained = train_sign_ups(trials=8)
    pruned = [trial for trial in trained.trials if trial.state == "pruned"]
    assert pruned
    mlflow = connect(trained.mlruns)
    parent = trained.result.model.card["run_id"]
    runs = search(
        mlflow, f"tags.`dropoff.state` = 'pruned' AND tags.`mlflow.parentRunId` = '{parent}'", trained.journey.name
    )
    assert {run.data.tags["dropoff.trial"] for run in runs} == {str(trial.number) for trial in pruned}
    for run in runs:
        assert run.info.status == "KILLED"
        assert set(run.data.metrics) == {"seconds", "tuning.log_loss_by_trees"}
        assert "trees" not in run.data.params


def test_runs_are_found_by_tag_and_figure(mlflow: Any, trained: "Trained", run: Any) -> None:
    auc = trained.result.evaluation["auc"]
    question = (
        "tags.`dropoff.champion` = 'true' AND tags.`dropoff.data_until` LIKE '20%' "
        f"AND tags.`dropoff.fingerprint` = '{trained.journey.table.fingerprint}' AND metrics.auc >= {auc}"
    )
    assert [found.info.run_id for found in search(mlflow, question)] == [run.info.run_id]
    assert search(mlflow, f"metrics.auc > {auc} AND tags.`dropoff.kind` = 'training'") == []


def test_one_run_at_a_time_is_the_champion_s(train_sign_ups: "Train") -> None:
    # A coin that nothing knows: the second training cannot beat the first on its own held-out sessions by much.
    first, second = train_sign_ups(seed=1), train_sign_ups(sign_ups(400, 9, signal=0.0))
    mlflow = connect(first.mlruns)
    champions = search(mlflow, "tags.`dropoff.champion` = 'true'", "signup")
    winner = second if second.result.promoted else first
    assert [run.info.run_id for run in champions] == [winner.result.model.card["run_id"]]
    tags = mlflow.get_run(second.result.model.card["run_id"]).data.tags
    assert tags["dropoff.promoted"] == str(second.result.promoted).lower()


def test_the_commit_is_a_tag_where_the_work_is_in_a_repository(
    train_sign_ups: "Train", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    trained = train_sign_ups()
    run = connect(trained.mlruns).get_run(trained.result.model.card["run_id"])
    assert "dropoff.git_commit" not in run.data.tags
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(("git", *words), check=True)
    head = subprocess.run(("git", "rev-parse", "HEAD"), check=True, capture_output=True, text=True).stdout.strip()
    trained = train_sign_ups()
    run = connect(trained.mlruns).get_run(trained.result.model.card["run_id"])
    assert run.data.tags["dropoff.git_commit"] == head


# The data


def test_the_training_and_the_held_out_rows_are_inputs_of_the_run(mlflow: Any, run: Any, trained: "Trained") -> None:
    inputs = {given.tags[0].value: given.dataset for given in run.inputs.dataset_inputs}
    assert set(inputs) == {"training", "held_out"}
    assert len({data.digest for data in inputs.values()}) == 2
    table, block = trained.journey.table, trained.result.evaluation
    for context, data in inputs.items():
        assert data.name == f"ecommerce-{context}"
        columns = json.loads(data.schema)["mlflow_colspec"]
        assert [column["name"] for column in columns] == [*table.names, "abandoned"]
        assert mlflow.data.get_source(data).uri == str(trained.log.resolve())
    held_out = json.loads(inputs["held_out"].profile)
    assert (held_out["num_rows"], held_out["num_sessions"]) == (block["n_rows"], block["n_sessions"])
    assert held_out["base_rate"] == pytest.approx(block["base_rate"])
    assert set(held_out["features"]) == set(table.names)
    training = json.loads(inputs["training"].profile)
    assert training["num_sessions"] == trained.result.model.card["data"]["training_sessions"]


def test_the_digest_of_the_held_out_rows_is_that_of_these_very_rows(run: Any, trained: "Trained") -> None:
    plan, journey = compile_plan(trained.journey.table), trained.journey
    with read_log(trained.log, plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log = read.whole()
        ends = find_ends(plan, log, journey, read.summary.last_at_us)
    split = forward_split(log, ends)
    cutoffs = after_every_event(log, np.where(split.held_out, ends.usable, 0))
    rows, labels = build(plan, log, cutoffs), ends.outcome[cutoffs.session]
    [data] = [given.dataset for given in run.inputs.dataset_inputs if given.tags[0].value == "held_out"]
    assert data.digest == RowProfile.of(journey.table, rows, labels, 1).digest
    rows[0, 0] += 1
    assert data.digest != RowProfile.of(journey.table, rows, labels, 1).digest
    assert trained.result.model.card["data"]["training_sessions"] == split.training.sum()


def test_a_profile_tells_of_each_feature_what_is_missing_and_where_its_values_lie(trained: "Trained") -> None:
    table = trained.journey.table
    rows = np.full((4, len(table.features)), np.nan)
    errors, device = table.names.index("form_errors"), table.names.index("device")
    rows[:3, errors] = (1.0, 2.0, 6.0)
    rows[:, device] = (7.0, 7.0, 9.0, 9.0)
    told = RowProfile.of(table, rows, np.array([1.0, 1.0, 1.0, 0.0]), 2).to_json(table)
    assert (told["num_rows"], told["num_sessions"], told["base_rate"]) == (4, 2, 0.75)
    assert told["features"]["form_errors"] == {"missing": 0.25, "mean": 3.0, "min": 1.0, "max": 6.0}
    assert told["features"]["device"] == {"missing": 0.0, "values": 2}
    assert told["features"]["idle_seconds"] == {"missing": 1.0}
