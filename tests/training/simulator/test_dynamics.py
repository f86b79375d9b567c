"""The closed form against the walk it describes, against linear algebra, and against what it must obey."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from small_world import WORLDS, alike, close_to, no_decisions, solve, walks_of

from training.simulator.dynamics import failure_odds, reach_goal, step_odds
from training.simulator.rules import Rules, compile_world
from training.simulator.walk import FAILURE, ONWARD, SUCCESS
from training.simulator.world import LEVELS, World

RULES = {name: compile_world(world) for name, world in WORLDS.items()}


@st.composite
def situations(draw: st.DrawFn) -> tuple[Rules, int, float, float, float, int, int, int]:
    """Rules, and the arguments of ``step_odds`` that fit them."""
    rules = RULES[draw(st.sampled_from(sorted(RULES)))]
    shift, intent = st.floats(-2, 2), draw(st.floats(-5, 5))
    blocker, kind = draw(st.integers(0, len(rules.exits) - 1)), draw(st.integers(0, len(rules.kind_leave) - 1))
    remedy = draw(st.integers(0, len(rules.relief) - 1))
    return rules, draw(st.integers(0, 1)), draw(shift), draw(shift), intent, blocker, kind, remedy


@settings(max_examples=300, deadline=None)
@given(situations())
def test_the_closed_form_solves_the_chain(
    situation: tuple[Rules, int, float, float, float, int, int, int],
) -> None:
    rules, changed, *_, blocker, kind, remedy = situation
    leave, advance, _own = step_odds(*situation)
    ours = reach_goal(rules, changed, leave, advance, blocker, kind, remedy)
    expected = solve(rules, changed, leave, advance, blocker, kind, remedy)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-13)


@settings(max_examples=300, deadline=None)
@given(situations())
def test_all_odds_are_probabilities_and_the_blocker_only_adds_to_leaving(
    situation: tuple[Rules, int, float, float, float, int, int, int],
) -> None:
    rules, changed, *_, blocker, kind, remedy = situation
    leave, advance, own = step_odds(*situation)
    for odds in (leave, advance, own, reach_goal(rules, changed, leave, advance, blocker, kind, remedy)):
        assert (odds >= 0).all()
        assert (odds <= 1).all()
    assert (leave + advance <= 1).all()
    assert (leave >= own).all()
    assert 0 <= failure_odds(rules, blocker, remedy) <= 1
    unblocked = rules.exits[blocker] == 0
    assert (leave[unblocked] == own[unblocked]).all()


@settings(max_examples=200, deadline=None)
@given(situations(), st.floats(0.01, 2))
def test_who_wants_more_and_who_is_less_upset_gets_further(
    situation: tuple[Rules, int, float, float, float, int, int, int], more: float
) -> None:
    rules, changed, _away, _onward, intent, blocker, kind, remedy = situation
    reached = [
        reach_goal(rules, changed, *step_odds(*situation[:4], wish, blocker, kind, remedy)[:2], blocker, kind, remedy)
        for wish in (intent, intent + more)
    ]
    assert (reached[1] >= reached[0] - 1e-12).all()
    assert (np.diff(reached[0], axis=1) <= 1e-12).all()
    # An attempt under way is worth more than the visitor's being anywhere before it.
    assert (reached[0][-1, 0] >= reached[0][:-1] - 1e-12).all()


@settings(max_examples=200, deadline=None)
@given(situations())
def test_a_planted_blocker_never_helps_and_a_remedy_without_side_effects_never_harms(
    situation: tuple[Rules, int, float, float, float, int, int, int],
) -> None:
    rules, changed, away, onward, intent, blocker, kind, remedy = situation
    bare = rules._replace(
        remedy_leave=np.zeros_like(rules.remedy_leave),
        remedy_advance=np.zeros_like(rules.remedy_advance),
        # What visitors do may differ by blocker, and so may how upset it leaves them; here only the odds count.
        upset_share=np.repeat(rules.upset_share[:, :, :1], len(rules.exits), axis=2),
    )

    def start(b: int, t: int) -> float:
        leave, advance, _own = step_odds(bare, changed, away, onward, intent, b, kind, t)
        return float(reach_goal(bare, changed, leave, advance, b, kind, t)[0, 0])

    assert start(blocker, 0) <= start(0, 0) + 1e-12
    assert start(blocker, remedy) >= start(blocker, 0) - 1e-12


PEOPLE = [(intent, blocker, kind) for intent in (-1.0, 1.5) for blocker in (0, 1, 2) for kind in (0, 1)]


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_as_many_walks_reach_the_goal_as_the_closed_form_says(world: World) -> None:
    rules = compile_world(world)
    for number, (intent, blocker, kind) in enumerate(PEOPLE):
        changed = number % 2
        setting = alike(
            world, 8_000, intent=intent, blocker=blocker, kind=kind, changed=changed, leave=-1.0, advance=0.7
        )
        walks = walks_of(world, setting, number, no_decisions)
        leave, advance, _own = step_odds(rules, changed, -1.0, 0.7, intent, blocker, kind, 0)
        values = reach_goal(rules, changed, leave, advance, blocker, kind, 0)
        assert close_to(walks.converted, values[0, 0]), (intent, blocker, kind)
        # From the first entry of every stage, and from the first failure, the future is that of the stage and level.
        session = np.repeat(np.arange(8_000), np.diff(walks.starts))
        for stage in range(1, len(rules.advance)):
            entered = np.unique(session[(walks.move == ONWARD) & (walks.stage == stage)])
            assert close_to(walks.converted[entered], values[stage, 0]), (intent, blocker, kind, stage)
        failed = np.unique(session[walks.move == FAILURE])
        assert close_to(walks.converted[failed], values[-2, LEVELS - 1]), (intent, blocker, kind)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_attempts_fail_as_often_as_declared(world: World) -> None:
    rules = compile_world(world)
    for blocker in range(len(rules.exits)):
        setting = alike(world, 4_000, intent=2.0, blocker=blocker, leave=-3.0, advance=3.0)
        walks = walks_of(world, setting, blocker, no_decisions)
        answered = walks.move[(walks.move == SUCCESS) | (walks.move == FAILURE)]
        assert len(answered) > 1_000
        assert close_to(answered == FAILURE, failure_odds(rules, blocker, 0))
        obstacle = world.obstacles[blocker - 1] if blocker else None
        declared = obstacle.failure if obstacle and obstacle.failure is not None else world.failure
        assert failure_odds(rules, blocker, 0) == declared
