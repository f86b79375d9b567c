"""Removal effects, against published examples, elimination by hand, enumeration and simulation."""

import sys
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_paths import named, ones, paths_of

from insights.channels.markov import Chain, ChannelsError, build_chain, markov, removal_effects

PUBLISHED = (["c1 > c2 > c3"], ["c1", "c2 > c3"])
"""The example of Bryl', Marketing multi-channel attribution model with R, and of the package ChannelAttribution."""


def test_the_published_example_has_the_published_effects() -> None:
    # P = 2/3 * 1/2 * 1/2 + 1/3 * 1/2 = 1/3; without c1 1/3 * 1/2 = 1/6, without c2 or c3 nothing.
    paths = paths_of(*PUBLISHED)
    effects = removal_effects(build_chain(paths, ones(paths)), 3)
    assert effects == pytest.approx([1 / 2, 1, 1])
    assert named(paths, markov(paths, ones(paths))) == pytest.approx({"c1": 0.2, "c2": 0.4, "c3": 0.4})


def test_what_was_reached_is_shared_out_among_the_channels() -> None:
    paths = paths_of(PUBLISHED[0] * 10, PUBLISHED[1] * 10)
    assert named(paths, markov(paths, ones(paths))) == pytest.approx({"c1": 2.0, "c2": 4.0, "c3": 4.0})


def test_one_channel_alone_gets_all_of_it() -> None:
    paths = paths_of(["email", "email > email", "email"], ["email"] * 5)
    assert named(paths, markov(paths, ones(paths))) == pytest.approx({"email": 3.0})


def test_a_channel_that_no_conversion_passed_gets_nothing() -> None:
    paths = paths_of(["email"], ["email > banner", "banner"])
    assert named(paths, markov(paths, ones(paths))) == {"banner": 0.0, "email": 1.0}


def test_no_conversion_means_no_credit() -> None:
    paths = paths_of([], ["email", "ads > email"])
    assert markov(paths, ones(paths)).tolist() == [0.0, 0.0]
    nobody = paths_of([""])
    assert markov(nobody, ones(nobody)).tolist() == []


def test_a_self_transition_changes_no_effect_at_order_one() -> None:
    plain, looped = paths_of(["ads > email"], ["ads", "email"]), paths_of(["ads > ads > ads > email"], ["ads", "email"])
    # From ads: 1/2 to email, 1/2 to nothing; or 2/4 to ads, 1/4 to email, 1/4 to nothing.
    assert removal_effects(build_chain(plain, ones(plain)), 2) == pytest.approx(
        removal_effects(build_chain(looped, ones(looped)), 2)
    )


def test_a_loop_is_solved_exactly() -> None:
    # ads -> email 1; email -> ads 1/3, conversion 1/3, nothing 1/3; all start at ads. x = 1/3 + x/3, so x = 1/2.
    paths = paths_of(["ads > email > ads > email"], ["ads > email"])
    chain = build_chain(paths, ones(paths))
    reached = np.linalg.solve(np.eye(2) - chain.onward, chain.reward)
    assert float(chain.start @ reached) == pytest.approx(1 / 2)
    assert removal_effects(chain, 2) == pytest.approx([1.0, 1.0])


def test_values_weigh_the_conversions() -> None:
    # Of what is reached, 30 of 40 pass ads and 10 of 40 pass email.
    paths = paths_of(["ads", "email"], value=[30.0, 10.0])
    assert named(paths, markov(paths, paths.value)) == pytest.approx({"ads": 30.0, "email": 10.0})


def test_a_longer_memory_tells_apart_what_the_latest_touch_does_not() -> None:
    # After ads > email everybody converts, after call > email nobody: at order 1 email looks the same either way.
    paths = paths_of(["ads > email"] * 2, ["call > email"] * 2)
    assert named(paths, markov(paths, ones(paths)))["call"] == pytest.approx(2 * 0.5 / (0.5 + 0.5 + 1))
    assert named(paths, markov(paths, ones(paths), order=2)) == pytest.approx({"ads": 1.0, "call": 0.0, "email": 1.0})


