"""One simulated log of the shop, one model trained on it, and a way to train the small journey.

Tests that train carry the group ``training``, so that one worker makes each of these once.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_logs import sign_ups, signup

from journeys.journey import Journey
from journeys.load import load_journey
from training.pipeline import TrainingResult, train
from training.simulator import simulate
from training.tune import Trial


@dataclass(frozen=True)
class Trained:
    journey: Journey
    log: Path
    home: Path
    mlruns: Path
    result: TrainingResult
    trials: tuple[Trial, ...]
    phases: tuple[str, ...]


Train = Callable[..., Trained]


@pytest.fixture(scope="session")
def shop_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate("ecommerce", sessions=3_000, seed=5, out=folder)
    return folder / "events"


@pytest.fixture(scope="session")
def mlruns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlruns")


def run(journey: Journey, log: Path, home: Path, mlruns: Path, **options: Any) -> Trained:
    trials: list[Trial] = []
    phases: dict[str, float] = {}
    result = train(
        journey,
        log,
        home=home,
        mlruns=mlruns,
        threads=1,  # another worker may be at the other core
        on_trial=trials.append,
        progress=lambda phase, fraction: phases.update({phase: fraction}),
        **options,
    )
    return Trained(journey, log, home, mlruns, result, tuple(trials), tuple(phases))


@pytest.fixture(scope="session")
def trained(shop_log: Path, mlruns: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The shop's model; nobody may change its home."""
    return run(load_journey("ecommerce"), shop_log, tmp_path_factory.mktemp("home"), mlruns, trials=2)


@pytest.fixture(scope="session")
def sign_up_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sign_ups") / "log.parquet"
    pq.write_table(sign_ups(1_500, 1), path)
    return path


@pytest.fixture
def train_sign_ups(tmp_path: Path, mlruns: Path, sign_up_log: Path) -> Train:
    """Train the small journey in a home of the test's own, without pictures; by default on the same log."""

    def training(log: Path | pa.Table | None = None, *, journey: Journey | None = None, **options: Any) -> Trained:
        options.setdefault("pictures", False)
        if isinstance(log, pa.Table):
            pq.write_table(log, tmp_path / "log.parquet")
            log = tmp_path / "log.parquet"
        home = options.pop("home", tmp_path / "home")
        return run(journey or signup(), log or sign_up_log, home, options.pop("mlruns", mlruns), **options)

    return training
