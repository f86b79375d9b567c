"""The propensities of policies on logged situations, against the policy that decides live."""

from pathlib import Path

import numpy as np
import pytest
from few_decisions import decisions, drawn
from hypothesis import given
from hypothesis import strategies as st

from decisions.diagnosis import MIN_LISTED_SHARE, Blocker
from decisions.intervention import Effort, Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.priors import WeighablePriors, listed_shares
from decisions.off_policy.targets import PolicyUnreadable, declared, deployed, read_declared
from decisions.policy import PolicySettings, PriorPolicy, Situation, choose
from features.friction import Friction

SETTINGS = PolicySettings(goal_value=20.0, annoyance=0.05)
CHAT, COUPON = (
    Intervention(
        name, name, "", "on_site", ("cart",), treats, effect, 0.1, Effort.QUICK_WIN, "Shop", cost_if_converted=paid
    )
    for name, treats, effect, paid in (
        ("chat", (Friction.TRUST,), 0.06, 0.0),
        ("coupon", (Friction.PRICE, Friction.TRUST), 0.09, 3.0),
    )
)
PRIORS = WeighablePriors(SETTINGS, (CHAT, COUPON))
FRICTIONS = (Friction.TRUST, Friction.PRICE)


def situation(logged: LoggedDecisions, row: int) -> Situation:
    """A situation as the scorer makes it: the listed blockers with their shares."""
    confidence = logged.confidence[row]
    shares = listed_shares(logged.confidence)[row]
    blockers = tuple(
        Blocker(friction, float(share), float(sure), ())
        for friction, share, sure in zip(FRICTIONS, shares, confidence, strict=True)
        if share
    )
    return Situation("cart", float(logged.risk[row]), blockers, {})


@given(seed=st.integers(0, 100), exploration=st.floats(0, 0.04))
def test_the_priors_have_the_propensities_with_which_they_decide_live(seed: int, exploration: float) -> None:
    logged = drawn(seed, 6)
    found = deployed(PRIORS, logged, exploration)
    for row in range(6):
        assessment = PriorPolicy(SETTINGS).assess((CHAT, COUPON), situation(logged, row))
        assert found[row] == pytest.approx(list(choose(assessment, exploration, 0.0).propensities.values()))
        assert PRIORS.net_values(logged)[row, 1:] == pytest.approx([one.net_value for one in assessment.options])


def test_what_was_not_eligible_is_not_chosen() -> None:
    logged = decisions(
        [0, 0], [0, 0], [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], confidence=[[0.6, 0.3], [0.6, 0.3]], risk=[0.9, 0.9]
    )
    assert deployed(PRIORS, logged, 0.04).tolist() == [[0.04, 0.96, 0.0], [1.0, 0.0, 0.0]]
    assert PRIORS.net_values(logged)[1].tolist() == [0.0, -np.inf, -np.inf]


def test_blockers_below_the_listed_share_and_doubtful_ones_have_none() -> None:
    tenth = MIN_LISTED_SHARE / 2
    found = listed_shares(np.array([[0.4, 0.4 * tenth], [0.3, 0.1], [0.2, 0.2], [0.01, 0.0]]))
    np.testing.assert_allclose(found, [[1.0, 0.0], [0.75, 0.25], [0.0, 0.0], [0.0, 0.0]])


def rules(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    policy = read_declared(
        rules(
            tmp_path,
            '{"rules": [{"blocker": "price", "intervention": "coupon"}, {"stage": "pay", "intervention": "chat"}]}',
        )
    )
    logged = decisions(
        [0] * 4,
        [0] * 4,
        [[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]],
        confidence=[[0.1, 0.5], [0.5, 0.1], [0.1, 0.5], [0.1, 0.5]],
        stage=[0, 0, 1, -1],
    )
    # Price stands first; trust does in the cart; the coupon is not eligible, but the chat is where people pay.
    assert declared(policy, logged).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_exploration_goes_to_the_other_eligible_options(tmp_path: Path) -> None:
    policy = read_declared(rules(tmp_path, '{"rules": [{"intervention": "chat"}], "exploration": 0.04}'))
    logged = decisions([0, 0], [0, 0], [[0.4, 0.3, 0.3], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(declared(policy, logged), [[0.02, 0.96, 0.02], [1, 0, 0]])


def test_what_the_log_never_could_have_chosen_stays_what_the_policy_wants(tmp_path: Path) -> None:
    policy = read_declared(rules(tmp_path, '{"rules": [{"intervention": "coupon"}]}'))
    logged = decisions([0, 1], [0, 0], [[0.5, 0.5, 0.0]] * 2)
    assert declared(policy, logged).tolist() == [[0, 0, 1]] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no", "declares no policy"),
        ('{"rules": []}', "declares no policy"),
        ('{"rules": [{"blocker": "trust"}]}', "intervention"),
        ('{"rules": [{"intervention": "chat", "device": "phone"}]}', "device"),
        ('{"rules": [{"intervention": "chat"}], "exploration": 0.2}', "exploration"),
    ],
)
def test_a_file_that_declares_no_policy_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PolicyUnreadable, match=said):
        read_declared(rules(tmp_path, text))


@pytest.mark.parametrize("rule", ['"intervention": "balloon"', '"intervention": "chat", "blocker": "balloon"'])
def test_names_that_the_journey_does_not_declare_are_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(PolicyUnreadable, match="'balloon', which the journey does not declare; there are"):
        declared(read_declared(rules(tmp_path, f'{{"rules": [{{{rule}}}]}}')), drawn(1, 3))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnreadable, match="cannot be read"):
        read_declared(tmp_path / "none.json")
