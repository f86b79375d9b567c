"""The gates of a rollout: what passes, what does not, and which figure is told to be missing."""

from dataclasses import replace

import numpy as np
import pytest
from few_decisions import drawn

from decisions.experiments import TreatmentKind
from decisions.intervention import Effort, Intervention
from decisions.off_policy.estimators import Estimator
from decisions.off_policy.evaluate import Evaluation, evaluate
from decisions.plan_checks import missing
from decisions.policy import PolicySettings
from decisions.rollout import Gates, harm_by_holdout, offline_gate, plan_rollout, shadow_gate
from features.friction import Friction
from storage.records import HoldoutCounts
from storage.rollout_store import ShadowCounts

SEEN = ShadowCounts(compared=600, agreement=450.0, acted=300.0, acted_live=330.0, seconds=0.6)
OFFERED = tuple(
    Intervention(name, name, "", "on_site", ("cart",), (Friction.TRUST,), 0.05, 0.1, Effort.QUICK_WIN, "Shop")
    for name in ("chat", "coupon")
)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(drawn(1, 3_000), np.tile([0.2, 0.4, 0.4], (3_000, 1)), OFFERED, PolicySettings(goal_value=10.0))


def bounded(evaluation: Evaluation, *, value: float, difference: float, low: float) -> Evaluation:
    """The same with another DR value and difference to the live policy."""
    dr = evaluation.by(Estimator.DR)
    moved = replace(
        dr,
        value=replace(dr.value, value=value),
        over_before=replace(dr.over_before, value=difference, low=low),
    )
    others = tuple(moved if one.estimator is Estimator.DR else one for one in evaluation.net_value)
    return replace(evaluation, net_value=others, reasons=())


@pytest.mark.parametrize(("low", "passes"), [(-0.04, True), (0.01, True), (-0.06, False)])
def test_a_loss_of_more_than_a_tenth_of_the_live_value_has_to_be_ruled_out(
    evaluation: Evaluation, low: float, passes: bool
) -> None:
    # The live policy's value is .6 - .1 = .5, a tenth of which is .05.
    gate = offline_gate(bounded(evaluation, value=0.6, difference=0.1, low=low))
    assert gate.passed is passes
    assert [figure.needed for figure in gate.missing] == ([] if passes else ["at least -0.0500"])


def test_what_the_log_does_not_support_does_not_pass_and_says_why(evaluation: Evaluation) -> None:
    unsupported = replace(bounded(evaluation, value=0.6, difference=0.1, low=0.0), reasons=("too few",))
    [figure] = offline_gate(unsupported).missing
    assert (figure.name, figure.needed) == ("supported by the log", "too few")


def test_a_version_that_was_seen_long_enough_without_fault_leaves_the_shadow() -> None:
    gate = shadow_gate(SEEN)
    assert gate.passed
    assert gate.figures[3].value == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        (replace(SEEN, compared=499), "decisions compared"),
        (replace(SEEN, failed=1), "errors"),
        (replace(SEEN, invalid=1), "propensities that are none"),
        (replace(SEEN, agreement=20.0), "probability of choosing as the live policy does"),
        (replace(SEEN, slow=7), "share that took longer than 20 ms"),
    ],
)
def test_the_figure_that_keeps_a_version_in_the_shadow_is_named(counts: ShadowCounts, name: str) -> None:
    assert [figure.name for figure in shadow_gate(counts).missing] == [name]


def test_a_version_that_nobody_has_asked_stays_in_the_shadow() -> None:
    assert not shadow_gate(ShadowCounts(), Gates(compared=0)).passed


def test_a_rollout_s_experiment_is_complete_and_compares_the_version_with_what_is_usual() -> None:
    plan = plan_rollout("5", "priors-1", "ann", "rollout_5")
    assert missing(plan) == []
    assert [variant.treatment.kind for variant in plan.variants] == [TreatmentKind.AS_USUAL, TreatmentKind.POLICY]
    assert plan.variants[1].treatment.named == "5"
    assert {guard.metric for guard in plan.guardrails} == {"net_value", "dismissed"}


def test_a_live_version_that_does_worse_than_nothing_is_taken_back() -> None:
    # 4 % of 19,000 against 9 % of 1,000: the standard error is .0092, and no look may be off by 5.5 of them.
    reason = harm_by_holdout(HoldoutCounts(0, 19_000, 760, 1_000, 90))
    assert "4.00% of 19,000 people" in reason
    assert "9.00% of 1,000" in reason


@pytest.mark.parametrize(
    "counts",
    [
        None,
        HoldoutCounts(0, 0, 0, 0, 0),
        HoldoutCounts(0, 19_000, 1_710, 1_000, 90),  # no difference
        HoldoutCounts(0, 19_000, 1_520, 1_000, 90),  # one point worse: one standard error
        HoldoutCounts(0, 9_000, 360, 480, 43),  # too few are held out
        HoldoutCounts(0, 19_000, 2_000, 1_000, 20),  # better
    ],
)
def test_it_is_not_taken_back_for_what_chance_does(counts: HoldoutCounts | None) -> None:
    assert harm_by_holdout(counts) == ""


def test_looked_at_all_the_time_it_is_rarely_taken_back_without_harm() -> None:
    """200 rollouts of no effect, 10,000 people each of whom one in ten is held out, looked at every 250 people."""
    random = np.random.default_rng(3)
    taken_back = 0
    for _ in range(200):
        held, reached = random.random(10_000) < 0.1, random.random(10_000) < 0.08
        for seen in range(250, 10_001, 250):
            counts = HoldoutCounts(
                0,
                int((~held[:seen]).sum()),
                int((reached & ~held)[:seen].sum()),
                int(held[:seen].sum()),
                int((reached & held)[:seen].sum()),
            )
            if harm_by_holdout(counts):
                taken_back += 1
                break
    assert taken_back <= 0.05 * 200
