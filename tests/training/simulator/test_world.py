"""A world's declarations, and the arrays they become."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_world import SMALL, WORLDS

from features.friction import Friction
from journeys.load import load_journey
from training.simulator.rules import compile_world, shares
from training.simulator.simulate import WORLDS as SHIPPED
from training.simulator.world import LEVELS, MARKS, World

worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
shipped = pytest.mark.parametrize("world", SHIPPED.values(), ids=SHIPPED.keys())


@worlds
def test_what_is_drawn_from_is_a_distribution(world: World) -> None:
    rules = compile_world(world)
    for name in ("emission", "upset_share", "marks"):
        odds = getattr(rules, name)
        assert (odds >= 0).all(), name
        np.testing.assert_allclose(odds.sum(axis=-1), 1.0, rtol=0, atol=1e-12, err_msg=name)
    for name in ("exits", "failure", "back", "decide", "relief"):
        assert ((getattr(rules, name) >= 0) & (getattr(rules, name) <= 1)).all(), name


@worlds
def test_no_blocker_and_no_remedy_come_first_and_do_nothing(world: World) -> None:
    rules = compile_world(world)
    assert not rules.exits[0].any()
    assert not rules.drags[0].any()
    assert rules.failure[0] == world.failure
    assert not rules.relief[0].any()
    assert not rules.remedy_leave[0].any()
    assert rules.remedy_advance[0] == 0
    assert not rules.options[:, 0].any()
    np.testing.assert_array_equal(rules.marks[:, 0].argmax(axis=1)[rules.has_marks == 0], 0)


@worlds
def test_the_share_of_upsetting_acts_is_what_those_acts_are_emitted_with(world: World) -> None:
    rules = compile_world(world)
    for level in range(LEVELS):
        names = [name for name in world.names if world.upsetting.get(name, 0) == level]
        columns = [world.names.index(name) for name in names]
        np.testing.assert_allclose(rules.upset_share[..., level], rules.emission[..., columns].sum(axis=-1))


def test_a_trace_multiplies_the_odds_of_its_event_among_the_others() -> None:
    rules = compile_world(SMALL)
    look, ask, page = 0, SMALL.names.index("ask"), SMALL.names.index("page")
    odds = rules.emission[0, look, :, 0, :]
    # ask 1, page 1 and slam .5 by themselves; the price triples the asking.
    assert odds[0, [ask, page]].tolist() == pytest.approx([1 / 2.5, 1 / 2.5])
    assert odds[1, [ask, page]].tolist() == pytest.approx([3 / 4.5, 1 / 4.5])
    bot = rules.emission[0, look, 1, 1, :]
    assert bot[page] == 1.0


def test_the_policy_change_moves_its_stage_and_its_traces_and_nothing_else() -> None:
    rules = compile_world(SMALL)
    before, after = rules.leave
    assert (after - before).tolist() == pytest.approx([0.0, 0.8, 0.0])
    changed = np.any(rules.emission[0] != rules.emission[1], axis=(1, 2, 3))
    assert changed.tolist() == [False, True, False]
    log_in = SMALL.names.index("log_in")
    usual = rules.emission[:, 1, 0, 0, log_in]
    assert usual.tolist() == pytest.approx([0.3 / 2.8, 1.2 / 3.7])


def test_a_remedy_can_be_shown_at_its_stages_and_relieves_its_frictions() -> None:
    rules = compile_world(SMALL)
    assert rules.options.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert rules.relief.tolist() == [[0, 0, 0], [0, 0.8, 0], [0, 0, 0.9]]


def test_where_a_blocker_drives_people_away_they_hesitate() -> None:
    rules = compile_world(SMALL)
    slower = rules.gap_log[:, 1] - rules.gap_log[:, 0]
    assert slower[:, 0].tolist() == pytest.approx([0.0, SMALL.hesitation, SMALL.hesitation])
    assert np.exp(rules.gap_log[:, 0, 0]).tolist() == pytest.approx([5.0, 15.0, 30.0])


@worlds
def test_names_are_unique_and_what_was_shown_comes_last(world: World) -> None:
    # The walk finds those three by their place.
    assert world.names[-3:] == ("intervention_shown", "intervention_clicked", "intervention_dismissed")
    assert len(set(world.names)) == len(world.names)


def test_weights_become_shares() -> None:
    assert shares(np.array([[1.0, 3.0], [2.0, 2.0]])).tolist() == [[0.25, 0.75], [0.5, 0.5]]


def _unknown(world: World) -> dict[str, set[str]]:
    """Every name in a world's declarations that refers to nothing: it would silently do nothing."""
    stages, events = {place.name for place in world.places}, set(world.names)
    emitted = {name for place in world.places for name in place.events}
    blockers = {obstacle.friction for obstacle in world.obstacles}
    traits = (*world.devices, *world.sources, *world.visits)
    used: dict[str, tuple[set[object], set[object]]] = {
        "policy_change": (set(world.policy_change), set(stages)),
        "policy_traces": (set(world.policy_traces), set(emitted)),
        "decide_at": (set(world.decide_at), set(stages)),
        "upsetting": (set(world.upsetting), set(events)),
        "marks": (set(world.marks), set(events)),
        "properties": (set(world.properties), set(events)),
        "touchpoints": (set(world.touchpoints), {trait.name for trait in world.sources}),
        "blockers of traits": ({friction for trait in traits for friction in trait.blockers}, set(blockers)),
    }
    for obstacle in world.obstacles:
        used[f"exits of {obstacle.friction.name}"] = (set(obstacle.exits), set(stages))
        used[f"drags of {obstacle.friction.name}"] = (set(obstacle.drags), set(stages))
        used[f"traces of {obstacle.friction.name}"] = (set(obstacle.traces), set(emitted))
        used[f"marks of {obstacle.friction.name}"] = (set(obstacle.marks), set(world.marks))
    for kind in world.kinds:
        used[f"habits of {kind.name}"] = (set(kind.habits) - {"*"}, set(emitted))
    for remedy in world.remedies:
        used[f"stages of {remedy.name}"] = (set(remedy.stages), set(stages))
        used[f"relief of {remedy.name}"] = (set(remedy.relief), set(blockers))
    return {where: {str(name) for name in names - known} for where, (names, known) in used.items() if names - known}


