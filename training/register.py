"""Register a model: an MLflow run that an analyst can compare, a registry version, and the exported folder."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decisions.risk import RiskModel
from storage.models import CHALLENGER, MODELS, challenger_version, publish
from training.card import CARD_FILE, write_card
from training.fairness import compare_groups
from training.log_run import log_run
from training.tracking import choose_experiment, connect, mlflow_name
from training.trained import TrainedModel, as_date

if TYPE_CHECKING:
    from mlflow import MlflowClient

_REQUIREMENTS = ("lightgbm", "numpy", "pandas")


def register(trained: TrainedModel, *, home: Path, mlruns: Path) -> RiskModel:
    """Log the run, register a version as ``@challenger``, export it, and return the model with its version."""
    mlflow = connect(mlruns)
    journey = trained.model.journey
    name = mlflow_name(journey)
    choose_experiment(mlflow, name, mlruns)
    with mlflow.start_run(run_name=f"{journey} {trained.data.digest[:8]}") as run:
        fairness = compare_groups(trained.held_out, trained.journey.policy.low_risk)
        log_run(mlflow, trained, fairness, run.info.run_id)
        model_uri = _log_model(mlflow, trained)
        client = mlflow.MlflowClient()
        registered = register_version(client, name, model_uri, run.info.run_id)
        # A home may hold versions of another store, the champion among them; they are never written over.
        while MODELS.is_taken(home, journey, registered):
            client.delete_model_version(name, registered)
            registered = register_version(client, name, model_uri, run.info.run_id)
        # The alias is the latest version's, unless people have named one that services ask beside the champion.
        if challenger_version(home, journey) is None:
            client.set_registered_model_alias(name, CHALLENGER, registered)
        card = {
            "run_id": run.info.run_id,
            "registered_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "data": asdict(trained.data),
            "held_out": trained.evaluation,
            "settings": asdict(trained.settings),
            "trees": trained.model.booster.num_trees(),
            "calibrator": trained.model.calibrator.describe(),
            "seed": trained.seed,
            "trials": len(trained.trials),
            "sampled_share": trained.sampled_share,
            "fairness": fairness.to_json(),
            "recalibrated_from": trained.recalibrated_from,
        }
        model = replace(trained.model, version=registered, card=card)
        text = write_card(trained.journey, {"version": registered, **card})

        def write(folder: Path) -> None:
            model.save(folder)
            (folder / CARD_FILE).write_text(text, encoding="utf-8")

        publish(home, journey, registered, write)
        mlflow.log_text(text, CARD_FILE)
        mlflow.set_tags(
            {"dropoff.model_version": registered, "mlflow.note.content": f"Version {registered}. {_note(trained)}"}
        )
        client.update_model_version(name, registered, description=_note(trained))
    return model


def _note(trained: TrainedModel) -> str:
    """Return what stands above a run and a version in MLflow's pages."""
    block: Any = trained.evaluation
    return (
        f"On {block['n_rows']:,} prefixes of {block['n_sessions']:,} held-out sessions from "
        f"{as_date(trained.data.held_out_from_us)} on: AUC {block['auc']:.3f}, log loss {block['log_loss']:.4f}, ECE "
        f"{block['ece']:.3f}; {block['base_rate']:.1%} of the prefixes ended in abandonment. {CARD_FILE} says what "
        "it is for, and what not."
    )


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


def register_version(client: "MlflowClient", name: str, model_uri: str, run_id: str) -> str:
    """Return the number of a new version of a registered model, which is made where there is none yet."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return str(client.create_model_version(name, source=model_uri, run_id=run_id).version)
