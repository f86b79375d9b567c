"""Simulated decisions: their truth is the world's own, and nobody who goes by what is visible beats the ceiling."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_world import WORLDS, close_to

from decisions.policy import NOTHING
from decisions.segments import Segment
from training.simulator.ceiling import filter_goal, filter_remedies, intent_nodes
from training.simulator.deciding import DecisionPoints, draw_points
from training.simulator.points import NEVER, draw_moments, true_remedies
from training.simulator.remedies import deciding_world, with_harm, without_effects
from training.simulator.rules import compile_world
from training.simulator.simulate import Chunk, draw
from training.simulator.world import World

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]
worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())


def untreated(world: World, sessions: int, seed: int = 3) -> tuple[Chunk, np.ndarray]:
    """Sessions in which nothing is shown, and a moment in each that goes on long enough."""
    [chunk] = draw(replace(world, decide_at={}), sessions=sessions, seed=seed)
    decided = draw_moments(chunk.walks, chunk.walks.stage >= 1, np.random.default_rng(seed))
    assert (decided != NEVER).sum() > sessions / 10
    return chunk, decided


@worlds
def test_what_can_be_known_of_a_remedy_is_what_the_filter_knows_once_it_is_shown(world: World) -> None:
    chunk, decided = untreated(world, 300)
    found = filter_remedies(world, chunk, decided)
    asked = decided != NEVER
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), ~asked)
    at = (chunk.walks.starts[:-1] + decided)[asked]
    kinds, visits = np.array([kind.share for kind in world.kinds]), chunk.visits
    for t in range(1 + len(world.remedies)):
        remedy = chunk.walks.remedy.copy()
        remedy[at] = t
        shown = filter_goal(
            compile_world(world), visits.setting, chunk.walks._replace(remedy=remedy), visits.visitor,
            visits.blocker_prior, kinds, intent_nodes(),
        )  # fmt: skip
        # Later sessions of the same visitor would know that it was shown, so only first ones are compared.
        first = np.append(True, visits.visitor[1:] != visits.visitor[:-1])[asked]
        np.testing.assert_allclose(found[asked, t][first], shown[at][first], rtol=1e-9)


@worlds
def test_the_truth_lies_around_what_can_be_known_of_it(world: World) -> None:
    chunk, decided = untreated(world, 6_000)
    asked = decided != NEVER
    known = filter_remedies(world, chunk, decided)[asked]
    true = true_remedies(compile_world(world), chunk.visits.setting, chunk.walks, decided)[asked]
    for t in range(known.shape[1]):
        gaps = true[:, t] - known[:, t]
        for part in np.array_split(np.argsort(known[:, t]), 3):
            assert abs(gaps[part].mean()) < 4.5 * gaps[part].std() / np.sqrt(len(part))
    # Who knows the latent things knows more.
    assert true.var() > 1.1 * known.var()
    assert close_to(chunk.walks.converted[asked], true[:, 0])


@pytest.fixture(scope="module")
def points(trained: "Trained") -> DecisionPoints:
    return draw_points(trained.journey, trained.result.model, sessions=10_000, seed=11)


def test_a_decision_is_what_the_service_would_see_at_that_moment(points: DecisionPoints, trained: "Trained") -> None:
    seen, model = points.situations, trained.result.model
    assert seen.rows is not None
    np.testing.assert_allclose(seen.risk, model.predict(seen.rows))
    names = model.table.names
    np.testing.assert_array_equal(seen.stage, seen.rows[:, names.index("stage_index")])
    assert (seen.rows[:, names.index("idle_seconds")] == 0).all()
    assert len(set(seen.session_ids)) == len(seen)
    assert (np.diff(seen.at_us) >= 0).all()
    declared = {one.name: one for one in points.journey.interventions}
    for place, name in enumerate(seen.options[1:], 1):
        shown_at = {seen.stages[stage] for stage in np.unique(seen.stage[points.eligible[:, place]])}
        assert shown_at == set(declared[name].stages) & {"cart", "checkout", "address", "payment"}
    assert seen.options[0] == NOTHING
    assert points.eligible[:, 0].all()
    np.testing.assert_allclose(seen.propensities.sum(axis=1), 1.0)


def test_nobody_who_goes_by_what_is_visible_beats_the_best_that_can_be_known(points: DecisionPoints) -> None:
    count, options = points.eligible.shape
    assert points.uplift_share(points.never) == 0.0
    assert points.uplift_share(points.best) == 1.0
    rng = np.random.default_rng(5)
    for _ in range(200):
        # A random linear policy on what is seen, and one that is the best but for some mistakes.
        seen = np.column_stack((points.situations.risk, points.situations.confidence))
        wishes = seen @ rng.normal(size=(seen.shape[1], options)) + rng.normal(size=options)
        anyone = np.where(points.eligible, wishes, -np.inf).argmax(axis=1)
        noisy = (points.known_net + rng.normal(0, 0.5, (count, options))).argmax(axis=1)
        for chosen in (anyone, noisy):
            gaps = points.true_net[np.arange(count), points.known_net.argmax(axis=1)]
            gaps = gaps - points.true_net[np.arange(count), chosen]
            assert gaps.mean() > -4.5 * gaps.std() / np.sqrt(count)
    everything = points.value_of(points.true_net.argmax(axis=1))
    assert everything > points.best > points.never


def test_outcomes_are_drawn_as_likely_as_the_truth_says(points: DecisionPoints) -> None:
    logged = points.log_uniformly(np.random.default_rng(2))
    assert points.eligible[np.arange(len(points)), logged.chosen].all()
    for option in range(len(logged.options)):
        chose = logged.chosen == option
        assert close_to(chose, logged.propensities[:, option])
        assert close_to(logged.converted[chose], points.true_goal[chose, option])
    always = np.zeros(points.eligible.shape)
    always[:, 0] = 1.0
    assert not points.log(always, np.random.default_rng(2), "never").chosen.any()
    assert points.value(always) == pytest.approx(points.never)


def test_the_world_of_decisions_is_neither_trivial_nor_hopeless(points: DecisionPoints) -> None:
    assert 0.8 < points.never / points.best < 0.9
    singles = [
        points.uplift_share(points.value_of(np.where(points.eligible[:, place], place, 0)))
        for place in range(1, points.eligible.shape[1])
    ]
    assert 0.2 < max(singles) < 0.5
    assert min(singles) < 0
    assert all(share > 0.02 for share in points.segments().values())


def test_where_nothing_works_the_best_is_to_do_nothing(trained: "Trained") -> None:
    world = without_effects(deciding_world("ecommerce"))
    found = draw_points(trained.journey, trained.result.model, sessions=1_500, seed=3, world=world)
    np.testing.assert_allclose(found.true_goal, np.where(found.eligible, found.true_goal[:, :1], np.nan))
    assert not found.known_net.argmax(axis=1).any()
    harmful = with_harm(deciding_world("ecommerce"), 7.0)
    worse = draw_points(trained.journey, trained.result.model, sessions=1_500, seed=3, world=harmful)
    assert worse.never == found.never
    assert worse.segments()[Segment.SLEEPING_DOG] > 0.5
    assert (worse.known_net.argmax(axis=1) == 0).mean() > 0.8


def test_a_knapsack_serves_those_who_gain_most_and_nobody_who_loses(points: DecisionPoints) -> None:
    gains = points.known_net - points.known_net[:, :1]
    best = gains[:, 1:].max(axis=1)
    for share in (0.0, 0.1, 0.2, 1.0):
        chosen = points.knapsack(gains, share)
        served = chosen > 0
        assert served.sum() == min(int(share * len(points)), (best > 0).sum())
        assert best[served].min(initial=np.inf) >= best[~served & (best > 0)].max(initial=-np.inf)
        assert (best[served] > 0).all()
        assert points.eligible[np.arange(len(points)), chosen].all()
    np.testing.assert_array_equal(points.knapsack(gains, 1.0), points.known_net.argmax(axis=1))
