"""The data of a training as MLflow data sets: which rows, from which log, and what they look like."""

import json
from pathlib import Path
from typing import Any

from training.row_profile import RowProfile
from training.trained import TrainedModel

TRAINING, HELD_OUT = "training", "held_out"
LABEL = "abandoned"


def log_data(mlflow: Any, trained: TrainedModel, run_id: str) -> None:
    """Log the training rows and the held-out prefixes as inputs of a run, in contexts of these names."""
    from mlflow.entities import DatasetInput, InputTag

    profiles = {TRAINING: trained.training_rows, HELD_OUT: trained.held_out_rows}
    inputs = [
        DatasetInput(_data_set(trained, context, rows), [InputTag("mlflow.data.context", context)])
        for context, rows in profiles.items()
    ]
    mlflow.MlflowClient().log_inputs(run_id, datasets=inputs)


def _data_set(trained: TrainedModel, context: str, rows: RowProfile) -> Any:
    from mlflow.entities import Dataset
    from mlflow.types import ColSpec, DataType, Schema

    table = trained.model.table
    schema = Schema([ColSpec(DataType.double, name) for name in (*table.names, LABEL)])
    return Dataset(
        name=f"{trained.model.journey}-{context}",
        digest=rows.digest,
        source_type="local",
        source=json.dumps({"uri": str(Path(trained.data.path).resolve())}),
        schema=json.dumps({"mlflow_colspec": schema.to_dict()}),
        profile=json.dumps(rows.to_json(table)),
    )
