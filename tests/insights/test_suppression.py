import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outsider import could_be

from insights.suppression import MIN_CELL, SuppressionError, hide_cells, hide_parts, min_cell

SIZES = st.lists(st.integers(0, 60), min_size=1, max_size=8)
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 60), min_size=width, max_size=width), min_size=1, max_size=5)
)


@given(SIZES)
@settings(max_examples=100, deadline=None)
def test_no_small_part_of_a_whole_can_be_worked_out(sizes: list[int]) -> None:
    hidden = hide_parts(sizes, sum(sizes), MIN_CELL)
    names = [f"part {place}" for place in range(len(sizes))]
    known = {name: size for name, size, is_hidden in zip(names, sizes, hidden, strict=False) if not is_hidden}
    known |= {} if hidden[-1] else {"total": sum(sizes)}
    for name, size in zip(names, sizes, strict=True):
        if 0 < size < MIN_CELL:
            low, high = could_be(known, [(names, "total")], name)
            assert low == 0
            assert high >= min(MIN_CELL, size + 1)
    assert all(is_hidden for size, is_hidden in zip(sizes, hidden, strict=False) if 0 < size < MIN_CELL)
    assert not any(is_hidden for size, is_hidden in zip(sizes, hidden, strict=False) if size == 0)


@given(TABLES)
@settings(max_examples=100, deadline=None)
def test_no_small_cell_row_or_column_of_a_table_can_be_worked_out(table: list[list[int]]) -> None:
    sizes = np.array(table)
    cells, rows, columns = hide_cells(sizes, MIN_CELL)
    numbers = {f"cell {r} {c}": int(sizes[r, c]) for r, c in np.ndindex(sizes.shape)}
    hidden = {f"cell {r} {c}": bool(cells[r, c]) for r, c in np.ndindex(sizes.shape)}
    sums = []
    for r in range(sizes.shape[0]):
        sums.append(([f"cell {r} {c}" for c in range(sizes.shape[1])], f"row {r}"))
        numbers[f"row {r}"], hidden[f"row {r}"] = int(sizes[r].sum()), bool(rows[r])
    for c in range(sizes.shape[1]):
        sums.append(([f"cell {r} {c}" for r in range(sizes.shape[0])], f"column {c}"))
        numbers[f"column {c}"], hidden[f"column {c}"] = int(sizes[:, c].sum()), bool(columns[c])
    if sizes.sum() >= MIN_CELL:
        numbers["total"], hidden["total"] = int(sizes.sum()), False
    sums.append(([name for name in numbers if name.startswith("row")], "total"))
    sums.append(([name for name in numbers if name.startswith("column")], "total"))
    known = {name: number for name, number in numbers.items() if not hidden[name]}
    for name, number in numbers.items():
        if 0 < number < MIN_CELL and name != "total":
            assert hidden[name]
            low, high = could_be(known, sums, name)
            assert low < high, name


def test_where_nobody_is_few_nothing_is_hidden() -> None:
    assert not hide_parts([20, 400, 0], 420, MIN_CELL).any()
    cells, rows, columns = hide_cells(np.array([[20, 0], [31, 44]]), MIN_CELL)
    assert not cells.any()
    assert not rows.any()
    assert not columns.any()


def test_the_smallest_other_part_is_hidden_beside_a_single_small_one() -> None:
    assert hide_parts([5, 400, 90, 300], 795, 20).tolist() == [True, False, True, False, False]


def test_small_parts_that_come_to_enough_together_need_no_other() -> None:
    assert hide_parts([12, 8, 90], 110, 20).tolist() == [True, True, False, False]
    # One and one make two: each would be known.
    assert hide_parts([1, 1, 90, 300], 392, 20).tolist() == [True, True, True, False, False]


def test_a_small_whole_is_hidden_with_all_that_it_consists_of() -> None:
    assert hide_parts([3, 4], 7, 20).tolist() == [True, True, True]
    assert hide_parts([7], 7, 20).tolist() == [True, True]


def test_a_cell_that_two_pairs_of_hidden_cells_would_give_away_gets_company() -> None:
    # Each row and each column has two hidden cells or none, but for the bridge between the two squares.
    table = np.array([[5, 16, 50, 50], [17, 6, 7, 50], [50, 50, 16, 18], [50, 50, 9, 15]])
    cells, _, _ = hide_cells(table, 20)
    assert cells[1, 2]
    assert cells.sum() > 9


@pytest.mark.parametrize(("text", "least"), [("", MIN_CELL), ("5", 5), ("0", 0)])
def test_the_least_number_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, least: int) -> None:
    monkeypatch.setenv("DROPOFF_MIN_CELL", text)
    assert min_cell() == least


def test_a_least_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPOFF_MIN_CELL", "-3")
    with pytest.raises(SuppressionError, match="DROPOFF_MIN_CELL='-3' is no number of visitors"):
        min_cell()


def test_with_a_least_number_of_nought_or_one_nothing_is_hidden() -> None:
    assert not hide_parts([1, 400, 2], 403, 0).any()
    assert not hide_parts([1, 400, 2], 403, 1).any()
