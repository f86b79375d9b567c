"""What an MLflow run holds: parameters, figures, tags, the data, the trials and the pictures."""

import json
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from training.metrics import flatten
from training.tracking import metric_name
from training.trained import TrainedModel


def log_run(mlflow: Any, trained: TrainedModel) -> None:
    """Log a training into the run that is active."""
    model, data = trained.model, trained.data
    mlflow.log_params(
        {
            **asdict(trained.settings),
            "trees": model.booster.num_trees(),
            "trials": len(trained.trials),
            "seed": trained.seed,
            "calibrator": str(model.calibrator.kind),
        }
    )
    mlflow.log_metrics({metric_name(name): value for name, value in flatten(trained.evaluation).items()})
    mlflow.log_metrics({f"calibration.{kind}": loss for kind, loss in trained.calibration_losses.items()})
    mlflow.set_tags(
        {
            "dropoff.journey": model.journey,
            "dropoff.fingerprint": model.table.fingerprint,
            "dropoff.data_digest": data.digest,
            "dropoff.data_events": data.events,
            "dropoff.data_sessions": data.sessions,
            "dropoff.python": platform.python_version(),
        }
    )
    _log_dataset(mlflow, trained)
    for trial in trained.trials:
        if trial.log_loss is not None:
            mlflow.log_metric("tuning.log_loss", trial.log_loss, step=trial.number)
    mlflow.log_dict([asdict(trial) for trial in trained.trials], "trials.json")
    mlflow.log_dict(trained.evaluation, "evaluation.json")
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
        for picture in trained.pictures:
            picture.draw(Path(folder) / f"{picture.name}.png")
        mlflow.log_artifacts(folder, "pictures")


def _log_dataset(mlflow: Any, trained: TrainedModel) -> None:
    import pandas as pd
    from mlflow.data.code_dataset_source import CodeDatasetSource

    frame = pd.DataFrame(trained.example, columns=list(trained.model.table.names))
    source = CodeDatasetSource(tags={"path": trained.data.path})
    dataset = mlflow.data.from_pandas(frame, source=source, name="log", digest=trained.data.digest)
    mlflow.log_input(dataset, context="training")


def _environment() -> list[str]:
    names = ("lightgbm", "numpy", "numba", "duckdb", "pandas", "scikit-learn", "optuna", "mlflow", "shap")
    return [f"{name}=={installed_version(name)}" for name in names] + [json.dumps({"machine": platform.machine()})]
