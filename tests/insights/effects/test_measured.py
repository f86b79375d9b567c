"""Measured effects in the place of declared ones."""

import pytest
from made_decisions import make_decisions

from insights.effects.effects import measure_effects
from insights.effects.measured import measured_effects
from journeys.load import load_journey

SHOP = load_journey("ecommerce")
TRUTH = {("payment", "other_payment"): 0.14}


def test_what_is_known_closely_is_of_those_whom_the_blocker_stops() -> None:
    effects = measure_effects(SHOP, make_decisions(20_000, TRUTH, seed=2))
    found = {(one.friction, one.intervention): one for one in measured_effects(SHOP, {"": effects})}
    one = found["payment", "other_payment"]
    # Named with a confidence of .7, so that .14 of all named are .2 of those it stops. Some 1,700 people on a side with
    # a rate of .2 have a standard error of .015, of .021 then.
    assert one.effect.low < 0.2 < one.effect.high
    assert one.effect.value == pytest.approx(0.2, abs=2 * 0.021)
    assert one.experiment.startswith("decisions of Tue 14 Nov 2023 to ")
    assert ("payment", "live_chat") not in found


def test_what_is_known_less_closely_than_declared_changes_nothing() -> None:
    # The declared belief of other_payment has a deviation of .08: of .7 x .08 = .056 for those named. With some 30
    # people on a side the standard error is near .1.
    effects = measure_effects(SHOP, make_decisions(400, {}))
    assert "other_payment" not in {one.intervention for one in measured_effects(SHOP, {"": effects})}


def test_stages_follow_the_whole_so_that_they_are_the_latest() -> None:
    logged = make_decisions(40_000, TRUTH)
    kept = {by: measure_effects(SHOP, logged, by) for by in ("", "stage")}
    stages = [one.stage for one in measured_effects(SHOP, kept) if one.intervention == "other_payment"]
    assert stages == [None, "cart", "payment"]
