"""``dropoff policy train`` on a file of decisions, from the comparison to the published version and the run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from newsletter import call

from decisions.logged import BoolArray, LoggedDecisions
from decisions.logged_files import write_decisions
from decisions.policy import NOTHING
from decisions.policy_files import load_policy
from decisions.uplift_policy import UpliftPolicy
from features.events import FloatArray
from journeys.load import load_journey
from journeys.policies import ground_of
from storage.digest import verify_digest
from storage.policies import live_version, policy_folder, policy_versions
from training.tracking import connect

pytestmark = [
    pytest.mark.xdist_group("cli"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]
SHOP = load_journey("ecommerce")
OFFERED = ("trust_panel", "live_chat")


def decided(size: int, seed: int) -> LoggedDecisions:
    """The trust panel helps at a risk from .7 to .8, and drives all others away; the chat does nothing."""
    rng = np.random.default_rng(seed)
    options = (NOTHING, *(one.name for one in SHOP.interventions))
    frictions = tuple(friction.name for friction in SHOP.frictions)
    odds = np.zeros((size, len(options)))
    places = [0, *(options.index(name) for name in OFFERED)]
    odds[:, places] = 1 / 3
    chosen = np.array(places)[rng.integers(0, 3, size)]
    confidence = rng.dirichlet(np.full(len(frictions), 0.3), size)
    risk = rng.uniform(0.6, 0.9, size)
    margin = np.log((1 - risk) / risk) + (chosen == places[1]) * np.where(helped(risk), 3.0, -1.0)
    ids = np.array([f"d{place:06}" for place in range(size)], object)
    return LoggedDecisions(
        options=options,
        stages=tuple(stage.name for stage in SHOP.stages),
        frictions=frictions,
        decision_ids=ids,
        session_ids=ids,
        units=np.arange(size),
        at_us=np.arange(size) * 60_000_000 + 1_750_000_000_000_000,
        stage=np.full(size, 2),
        risk=risk,
        confidence=confidence,
        chosen=chosen,
        propensities=odds,
        converted=(rng.random(size) < 1 / (1 + np.exp(-margin))).astype(np.float64),
        holdout=np.zeros(size, np.bool_),
        policy_versions=np.full(size, "uniform", object),
    )


def helped(risk: FloatArray) -> BoolArray:
    found: BoolArray = (risk > 0.7) & (risk < 0.8)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.slow
def test_a_policy_is_learnt_compared_registered_and_published_but_not_live(folder: Path) -> None:
    write_decisions(decided(2_400, 1), folder / "decisions.parquet")
    ran = call("policy", "train", "ecommerce", "--decisions", "decisions.parquet", "--json", "out.json")
    assert ran.status == 0, ran.err
    assert "not live" in ran.out
    out = json.loads((folder / "out.json").read_text())
    assert out["policy_version"] == "1"
    assert out["kind"] == "uplift"
    assert out["decisions"] == 2_400
    names = [one["name"] for one in out["choice"]["compared"]]
    assert names[:2] == ["declared effects", "Bayesian policy"]
    assert {"S-learner", "X-learner", "DR-learner", "25% boosted from the Bayesian policy"} <= set(names)
    assert out["held_out"]["supported"]
    home = folder / "home"
    assert policy_versions(home, "ecommerce") == ("1",)
    assert live_version(home, "ecommerce") is None
    published = policy_folder(home, "ecommerce", "1")
    verify_digest(published)
    policy = load_policy(published, ground_of(SHOP))
    assert isinstance(policy, UpliftPolicy)
    others = decided(2_000, 2)
    acted = policy.net_values(others).argmax(axis=1) == others.options.index("trust_panel")
    # A band in the middle is what no linear policy can act on; near its ends the odds are even.
    near = np.minimum(np.abs(others.risk - 0.7), np.abs(others.risk - 0.8)) < 0.02
    assert acted[helped(others.risk) & ~near].mean() > 0.9
    assert acted[~helped(others.risk) & ~near].mean() < 0.1
    runs(folder)


def runs(folder: Path) -> None:
    mlflow = connect(folder / "mlruns")
    client = mlflow.MlflowClient()
    version = client.get_model_version("dropoff-policy-ecommerce", "1")
    run = client.get_run(version.run_id)
    assert {"learner", "weight", "seed", "decisions"} <= set(run.data.params)
    metrics = run.data.metrics
    assert metrics["dr_over_nothing_low"] < metrics["dr_over_nothing"] < metrics["dr_over_nothing_high"]
    assert {"effective_decisions", "largest_weight", "unsupported_share", "qini", "goals"} <= set(metrics)
    assert run.data.tags["dropoff.policy_version"] == "1"
    found = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"comparison.json", "pictures", "policy"} <= found
    pictures = {file.path for file in client.list_artifacts(run.info.run_id, "pictures")}
    assert pictures == {"pictures/value_by_policy.png", "pictures/gain_curve.png"}
    files = {file.path for file in client.list_artifacts(run.info.run_id, "policy")}
    assert "policy/policy.json" in files
    assert client.get_model_version_by_alias("dropoff-policy-ecommerce", "challenger").run_id == run.info.run_id


def test_with_few_decisions_it_is_the_bayesian_policy_and_says_so(folder: Path) -> None:
    write_decisions(decided(400, 1), folder / "decisions.parquet")
    ran = call("policy", "train", "ecommerce", "--decisions", "decisions.parquet", "--json", "out.json")
    assert ran.status == 0, ran.err
    out = json.loads((folder / "out.json").read_text())
    assert out["kind"] == "bayes"
    assert out["choice"] is None
    assert "boosting begins at" in " ".join(ran.out.split())
    assert policy_versions(folder / "home", "ecommerce") == ("1",)


def test_decisions_without_a_choice_at_known_odds_are_refused(folder: Path) -> None:
    few = decided(50, 1)
    certain = np.zeros(few.propensities.shape)
    certain[:, 0] = 1.0
    write_decisions(replace(few, propensities=certain, chosen=np.zeros(50, np.int64)), folder / "decisions.parquet")
    ran = call("policy", "train", "ecommerce", "--decisions", "decisions.parquet")
    assert ran.status == 1
    assert "known odds" in " ".join(ran.err.split())
    assert not (folder / "home" / "policies").exists()


def test_without_any_decisions_it_says_where_they_come_from(folder: Path) -> None:
    ran = call("policy", "train", "ecommerce")
    assert ran.status == 1
    assert "/v1/recommend" in ran.err
