"""Registering: a run that holds all an analyst compares, a version with aliases, and a folder without MLflow."""

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from made_logs import signup

from decisions.risk import RiskModel
from features.build import build, every_event
from features.events import FloatArray
from features.friction import Friction
from features.plan import compile_plan
from features.read_log import read_log
from storage.models import CHALLENGER, ModelNotFound, champion_version, model_folder, publish, verify_digest, versions
from training.fit import Settings
from training.metrics import flatten
from training.pictures.gallery import PICTURES
from training.promote import CHAMPION, promote
from training.tracking import connect, mlflow_address
from training.trained import digest_files

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [
    pytest.mark.xdist_group("training"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
NAME = "dropoff-ecommerce"


@pytest.fixture(scope="module")
def mlflow(trained: "Trained") -> Any:
    return connect(trained.mlruns)


@pytest.fixture(scope="module")
def run(mlflow: Any, trained: "Trained") -> Any:
    """The one run of the shop's training."""
    experiment = mlflow.get_experiment_by_name(NAME)
    [found] = mlflow.MlflowClient().search_runs([experiment.experiment_id], "tags.`dropoff.kind` = 'training'")
    return found


@pytest.fixture(scope="module")
def rows(trained: "Trained") -> FloatArray:
    plan = compile_plan(trained.journey.table)
    with read_log(trained.log, plan, timeout_seconds=trained.journey.session_timeout_seconds) as read:
        log = read.whole()
    return build(plan, log, every_event(log, 3))


def artifact(mlflow: Any, run: Any, path: str) -> Any:
    return json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{path}"))


def test_a_run_has_every_parameter(run: Any, trained: "Trained") -> None:
    card = trained.result.model.card
    expected = card["settings"] | {
        "trees": trained.result.model.booster.num_trees(),
        "trials": 2,
        "seed": 7,
        "calibrator": str(trained.result.model.calibrator.kind),
    }
    assert run.data.params == {name: str(value) for name, value in expected.items()}
    assert set(card["settings"]) == {field.name for field in fields(Settings)}
    assert run.info.status == "FINISHED"


def test_a_run_has_every_figure_of_the_evaluation(run: Any, trained: "Trained", mlflow: Any) -> None:
    block: Any = trained.result.evaluation
    metrics = run.data.metrics
    for name, value in flatten(block).items():
        assert metrics[name.replace("=", ":")] == pytest.approx(value, abs=1e-12), name
    assert metrics["by_events.3.auc"] == block["by_events"]["3"]["auc"]
    assert metrics["by_cohort.device:mobile.ece"] == block["by_cohort"]["device=mobile"]["ece"]
    assert metrics["calibration.identity"] > 0
    assert artifact(mlflow, run, "evaluation.json") == block


def test_a_run_says_which_data_table_and_version_it_is_about(run: Any, trained: "Trained") -> None:
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("dropoff.")}
    data = trained.result.model.card["data"]
    assert tags["dropoff.kind"] == "training"
    assert tags["dropoff.journey"] == "ecommerce"
    assert tags["dropoff.fingerprint"] == trained.journey.table.fingerprint
    assert tags["dropoff.data_digest"] == digest_files(trained.log) == data["digest"]
    assert tags["dropoff.data_events"] == str(trained.result.summary.used) == str(data["events"])
    assert tags["dropoff.data_sessions"] == "3000" == str(data["sessions"])
    assert tags["dropoff.model_version"] == trained.result.model.version
    assert (tags["dropoff.seed"], tags["dropoff.trees"]) == ("7", str(trained.result.model.booster.num_trees()))
    assert (tags["dropoff.champion"], tags["dropoff.promoted"]) == ("true", "true")
    assert data["first_at_us"] == trained.result.summary.first_at_us
    assert data["last_at_us"] == trained.result.summary.last_at_us
    times = "strftime(min(occurred_at), '%xT%XZ'), strftime(max(occurred_at), '%xT%XZ')"
    [(first, last)] = duckdb.sql(f"SELECT {times} FROM '{trained.log}/*.parquet'").fetchall()
    assert (tags["dropoff.data_from"], tags["dropoff.data_until"]) == (first, last)
    assert first < tags["dropoff.held_out_from"] < last


def test_a_run_keeps_the_table_the_environment_and_the_pictures(run: Any, trained: "Trained", mlflow: Any) -> None:
    features = artifact(mlflow, run, "features.json")
    assert {name: entry["fingerprint"] for name, entry in features.items()} == trained.journey.table.fingerprints
    assert features["form_errors"]["friction"] == Friction.FORM.name
    environment = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/environment.txt")
    for library in ("lightgbm", "numpy", "numba", "duckdb", "scikit-learn"):
        assert f"\n{library}==" in environment
    pictures = mlflow.MlflowClient().list_artifacts(run.info.run_id, "pictures")
    assert [picture.path.removeprefix("pictures/").removesuffix(".png") for picture in pictures] == sorted(PICTURES)
    assert all(picture.file_size > 10_000 for picture in pictures)


def test_the_registered_model_has_a_signature_an_example_and_its_requirements(mlflow: Any, trained: "Trained") -> None:
    model = mlflow.models.get_model_info(f"models:/{NAME}@{CHAMPION}")
    names = list(trained.journey.table.names)
    assert [column.name for column in model.signature.inputs] == names
    assert {str(column.type) for column in model.signature.inputs} == {"DataType.double"}
    assert model.signature.outputs is not None
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@{CHAMPION}"))
    example = json.loads((folder / "input_example.json").read_text())
    assert example["columns"] == names
    assert len(example["data"]) == 5
    requirements = (folder / "requirements.txt").read_text()
    assert "lightgbm==" in requirements
    # It must load where dropoff is not installed.
    assert "dropoff" not in requirements


def test_the_first_version_is_challenger_and_champion(mlflow: Any, trained: "Trained", run: Any) -> None:
    client = mlflow.MlflowClient()
    for alias in (CHALLENGER, CHAMPION):
        version = client.get_model_version_by_alias(NAME, alias)
        assert (str(version.version), version.run_id) == (trained.result.model.version, run.info.run_id)
    assert champion_version(trained.home, "ecommerce") == trained.result.model.version


def test_the_exported_folder_predicts_what_mlflow_s_model_and_the_trained_one_do(
    mlflow: Any, trained: "Trained", rows: FloatArray
) -> None:
    folder = model_folder(trained.home, "ecommerce", trained.result.model.version)
    verify_digest(folder)
    loaded = RiskModel.load(folder, trained.journey.table)
    risks = trained.result.model.predict(rows)
    np.testing.assert_array_equal(loaded.predict(rows), risks)
    numbered = loaded.vocabulary.apply(rows)
    registered = mlflow.pyfunc.load_model(f"models:/{NAME}@{CHAMPION}")
    uncalibrated = registered.predict(dict(zip(trained.journey.table.names, numbered.T, strict=True)))
    np.testing.assert_array_equal(uncalibrated, loaded.booster.predict(numbered))
    margins = np.log(uncalibrated) - np.log1p(-uncalibrated)
    np.testing.assert_allclose(loaded.calibrator.apply(margins), risks, atol=1e-12)


def test_the_card_tells_where_the_model_comes_from(trained: "Trained", run: Any) -> None:
    folder = model_folder(trained.home, "ecommerce", trained.result.model.version)
    card = json.loads((folder / "card.json").read_text())
    assert (card["journey"], card["version"]) == ("ecommerce", trained.result.model.version)
    assert card["run_id"] == run.info.run_id
    assert card["held_out"] == trained.result.evaluation
    assert card["data"]["path"] == str(trained.log)
    assert card["trees"] == trained.result.model.booster.num_trees()


def test_a_cohort_of_any_name_has_its_figures_under_a_name_that_mlflow_takes(train_sign_ups: "Train") -> None:
    trained = train_sign_ups()
    block: Any = trained.result.evaluation
    run_id = trained.result.model.card["run_id"]
    metrics = connect(trained.mlruns).MlflowClient().get_run(run_id).data.metrics
    address, long = sorted(block["by_cohort"])[2:4]
    assert address == "source=https://www.example.com/?q=a&b=/../"
    assert metrics["by_cohort.source:https:::www.example.com::q:a:b::..:.auc"] == block["by_cohort"][address]["auc"]
    assert len(long) > 250
    cut = [name for name in metrics if name.startswith("by_cohort.source:newsletter") and name.endswith(".brier_skill")]
    assert metrics[cut[0]] == block["by_cohort"][long]["brier_skill"]
    # Seven figures, and how many prefixes, sessions and visitors there are.
    assert len([name for name in metrics if name.startswith("by_cohort.source:newsletter")]) == 10


def test_the_digest_knows_the_files_by_name_and_bytes_but_not_by_place(tmp_path: Path) -> None:
    def digest(folder: str, **files: str) -> str:
        (tmp_path / folder).mkdir()
        for name, content in files.items():
            (tmp_path / folder / f"{name}.jsonl").write_text(content)
        return digest_files(tmp_path / folder)

    first = digest("first", a="one", b="two")
    assert first == digest("elsewhere", b="two", a="one")
    assert (
        len({first, digest("renamed", a="one", c="two"), digest("swapped", a="two", b="one"), digest("less", a="one")})
        == 4
    )
    assert digest_files(tmp_path / "first" / "a.jsonl") == digest_files(tmp_path / "less")


def test_a_version_that_was_never_published_is_not_promoted(mlflow: Any, trained: "Trained") -> None:
    with pytest.raises(ModelNotFound, match="no model version '999'"):
        promote("ecommerce", "999", home=trained.home, mlruns=trained.mlruns)
    version = mlflow.MlflowClient().get_model_version_by_alias(NAME, CHAMPION).version
    assert str(version) == trained.result.model.version == champion_version(trained.home, "ecommerce")


def test_promoting_moves_the_pointer_and_the_alias(train_sign_ups: "Train") -> None:
    first, second = train_sign_ups(seed=1), train_sign_ups(seed=2)
    client = connect(first.mlruns).MlflowClient()
    for chosen in (first, second, first):
        version = chosen.result.model.version
        promote("signup", version, home=first.home, mlruns=first.mlruns)
        assert champion_version(first.home, "signup") == version
        assert str(client.get_model_version_by_alias("dropoff-signup", CHAMPION).version) == version
    # The challenger is the latest, whoever is champion.
    latest = client.get_model_version_by_alias("dropoff-signup", CHALLENGER).version
    assert str(latest) == second.result.model.version
    assert versions(first.home, "signup") == (first.result.model.version, second.result.model.version)


def test_versions_that_another_store_left_in_the_home_are_never_written_over(
    train_sign_ups: "Train", tmp_path: Path
) -> None:
    latest = int(train_sign_ups().result.model.version)
    home = tmp_path / "other home"
    for version in (latest + 1, latest + 2):
        publish(home, "signup", str(version), lambda folder: (folder / "model.txt").write_text("another store's"))
    trained = train_sign_ups(home=home)
    assert trained.result.model.version == str(latest + 3)
    for version in (latest + 1, latest + 2):
        assert (model_folder(home, "signup", str(version)) / "model.txt").read_text() == "another store's"
    RiskModel.load(model_folder(home, "signup", str(latest + 3)), signup().table)
    registered = connect(trained.mlruns).MlflowClient().search_model_versions("name = 'dropoff-signup'")
    assert not {latest + 1, latest + 2} & {int(version.version) for version in registered}


def test_the_store_lives_in_its_folder(tmp_path: Path) -> None:
    assert mlflow_address(tmp_path / "mlruns") == f"sqlite:///{tmp_path.resolve()}/mlruns/mlflow.db"
