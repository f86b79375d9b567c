"""Effects of a journey's interventions on planted truth: found, judged, ranked, kept and shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_decisions import make_decisions

from insights.effects.effects import EffectsError, Match, measure_effects
from insights.effects.kept import keep_effects, kept_effects
from insights.effects.knowledge import Knowledge
from insights.effects.tables import effect_tables
from insights.pages.effects import effect_figures
from journeys.journey import Journey
from journeys.load import load_journey

TRUTH = {
    ("payment", "other_payment"): 0.25,
    ("shipping", "free_delivery"): 0.02,
    ("information", "live_chat"): 0.2,
    ("payment", "live_chat"): -0.15,
}
TREATED = ("payment", "other_payment")


@pytest.fixture(scope="module")
def shop() -> Journey:
    return load_journey("ecommerce")


def test_planted_effects_are_found_where_they_are_and_judged_by_what_showing_costs(shop: Journey) -> None:
    found = measure_effects(shop, make_decisions(12_000, TRUTH))
    cells = {(one.blocker, one.intervention): one for one in found.cells if one.belief.is_measured}
    assert len(cells) == 9
    covered = [one.belief.interval.low <= TRUTH.get(pair, 0) <= one.belief.interval.high for pair, one in cells.items()]
    assert sum(covered) >= 8
    assert cells["payment", "other_payment"].knowledge is Knowledge.PAYS
    assert cells["payment", "live_chat"].knowledge is Knowledge.HARMS
    # Two points are worth .36 of 18; free delivery costs 4.9 of every goal, a fifth of all, and .05: 1.03.
    assert cells["shipping", "free_delivery"].knowledge is Knowledge.DOES_NOT_PAY
    assert cells["shipping", "free_delivery"].match is Match.TREATS
    assert cells["shipping", "live_chat"].match is Match.OTHER
    assert {one.intervention for one in found.overall} == {"other_payment", "free_delivery", "live_chat"}


def test_counts_add_up_to_the_decisions(shop: Journey) -> None:
    logged = make_decisions(3_000, TRUTH)
    found = measure_effects(shop, logged)
    for place, name in enumerate(logged.options[1:], 1):
        shown = [one.measured.shown for one in found.cells if one.intervention == name]
        assert sum(arm.decisions for arm in shown) == (logged.chosen == place).sum()
        assert sum(arm.goals for arm in shown) == logged.converted[logged.chosen == place].sum()
    nothing = sum(one.measured.nothing.decisions for one in found.cells if one.intervention == "live_chat")
    assert nothing == (logged.chosen == 0).sum()


def test_what_is_worth_testing_in_a_group_names_the_group(shop: Journey) -> None:
    found = measure_effects(shop, make_decisions(900, TRUTH), by="device")
    *_, tests = effect_tables(found)
    assert tests.headers[:3] == ("Blocker", "Group", "Intervention")
    told = [row[:3] for row in tests.rows]
    assert len(set(told)) == len(told) > 1
    assert {row[1] for row in told} == {"phone", "desktop"}


def test_what_is_worth_testing_is_unknown_and_the_dearest_first(shop: Journey) -> None:
    found = measure_effects(shop, make_decisions(900, TRUTH))
    worth = [one.worth_of_knowing for one in found.worth_testing]
    assert worth == sorted(worth, reverse=True)
    assert worth[0] > 0
    assert {one.knowledge for one in found.worth_testing} <= {Knowledge.UNKNOWN, Knowledge.UNTRIED}


def test_an_intervention_that_was_never_shown_has_the_declared_belief(shop: Journey) -> None:
    logged = make_decisions(2_000, {})
    only = logged.take(np.flatnonzero(logged.chosen != 1))
    [cell] = [one for one in measure_effects(shop, only).cells if (one.blocker, one.intervention) == TREATED]
    declared = next(one for one in shop.interventions if one.name == "other_payment")
    assert cell.knowledge is Knowledge.UNTRIED
    # The belief counts as far as payment is what they leave for: the confidence in it, .7.
    assert cell.belief.effect == pytest.approx(0.7 * declared.prior_effect)


@pytest.mark.parametrize("by", ["stage", "device"])
def test_groups_share_out_the_decisions(shop: Journey, by: str) -> None:
    logged = make_decisions(3_000, TRUTH)
    whole, parts = measure_effects(shop, logged), measure_effects(shop, logged, by)
    for one in whole.cells:
        mine = [cell for cell in parts.cells if (cell.blocker, cell.intervention) == (one.blocker, one.intervention)]
        assert len(mine) == 2
        assert sum(cell.measured.shown.decisions for cell in mine) == one.measured.shown.decisions


def test_decisions_at_unknown_odds_are_left_out_and_told(shop: Journey) -> None:
    logged = make_decisions(2_000, TRUTH)
    odds = logged.propensities.copy()
    odds[:500] = np.nan
    found = measure_effects(shop, replace(logged, propensities=odds))
    assert (found.decisions, found.at_unknown_odds) == (1_500, 500)
    assert found.cells == measure_effects(shop, logged.take(np.arange(500, 2_000))).cells
    with pytest.raises(EffectsError, match="all 2,000 were made at unknown odds"):
        measure_effects(shop, replace(logged, propensities=np.full_like(odds, np.nan)))


def test_what_cannot_tell_decisions_apart_is_named_with_what_can(shop: Journey) -> None:
    with pytest.raises(EffectsError, match="cannot be told apart by 'moon'; there is stage, device"):
        measure_effects(shop, make_decisions(100, {}), "moon")


def test_kept_effects_are_read_as_they_were_written(shop: Journey, tmp_path: Path) -> None:
    assert kept_effects(tmp_path) == {}
    logged = make_decisions(1_000, TRUTH)
    keep_effects(tmp_path, shop, logged)
    assert dict(kept_effects(tmp_path)) == {by: measure_effects(shop, logged, by) for by in ("", "stage", "device")}


def test_the_page_shows_every_pair_with_the_same_figures_as_the_effects(shop: Journey) -> None:
    found = measure_effects(shop, make_decisions(6_000, TRUTH))
    figures = {figure.name: figure for figure in effect_figures(found, shop)}
    pairs = figures["pairs"].table
    assert pairs.column("shown_goals") == tuple(one.measured.shown.goals for one in found.cells)
    effects = figures["map"].table.column("effect")
    assert effects == tuple(one.belief.effect for one in found.cells if one.belief.is_measured)
    assert figures["tests"].table.column("worth") == tuple(one.worth_of_knowing for one in found.worth_testing[:12])
    title = next(one.title for one in shop.interventions if one.name == "other_payment")
    assert any(title in str(sentence) for sentence in figures["known"].table.column("sentence"))
