"""Numbers are said the way people say them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.phrase import say


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "not once"), (1, "once"), (2, "twice"), (3, "3 times"), (1.4, "1.4 times"), (1_200, "1,200 times")],
)
def test_times_are_counted_in_words_up_to_two(value: float, words: str) -> None:
    assert say("payment failed {:times}", value) == f"payment failed {words}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0 form errors"),
        (1, "1 form error"),
        (2, "2 form errors"),
        (0.97, "1 form error"),
        (1.44, "1.4 form errors"),
    ],
)
def test_the_plural_follows_the_number_as_it_is_shown(value: float, words: str) -> None:
    assert say("{:form error|form errors}", value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (90 * 60, "90 minutes"),
        (2 * 3_600, "2 hours"),
        (36 * 3_600, "36 hours"),
        (48 * 3_600, "2 days"),
        (30 * 86_400, "30 days"),
        (-300, "-5 minutes"),
    ],
)
def test_a_duration_takes_the_largest_unit_of_which_there_are_two(seconds: float, words: str) -> None:
    assert say("no answer for {:duration}", seconds) == f"no answer for {words}"


def test_ordinary_formats_stay_as_they_are() -> None:
    assert say("shipping is {:.0%} of the basket", 0.294) == "shipping is 29% of the basket"
    assert say("{:,.2f} euros", 1_234.5) == "1,234.50 euros"
    assert say("{0:.1f}", 2.04) == "2.0"


@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["{:times}", "{:duration}", "{:a|b}"]))
def test_every_number_can_be_said(value: float, phrase: str) -> None:
    assert say(phrase, value).strip()
