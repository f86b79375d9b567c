"""MLflow's store: where it is, how to reach it, and the names that it takes."""

import logging
import os
import re
import warnings
from pathlib import Path
from typing import Any

_METRIC_NAME = re.compile(r"[^\w\-. :]")
"""What MLflow refuses in the name of a metric; a slash too, since it reads such names as paths."""
_LONGEST_METRIC_NAME = 250
STORE = "mlflow.db"


def mlflow_address(folder: Path) -> str:
    """Return the address of MLflow's store in a folder (``mlruns``)."""
    return f"sqlite:///{(folder / STORE).resolve()}"


def mlflow_name(journey: str) -> str:
    """Return what a journey's experiment and registered model are called."""
    return f"dropoff-{journey}"


def connect(mlruns: Path) -> Any:
    """Return MLflow, pointed at the store in a folder; nothing is reported to anybody."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        # MLflow warns about its own type hints, and what its store uses of SQLAlchemy, when it is imported.
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.lightgbm
        import mlflow.pyfunc
        import mlflow.store.tracking.sqlalchemy_store
    # Of what goes on in its store only warnings concern people.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlruns.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(mlflow_address(mlruns))
    mlflow.set_registry_uri(mlflow_address(mlruns))
    return mlflow


def choose_experiment(mlflow: Any, name: str, mlruns: Path) -> None:
    """Make an experiment the current one; a new one keeps its artifacts beside the store."""
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=(mlruns / "artifacts").resolve().as_uri())
    mlflow.set_experiment(name)


def metric_name(name: str) -> str:
    """Return a name that MLflow takes, the figure's own at its end, whatever the log calls its cohorts."""
    plain = _METRIC_NAME.sub(":", name)
    return plain if len(plain) <= _LONGEST_METRIC_NAME else f"{plain[:200]}:{plain[-49:]}"
