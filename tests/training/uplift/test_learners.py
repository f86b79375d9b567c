"""The learners on decisions with planted effects, and what they learn from against arithmetic."""

from dataclasses import replace

import lightgbm
import numpy as np
import pytest
from planted import COLUMNS, GROUND
from small_effects import INTERVENTIONS, SETTINGS, goal_odds, situations

from decisions.logged import LoggedDecisions, costs
from decisions.option_rows import OPTION
from decisions.policy import Situation
from decisions.uplift_policy import UpliftPolicy
from training.uplift.bag import BagSettings
from training.uplift.learners import (
    LARGEST_WEIGHT,
    Learner,
    decision_weights,
    doubly_robust_examples,
    imputed_examples,
    learn_uplift,
)

SMALL = BagSettings(members=4)


@pytest.fixture(scope="module")
def policies(learnt_from: LoggedDecisions) -> dict[Learner, UpliftPolicy]:
    bayes = GROUND.bayes(learnt_from, "b")
    return {
        learner: learn_uplift(
            learnt_from,
            COLUMNS,
            INTERVENTIONS,
            SETTINGS,
            learner=learner,
            bag=SMALL,
            bayes=bayes if learner is Learner.OVER_BAYES else None,
        )
        for learner in Learner
    }


@pytest.mark.parametrize(
    ("learner", "least"),
    [
        (Learner.S, 0.6),
        (Learner.X, 0.4),
        (Learner.DR, 0.3),
        (Learner.OVER_DECLARED, 0.6),
        (Learner.OVER_BAYES, 0.6),
    ],
)
def test_learners_find_most_of_what_was_planted(
    policies: dict[Learner, UpliftPolicy], learner: Learner, least: float
) -> None:
    others = situations(4_000, 2)
    chosen = policies[learner].net_values(others).argmax(axis=1)
    shown, if_converted = costs(others.options, INTERVENTIONS, SETTINGS)
    true = np.where(others.eligible, goal_odds(others) * (SETTINGS.goal_value - if_converted) - shown, -np.inf)
    never, best = true[:, 0].mean(), true.max(axis=1).mean()
    share = (true[np.arange(len(others)), chosen].mean() - never) / (best - never)
    assert share > least


def test_a_decision_assessed_alone_has_the_values_of_the_many(policies: dict[Learner, UpliftPolicy]) -> None:
    others = situations(12, 3)
    for learner, policy in policies.items():
        values, best = policy.net_values(others), policy.best(others)
        for row in range(len(others)):
            situation = Situation(
                others.stages[others.stage[row]],
                float(others.risk[row]),
                (),
                dict(zip(others.frictions, others.confidence[row].tolist(), strict=True)),
            )
            places = np.flatnonzero(others.eligible[row])
            found = policy.assess([INTERVENTIONS[place - 1] for place in places[1:]], situation)
            alone = [0.0, *(option.net_value for option in found.options)]
            np.testing.assert_allclose(alone, values[row, places], atol=1e-12, err_msg=str(learner))
            np.testing.assert_array_equal(found.best, best[row, places])
        np.testing.assert_allclose(best.sum(axis=1), 1.0)
        assert not best[~others.eligible].any()


def test_net_values_are_those_of_the_boosters_own_predictions(policies: dict[Learner, UpliftPolicy]) -> None:
    others = situations(50, 4)
    policy = policies[Learner.S]
    rows = COLUMNS.of_logged(others)
    log_odds = np.log((1 - others.risk) / others.risk)
    shown, if_converted = costs(others.options, INTERVENTIONS, SETTINGS)
    by_member = []
    for booster in policy.boosters:
        odds = np.empty((50, 4))
        for option in range(4):
            COLUMNS.put(rows, np.full(50, option))
            odds[:, option] = 1 / (1 + np.exp(-log_odds - booster.predict(rows, raw_score=True)))
        by_member.append((odds - odds[:, :1]) * SETTINGS.goal_value - shown - if_converted * odds)
    expected = np.where(others.eligible, np.mean(by_member, axis=0), -np.inf)
    np.testing.assert_allclose(policy.net_values(others), expected, atol=1e-10)


def test_no_correction_is_the_policy_that_is_corrected(
    policies: dict[Learner, UpliftPolicy], learnt_from: LoggedDecisions
) -> None:
    others = situations(50, 5)
    policy = replace(policies[Learner.OVER_BAYES], weight=0.0)
    np.testing.assert_allclose(policy.net_values(others), GROUND.bayes(learnt_from, "b").net_values(others), atol=1e-9)


