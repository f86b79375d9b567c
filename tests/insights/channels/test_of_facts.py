"""Rare channels become one, and nothing else changes."""

import numpy as np

from insights.channels.of_facts import OTHERS, group_rare
from insights.channels.paths import Touches


def test_the_rarest_channels_become_one_that_stands_last() -> None:
    channel = np.array([0, 1, 1, 2, 3, 3, 3, 2])
    touches = Touches(("ads", "call", "mail", "site"), np.arange(8), np.arange(8), channel)
    grouped = group_rare(touches, most=3)
    assert grouped.names == ("call", "site", OTHERS)
    assert [grouped.names[place] for place in grouped.channel] == [
        OTHERS, "call", "call", OTHERS, "site", "site", "site", OTHERS,
    ]  # fmt: skip
    assert grouped.person is touches.person
    assert grouped.at_us is touches.at_us


def test_as_many_channels_as_are_shown_stay_as_they_are() -> None:
    touches = Touches(("ads", "mail"), np.arange(2), np.arange(2), np.arange(2))
    assert group_rare(touches, most=2) is touches
