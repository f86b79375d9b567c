"""Values in words."""

import pytest

from insights.pages.figure import Unit, Value
from insights.pages.write import write, write_change, write_interval


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, Unit.SHARE, "\N{EN DASH}"),
        (float("nan"), Unit.NUMBER, "\N{EN DASH}"),
        (True, Unit.TEXT, "yes"),
        (0.0, Unit.SHARE, "0%"),
        (1.0, Unit.SHARE, "100%"),
        (0.1234, Unit.SHARE, "12.3%"),
        (0.0012, Unit.SHARE, "0.12%"),
        (0.9966, Unit.SHARE, "99.66%"),
        (1234567, Unit.COUNT, "1,234,567"),
        (12.34, Unit.COUNT, "12.3"),
        (0.4, Unit.SECONDS, "0.4 s"),
        (59.0, Unit.SECONDS, "59 s"),
        (200, Unit.SECONDS, "3 min 20 s"),
        (3_600, Unit.SECONDS, "1 h"),
        (7_199.6, Unit.SECONDS, "2 h"),
        (2 * 86_400 + 3 * 3_600, Unit.SECONDS, "2 d 3 h"),
        (86_399, Unit.SECONDS, "1 d"),
        (-90, Unit.SECONDS, "-1 min 30 s"),
        (12.5, Unit.MONEY, "12.50"),
        (123456.7, Unit.MONEY, "123,457"),
        (0.1234567, Unit.NUMBER, "0.123"),
        ("2026-03-01", Unit.DAY, "Sun 1 Mar 2026"),
        ("a <b>", Unit.TEXT, "a <b>"),
    ],
)
def test_a_value_is_written_with_its_unit(value: Value, unit: Unit, said: str) -> None:
    assert write(value, unit) == said


def test_a_time_stands_on_the_clocks_of_the_journey_across_the_change_to_summer_time() -> None:
    assert write("2026-03-29T00:59:00Z", Unit.TIME, "Europe/Berlin") == "Sun 29 Mar 2026, 01:59"
    assert write("2026-03-29T01:00:00Z", Unit.TIME, "Europe/Berlin") == "Sun 29 Mar 2026, 03:00"
    # One without an offset is on those clocks already.
    assert write("2026-03-29T01:00:00", Unit.TIME, "Europe/Berlin") == "Sun 29 Mar 2026, 01:00"


def test_an_interval_and_a_change_are_written() -> None:
    assert write_interval(0.041, 0.052, Unit.SHARE) == "4.1% to 5.2%"
    assert write_interval(None, None, Unit.SHARE) == "\N{EN DASH}"
    assert write_change(110, 100, Unit.COUNT) == "+10.0%"
    assert write_change(0.05, 0.06, Unit.SHARE) == "\N{MINUS SIGN}1.0 points"
    assert write_change(5, 5, Unit.COUNT) == "±0.0%"
    assert write_change(5, 0, Unit.COUNT) == ""
    assert write_change(5, None, Unit.COUNT) == ""
