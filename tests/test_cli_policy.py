"""``dropoff policy``: weigh a policy on a file of decisions, say when the log cannot tell, and show a rollout."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from few_decisions import texts

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import Ran, call

from decisions.logged import LoggedDecisions
from decisions.logged_files import write_decisions
from decisions.off_policy.priors import WeighablePriors
from decisions.option_rows import OptionRows
from decisions.policy_files import save_policy
from features.vocabulary import Vocabulary
from journeys.load import load_journey
from journeys.policies import ground_of
from storage.policies import publish_policy
from training.uplift.bag import BagSettings
from training.uplift.learners import learn_uplift

SHOP = load_journey("ecommerce")
OPTIONS = ("nothing", *(one.name for one in SHOP.interventions))
OFFERED = [OPTIONS.index(name) for name in ("nothing", "other_payment", "live_chat")]


def shop_decisions(number: int) -> LoggedDecisions:
    """Decisions about payment, drawn evenly among three options; other_payment doubles the goals."""
    random = np.random.default_rng(2)
    frictions = tuple(friction.name for friction in SHOP.frictions)
    confidence = np.full((number, len(frictions)), 0.01)
    confidence[:, frictions.index("payment")] = random.uniform(0.2, 0.5, number)
    propensities = np.zeros((number, len(OPTIONS)))
    propensities[:, OFFERED] = 1 / 3
    chosen = np.array(OFFERED)[random.integers(0, 3, number)]
    converted = (random.random(number) < np.where(chosen == OFFERED[1], 0.2, 0.1)).astype(float)
    return LoggedDecisions(
        options=OPTIONS,
        stages=tuple(stage.name for stage in SHOP.stages),
        frictions=frictions,
        decision_ids=texts(range(number)),
        session_ids=texts(range(number)),
        units=np.arange(number) // 2,
        at_us=1_772_323_200_000_000 + np.arange(number),
        stage=np.full(number, [stage.name for stage in SHOP.stages].index("payment")),
        risk=np.full(number, 0.9),
        confidence=confidence,
        chosen=chosen,
        propensities=propensities,
        converted=converted,
        holdout=np.zeros(number, np.bool_),
        policy_versions=texts(["uniform"] * number),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("decisions") / "decisions.parquet"
    write_decisions(shop_decisions(3_000), found)
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def weigh(policy: str, path: Path, *arguments: str) -> Ran:
    return call("policy", "evaluate", "ecommerce", "--policy", policy, "--decisions", str(path), *arguments)


def test_rules_are_weighed_by_every_estimator_with_a_picture_and_json(path: Path, tmp_path: Path) -> None:
    rules = {"name": "pay otherwise", "rules": [{"blocker": "payment", "intervention": "other_payment"}]}
    Path("rules.json").write_text(json.dumps(rules), encoding="utf-8")
    ran = weigh("rules.json", path, "--json", "value.json", "--out", "value.png")
    assert (ran.status, ran.err) == (0, "")
    assert "pay otherwise brings more than what was done" in ran.out
    assert "3,000 decisions about 1,500 people count." in ran.out
    assert Path("value.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads(Path("value.json").read_text(encoding="utf-8"))
    assert (found["supported"], list(found["goal_rate"])) == (True, ["DM", "IPS", "SNIPS", "DR", "SWITCH-DR"])
    dr = found["goal_rate"]["DR"]["value"]
    # Two in ten with other_payment.
    assert dr["low"] < 0.2 < dr["high"]
    lift = found["goal_rate"]["IPS"]["over_nothing"]
    assert lift["low"] < 0.1 < lift["high"]
    assert found["overlap"]["largest_weight"] == pytest.approx(3)


def test_what_decides_now_is_weighed_by_its_name(path: Path, home: Path) -> None:
    priors = WeighablePriors(SHOP.policy, SHOP.interventions)
    publish_policy(home, SHOP.name, "4", lambda folder: save_policy(folder, priors))
    lines = [weigh(name, path).out.split("\n\n")[0].splitlines()[2:] for name in ("priors", "live", "4")]
    assert lines[0] == lines[1] == lines[2]
    assert "doing nothing" in weigh("nothing", path).out


def test_decisions_that_a_version_may_have_learnt_from_are_told(path: Path, home: Path) -> None:
    for version, registered in (("4", "2026-04-01T00:00:00Z"), ("5", "2026-02-01T00:00:00Z")):
        priors, about = WeighablePriors(SHOP.policy, SHOP.interventions), {"registered_at": registered}
        publish_policy(home, SHOP.name, version, lambda folder, one=priors, said=about: save_policy(folder, one, said))
    told = "3,000 of the 3,000 decisions are older than version 4: where it has learnt from them"
    assert told in " ".join(weigh("4", path).out.split())
    assert "are older than" not in weigh("5", path).out


def test_an_option_without_support_exits_with_status_4(path: Path) -> None:
    Path("rules.json").write_text('{"rules": [{"intervention": "guided_search"}]}', encoding="utf-8")
    ran = weigh("rules.json", path)
    assert ran.status == 4
    assert "Not supported: the log never could have chosen guided_search" in ran.out


def test_a_log_without_propensities_is_refused_with_what_to_do(path: Path) -> None:
    table = pq.read_table(path)
    blank = table.set_column(table.column_names.index("propensities"), "propensities", [[None] * len(table)])
    pq.write_table(blank, "blank.parquet")
    ran = weigh("priors", Path("blank.parquet"))
    assert ran.status == 1
    assert "nothing can be said of another policy: let the service decide with exploration above 0" in ran.err


def test_an_empty_ledger_is_refused_too() -> None:
    ran = call("policy", "evaluate", "ecommerce", "--policy", "priors")
    assert ran.status == 1
    assert "none of 0 decisions left a choice" in ran.err


@pytest.mark.parametrize(
    ("policy", "said"),
    [("77", "no policy version '77'"), ("strange.json", "a policy is a version, nothing, priors, bayes, live, or")],
)
def test_a_policy_that_is_none_is_told_with_what_there_is(path: Path, policy: str, said: str) -> None:
    ran = weigh(policy, path)
    assert ran.status == 1
    assert said in ran.err


def test_a_version_takes_one_step_and_can_be_taken_back(path: Path, home: Path) -> None:
    keen = replace(SHOP.policy, annoyance=0.0)
    publish_policy(home, SHOP.name, "4", lambda folder: save_policy(folder, WeighablePriors(keen, SHOP.interventions)))
    nobody = call("policy", "status", "ecommerce")
    assert (nobody.status, nobody.out) == (0, "priors-1 decides about ecommerce.\n")
    begun = call("policy", "promote", "ecommerce", "4", "--decisions", str(path), "--json", "step.json")
    assert (begun.status, begun.err) == (0, "")
    assert json.loads(Path("step.json").read_text(encoding="utf-8"))["step"] == "shadow"
    again = call("policy", "promote", "ecommerce", "4", "--compared", "7")
    assert again.status == 4
    assert "decisions compared: 0, has to be at least 7" in again.out
    shown = call("policy", "status", "ecommerce", "--json", "status.json")
    assert "at least 500" in shown.out
    found = json.loads(Path("status.json").read_text(encoding="utf-8"))
    assert [one["step"] for one in found["rollouts"]] == ["shadow"]
    back = call("policy", "rollback", "ecommerce", "--reason", "not now")
    assert back.out == "Version 4 of the policy was taken back (shadow); priors-1 decides.\n"
    assert "rolled back" in call("policy", "status", "ecommerce").out
    assert "no version of the policy of ecommerce is live or on its way" in call("policy", "rollback", "ecommerce").err
    audited = call("audit", "ecommerce").out
    assert "roll out" in audited
    assert "annotate" in audited


def test_a_version_that_reads_raw_features_is_weighed_and_promoted_with_the_log(path: Path, home: Path) -> None:
    logged = replace(shop_decisions(800), rows=np.random.default_rng(1).normal(size=(800, len(SHOP.table.names))))
    ground = ground_of(SHOP)
    columns = OptionRows.of(SHOP.interventions, ground.stages, ground.frictions, SHOP.table, Vocabulary({}))
    policy = learn_uplift(logged, columns, SHOP.interventions, SHOP.policy, bag=BagSettings(members=2, trees=3))
    publish_policy(home, SHOP.name, "8", lambda folder: save_policy(folder, policy))
    without = weigh("8", path)
    assert (without.status, without.out) == (1, "")
    assert "policy 8 reads raw features" in without.err
    assert "--log PATH" in without.err
    # The log lacks the session of the last decision.
    log = Path("log.jsonl")
    one = {"name": "payment_failed", "occurred_at": "2026-02-28T23:59:50Z"}
    lines = [
        json.dumps(one | {"event_id": f"e{place}", "visitor_id": f"v{place}", "session_id": str(place)})
        for place in range(2_999)
    ]
    log.write_text("\n".join(lines), encoding="utf-8")
    weighed = weigh("8", path, "--log", str(log))
    assert "Of the decisions, 1 are about sessions that the log does not have" in weighed.out
    assert "2,999 decisions about 1,500 people count" in weighed.out
    begun = call("policy", "promote", "ecommerce", "8", "--decisions", str(path), "--log", str(log))
    assert "DR lower bound" in begun.out
