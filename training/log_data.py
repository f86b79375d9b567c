"""The data of a training as MLflow data sets: which rows, from which log, and what they look like."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from features.events import FloatArray
from features.table import FeatureTable
from training.trained import TrainedModel

TRAINING, HELD_OUT = "training", "held_out"
LABEL = "abandoned"
DIGEST_LETTERS = 16


def log_data(mlflow: Any, trained: TrainedModel, run_id: str) -> None:
    """Log the training rows and the held-out prefixes as inputs of a run, in contexts of these names."""
    from mlflow.entities import DatasetInput, InputTag

    held_out = trained.held_out
    parts = {
        TRAINING: (trained.rows.features, trained.rows.labels, trained.data.training_sessions),
        HELD_OUT: (trained.held_out_rows, held_out.labels, len(np.unique(held_out.sessions))),
    }
    inputs = [
        DatasetInput(_data_set(trained, context, *part), [InputTag("mlflow.data.context", context)])
        for context, part in parts.items()
    ]
    mlflow.MlflowClient().log_inputs(run_id, datasets=inputs)


def digest_rows(features: FloatArray, labels: FloatArray) -> str:
    """Return a digest of labelled rows: another log, split or feature table gives another."""
    digest = hashlib.sha256(np.ascontiguousarray(features).tobytes())
    digest.update(labels.tobytes())
    return digest.hexdigest()[:DIGEST_LETTERS]


def profile(table: FeatureTable, features: FloatArray, labels: FloatArray, sessions: int) -> dict[str, Any]:
    """Return what rows (R, F) look like: counts, base rate, and each feature's missing share, mean, least and most.

    Of a category, whose keys are no quantities, only the number of values is told.
    """
    return {
        "num_rows": len(labels),
        "num_elements": int(features.size),
        "num_sessions": sessions,
        "base_rate": float(labels.mean()),
        "features": {
            feature.name: _column(column, feature.is_category)
            for feature, column in zip(table.features, features.T, strict=True)
        },
    }


def _column(column: FloatArray, is_category: bool) -> dict[str, float | int]:
    known = column[~np.isnan(column)]
    told: dict[str, float | int] = {"missing": float(1 - len(known) / len(column))}
    if is_category:
        return told | {"values": len(np.unique(known))}
    if not len(known):
        return told
    return told | {"mean": float(known.mean()), "min": float(known.min()), "max": float(known.max())}


def _data_set(trained: TrainedModel, context: str, features: FloatArray, labels: FloatArray, sessions: int) -> Any:
    from mlflow.entities import Dataset
    from mlflow.types import ColSpec, DataType, Schema

    table = trained.model.table
    schema = Schema([ColSpec(DataType.double, name) for name in (*table.names, LABEL)])
    return Dataset(
        name=f"{trained.model.journey}-{context}",
        digest=digest_rows(features, labels),
        source_type="local",
        source=json.dumps({"uri": str(Path(trained.data.path).resolve())}),
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
        profile=json.dumps(profile(table, features, labels, sessions)),
    )
