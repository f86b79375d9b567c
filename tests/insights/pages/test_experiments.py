"""The page of experiments shows what was kept of each, with the figures of its analysis."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import BEGIN, SHOP, MadeSession, write_facts

from decisions.experiments import NOTHING as DO_NOTHING
from decisions.experiments import ExperimentPlan, Population, StoppingRule, Variant, show, to_json
from insights.experiments.analyse import analyse
from insights.experiments.explanation_trial import ExplanationTrial, PairGap, Reading
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import Measure, Question
from insights.experiments.result import Analysis
from insights.experiments.sizing import MetricKind
from insights.facts import Facts
from insights.intervals import Estimate
from insights.pages.experiments import page
from insights.pages.figure import Bars, Figure, View
from storage.experiment_store import KeptExperiment, Status
from storage.records import HoldoutCounts, Records

BEGAN_US = round(BEGIN.timestamp() * 1e6)
PLAN = ExperimentPlan(
    "chat",
    hypothesis="More people order when somebody answers their questions.",
    variants=(Variant("nothing", DO_NOTHING), Variant("chat", show("live_chat"))),
    population=Population(stages=("cart",)),
    primary_metric="goal",
    minimum_effect=0.2,
    planned_duration="14d",
    owner="Customer service",
    stopping_rule=StoppingRule.FIXED,
)


def analysed(rule: StoppingRule = StoppingRule.FIXED) -> Analysis:
    """300 of 1,000 who met the chat reached the goal, and 200 of 1,000 others."""
    units = np.array([f"u{number}" for number in range(2_000)], object)
    variants = np.array(["nothing", "chat"], object)[np.arange(2_000) % 2]
    at_us = BEGAN_US + np.arange(2_000, dtype=np.int64) * 1_000_000
    order = np.random.default_rng(1).permutation(1_000)
    goals = np.concatenate([2 * order[:200], 2 * order[:300] + 1])
    done = OutcomeTable(units[goals], {"goal": np.ones(500)}, at_us=at_us[goals] + 1)
    question = Question(
        Measure("goal", MetricKind.PROPORTION, "goal"), rule=rule, control="nothing", planned_per_arm=1_000
    )
    return analyse(ExposureTable(units, variants, at_us), done, question)


TRIAL = ExplanationTrial(
    "explanations",
    Estimate(0.05, 0.01, 0.09),
    Estimate(0.02, -0.02, 0.06),
    None,
    None,
    (PairGap("payment", "trust", Estimate(0.05, 0.01, 0.09), 480),),
    {"named": 240, "other": 240},
    BEGAN_US,
    BEGAN_US + 86_400_000_000,
    Reading.RIGHT,
)
STOPPED = KeptExperiment(
    "chat", to_json(PLAN), Status.STOPPED, BEGAN_US, "default", planned_per_arm=1_000, started_us=BEGAN_US,
    stopped_us=BEGAN_US + 1, stopped_for="seen enough",
    result={"analysis": json.loads(json.dumps(analysed().to_json()))},
)  # fmt: skip
DRAFT = KeptExperiment("later", to_json(replace(PLAN, name="later")), Status.DRAFT, BEGAN_US, "default")
RUNNING = KeptExperiment(
    "explanations", to_json(replace(PLAN, name="explanations")), Status.RUNNING, BEGAN_US, "default",
    started_us=BEGAN_US, result={"explanation_trial": TRIAL.to_json()},
)  # fmt: skip


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return write_facts(tmp_path_factory.mktemp("facts"), [MadeSession()])


def shown(facts: Facts, *kept: KeptExperiment, counts: HoldoutCounts | None = None) -> dict[str, Figure]:
    records = Records(experiments=kept, count_holdout=lambda: counts)
    return {figure.name: figure for figure in page(View(SHOP, facts, records=records)).figures}


def test_before_there_is_any_the_page_says_how_one_begins(facts: Facts) -> None:
    figures = shown(facts)
    assert list(figures) == ["experiments"]
    assert "dropoff experiment new" in figures["experiments"].note


def test_running_ones_come_first_and_drafts_last_with_their_people_and_verdicts(facts: Facts) -> None:
    table = shown(facts, DRAFT, STOPPED, RUNNING)["experiments"].table
    assert table.column("experiment") == ("explanations", "chat", "later")
    assert table.column("people") == (None, 2_000, None)
    assert table.column("planned") == (None, 2_000, None)
    assert table.column("verdict") == (None, "Ship", None)
    assert table.column("variants")[1] == "nothing: nothing; chat: intervention live_chat"
    assert table.column("reason")[1] == "seen enough"


def test_what_was_found_is_the_relative_difference_with_the_interval_of_the_declared_rule(facts: Facts) -> None:
    compared = shown(facts, STOPPED)["compared"]
    [row] = compared.table.rows
    # 30 % against 20 %: half as many again.
    assert compared.table.column("relative")[0] == pytest.approx(0.5)
    fixed = analysed().primary[0].relative
    assert fixed is not None
    assert row[2:4] == (pytest.approx(fixed.low), pytest.approx(fixed.high))
    always = analysed(StoppingRule.ALWAYS_VALID)
    kept = replace(STOPPED, result={"analysis": json.loads(json.dumps(always.to_json()))})
    valid = always.primary[0].relative_always_valid
    assert valid is not None
    [row] = shown(facts, kept)["compared"].table.rows
    assert row[2:4] == (pytest.approx(valid.low), pytest.approx(valid.high))
    assert valid.high - valid.low > fixed.high - fixed.low


def test_one_experiment_is_shown_in_detail_and_can_be_chosen(facts: Facts) -> None:
    other = replace(STOPPED, name="later", declaration=to_json(replace(PLAN, name="later")))
    made = page(View(SHOP, facts, records=Records(experiments=(STOPPED, other)), query=(("experiment", "later"),)))
    [choice] = made.choices
    assert (choice.options, choice.value) == (("chat", "later"), "later")
    assert {"verdict", "effects", "ratio"} <= {figure.name for figure in made.figures}


def test_the_explanation_trial_says_whether_explanations_carry_information(facts: Facts) -> None:
    figure = shown(facts, RUNNING)["explanations"]
    assert isinstance(figure.chart, Bars)
    assert figure.table.column("difference") == (0.05, 0.02, 0.05)
    assert figure.table.column("people") == (480, None, 480)
    assert figure.note.startswith("Treating the named blocker does more than treating another one")
    readings = ((Reading.WRONG, "do not trust"), (Reading.OPEN, "not known yet"), (Reading.INVALID, "nothing is said"))
    for reading, said in readings:
        kept = replace(RUNNING, result={"explanation_trial": replace(TRIAL, reading=reading).to_json()})
        assert said in shown(facts, kept)["explanations"].note
    older = {name: value for name, value in TRIAL.to_json().items() if name != "reading"}
    unknown = replace(RUNNING, result={"explanation_trial": older})
    assert "not known yet" in shown(facts, unknown)["explanations"].note


def test_the_holdout_is_told_with_its_interval(facts: Facts) -> None:
    counts = HoldoutCounts(BEGAN_US, 1_000, 120, 100, 8, 0)
    table = shown(facts, counts=counts)["holdout"].table
    assert table.column("difference")[0] == pytest.approx(0.12 - 0.08)
    assert str(table.column("sentence")[0]).startswith(
        "Of those who could be shown something 4.0 points more reached the goal than of those held out"
    )
    worse = shown(facts, counts=HoldoutCounts(BEGAN_US, 1_000, 60, 100, 8, 0))["holdout"].table
    assert "2.0 points fewer reached the goal" in str(worse.column("sentence")[0])
    nobody = shown(facts, counts=HoldoutCounts(BEGAN_US, 10, 1, 0, 0, 0))["holdout"].table
    assert nobody.column("difference") == (None,)