@worlds
def test_every_name_in_a_declaration_means_something(world: World) -> None:
    assert _unknown(world) == {}


def test_a_misspelt_name_would_be_found() -> None:
    assert _unknown(replace(SMALL, policy_change={"chose": 0.8})) == {"policy_change": {"chose"}}
    bad = replace(SMALL.obstacles[0], traces={"aks": 2.0}, exits={"pya": 0.1})
    assert _unknown(replace(SMALL, obstacles=(bad,))).keys() >= {"exits of price", "traces of price"}


@worlds
def test_declared_shares_are_distributions(world: World) -> None:
    for group in (world.kinds, world.devices, world.sources):
        assert sum(one.share for one in group) == pytest.approx(1.0)
    assert sum(share for _name, share in world.countries) == pytest.approx(1.0)
    assert 0 < sum(obstacle.share for obstacle in world.obstacles) < 1
    for owner in (world.marks, *(obstacle.marks for obstacle in world.obstacles)):
        for name, odds in owner.items():
            assert len(odds) <= MARKS, name
            assert sum(odds) == pytest.approx(1.0), name


@worlds
def test_nobody_goes_back_from_the_first_stage_and_every_step_is_possible(world: World) -> None:
    assert world.places[0].back == 0.0
    for kind in world.kinds:
        for place in world.places:
            habit = [kind.habits.get(name, kind.habits.get("*", 1.0)) * weight for name, weight in place.events.items()]
            assert sum(habit) > 0, (kind.name, place.name)


@shipped
def test_a_shipped_world_speaks_the_words_of_its_journey(world: World) -> None:
    journey = load_journey(world.journey)
    assert [place.name for place in world.places] == [stage.name for stage in journey.stages]
    assert set(world.names) <= set(journey.events)
    assert {name for carried in world.properties.values() for name in carried} <= set(journey.properties)
    assert {remedy.name for remedy in world.remedies} <= {offer.name for offer in journey.interventions}
    assert world.goal_events[1] in journey.ends.goal
    assert world.longest_pause_seconds < journey.session_timeout_seconds
    for place, stage in zip(world.places, journey.stages, strict=True):
        assert set(place.entry) & set(stage.filter.names), place.name


@shipped
def test_a_shipped_world_plants_all_four_problem_types_and_has_a_remedy_for_each(world: World) -> None:
    treated = {friction for remedy in world.remedies for friction, relief in remedy.relief.items() if relief > 0}
    planted = {obstacle.friction for obstacle in world.obstacles}
    assert {friction.problem_type for friction in planted} == {
        friction.problem_type for friction in vars(Friction).values() if isinstance(friction, Friction)
    } - {None}
    assert planted <= treated
