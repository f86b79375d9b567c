"""What the start and the end of experiments make of tactics."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP
from made_tactics import DAY_US, NOW_US
from made_trials import KEY, plan, result, run

from decisions.experiments import (
    NOTHING,
    ExperimentPlan,
    Metric,
    Population,
    StoppingRule,
    Variant,
    explanation_trial,
    show,
    to_json,
)
from insights.experiments.analyse import analyse
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import Measure, Question
from insights.playbook.change import keep_tactic
from insights.playbook.follow import evidence_of, follow_experiments, tactics_of
from insights.playbook.names import name_tactic
from insights.playbook.status import TacticError
from storage.database import database_url, open_database, writing
from storage.experiment_store import ExperimentStore, KeptExperiment, Status
from storage.playbook import Tactic, TacticStatus
from storage.playbook_store import PlaybookStore
from storage.record_store import load_records

NAME = "payment.payment.other_payment"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(database_url(tmp_path))
    yield opened
    opened.dispose()


def follow(engine: Engine) -> tuple[str, ...]:
    return tuple(name_tactic(one) for one in follow_experiments(engine, SHOP, now_us=NOW_US))


def only(engine: Engine) -> Tactic:
    [tactic] = PlaybookStore(engine, SHOP.name).tactics()
    return tactic


def kept(declared: ExperimentPlan, found: Any = None) -> KeptExperiment:
    return KeptExperiment(declared.name, to_json(declared), Status.STOPPED, 1, "default", result={"analysis": found})


def test_an_experiment_that_starts_tests_its_tactic_or_adds_it(engine: Engine) -> None:
    assert follow(engine) == ()
    run(engine, plan())
    assert follow(engine) == (NAME,)
    tactic = only(engine)
    assert tactic.key == KEY
    assert (tactic.status, tactic.experiment, tactic.owner) == (TacticStatus.TESTING, "pay_later", "Ann")
    assert tactic.source == "experiment pay_later"
    assert follow(engine) == ()
    with pytest.raises(TacticError, match=r"the experiment pay_later is testing .*: stop that first"):
        keep_tactic(engine, SHOP, NAME, status="proposed", author="bob")


@pytest.mark.parametrize(("verdict", "status"), [("ship", "proven"), ("stop", "retired"), ("inconclusive", "proposed")])
def test_at_its_end_evidence_status_and_learning_follow_from_the_verdict(
    engine: Engine, verdict: str, status: str
) -> None:
    keep_tactic(engine, SHOP, NAME, add=True, owner="Payments", author="bob")
    run(engine, plan(), result(verdict), stop=True)
    assert follow(engine) == (NAME,)
    tactic = only(engine)
    assert (tactic.status, tactic.owner, tactic.experiment) == (status, "Payments", "")
    [found] = tactic.evidence
    assert (found.people, found.baseline, found.verdict) == (5_700, 0.05, verdict)
    assert (found.from_us, found.to_us) == (NOW_US - 30 * DAY_US, NOW_US - 2 * DAY_US)
    # The shop's days are those of Berlin.
    assert tactic.learning.startswith(
        "Randomised experiment pay_later, 2024-09-04 to 2024-10-02, 5,700 people: the share that reaches the goal "
        f"changed by +2.0 points (95% interval +1.0 to +3.0); {verdict}, "
    )
    assert follow(engine) == ()


def test_what_people_made_of_a_tactic_since_the_end_is_left_alone(engine: Engine) -> None:
    run(engine, plan(), result(), stop=True)
    follow(engine)
    keep_tactic(engine, SHOP, NAME, status="retired", reason="too dear", learning="Works, too dear.", author="bob")
    before = only(engine)
    assert follow(engine) == ()
    assert only(engine) == before


def test_a_later_analysis_of_the_same_end_takes_the_place_of_the_first(engine: Engine) -> None:
    run(engine, plan(), result("inconclusive"), stop=True)
    follow(engine)
    with writing(engine) as connection:
        ExperimentStore(engine, SHOP.name).keep_result(connection, "pay_later", {"analysis": result("ship")})
    assert follow(engine) == (NAME,)
    assert [one.verdict for one in only(engine).evidence] == ["ship"]
    assert only(engine).status is TacticStatus.PROVEN


@pytest.mark.parametrize("analysed", [False, True])
def test_an_experiment_that_ends_without_an_estimate_tests_nothing_any_more(engine: Engine, analysed: bool) -> None:
    run(engine, plan(stopping_rule=StoppingRule.ALWAYS_VALID))
    follow(engine)
    store = ExperimentStore(engine, SHOP.name)
    with writing(engine) as connection:
        store.stop(connection, "pay_later", "too early", actor="ann", now_us=NOW_US)
        if analysed:
            undecided = result("inconclusive", rule="always-valid", always_valid=None)
            store.keep_result(connection, "pay_later", {"analysis": undecided})
    assert follow(engine) == (NAME,)
    assert (only(engine).status, only(engine).experiment) == (TacticStatus.PROPOSED, "")
    assert only(engine).evidence == ()
    assert follow(engine) == ()
    with writing(engine) as connection:
        store.keep_result(connection, "pay_later", {"analysis": result("ship")})
    assert follow(engine) == (NAME,)
    assert only(engine).status is TacticStatus.PROVEN


def test_two_experiments_on_one_tactic_do_not_take_it_from_each_other(engine: Engine) -> None:
    run(engine, plan("first"))
    follow(engine)
    run(engine, plan("second"))
    assert follow(engine) == ()
    assert only(engine).experiment == "first"
    run(engine, plan("third"), result("stop"), stop=True)
    assert follow(engine) == (NAME,)
    assert (only(engine).status, only(engine).experiment) == (TacticStatus.TESTING, "first")
    audit = load_records(engine, SHOP.name).audit
    assert [one.action for one in audit if one.subject.startswith("tactic")][-2:] == [
        "keep evidence",
        "follow experiment",
    ]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"population": Population(blockers=("payment",))}, [("payment", "", "", "other_payment")]),
        (
            {"population": Population(stages=("cart", "payment"), blockers=("price",))},
            [("price", "", "", "other_payment")],
        ),
        ({"population": Population(blockers=("payment", "price"))}, []),
        # The intervention treats payment alone.
        ({"population": Population(stages=("payment",))}, [KEY]),
        (
            {
                "population": Population(
                    blockers=("payment",), cohorts={"device": ("tablet", "mobile"), "channel": ("ads",)}
                )
            },
            [("payment", "", "channel=ads,device=mobile|tablet", "other_payment")],
        ),
        (
            {
                "variants": (
                    Variant("control", NOTHING),
                    Variant("a", show("other_payment")),
                    Variant("b", show("live_chat")),
                )
            },
            [KEY, ("payment", "payment", "", "live_chat")],
        ),
    ],
)
def test_an_experiment_is_about_the_interventions_that_it_shows_against_its_one_blocker(
    changes: dict[str, Any], keys: list[tuple[str, ...]]
) -> None:
    assert [key for key, _, _ in tactics_of(SHOP, kept(plan(**changes)))] == keys


def test_the_explanation_trial_and_what_cannot_be_read_are_about_no_tactic() -> None:
    assert list(tactics_of(SHOP, kept(explanation_trial("Ann")))) == []
    unreadable = KeptExperiment("x", {"name": "x", "colour": "red"}, Status.RUNNING, 1, "default")
    assert list(tactics_of(SHOP, unreadable)) == []


def test_evidence_has_the_interval_of_the_declared_rule_at_95_percent() -> None:
    fixed = evidence_of(kept(plan(), result(alpha=0.1)), plan(), "offered")
    assert fixed is not None
    assert (fixed.low, fixed.high) == pytest.approx((0.02 - 1.959964 * 0.005, 0.02 + 1.959964 * 0.005))
    valid = evidence_of(kept(plan(), result(rule="always-valid")), plan(), "offered")
    assert valid is not None
    assert (valid.low, valid.high) == pytest.approx((0.004, 0.036))
    wider = evidence_of(kept(plan(), result(rule="always-valid", alpha=0.1)), plan(), "offered")
    assert wider is not None
    # From z(.95) = 1.644854 to z(.975).
    assert wider.high - wider.low == pytest.approx(0.032 * 1.959964 / 1.644854)


@pytest.mark.parametrize("rule", list(StoppingRule))
def test_evidence_is_read_from_what_the_analysis_of_an_experiment_writes(rule: StoppingRule) -> None:
    people = 10_000
    variants = np.repeat(["control", "offered"], people)
    goals = np.concatenate([np.arange(people) < 500, np.arange(people) < 700]).astype(np.float64)
    units = np.array([f"u{number}" for number in range(2 * people)])
    question = Question(Measure("goal"), minimum_effect=0.1, planned_per_arm=people, rule=rule)
    analysis = analyse(ExposureTable(units, variants), OutcomeTable(units, {"goal": goals}), question)
    found = evidence_of(kept(plan(), json.loads(json.dumps(analysis.to_json()))), plan(), "offered")
    assert found is not None
    assert (found.verdict, found.people) == ("ship", 2 * people)
    assert (found.effect, found.baseline) == (pytest.approx(0.02), pytest.approx(0.05))
    error = math.sqrt((0.05 * 0.95 + 0.07 * 0.93) / people)
    if rule is StoppingRule.FIXED:
        assert found.high - found.low == pytest.approx(2 * 1.959964 * error, rel=1e-3)
    else:
        assert found.high - found.low > 2 * 2.5 * error


def test_an_invalid_experiment_is_invalid_for_every_variant() -> None:
    found = evidence_of(kept(plan(), result("ship", decision={"verdict": "invalid"})), plan(), "offered")
    assert found is not None
    assert found.verdict == "invalid"


def test_where_less_is_better_evidence_tells_how_far_it_falls() -> None:
    dismissed = plan(primary_metric=Metric.DISMISSED.value)
    found = evidence_of(kept(dismissed, result(more_is_better=False)), dismissed, "offered")
    assert found is not None
    assert (found.metric, found.effect, found.baseline) == ("fewer_dismissed", -0.02, None)
    assert found.low < found.effect < found.high


def test_a_re_test_that_stops_takes_back_what_an_earlier_one_had_proven(engine: Engine) -> None:
    run(engine, plan(), result(), stop=True)
    follow(engine)
    again = result("stop", difference={"value": 0.0, "low": -0.01, "high": 0.01}) | {"ended_us": NOW_US - DAY_US}
    run(engine, plan("again"), again, stop=True)
    follow(engine)
    assert only(engine).status is TacticStatus.PROPOSED
    assert "stop, it does not pay" in only(engine).learning
