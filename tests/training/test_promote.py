"""Who becomes champion: the better model, also where several promote at once, and whatever MLflow's store knows."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from made_logs import signup
from made_rows import rows as made_rows

from decisions.calibration import Calibrator, CalibratorKind
from decisions.risk import RiskModel
from features.events import FloatArray
from features.vocabulary import Vocabulary
from storage.database import database_url, open_database
from storage.models import (
    challenger_version,
    champion_history,
    champion_version,
    point_challenger,
    point_champion,
    publish,
    withdraw_challenger,
)
from storage.shared_registry import SharedRegistry, shared_home
from training.blockers import fit_blockers
from training.evaluate import Scored
from training.fit import Rows, Settings, fit
from training.promote import on_rows, promote, promote_if_better
from training.tracking import connect

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [
    pytest.mark.xdist_group("training"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
JOURNEY = signup()


@pytest.fixture(scope="module")
def held_out() -> Rows:
    """Rows of the small journey, which has no device."""
    made = made_rows(1_200, 1)
    features = made.features[:, : len(JOURNEY.table.names)].copy()
    features[:, JOURNEY.table.names.index("stage_index")] = 0.0
    return Rows(features, made.labels, made.after)


@pytest.fixture(scope="module")
def model(held_out: Rows) -> RiskModel:
    vocabulary = Vocabulary.learn(JOURNEY.table, held_out.features)
    return RiskModel(
        journey="signup",
        version="best",
        table=JOURNEY.table,
        booster=fit(JOURNEY.table, vocabulary, held_out, Settings(), seed=1, threads=1, trees=60),
        calibrator=Calibrator(),
        vocabulary=vocabulary,
        blockers=fit_blockers(JOURNEY.table, held_out.features, held_out.labels, seed=1),
    )


def worse(model: RiskModel, version: str, slope: float) -> RiskModel:
    """The same model with its margins drawn towards zero, and so a higher log loss."""
    return replace(model, version=version, calibrator=Calibrator(CalibratorKind.PLATT, (slope, 0.0)))


def scored(rows: Rows, model: RiskModel) -> Scored:
    numbers = np.arange(len(rows))
    risks: FloatArray = model.predict(rows.features)
    return Scored(rows.labels, risks, numbers, numbers, rows.after, np.zeros(len(rows)), {})


def contest(home: Path, held_out: Rows, model: RiskModel) -> tuple[bool, str]:
    return promote_if_better(
        JOURNEY,
        model.version,
        on_rows(scored(held_out, model), held_out.features),
        home=home,
        mlruns=home / "mlruns",
    )


def test_a_better_model_is_promoted_with_the_reason_in_the_history(
    tmp_path: Path, held_out: Rows, model: RiskModel
) -> None:
    for one in (worse(model, "poor", 0.2), model, worse(model, "fair", 0.6)):
        publish(tmp_path, "signup", one.version, one.save)
    assert contest(tmp_path, held_out, worse(model, "poor", 0.2)) == (True, "champion: it is the first model")
    promoted, told = contest(tmp_path, held_out, model)
    assert promoted
    assert told.startswith("champion: log loss 0.")
    assert told.endswith("of version poor on the same held-out sessions")
    promoted, told = contest(tmp_path, held_out, worse(model, "fair", 0.6))
    assert not promoted
    assert told.startswith("challenger only: log loss 0.")
    lines = champion_history(tmp_path, "signup").promotions
    assert [(line.action, line.version, line.previous) for line in lines] == [
        ("train", "poor", None),
        ("train", "best", "poor"),
    ]
    assert lines[0].reason == "it is the first model"
    assert lines[1].reason.startswith("log loss 0.")


def test_of_trainings_that_end_at_once_the_best_is_champion(tmp_path: Path, held_out: Rows, model: RiskModel) -> None:
    challengers = [worse(model, "fair", 0.6), model, worse(model, "middling", 0.4)]
    for trial in range(10):
        home = tmp_path / str(trial)
        for one in (worse(model, "poor", 0.2), *challengers):
            publish(home, "signup", one.version, one.save)
        point_champion(home, "signup", "poor")
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda one, home=home: contest(home, held_out, one), challengers))
        assert champion_version(home, "signup") == "best"
        history = champion_history(home, "signup").promotions
        # Each promotion was a gain on the champion that it replaced.
        order = ["poor", "middling", "fair", "best"]
        places = [order.index(line.version) for line in history]
        assert places == sorted(places)
        assert [line.previous for line in history] == [None, *(line.version for line in history[:-1])]


def test_a_version_that_mlflow_does_not_know_moves_the_pointer_and_no_alias(
    tmp_path: Path, trained: "Trained", model: RiskModel
) -> None:
    elsewhere = replace(model, journey="ecommerce", version="999")
    publish(tmp_path, "ecommerce", "999", elsewhere.save)
    promoted = promote("ecommerce", "999", home=tmp_path, mlruns=trained.mlruns)
    assert (promoted.in_mlflow, promoted.line.version) == (False, "999")
    assert champion_version(tmp_path, "ecommerce") == "999"
    client = connect(trained.mlruns).MlflowClient()
    version = client.get_model_version_by_alias("dropoff-ecommerce", "champion").version
    assert str(version) == trained.result.model.version


def test_a_store_is_not_made_only_to_promote(tmp_path: Path, model: RiskModel) -> None:
    publish(tmp_path, "signup", "best", model.save)
    assert not promote("signup", "best", home=tmp_path, mlruns=tmp_path / "mlruns").in_mlflow
    assert not (tmp_path / "mlruns").exists()


def test_a_challenger_that_others_have_ended_meanwhile_is_promoted_like_any_other(
    tmp_path: Path, model: RiskModel
) -> None:
    engine = open_database(database_url(tmp_path / "shared"))
    here, there = tmp_path / "here", tmp_path / "there"
    with shared_home(engine, here, JOURNEY.name), shared_home(engine, there, JOURNEY.name):
        for version in ("1", "2"):
            publish(here, JOURNEY.name, version, replace(model, version=version).save)
        point_champion(here, JOURNEY.name, "1")
        point_challenger(here, JOURNEY.name, "2")
        SharedRegistry(engine).draw(there, JOURNEY.name)
        withdraw_challenger(there, JOURNEY.name)
        # This home does not know of it yet.
        assert challenger_version(here, JOURNEY.name) == "2"
        promoted = promote(JOURNEY.name, "2", home=here, mlruns=tmp_path / "mlruns")
        assert (promoted.line.version, promoted.line.previous) == ("2", "1")
        assert (champion_version(here, JOURNEY.name), challenger_version(here, JOURNEY.name)) == ("2", None)
    engine.dispose()
