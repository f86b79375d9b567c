"""Credit of all models together: sums, values, and who is counted."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_paths import DAY_US

from insights.channels.credit import MODELS, STANDARD, CreditSettings, credit_channels, read_settings, require_models
from insights.channels.markov import ChannelsError
from insights.channels.paths import Conversions, Touches

CHANNELS = ("ads", "call", "email", "site")


def drawn(touches: list[tuple[int, int, int]], reached: list[tuple[int, int, float]]) -> tuple[Touches, Conversions]:
    person, day, channel = (np.array([one[part] for one in sorted(touches)], np.int64) for part in range(3))
    who, when = (np.array([one[part] for one in reached], np.int64) for part in range(2))
    worth = np.array([one[2] for one in reached], np.float64)
    return Touches(CHANNELS, person, day * DAY_US, channel), Conversions(who, when * DAY_US, worth)


some_touches = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 60), st.integers(0, 3)), max_size=30)
money = st.integers(0, 10**7).map(lambda cents: cents / 100)
some_reached = st.lists(st.tuples(st.integers(-1, 5), st.integers(0, 60), money), max_size=12)


@settings(max_examples=150, deadline=None)
@given(some_touches, some_reached, st.integers(1, 3))
def test_every_model_adds_up_to_all_that_was_reached(
    touches: list[tuple[int, int, int]], reached: list[tuple[int, int, float]], order: int
) -> None:
    credit = credit_channels(
        "goal", *drawn(touches, reached), models=tuple(MODELS), settings=CreditSettings(order=order), with_value=True
    )
    assert set(credit.conversions) == set(credit.values) == set(MODELS)
    for shares in credit.conversions.values():
        assert sum(shares.values()) == len(reached)
        assert sum(reversed(shares.values())) == len(reached)
    assert credit.total_value == pytest.approx(sum(worth for _, _, worth in reached))
    for shares in credit.values.values():
        assert sum(shares.values()) == credit.total_value
        assert sum(reversed(shares.values())) == credit.total_value


@settings(max_examples=60, deadline=None)
@given(some_touches, some_reached)
def test_only_rates_can_be_negative_and_untouched_channels_get_nothing(
    touches: list[tuple[int, int, int]], reached: list[tuple[int, int, float]]
) -> None:
    credit = credit_channels("goal", *drawn(touches, reached))
    seen = {CHANNELS[channel] for _, _, channel in touches}
    for shares in credit.conversions.values():
        assert min(shares.values(), default=0.0) >= 0
        assert all(shares[name] == 0 for name in set(CHANNELS) - seen)


def test_what_was_reached_without_a_touch_is_credited_to_none() -> None:
    credit = credit_channels("goal", *drawn([(0, 1, 0)], [(0, 2, 5.0), (1, 2, 7.0), (0, 0, 1.0)]), with_value=True)
    assert credit.channels == (*CHANNELS, "none")
    assert {shares["none"] for shares in credit.conversions.values()} == {2.0}
    assert {shares["none"] for shares in credit.values.values()} == {8.0}


def test_channels_are_counted_by_touches_persons_and_conversions() -> None:
    credit = credit_channels("goal", *drawn([(0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 3, 2)], [(0, 5, 1.0)]))
    counts = {one.channel: (one.touches, one.persons, one.conversions) for one in credit.counts}
    assert counts == {"ads": (3, 2, 1), "call": (0, 0, 0), "email": (1, 1, 1), "site": (0, 0, 0)}
    assert (credit.total, credit.paths) == (1, 2)


def test_models_stand_in_their_usual_order_and_an_unknown_one_is_refused() -> None:
    assert require_models(["markov", "first", "markov"]) == ("first", "markov")
    assert "shapley_rates" not in STANDARD
    with pytest.raises(ChannelsError, match="did you mean linear"):
        require_models(["linaer"])


def test_settings_are_read_as_people_write_durations() -> None:
    assert read_settings("2h", "1d", 2) == CreditSettings(7_200.0, 86_400.0, 2)
    with pytest.raises(ChannelsError, match="half-life"):
        read_settings("2h", "often", 1)