def test_a_blend_averages_net_values(policies: dict[Learner, UpliftPolicy], learnt_from: LoggedDecisions) -> None:
    others = situations(50, 5)
    bayes = GROUND.bayes(learnt_from, "b")
    alone = policies[Learner.S]
    blended = replace(alone, bayes=bayes, weight=0.25).net_values(others)
    expected = 0.25 * alone.net_values(others) + 0.75 * bayes.net_values(others)
    # Models take part in the draws in turn, 256 draws among 4 models.
    np.testing.assert_allclose(blended, expected, atol=1e-9)


def test_a_part_needs_what_it_is_a_part_of(policies: dict[Learner, UpliftPolicy]) -> None:
    with pytest.raises(ValueError, match="needs the Bayesian policy"):
        replace(policies[Learner.S], weight=0.5)


def test_the_same_seed_gives_the_same_trees(learnt_from: LoggedDecisions) -> None:
    few = learnt_from.take(np.arange(1_500))
    one, other, another = (
        learn_uplift(few, COLUMNS, INTERVENTIONS, SETTINGS, bag=BagSettings(members=2), seed=seed) for seed in (3, 3, 4)
    )
    texts = [[booster.model_to_string() for booster in policy.boosters] for policy in (one, other, another)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def two_decisions() -> tuple[LoggedDecisions, np.ndarray]:
    """The first was shown the second option, the other nothing; the third option was open to the first alone."""
    logged = replace(
        situations(2, 0),
        stage=np.array([1, 0]),
        chosen=np.array([2, 0]),
        propensities=np.array([[0.4, 0.3, 0.2, 0.1], [0.5, 0.25, 0.25, 0.0]]),
        converted=np.array([1.0, 0.0]),
    )
    return logged, np.array([[0.1, 0.2, 0.3, 0.4], [0.05, 0.15, 0.25, 0.35]])


def test_doubly_robust_scores_are_the_formulas() -> None:
    logged, nuisance = two_decisions()
    examples = doubly_robust_examples(logged, COLUMNS, nuisance)
    assert examples.rows[:, OPTION].tolist() == [1, 2, 3, 1, 2]
    missed = (1 - 0.3) / 0.2
    idle = -(0 - 0.05) / 0.5
    expected = [0.2 - 0.1, 0.3 - 0.1 + missed, 0.4 - 0.1, 0.15 - 0.05 + idle, 0.25 - 0.05 + idle]
    np.testing.assert_allclose(examples.targets, expected)


def test_imputed_differences_are_the_formulas() -> None:
    logged, nuisance = two_decisions()
    examples = imputed_examples(logged, COLUMNS, nuisance)
    assert examples.rows[:, OPTION].tolist() == [2, 1, 2]
    np.testing.assert_allclose(examples.targets, [1 - 0.1, 0.15 - 0.0, 0.25 - 0.0])
    even = decision_weights(logged)
    share_of_treated, share_of_idle = 0.2 / (0.2 + 0.4), 0.25 / (0.25 + 0.5)
    expected = [even[0] * (1 - share_of_treated), even[1] * share_of_idle, even[1] * share_of_idle]
    np.testing.assert_allclose(examples.weights, expected)


def test_rare_choices_stand_for_more_up_to_a_bound() -> None:
    logged, _ = two_decisions()
    np.testing.assert_allclose(decision_weights(logged), [(1 / 4) / 0.2, (1 / 3) / 0.5])
    rare = replace(logged, propensities=np.array([[0.998, 0.0, 0.001, 0.001], [0.5, 0.25, 0.25, 0.0]]))
    assert decision_weights(rare)[0] == LARGEST_WEIGHT


def test_a_saved_policy_decides_as_before(policies: dict[Learner, UpliftPolicy], tmp_path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    policies[Learner.X].save(folder)
    loaded = UpliftPolicy.load(folder, SETTINGS, INTERVENTIONS, (), None)
    others = situations(20, 6)
    assert loaded.version == "7"
    np.testing.assert_array_equal(loaded.net_values(others), policies[Learner.X].net_values(others))
    assert isinstance(loaded.boosters[0], lightgbm.Booster)
    with pytest.raises(ValueError, match="not the journey's interventions"):
        UpliftPolicy.load(folder, SETTINGS, INTERVENTIONS[:2], (), None)
    (folder / "member-00.txt").write_text("no model")
    with pytest.raises(ValueError, match="cannot be read"):
        UpliftPolicy.load(folder, SETTINGS, INTERVENTIONS, (), None)
