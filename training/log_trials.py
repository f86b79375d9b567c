"""A nested MLflow run for each trial of a search, so that settings can be compared as runs are."""

from dataclasses import asdict
from typing import Any

from training.metrics import flatten
from training.trained import TrainedModel
from training.tune import Trial


def log_trials(mlflow: Any, trained: TrainedModel, parent_run_id: str) -> None:
    """Log each trial as a run below the training's, at the time it ran.

    A pruned one has the status KILLED and no figures, only the log loss by the number of trees as far as it came.
    """
    client = mlflow.MlflowClient()
    parent = client.get_run(parent_run_id)
    for trial in trained.trials:
        run = client.create_run(
            parent.info.experiment_id,
            start_time=trial.started_at_ms,
            run_name=f"{parent.info.run_name} trial {trial.number}",
            tags={**_tags(trained, trial), "mlflow.parentRunId": parent_run_id},
        )
        client.log_batch(run.info.run_id, metrics=_metrics(trial), params=_parameters(trial))
        status = "FINISHED" if trial.log_loss is not None else "KILLED"
        client.set_terminated(run.info.run_id, status, trial.ended_at_ms)


def _tags(trained: TrainedModel, trial: Trial) -> dict[str, str]:
    return {
        "dropoff.kind": "trial",
        "dropoff.journey": trained.model.journey,
        "dropoff.fingerprint": trained.model.table.fingerprint,
        "dropoff.data_digest": trained.data.digest,
        "dropoff.seed": str(trained.seed),
        "dropoff.trial": str(trial.number),
        "dropoff.state": trial.state,
        "dropoff.chosen": str(trial.log_loss is not None and trial.settings == trained.settings).lower(),
    }


def _parameters(trial: Trial) -> list[Any]:
    from mlflow.entities import Param

    # A pruned trial has no number of trees that was best.
    trees = {"trees": trial.trees} if trial.trees else {}
    return [Param(name, str(value)) for name, value in {**asdict(trial.settings), **trees}.items()]


def _metrics(trial: Trial) -> list[Any]:
    from mlflow.entities import Metric

    curve = [Metric("tuning.log_loss_by_trees", loss, trial.ended_at_ms, trees) for trees, loss in trial.curve]
    figures = flatten({"tuning": trial.figures})
    if trial.log_loss is not None:
        # LightGBM's own figure: what the search went by.
        figures["tuning.log_loss"] = trial.log_loss
    seconds = (trial.ended_at_ms - trial.started_at_ms) / 1_000
    figures["seconds"] = seconds
    return curve + [Metric(name, value, trial.ended_at_ms, 0) for name, value in figures.items()]
