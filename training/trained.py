"""What is registered about one training."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from decisions.risk import RiskModel
from features.events import US_PER_SECOND, FloatArray
from features.log_files import find_files
from journeys.journey import Journey
from training.evaluate import Evaluation, Scored
from training.fit import Settings
from training.leaks import Leak
from training.metrics import Block
from training.pictures.canvas import Picture
from training.row_profile import RowProfile
from training.tune import Trial

EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class DataIdentity:
    """Which data a model was trained on: a digest of the files' bytes, and what they hold.

    Training sessions had ended before ``held_out_from_us``; held-out ones began then or later.
    """

    path: str
    digest: str
    events: int
    sessions: int
    training_sessions: int
    first_at_us: int
    last_at_us: int
    held_out_from_us: int


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """All that is registered about one training.

    ``training_rows`` are what the model was fitted on, ``example`` a few of them with raw features, to show what it
    takes. ``held_out`` are the held-out prefixes, or those of a sample of persons where there are very many.
    ``tuning`` are the figures that the settings reached on the tuning rows, with a model that has not seen them.
    Every picture is drawn into the run. ``leaks`` were allowed, or only seem to be some. ``recalibrated_from`` is the
    version whose trees it has, where these were kept.
    """

    journey: Journey
    model: RiskModel
    settings: Settings
    trials: Sequence[Trial]
    tuning: Block
    seed: int
    data: DataIdentity
    sampled_share: float
    evaluation: Evaluation
    training_rows: RowProfile
    example: FloatArray
    held_out: Scored
    held_out_rows: RowProfile
    calibration_losses: Mapping[str, float]
    pictures: Sequence[Picture]
    leaks: Sequence[Leak] = ()
    recalibrated_from: str | None = None


def as_date(at_us: int) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at_us // US_PER_SECOND, UTC).isoformat().replace("+00:00", "Z")


def digest_files(path: Path) -> str:
    """Return a digest of the names and bytes of a log's files."""
    digest = hashlib.sha256()
    for file in find_files(path):
        digest.update(file.name.encode())
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:32]
