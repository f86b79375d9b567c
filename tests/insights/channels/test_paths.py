"""Which touches belong to which conversion, and which to none."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from insights.channels.paths import Conversions, Paths, Touches, build_paths

DAY_US = 86_400_000_000


def build(touches: list[tuple[int, int]], conversions: list[tuple[int, int]], lookback: int = 30) -> Paths:
    """Paths of (person, day), the channel of each touch being its place among all."""
    persons, days = (np.array([one[part] for one in touches], np.int64) for part in (0, 1))
    reached = [np.array([one[part] for one in conversions], np.int64) for part in (0, 1)]
    return build_paths(
        Touches(tuple(map(str, range(len(touches)))), persons, days * DAY_US, np.arange(len(touches))),
        Conversions(reached[0], reached[1] * DAY_US, np.ones(len(conversions))),
        lookback_us=lookback * DAY_US,
    )


def written(paths: Paths) -> list[list[int]]:
    return [part.tolist() for part in np.split(paths.channel, paths.starts[1:-1])]


def test_the_ends_of_the_lookback_are_inside_it() -> None:
    paths = build([(0, 0), (0, 1), (0, 31)], [(0, 31)])
    assert written(paths) == [[1, 2], [0]]
    assert (paths.age_us[:2] // DAY_US).tolist() == [30, 0]
    assert paths.converted.tolist() == [True, False]


def test_two_conversions_share_the_touches_before_both() -> None:
    assert written(build([(0, 1), (0, 5)], [(0, 6), (0, 2)])) == [[0, 1], [0]]


def test_a_conversion_without_a_touch_has_an_empty_path() -> None:
    assert written(build([(1, 1)], [(0, 1), (1, 0), (2, 5)])) == [[], [], [], [0]]


def test_a_person_who_is_nobody_has_an_empty_path() -> None:
    assert written(build([(0, 1), (1, 1)], [(-1, 9)])) == [[], [0], [1]]


def test_touches_that_led_to_nothing_make_paths_no_longer_than_the_lookback() -> None:
    assert written(build([(0, 0), (0, 30), (0, 31), (0, 62), (1, 62)], [])) == [[0, 1], [2], [3], [4]]
    assert written(build([(0, 0), (0, 31), (0, 61), (0, 62)], [])) == [[0], [1, 2], [3]]


def test_what_follows_a_conversion_is_a_path_of_its_own() -> None:
    assert written(build([(0, 1), (0, 3), (0, 4)], [(0, 2)])) == [[0], [1, 2]]


def test_nothing_at_all_is_no_path() -> None:
    assert written(build([], []))[0] == []
    assert len(build([], []).starts) == 1


moments = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 120)), max_size=25)


@settings(max_examples=150, deadline=None)
@given(moments.map(sorted), moments, st.integers(1, 40))
def test_paths_are_what_their_definition_says(
    touches: list[tuple[int, int]], reached: list[tuple[int, int]], lookback: int
) -> None:
    expected = [
        [place for place, (person, day) in enumerate(touches) if person == who and 0 <= when - day <= lookback]
        for who, when in reached
    ]
    used, begun = {place for path in expected for place in path}, None
    for place, (person, day) in enumerate(touches):
        if place in used:
            continue
        if begun is not None and begun[0] == person and day - begun[1] <= lookback:
            expected[-1].append(place)
        else:
            expected.append([place])
            begun = (person, day)
    paths = build(touches, reached, lookback)
    assert [row for row in written(paths) if row] == [row for row in expected if row]
    assert paths.lengths.tolist() == [len(path) for path in expected]
