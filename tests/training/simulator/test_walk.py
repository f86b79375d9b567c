"""Walks step by step: what follows what, in the shares that the rules declare."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))

from small_world import SMALL, WORLDS, alike, close_to, no_decisions, walks_of

from training.simulator.dynamics import step_odds
from training.simulator.rules import Rules, compile_world
from training.simulator.simulate import TIES, draw
from training.simulator.walk import (
    AT_ONCE,
    ATTEMPT,
    BACK,
    FAILURE,
    FOLLOW_UP,
    MAX_EVENTS,
    ONWARD,
    SHOWN,
    START,
    STAY,
    SUCCESS,
    Setting,
    Walks,
)
from training.simulator.world import LEVELS, World

RULES = compile_world(SMALL)


def settings_of(world: World, sessions: int = 6_000, seed: int = 3) -> Setting:
    [chunk] = draw(world, sessions=sessions, seed=seed)
    return chunk.visits.setting


def session_of(walks: Walks) -> np.ndarray:
    return np.repeat(np.arange(len(walks.starts) - 1), np.diff(walks.starts))


@pytest.fixture(params=WORLDS.keys(), scope="module")
def drawn(request: pytest.FixtureRequest) -> tuple[World, Setting, Walks]:
    world = WORLDS[request.param]
    setting = settings_of(world)
    return world, setting, walks_of(world, setting)


def test_stages_and_levels_follow_from_the_moves(drawn: tuple[World, Setting, Walks]) -> None:
    world, _setting, walks = drawn
    rules = compile_world(world)
    session = session_of(walks)
    inner = np.append(False, session[1:] == session[:-1])
    before = np.where(inner, np.append(0, walks.stage[:-1]), 0)
    level_before = np.where(inner, np.append(0, walks.level[:-1]), 0)
    step = np.select([walks.move == ONWARD, walks.move == BACK], [1, -1], 0)
    np.testing.assert_array_equal(walks.stage, before + step)
    assert walks.stage.min() == 0
    assert walks.stage.max() == len(world.places) - 1
    expected = np.select(
        [
            np.isin(walks.move, (ONWARD, BACK, ATTEMPT)),
            walks.move == STAY,
            walks.move == FAILURE,
        ],
        [0, rules.level[walks.code], LEVELS - 1],
        level_before,
    )
    np.testing.assert_array_equal(walks.level, expected)
    assert set(np.unique(walks.move)) == {STAY, ONWARD, BACK, FOLLOW_UP, SUCCESS, FAILURE, ATTEMPT, SHOWN, START}


def test_every_move_brings_its_own_events(drawn: tuple[World, Setting, Walks]) -> None:
    world, setting, walks = drawn
    names = np.array(world.names)[walks.code]
    attempt, success, failure = world.goal_events
    assert set(names[walks.move == ATTEMPT]) == {attempt}
    assert set(names[walks.move == SUCCESS]) == {success}
    assert set(names[walks.move == FAILURE]) == {failure}
    for place, where in enumerate(world.places):
        here = walks.stage == place
        if place:
            assert set(names[here & (walks.move == ONWARD)]) == {where.entry[0]}
        assert set(names[here & (walks.move == FOLLOW_UP)]) <= set(where.entry[1:])
        assert set(names[here & (walks.move == STAY)]) <= set(where.events)
        if where.back:
            assert set(names[(walks.stage == place - 1) & (walks.move == BACK)]) == {where.back_event}
    begins = walks.starts[:-1]
    np.testing.assert_array_equal(walks.code[begins], setting.openings[:, 0])
    opened = np.bincount(session_of(walks)[walks.move == START], minlength=len(begins))
    np.testing.assert_array_equal(opened, (setting.openings >= 0).sum(axis=1))


def test_an_attempt_is_answered_at_once_and_success_ends_the_session(drawn: tuple[World, Setting, Walks]) -> None:
    _world, _setting, walks = drawn
    attempts = np.flatnonzero(walks.move == ATTEMPT)
    assert np.isin(walks.move[attempts + 1], (SUCCESS, FAILURE)).all()
    answers = np.flatnonzero(np.isin(walks.move, (SUCCESS, FAILURE)))
    np.testing.assert_array_equal(answers, attempts + 1)
    succeeded = np.flatnonzero(walks.move == SUCCESS)
    ends = walks.starts[1:] - 1
    assert np.isin(succeeded, ends).all()
    np.testing.assert_array_equal(walks.converted, walks.move[ends] == SUCCESS)
    assert 0 < walks.converted.mean() < 1


def test_leaving_going_on_and_going_back_happen_at_their_odds() -> None:
    # One kind of person throughout, so that every step at a stage and level has the same odds.
    setting = alike(SMALL, 12_000, intent=0.5, blocker=1, leave=0.2, advance=-0.3)
    walks = walks_of(SMALL, setting, 5, no_decisions)
    leave, advance, _own = step_odds(RULES, 0, 0.2, -0.3, 0.5, 1, 0, 0)
    session = session_of(walks)
    last = np.append(session[1:] != session[:-1], True)
    following = np.append(walks.move[1:], STAY)
    # A step is taken wherever nothing else is due: after a follow-up, but not before it, nor during an attempt.
    steps = ~np.isin(walks.move, (ATTEMPT, SUCCESS)) & (last | ~np.isin(following, (FOLLOW_UP, SHOWN, START)))
    for stage in range(3):
        for level in range(LEVELS):
            at = steps & (walks.stage == stage) & (walks.level == level)
            if not at.any():
                continue
            rest = 1 - leave[stage, level] - advance[stage, level]
            assert close_to(last[at], leave[stage, level]), (stage, level)
            onward = ~last[at] & np.isin(following[at], (ONWARD, ATTEMPT))
            assert close_to(onward, advance[stage, level]), (stage, level)
            back = ~last[at] & (following[at] == BACK)
            assert close_to(back, rest * RULES.back[stage]), (stage, level)


def test_what_is_done_and_its_marks_come_in_the_declared_shares() -> None:
    for blocker in range(3):
        for changed in range(2):
            setting = alike(SMALL, 5_000, intent=1.0, blocker=blocker, changed=changed, leave=-1.0)
            walks = walks_of(SMALL, setting, blocker + 3 * changed)
            for stage in range(3):
                done = walks.code[(walks.move == STAY) & (walks.stage == stage)]
                assert len(done) > 500
                for code, share in enumerate(RULES.emission[changed, stage, blocker, 0]):
                    assert close_to(done == code, share), (blocker, changed, stage, SMALL.names[code])
            bill = SMALL.names.index("bill")
            marks = walks.mark[walks.code == bill]
            for mark, share in enumerate(RULES.marks[bill, blocker]):
                assert close_to(marks == mark, share), (blocker, mark)
            assert not walks.mark[walks.code != bill].any()


def test_the_blocker_causes_its_share_of_the_exits_and_none_of_those_of_others(
    drawn: tuple[World, Setting, Walks],
) -> None:
    world, setting, walks = drawn
    rules = compile_world(world)
    share = np.zeros(len(walks.converted))
    for s in np.flatnonzero(walks.converted == 0):
        end = walks.starts[s + 1] - 1
        blocker, kind = int(setting.blocker[s]), int(setting.kind[s])
        leave, _advance, own = step_odds(
            rules,
            int(setting.changed[s]),
            setting.leave[s],
            setting.advance[s],
            setting.intent[s],
            blocker,
            kind,
            int(walks.remedy[end]),
        )
        at = walks.stage[end], walks.level[end]
        share[s] = 1 - own[at] / leave[at]
    assert not walks.caused_exit[setting.blocker == 0].any()
    assert not walks.caused_exit[walks.converted == 1].any()
    assert share.sum() > 100
    assert close_to(walks.caused_exit, share)


def test_nothing_happens_before_what_came_before_it_and_ties_come_as_often_as_wanted(
    drawn: tuple[World, Setting, Walks],
) -> None:
    world, _setting, walks = drawn
    assert walks.gap_us.min() == 0
    assert not walks.gap_us[walks.starts[:-1]].any()
    inner = np.ones(len(walks.gap_us), np.bool_)
    inner[walks.starts[:-1]] = False
    steps = inner & np.isin(walks.move, (STAY, ONWARD, BACK, ATTEMPT, SUCCESS, FAILURE))
    assert close_to(walks.gap_us[steps] == 0, TIES)
    assert walks.gap_us.max() <= world.longest_pause_seconds * 1e6 + 1_000


def test_the_pace_is_that_of_the_stage_the_kind_and_the_blocker() -> None:
    for blocker, kind in ((0, 0), (1, 0), (1, 1), (2, 0)):
        setting = alike(SMALL, 4_000, intent=1.0, blocker=blocker, kind=kind)
        walks = walks_of(SMALL, setting, 2)
        # Within a sitting: at the first stage, and where an attempt is answered, nobody goes away.
        for stage, moves in ((0, (STAY, ONWARD, BACK)), (2, (SUCCESS, FAILURE))):
            chosen = (walks.gap_us > 0) & np.isin(walks.move, moves) & (walks.stage == stage)
            logs = np.log(walks.gap_us[chosen] / 1e6)
            spread = RULES.gap_spread[kind]
            assert len(logs) > 300
            # To 5 standard errors, and a millisecond's rounding of the quickest.
            error = 5 * spread / np.sqrt(len(logs))
            assert abs(logs.mean() - RULES.gap_log[stage, blocker, kind]) < error + 0.01
            assert abs(logs.std() - spread) < error + 0.01


def test_some_pauses_last_until_another_sitting_and_none_for_too_long() -> None:
    for blocker, kind in ((0, 0), (1, 0), (2, 1)):
        walks = walks_of(SMALL, alike(SMALL, 4_000, intent=1.0, blocker=blocker, kind=kind), 2)
        for stage in (1, 2):
            chosen = (walks.gap_us > 0) & np.isin(walks.move, (STAY, ONWARD, BACK, ATTEMPT)) & (walks.stage == stage)
            pauses, share = walks.gap_us[chosen] / 1e6, SMALL.places[stage].away
            usual = norm(RULES.gap_log[stage, blocker, kind], RULES.gap_spread[kind])
            away = norm(RULES.away_log[stage, blocker, kind], SMALL.away_spread)
            for seconds in (30.0, 300.0, 3_000.0, SMALL.longest_pause_seconds - 0.001):
                longer = (1 - share) * usual.sf(np.log(seconds)) + share * away.sf(np.log(seconds))
                assert close_to(pauses > seconds, longer), (stage, seconds)
            assert pauses.max() == pytest.approx(SMALL.longest_pause_seconds, abs=0.002)
            # Blockers that drive people away delay their return as well.
            assert away.mean() - np.log(SMALL.places[stage].away_seconds) == pytest.approx(
                (SMALL.hesitation if RULES.exits[blocker, stage] > 0 else 0.0) + SMALL.kinds[kind].pace
            )


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_the_basket_holds_what_was_added_less_what_was_removed(world: World) -> None:
    assert world.basket is not None
    walks = walks_of(world, settings_of(world, 2_000))
    names = np.array(world.names)[walks.code]
    view, add, remove = world.basket.view, world.basket.add, world.basket.remove
    for s in range(len(walks.converted)):
        own = slice(walks.starts[s], walks.starts[s + 1])
        items, value = 0, 0.0
        for name, price, shown, worth in zip(
            names[own], walks.price[own], walks.items[own], walks.basket[own], strict=True
        ):
            if name == add:
                items, value = items + 1, value + float(price)
            elif name == remove and items:
                items, value = items - 1, value * (items - 1) / items
            assert shown == items
            assert worth == pytest.approx(value, rel=1e-5, abs=1e-4)
    chosen = np.isin(names, (view, add))
    prices = np.array(world.basket.prices)
    np.testing.assert_allclose(walks.price[chosen], prices[walks.product[chosen]], rtol=1e-6)
    assert set(walks.product[names == view]) == set(range(len(prices)))
    assert {view, add, remove} <= set(names)


def test_decisions_are_randomised_at_first_entries_and_shown_with_their_propensity() -> None:
    def always(rules: Rules) -> Rules:
        return rules._replace(decide=np.array([0.0, 0.3, 0.5]))

    setting = alike(SMALL, 12_000, intent=1.0, blocker=1, leave=-1.0)
    walks = walks_of(SMALL, setting, 4, always)
    session = session_of(walks)
    shown = np.flatnonzero(np.array(SMALL.names)[walks.code] == "intervention_shown")
    assert len(np.unique(session[shown])) == len(shown)
    # At `choose` nothing or "cheaper" (1), at `pay` nothing, that or "wallet" (2), evenly.
    expected = np.where(walks.stage[shown] == 1, 1 / 2, 1 / 3)
    np.testing.assert_allclose(walks.propensity[shown], expected, rtol=1e-6)
    assert not (walks.remedy[shown][walks.stage[shown] == 1] == 2).any()
    assert set(walks.remedy[shown]) == {1, 2}
    for stage, decides, odds in ((1, 0.3, 1 / 2), (2, 0.5, 1 / 3)):
        entries = np.flatnonzero((walks.move == ONWARD) & (walks.stage == stage))
        first = entries[np.unique(session[entries], return_index=True)[1]]
        untreated = first[np.where(walks.starts[session[first]] == first, 0, walks.remedy[first - 1]) == 0]
        for remedy in np.flatnonzero(RULES.options[stage]):
            assert close_to(walks.remedy[untreated] == remedy, decides * odds), (stage, remedy)
    # What has been shown stays in force, and nothing is shown twice.
    inner = np.append(False, session[1:] == session[:-1])
    changed = inner & (walks.remedy != np.append(0, walks.remedy[:-1]))
    assert not walks.remedy[np.flatnonzero(changed) - 1].any()
    answers = np.array(SMALL.names)[walks.code[shown[shown + 1 < len(walks.code)] + 1]]
    assert {"intervention_clicked", "intervention_dismissed"} <= set(answers)


def test_nobody_who_never_leaves_outgrows_the_room_for_a_session() -> None:
    def endless(rules: Rules) -> Rules:
        return rules._replace(
            leave=np.full_like(rules.leave, -60.0),
            advance=np.full_like(rules.advance, 2.0),
            exits=np.zeros_like(rules.exits),
            failure=np.ones_like(rules.failure),
            decide=np.ones_like(rules.decide),
        )

    walks = walks_of(SMALL, settings_of(SMALL, 400), change=endless)
    lengths = np.diff(walks.starts)
    assert lengths.min() >= MAX_EVENTS
    assert lengths.max() <= MAX_EVENTS + AT_ONCE
    assert (walks.move == ATTEMPT).sum() > 400 * 20
    assert not walks.caused_exit.any()


def test_one_session_fits_and_the_same_seed_walks_alike() -> None:
    alone = walks_of(SMALL, alike(SMALL, 1), 9)
    again = walks_of(SMALL, alike(SMALL, 1), 9)
    assert len(alone.starts) == 2
    assert all(np.array_equal(left, right) for left, right in zip(alone, again, strict=True))
