"""Where people hesitate, and how many left there afterwards."""

from pathlib import Path

import pytest
from made_facts import MadeSession, write_facts
from scipy import stats

from insights.pacing.hesitations import Hesitation, find_hesitations

STAGES = ("browse", "product", "cart", "checkout", "address", "payment")


def at_the_basket(count: int, gap: float, stays: bool) -> list[MadeSession]:
    """Sessions that look at their basket for so long, look something up, and go or stay."""
    events = [(0.0, "view_cart", 2), (gap, "view_shipping", 2)]
    events += [(gap + 10, "begin_checkout", 3)] if stays else []
    return [MadeSession(stage=3 if stays else 2, events=events) for _ in range(count)]


def found(folder: Path, made: list[MadeSession]) -> list[Hesitation]:
    with write_facts(folder / "facts", made).connect() as connection:
        return list(find_hesitations(connection, STAGES))


def test_who_paused_is_compared_with_who_passed_the_same_event_without(tmp_path: Path) -> None:
    ordinary = at_the_basket(45, 5, True) + at_the_basket(45, 10, True) + at_the_basket(30, 20, False)
    paused = at_the_basket(10, 200, True) + at_the_basket(30, 200, False)
    [pause] = [one for one in found(tmp_path, ordinary + paused) if one.event == "view_cart"]
    assert (pause.kind, pause.stage, pause.element, pause.before) == ("pause", "cart", None, "view_shipping")
    assert (pause.sessions, pause.left, pause.others, pause.left_of_others) == (40, 30, 120, 30)
    assert pause.difference is not None
    assert pause.difference.value == pytest.approx(30 / 40 - 30 / 120)
    assert pause.difference.low > 0
    assert (pause.seconds, pause.before_share) == (200.0, 1.0)
    # It is the only moment told, so nothing is corrected.
    expected = stats.chi2_contingency([[30, 10], [30, 90]], correction=False).pvalue
    assert pause.p_value == pytest.approx(expected)


def test_a_moment_with_fewer_than_thirty_sessions_on_either_side_is_not_told(tmp_path: Path) -> None:
    ordinary = at_the_basket(50, 5, True) + at_the_basket(50, 10, True) + at_the_basket(50, 20, False)
    assert found(tmp_path, ordinary + at_the_basket(29, 200, False)) == []


def test_an_element_stands_beside_all_elements_of_its_event(tmp_path: Path) -> None:
    def filled(fields: str, count: int, stays: bool) -> list[MadeSession]:
        events = [(10.0 * place, "edit_field", 4) for place in range(len(fields))]
        events += [(10.0 * len(fields), "submit_address", 4)]
        events += [(10.0 * len(fields) + 10, "view_payment", 5)] if stays else []
        elements = dict(enumerate(fields))
        return [MadeSession(stage=5 if stays else 4, events=events, elements=elements) for _ in range(count)]

    made = filled("ab", 50, True) + filled("aba", 30, False) + filled("abb", 30, True)
    told = {one.element: one for one in found(tmp_path, made) if one.kind == "correction"}
    assert set(told) == {None, "a", "b"}
    assert (told[None].sessions, told[None].left, told[None].others) == (60, 30, 50)
    assert (told["a"].sessions, told["a"].left, told["a"].others, told["a"].left_of_others) == (30, 30, 80, 0)
    assert (told["b"].sessions, told["b"].left, told["b"].others, told["b"].left_of_others) == (30, 0, 80, 30)


def test_who_left_right_after_an_event_counts_on_neither_side(tmp_path: Path) -> None:
    gone = [MadeSession(stage=2, events=[(0.0, "view_cart", 2)]) for _ in range(40)]
    ordinary = at_the_basket(45, 5, True) + at_the_basket(45, 10, True) + at_the_basket(45, 20, False)
    [pause] = [
        one for one in found(tmp_path, gone + ordinary + at_the_basket(40, 200, False)) if one.event == "view_cart"
    ]
    assert (pause.sessions, pause.others, pause.left_of_others) == (40, 135, 45)
