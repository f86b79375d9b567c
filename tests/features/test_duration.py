"""Durations are read as people write them, and written so that they are read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.duration import parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m", 60), ("90m", 5_400), ("2h", 7_200), ("1.5h", 5_400), ("7d", 604_800)]
)
def test_a_number_and_a_unit_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "m", "1 m", "-1m", "0m", "0.0s", "1w", "1m30s", "nan", "1e3s", "½h", None, 60]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="write a positive number and s, m, h or d, for example '1m' or '7d'"):
        parse_duration(text)


@given(st.integers(1, 10**9))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert parse_duration(write_duration(milliseconds / 1_000)) == pytest.approx(milliseconds / 1_000, rel=1e-14)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (15, "15s"), (60, "1m"), (5_400, "90m"), (86_400, "1d")])
def test_it_is_written_in_the_largest_unit_of_which_it_is_a_whole_number(seconds: float, text: str) -> None:
    assert write_duration(seconds) == text
