"""Rows about options, against arithmetic."""

import math

import numpy as np
import pytest

from decisions.logged import LoggedDecisions
from decisions.off_policy.priors import WeighablePriors, listed_shares
from decisions.option_rows import OptionRows, RowsMissing
from decisions.policy import Situation
from features.friction import Friction
from features.vocabulary import Vocabulary
from journeys.load import load_journey

SHOP = load_journey("ecommerce")
PANEL, FORM = (
    next(one for one in SHOP.interventions if one.name == name) for name in ("trust_panel", "form_assistant")
)
FRICTIONS = tuple(friction.name for friction in (Friction.FORM, Friction.TRUST, Friction.PRICE))
WRITER = OptionRows.of((PANEL, FORM), ("cart", "address"), FRICTIONS, None, Vocabulary({}))


def logged(rows: np.ndarray | None = None) -> LoggedDecisions:
    texts = np.array(["a", "b"], object)
    return LoggedDecisions(
        options=WRITER.options,
        stages=WRITER.stages,
        frictions=FRICTIONS,
        decision_ids=texts,
        session_ids=texts,
        units=np.array([0, 1]),
        at_us=np.array([1, 2]),
        stage=np.array([1, -1]),
        risk=np.array([0.8, 0.5]),
        confidence=np.array([[0.6, 0.3, 0.1], [0.0, 0.5, 0.5]]),
        chosen=np.array([2, 0]),
        propensities=np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]),
        converted=np.array([1.0, 0.0]),
        holdout=np.array([False, False]),
        policy_versions=texts,
        rows=rows,
    )


def test_a_row_says_what_the_option_treats_of_what_stands_in_the_way() -> None:
    rows = WRITER.of_logged(logged())
    WRITER.put(rows, np.array([2, 1]))
    names = list(WRITER.names)
    assert names[:5] == ["option", "treated", "declared_uplift", "stage", "going_on_log_odds"]
    # The form assistant treats FORM, of which the confidence is .6.
    shares = listed_shares(np.array([[0.6, 0.3, 0.1]]))[0]
    expected = [2.0, 0.6, FORM.prior_effect * shares[0], 1.0, math.log(0.2 / 0.8), 0.6, 0.3, 0.1, *shares]
    np.testing.assert_allclose(rows[0], expected)
    # The panel treats TRUST, of which it is .5 in the second.
    assert Friction.TRUST in PANEL.treats
    assert Friction.PRICE not in PANEL.treats
    np.testing.assert_allclose(
        rows[1, :4], [1.0, 0.5, PANEL.prior_effect * listed_shares(np.array([[0.0, 0.5, 0.5]]))[0, 1], -1.0]
    )


def test_doing_nothing_treats_nothing() -> None:
    rows = WRITER.of_logged(logged())
    WRITER.put(rows, np.array([2, 1]))
    WRITER.put(rows, np.array([0, 0]))
    np.testing.assert_array_equal(rows, WRITER.of_logged(logged()))
    assert not rows[:, :3].any()


def test_a_situation_has_the_row_that_its_logged_decision_has() -> None:
    situation = Situation("address", 0.8, (), dict(zip(FRICTIONS, (0.6, 0.3, 0.1), strict=True)))
    rows = WRITER.of_logged(logged())[:1].repeat(3, axis=0)
    WRITER.put(rows, np.arange(3))
    np.testing.assert_array_equal(WRITER.of_situation(situation, np.arange(3)), rows)


def test_raw_features_follow_with_categories_as_their_numbers() -> None:
    raw = np.full((2, len(SHOP.table.names)), 7.0)
    category = next(place for place, feature in enumerate(SHOP.table.features) if feature.is_category)
    raw[:, category] = [41.0, 99.0]
    writer = OptionRows.of(
        (PANEL, FORM), WRITER.stages, FRICTIONS, SHOP.table, Vocabulary({category: np.array([17.0, 41.0])})
    )
    rows = writer.of_logged(logged(raw))
    assert rows[:, 11 + category].tolist() == [2.0, 0.0]
    assert (rows[:, 11 + (category + 1)] == 7.0).all()
    assert writer.category_columns == (0, 11 + category)
    assert OptionRows.from_json(writer.to_json()).names == writer.names
    with pytest.raises(RowsMissing, match="give the log too"):
        writer.of_logged(logged())


def test_decisions_among_other_options_are_refused() -> None:
    other = OptionRows.of((FORM,), WRITER.stages, FRICTIONS, None, Vocabulary({}))
    with pytest.raises(ValueError, match="does not know the option trust_panel, only nothing, form_assistant"):
        other.of_logged(logged())


def test_the_declared_uplift_is_the_one_that_the_declared_policy_goes_by() -> None:
    decided = logged()
    priors = WeighablePriors(SHOP.policy, (PANEL, FORM))
    rows = WRITER.of_logged(decided)[:1]
    WRITER.put(rows, np.array([2]))
    # Net value = uplift x goal value - cost - annoyance.
    spent = FORM.cost + SHOP.policy.annoyance
    assert FORM.cost_if_converted == 0.0
    expected = (priors.net_values(decided)[0, 2] + spent) / SHOP.policy.goal_value
    np.testing.assert_allclose(rows[0, 2], expected)
