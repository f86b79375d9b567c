"""Register a model: an MLflow run that an analyst can compare, a registry version, and the exported folder."""

import hashlib
import json
import logging
import os
import platform
import re
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decisions.risk import RiskModel
from features.events import FloatArray
from features.raw_log import find_files
from storage.models import point_champion, publish, versions
from training.evaluate import Evaluation, Scored
from training.fit import Settings
from training.metrics import flatten
from training.pictures import draw_precision_recall, draw_reliability
from training.tune import Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHALLENGER, CHAMPION = "challenger", "champion"
_METRIC_NAME = re.compile(r"[^\w\-. :]")
"""What MLflow refuses in the name of a metric; a slash too, since it reads such names as paths."""
_LONGEST_METRIC_NAME = 250
_REQUIREMENTS = ("lightgbm", "numpy", "pandas")


@dataclass(frozen=True, slots=True)
class DataIdentity:
    """Which data a model was trained on: a digest of the files' bytes, and what they hold."""

    path: str
    digest: str
    events: int
    sessions: int
    first_at_us: int
    last_at_us: int


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """All that is registered about one training."""

    model: RiskModel
    settings: Settings
    trials: Sequence[Trial]
    seed: int
    data: DataIdentity
    evaluation: Evaluation
    held_out: Scored
    example: FloatArray
    calibration_losses: Mapping[str, float]


def mlflow_address(folder: Path) -> str:
    """Return the address of MLflow's store in a folder (``mlruns``)."""
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def digest_files(path: Path) -> str:
    """Return a digest of the names and bytes of a log's files."""
    digest = hashlib.sha256()
    for file in find_files(path):
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:32]


def register(trained: TrainedModel, *, home: Path, mlruns: Path) -> RiskModel:
    """Log the run, register a version as ``@challenger``, export it, and return the model with its version."""
    mlflow = connect(mlruns)
    journey = trained.model.journey
    _choose_experiment(mlflow, f"dropoff-{journey}", mlruns)
    with mlflow.start_run(run_name=f"{journey} {trained.data.digest[:8]}") as run:
        _log_run(mlflow, trained)
        model_uri = _log_model(mlflow, trained)
        client = mlflow.MlflowClient()
        registered = _register_version(client, f"dropoff-{journey}", model_uri, run.info.run_id)
        # A home may hold versions of another store, the champion among them; they are never written over.
        while registered in versions(home, journey):
            client.delete_model_version(f"dropoff-{journey}", registered)
            registered = _register_version(client, f"dropoff-{journey}", model_uri, run.info.run_id)
        client.set_registered_model_alias(f"dropoff-{journey}", CHALLENGER, registered)
        card = {
            "run_id": run.info.run_id,
            "data": asdict(trained.data),
            "held_out": trained.evaluation,
            "settings": asdict(trained.settings),
            "trees": trained.model.booster.num_trees(),
            "calibrator": str(trained.model.calibrator.kind),
        }
        model = replace(trained.model, version=registered, card=card)
        publish(home, journey, registered, model.save)
        mlflow.set_tag("dropoff.model_version", registered)
    return model


def promote(journey: str, version: str, *, home: Path, mlruns: Path) -> None:
    """Make a version the champion: first the pointer that the service watches, then MLflow's alias."""
    point_champion(home, journey, version)
    connect(mlruns).MlflowClient().set_registered_model_alias(f"dropoff-{journey}", CHAMPION, version)


def connect(mlruns: Path) -> Any:
    """Return MLflow, pointed at the store in a folder; nothing is reported to anybody."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        # MLflow warns about its own type hints when it is imported.
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.lightgbm
        import mlflow.pyfunc
    # Of what goes on in its store only warnings concern people.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlruns.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(mlflow_address(mlruns))
    mlflow.set_registry_uri(mlflow_address(mlruns))
    return mlflow


def _choose_experiment(mlflow: Any, name: str, mlruns: Path) -> None:
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=(mlruns / "artifacts").resolve().as_uri())
    mlflow.set_experiment(name)


def _log_run(mlflow: Any, trained: TrainedModel) -> None:
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
    mlflow.log_metrics({_metric_name(name): value for name, value in flatten(trained.evaluation).items()})
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
        labels, risks = trained.held_out.labels, trained.held_out.risks
        draw_reliability(labels, risks, Path(folder) / "reliability.png", f"{model.journey}: reliability, held out")
        draw_precision_recall(
            labels, risks, Path(folder) / "precision_recall.png", f"{model.journey}: precision and recall, held out"
        )
        mlflow.log_artifacts(folder, "pictures")


def _metric_name(name: str) -> str:
    """Return a name that MLflow takes, the figure's own at its end, whatever the log calls its cohorts."""
    plain = _METRIC_NAME.sub(":", name)
    return plain if len(plain) <= _LONGEST_METRIC_NAME else f"{plain[:200]}:{plain[-49:]}"


def _log_dataset(mlflow: Any, trained: TrainedModel) -> None:
    import pandas as pd
    from mlflow.data.code_dataset_source import CodeDatasetSource

    frame = pd.DataFrame(trained.example, columns=list(trained.model.table.names))
    source = CodeDatasetSource(tags={"path": trained.data.path})
    dataset = mlflow.data.from_pandas(frame, source=source, name="log", digest=trained.data.digest)
    mlflow.log_input(dataset, context="training")


def _log_model(mlflow: Any, trained: TrainedModel) -> str:
    import pandas as pd
    from mlflow.models import infer_signature

    frame = pd.DataFrame(
        trained.model.vocabulary.apply(trained.example), columns=list(trained.model.table.names), dtype=np.float64
    )
    predicted = np.asarray(trained.model.booster.predict(frame.to_numpy()))
    logged = mlflow.lightgbm.log_model(
        trained.model.booster,
        name="model",
        signature=infer_signature(frame, predicted),
        input_example=frame,
        pip_requirements=[f"{name}=={installed_version(name)}" for name in _REQUIREMENTS],
    )
    return str(logged.model_uri)


def _register_version(client: "MlflowClient", name: str, model_uri: str, run_id: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return str(client.create_model_version(name, source=model_uri, run_id=run_id).version)


def _environment() -> list[str]:
    names = ("lightgbm", "numpy", "numba", "duckdb", "pandas", "scikit-learn", "optuna", "mlflow", "shap")
    return [f"{name}=={installed_version(name)}" for name in names] + [json.dumps({"machine": platform.machine()})]
