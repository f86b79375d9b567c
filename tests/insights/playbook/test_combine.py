"""The mean of several experiments, against a published analysis, another formula and arithmetic."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insights.playbook.combine import combine, variance_of, weight_at

# The thirteen trials of the BCG vaccine (Colditz et al. 1994): cases and others, vaccinated and not.
BCG = [
    (4, 119, 11, 128),
    (6, 300, 29, 274),
    (3, 228, 11, 209),
    (62, 13536, 248, 12619),
    (33, 5036, 47, 5761),
    (180, 1361, 372, 1079),
    (8, 2537, 10, 619),
    (505, 87886, 499, 87892),
    (29, 7470, 45, 7232),
    (17, 1699, 65, 1600),
    (186, 50448, 141, 27197),
    (5, 2493, 3, 2338),
    (27, 16886, 29, 17825),
]
EFFECTS = st.lists(st.floats(-1, 1), min_size=1, max_size=6)
VARIANCES = st.floats(1e-4, 1.0)


def test_it_is_the_published_random_effects_mean_of_the_bcg_trials() -> None:
    """Viechtbauer 2010, Journal of Statistical Software 36(3): -0.7141 (-1.0644 to -0.3638), tau^2 .3088, by DL."""
    effects = [math.log(a / (a + b) / (c / (c + d))) for a, b, c, d in BCG]
    variances = [1 / a - 1 / (a + b) + 1 / c - 1 / (c + d) for a, b, c, d in BCG]
    found = combine(effects, variances)
    assert found.effect.value == pytest.approx(-0.7141, abs=5e-5)
    assert (found.effect.low, found.effect.high) == pytest.approx((-1.0644, -0.3638), abs=1e-4)
    assert found.between == pytest.approx(0.3088, abs=5e-5)


def test_experiments_that_agree_are_weighted_by_their_precision() -> None:
    found = combine([0.02, 0.03], [0.0001, 0.0003])
    # Precisions 3 to 1; they differ by less than chance, .01^2 / .0004 = .25 < 1.
    assert found.between == 0.0
    assert found.weights == pytest.approx((0.75, 0.25))
    assert found.effect.value == pytest.approx(0.0225)
    assert found.effect.high - found.effect.value == pytest.approx(1.959964 * math.sqrt(0.000075))


def test_two_experiments_that_contradict_each_other_leave_more_doubt_than_either() -> None:
    # Q = (.06^2) / (2 x .0001) = 18, C = 10,000, so that tau^2 = 17 / 10,000.
    found = combine([0.05, -0.01], [0.0001, 0.0001])
    assert found.between == pytest.approx(0.0017)
    assert found.effect.value == pytest.approx(0.02)
    assert found.effect.low == pytest.approx(0.02 - 1.959964 * math.sqrt(0.0018 / 2))


def test_one_experiment_is_taken_as_it_is() -> None:
    found = combine([0.02], [variance_of(0.01, 0.03)])
    assert (found.effect.low, found.effect.high) == pytest.approx((0.01, 0.03))
    assert found.weights == (1.0,)


@given(st.lists(st.tuples(st.floats(-1, 1), VARIANCES), min_size=1, max_size=6), st.randoms())
def test_the_mean_lies_among_the_effects_and_the_order_does_not_matter(
    known: list[tuple[float, float]], chance: object
) -> None:
    found = combine(*map(list, zip(*known, strict=True)))
    assert min(effect for effect, _ in known) - 1e-9 <= found.effect.value <= max(effect for effect, _ in known) + 1e-9
    assert math.fsum(found.weights) == pytest.approx(1)
    chance.shuffle(known)  # type: ignore[attr-defined]
    other = combine(*map(list, zip(*known, strict=True)))
    assert (other.effect.value, other.between) == pytest.approx((found.effect.value, found.between), abs=1e-9)


@given(EFFECTS, VARIANCES)
def test_another_experiment_that_says_the_same_never_leaves_more_doubt(effects: list[float], variance: float) -> None:
    variances = [variance] * len(effects)
    before = combine(effects, variances)
    after = combine([*effects, before.effect.value], [*variances, variance])
    assert after.effect.high - after.effect.low <= before.effect.high - before.effect.low + 1e-9


@pytest.mark.parametrize(
    ("age", "weight"), [(0.0, 1.0), (365.0, 0.5), (730.0, 0.25), (182.5, math.sqrt(0.5)), (-10.0, 1.0)]
)
def test_evidence_counts_half_after_a_half_life(age: float, weight: float) -> None:
    assert weight_at(age, 365.0) == pytest.approx(weight)


@pytest.mark.parametrize(("effects", "variances"), [([], []), ([0.1], [0.0]), ([0.1, 0.2], [0.1, -0.1])])
def test_what_cannot_be_combined_is_refused(effects: list[float], variances: list[float]) -> None:
    with pytest.raises(ValueError, match="each above 0"):
        combine(effects, variances)
