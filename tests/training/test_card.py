"""The model card: every figure in it is of the evaluation, its words claim no cause, and it lies where it should."""

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from journeys.load import load_journey
from storage.models import model_folder, verify_digest
from training.card import CARD_FILE, write_card
from training.card_tables import table
from training.tracking import connect

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [
    pytest.mark.xdist_group("training"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]

CAUSAL = re.compile(r"\b(because|cause[sd]?|due to|effects?|lift|recover(s|ed)?|leads? to|therefore|uplifts?|impact)\b")


@pytest.fixture(scope="module")
def card(trained: "Trained") -> Any:
    """What card.json holds, as anybody reads it."""
    folder = model_folder(trained.home, "ecommerce", trained.result.model.version)
    return json.loads((folder / "card.json").read_text())


@pytest.fixture(scope="module")
def text(trained: "Trained") -> str:
    return (model_folder(trained.home, "ecommerce", trained.result.model.version) / CARD_FILE).read_text()


def row(text: str, name: str) -> list[str]:
    """The cells of the first row of a table that begins with a name."""
    [cells, *_] = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith(f"| {name} |")]
    return cells


def test_the_card_lies_beside_the_model_and_in_the_run(trained: "Trained", text: str, card: Any) -> None:
    verify_digest(model_folder(trained.home, "ecommerce", trained.result.model.version))
    mlflow = connect(trained.mlruns)
    run = mlflow.get_run(card["run_id"])
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{CARD_FILE}") == text
    assert text == write_card(trained.journey, card)
    note = run.data.tags["mlflow.note.content"]
    assert f"AUC {card['held_out']['auc']:.3f}" in note
    version = mlflow.MlflowClient().get_model_version("dropoff-ecommerce", card["version"])
    assert f"Version {card['version']}. {version.description}" == note


def test_the_figures_are_those_of_the_evaluation(trained: "Trained", text: str) -> None:
    block: Any = trained.result.evaluation
    _, every, once = row(text, "AUC")
    low, high = block["intervals"]["auc"]
    assert every == f"{block['auc']:.3f} ({low:.3f} to {high:.3f})"
    assert once.startswith(f"{block['session_weighted']['auc']:.3f} (")
    for part, name in (("by_events", "3"), ("by_stage", "cart"), ("by_cohort", "device=mobile")):
        figures = block[part][name]
        cells = row(text, name.replace("=", ": "))
        assert cells[1:3] == [f"{figures['n_sessions']:,}", f"{figures['base_rate']:.3f}"]
        assert cells[3].startswith(f"{figures['auc']:.3f}")
        assert cells[-1] == f"{figures['ece']:.3f}"
    assert f"{100 * block['base_rate']:.1f} % of the prefixes ended in abandonment" in text


def test_the_data_are_those_of_the_training(text: str, card: Any) -> None:
    data = card["data"]
    assert row(text, "Digest")[1] == f"`{data['digest']}`"
    assert row(text, "Events, sessions")[1] == f"{data['events']:,}, {data['sessions']:,}"
    assert row(text, "Training")[1].startswith(f"{data['training_sessions']:,} sessions")
    assert row(text, "Held out")[1].startswith(f"{card['held_out']['n_sessions']:,} later sessions, ")


def test_fairness_is_that_of_the_held_out_prefixes(text: str, card: Any, trained: "Trained") -> None:
    device = card["fairness"]["attributes"]["device"]
    assert card["fairness"]["threshold"] == trained.journey.policy.low_risk
    section = text.split("### By device")[1].split("###", maxsplit=1)[0]
    for value, group in device["groups"].items():
        assert group["auc"]["value"] == pytest.approx(card["held_out"]["by_cohort"][f"device={value}"]["auc"])
        assert row(section, value)[1] == f"{group['sessions']:,}"
        assert row(section, value)[4].startswith(f"{group['calibration_gap']['value']:.3f} (")
    assert f"AUC {device['gaps']['auc']['value']:.3f}" in section
    metrics = connect(trained.mlruns).get_run(card["run_id"]).data.metrics
    assert metrics["fairness.device.auc_gap"] == device["gaps"]["auc"]["value"]
    assert (
        metrics["fairness.visitor.false_alarm_gap"]
        == (card["fairness"]["attributes"]["visitor"]["gaps"]["false_alarm_rate"]["value"])
    )


def test_where_the_model_may_be_no_better_than_the_base_rate_it_says_so(card: Any) -> None:
    changed = json.loads(json.dumps(card))
    block = changed["held_out"]["by_stage"]["cart"]
    block["brier_skill"], block["intervals"]["brier_skill"] = 0.01, [-0.02, 0.03]
    changed["held_out"]["by_events"]["21"]["intervals"]["brier_skill"] = None
    told = write_card(load_journey("ecommerce"), changed).split("## Limits")[1]
    assert "at stage cart (0.010 (-0.020 to 0.030))" in told
    [line] = [line for line in told.splitlines() if line.startswith("* Too few people")]
    assert "after 21 events" in line


def test_small_groups_are_hidden_and_counted(card: Any) -> None:
    changed = json.loads(json.dumps(card))
    attribute = changed["fairness"]["attributes"]["source"]
    attribute |= {"hidden_groups": 3, "hidden_sessions": 41, "unknown_sessions": 7, "groups": {}, "gaps": {}}
    told = write_card(load_journey("ecommerce"), changed).split("### By source")[1].split("###")[0]
    assert "Hidden for their size: 3 groups of 41 sessions." in told
    assert "Sessions of which it is not known: 7." in told
    assert "Fewer than two groups are shown, so there is nothing to compare." in told


def test_a_sample_of_a_large_log_is_told(card: Any) -> None:
    told = write_card(load_journey("ecommerce"), card | {"sampled_share": 0.25})
    assert "a sample of 25.0 % of its visitors was taken" in told
    assert "a sample of" not in write_card(load_journey("ecommerce"), card)


def test_the_card_says_how_to_use_the_model_and_how_not(text: str) -> None:
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "Purpose",
        "Data",
        "Quality on held-out sessions",
        "Quality by moment, stage and cohort",
        "Fairness",
        "Limits",
        "How to use it",
        "How not to use it",
    ]


def test_the_purpose_says_how_a_session_ends_and_how_far_ahead_it_is_predicted(card: Any) -> None:
    shop = load_journey("ecommerce")
    told = write_card(shop, card).split("## Data")[0]
    assert "it gives the probability that the session ends in abandonment." in told
    assert "* Abandoned: a silence of 30 minutes." in told
    assert "* Not abandoned: `purchase`." in told
    ahead = write_card(replace(shop, horizon_seconds=3_600.0), card)
    assert "the session is abandoned within the next " in ahead


def test_the_card_claims_no_cause(text: str) -> None:
    assert not CAUSAL.search(text)


def test_a_text_of_the_log_stays_in_its_cell() -> None:
    assert list(table(("a", "b"), [("x|y\nz", "1")]))[-1] == "| x\\|y z | 1 |"


def test_every_held_out_session_is_in_a_group_or_counted_as_not_shown(card: Any) -> None:
    for attribute in card["fairness"]["attributes"].values():
        shown = sum(group["sessions"] for group in attribute["groups"].values())
        assert shown + attribute["hidden_sessions"] + attribute["unknown_sessions"] == card["held_out"]["n_sessions"]


def test_the_run_s_folder_has_the_fairness_as_json(trained: "Trained", card: Any) -> None:
    mlflow = connect(trained.mlruns)
    uri = mlflow.get_run(card["run_id"]).info.artifact_uri
    assert json.loads(mlflow.artifacts.load_text(f"{uri}/fairness.json")) == card["fairness"]
