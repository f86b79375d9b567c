"""What an MLflow run holds: parameters, figures, tags, the data, the trials and the pictures."""

import json
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from training.fairness import Fairness
from training.leaks import to_json
from training.log_data import log_data
from training.log_trials import log_trials
from training.metrics import flatten
from training.pictures.gallery import draw_pictures
from training.tracking import metric_name
from training.trained import TrainedModel, as_date

_GAPS = {"auc": "auc_gap", "calibration_gap": "calibration_gap", "false_alarm_rate": "false_alarm_gap"}


def log_run(mlflow: Any, trained: TrainedModel, fairness: Fairness, run_id: str) -> None:
    """Log a training into the run that is active."""
    model = trained.model
    mlflow.log_params(
        {
            **asdict(trained.settings),
            "trees": model.booster.num_trees(),
            "trials": len(trained.trials),
            "seed": trained.seed,
            "calibrator": model.calibrator.describe(),
        }
    )
    mlflow.log_metrics({metric_name(name): value for name, value in _figures(trained, fairness).items()})
    mlflow.set_tags(_tags(trained))
    log_data(mlflow, trained, run_id)
    log_trials(mlflow, trained, run_id)
    mlflow.log_dict([asdict(trial) for trial in trained.trials], "trials.json")
    mlflow.log_dict(trained.evaluation, "evaluation.json")
    mlflow.log_dict(fairness.to_json(), "fairness.json")
    mlflow.log_dict(to_json(trained.leaks), "leaks.json")
    mlflow.log_dict(
        {
            feature.name: {
                "expression": feature.expression.describe(),
                "friction": feature.friction.name,
                "fingerprint": model.table.fingerprints[feature.name],
            }
            for feature in model.table.features
        },
        "features.json",
    )
    mlflow.log_text("\n".join([sys.version, *_environment()]), "environment.txt")
    with tempfile.TemporaryDirectory() as folder:
        draw_pictures(trained.pictures, Path(folder))
        mlflow.log_artifacts(folder, "pictures")


def _figures(trained: TrainedModel, fairness: Fairness) -> dict[str, float]:
    """Return the held-out figures under their own names, and those of tuning as the runs of trials have them."""
    gaps = {
        f"fairness.{name}.{_GAPS[figure]}": gap.value
        for name, attribute in fairness.attributes.items()
        for figure, gap in attribute.gaps.items()
    }
    calibration = {f"calibration.{kind}": loss for kind, loss in trained.calibration_losses.items()}
    return {**flatten(trained.evaluation), **flatten({"tuning": trained.tuning}), **calibration, **gaps}


def _tags(trained: TrainedModel) -> dict[str, str]:
    from mlflow.utils.git_utils import get_git_commit

    data = trained.data
    commit = get_git_commit(str(Path.cwd()))
    return {
        "dropoff.kind": "training" if trained.recalibrated_from is None else "recalibration",
        "dropoff.leaks": ", ".join(leak.name for leak in trained.leaks) or "none",
        "dropoff.journey": trained.model.journey,
        "dropoff.fingerprint": trained.model.table.fingerprint,
        "dropoff.data_digest": data.digest,
        "dropoff.data_events": str(data.events),
        "dropoff.data_sessions": str(data.sessions),
        "dropoff.data_from": as_date(data.first_at_us),
        "dropoff.data_until": as_date(data.last_at_us),
        "dropoff.held_out_from": as_date(data.held_out_from_us),
        "dropoff.seed": str(trained.seed),
        "dropoff.trees": str(trained.model.booster.num_trees()),
        "dropoff.python": platform.python_version(),
        # Until it is promoted.
        "dropoff.champion": "false",
        "dropoff.promoted": "false",
    } | ({"dropoff.git_commit": commit} if commit else {})


def _environment() -> list[str]:
    names = ("lightgbm", "numpy", "numba", "duckdb", "pandas", "scikit-learn", "optuna", "mlflow", "shap")
    return [f"{name}=={installed_version(name)}" for name in names] + [json.dumps({"machine": platform.machine()})]
