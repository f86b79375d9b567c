"""Tables fit their width with whole words, as long as any widths can."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from journeys.tables import Cell, FittedTable, fit_widths

BOUNDS = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), min_size=1, max_size=8)


def lines_of(table: FittedTable, width: int) -> list[str]:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


@given(BOUNDS, st.integers(1, 300))
def test_widths_fit_and_no_column_is_narrower_than_its_words_while_they_have_room(
    bounds: list[tuple[int, int]], available: int
) -> None:
    least = [low for low, _ in bounds]
    most = [low + more for low, more in bounds]
    widths = fit_widths(least, most, available)
    if sum(most) <= available:
        assert widths == most
    elif sum(least) <= available:
        assert sum(widths) == available
        assert all(low <= width <= high for low, width, high in zip(least, widths, most, strict=True))
    else:
        assert sum(widths) == max(available, len(widths))
        assert min(widths) >= 1


@given(BOUNDS, st.integers(1, 300))
def test_a_column_gives_way_only_to_narrower_ones(bounds: list[tuple[int, int]], available: int) -> None:
    least = [low for low, _ in bounds]
    most = [low + more for low, more in bounds]
    widths = fit_widths(least, most, available)
    unsatisfied = [width for width, high in zip(widths, most, strict=True) if width < high]
    grown = [width for width, low in zip(widths, least, strict=True) if width > low]
    if unsatisfied and grown:
        assert max(grown) <= min(unsatisfied) + 1


def test_brackets_are_not_read_as_markup() -> None:
    assert lines_of(FittedTable("[b]", ("[a]",), [("[bold]",)]), 40) == ["[b]", "[a]", "──────", "[bold]"]


def test_columns_are_parted_by_two_blanks_where_there_is_room_and_by_one_where_not() -> None:
    rows: list[tuple[Cell, ...]] = [("first second", "1"), (Text("x"), "20")]
    table = FittedTable("", ("Words", "No"), rows, numbers=("No",))
    assert lines_of(table, 80) == ["Words         No", "────────────────", "first second   1", "x             20"]
    assert lines_of(table, 9)[2:] == ["first   1", "second", "x      20"]


def test_the_blanks_that_indent_a_name_stay_with_it() -> None:
    table = FittedTable("", ("Name", "Meaning"), [("  payment_failures", "how often a payment was refused so far")])
    assert lines_of(table, 30)[2] == "  payment_failures  how often"


def test_wide_letters_count_twice() -> None:
    assert lines_of(FittedTable("", ("", ""), [("日本", "x"), ("a", "y")]), 20) == ["日本  x", "a     y"]