def test_an_order_below_one_and_too_many_states_are_refused() -> None:
    paths = paths_of(["ads > email"])
    with pytest.raises(ChannelsError, match="at least 1"):
        markov(paths, ones(paths), order=0)
    many = paths_of([f"c{number}" for number in range(4_001)])
    with pytest.raises(ChannelsError, match="4,001 states"):
        markov(many, ones(many))


some_paths = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" > ".join), min_size=1, max_size=8)


def solve_fractions(converted: list[str], others: list[str], order: int, removed: str | None) -> Fraction:
    """The probability of a conversion by Gaussian elimination in fractions, the removed channel leading nowhere."""
    steps: defaultdict[tuple[str, ...], defaultdict[tuple[str, ...], Fraction]] = defaultdict(
        lambda: defaultdict(Fraction)
    )
    for path, end in [(path, "+") for path in converted] + [(path, "-") for path in others]:
        touched = path.split(" > ")
        states = [(), *(tuple(touched[max(0, at - order + 1) : at + 1]) for at in range(len(touched))), (end,)]
        for before, after in pairwise(states):
            steps[before][after] += 1
    names = [state for state in steps if not state or state[-1] != removed]
    rows = []
    for state in names:
        whole = sum(steps[state].values())
        row = [Fraction(int(state == other)) - steps[state][other] / whole for other in names]
        rows.append([*row, steps[state][("+",)] / whole])
    size = len(names)
    for place in range(size):
        pivot = next(row for row in range(place, size) if rows[row][place])
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [cell / rows[place][place] for cell in rows[place]]
        for row in range(size):
            if row != place and rows[row][place]:
                factor = rows[row][place]
                rows[row] = [cell - factor * other for cell, other in zip(rows[row], rows[place], strict=True)]
    return rows[names.index(())][-1]


@settings(max_examples=60, deadline=None)
@given(some_paths, st.one_of(st.just([]), some_paths), st.integers(1, 3))
def test_effects_are_those_of_elimination_in_fractions(converted: list[str], others: list[str], order: int) -> None:
    paths = paths_of(converted, others)
    whole = solve_fractions(converted, others, order, None)
    expected = [float(1 - solve_fractions(converted, others, order, name) / whole) for name in paths.names]
    effects = removal_effects(build_chain(paths, ones(paths), order=order), len(paths.names))
    assert effects == pytest.approx(expected, abs=1e-9)
    assert markov(paths, ones(paths), order=order).sum() == pytest.approx(len(converted))


def test_effects_are_those_of_walks_through_the_chain() -> None:
    source = np.random.default_rng(1)
    chain = Chain(
        newest=np.array([0, 1, 2]),
        start=np.array([0.5, 0.3, 0.2]),
        onward=np.array([[0.1, 0.3, 0.2], [0.2, 0.1, 0.3], [0.3, 0.1, 0.1]]),
        reward=np.array([0.1, 0.2, 0.3]),
    )
    walks, reached, passed = 40_000, np.zeros(40_000, np.bool_), np.zeros((40_000, 3), np.bool_)
    at = source.choice(3, walks, p=chain.start)
    going = np.arange(walks)
    while len(going):
        passed[going, at] = True
        odds = np.column_stack((np.cumsum(chain.onward[at], axis=1), chain.onward[at].sum(axis=1) + chain.reward[at]))
        step = (source.random(len(going))[:, None] > odds).sum(axis=1)
        reached[going[step == 3]] = True
        going, at = going[step < 3], step[step < 3]
    # Removing a channel loses exactly the conversions that passed it.
    simulated = (passed & reached[:, None]).sum(axis=0) / reached.sum()
    assert removal_effects(chain, 3) == pytest.approx(simulated, abs=0.015)
