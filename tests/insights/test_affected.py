"""How many are affected, on sessions few enough to count by hand."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.affected import Affected, count_affected, period_of
from insights.facts import Facts
from insights.filters import Filters
from insights.named import Target

CART = 2


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """Nine sessions; two of one visitor were left at the cart, as was one of another, all perhaps for shipping."""
    return write_facts(
        tmp_path,
        [
            MadeSession(CART, visitor="a", device="mobile", confidences={"shipping": 0.5, "trust": 0.2}, stopped=0.9),
            MadeSession(CART, visitor="a", device="mobile", confidences={"shipping": 0.4}, stopped=0.6),
            MadeSession(CART, visitor="b", device="desktop", confidences={"shipping": 0.8}, stopped=0.9),
            MadeSession(CART, visitor="c", device=None),
            MadeSession(3, visitor="d", device="desktop", confidences={"shipping": 0.3}, named={CART: "shipping"}),
            MadeSession(5, "goal", visitor="e", value=100.0, named={CART: "shipping"}, stopped=0.2),
            MadeSession(5, "goal", visitor="f", value=50.0, device="mobile"),
            MadeSession(CART, "open", visitor="g", device="mobile", named={CART: "shipping"}),
            MadeSession(1, visitor="h", confidences={"shipping": 0.1}),
        ],
    )


def at_cart(facts: Facts, by: str | None = None) -> dict[tuple[str, str | None], Affected]:
    with facts.connect() as connection:
        found = list(count_affected(connection, by))
    return {(one.friction, one.cohort and one.cohort[1]): one for one in found if one.stage_index == CART}


def test_sessions_are_the_sum_of_the_confidences(facts: Facts) -> None:
    shipping = at_cart(facts)["shipping", None]
    assert shipping.sessions.value == pytest.approx(0.5 + 0.4 + 0.8)
    assert at_cart(facts)["trust", None].sessions.value == pytest.approx(0.2)
    assert shipping.sessions.low <= 1.7 <= shipping.sessions.high


def test_people_are_the_probabilities_that_one_of_their_sessions_was_left_for_it(facts: Facts) -> None:
    assert at_cart(facts)["shipping", None].people.value == pytest.approx((1 - 0.5 * 0.6) + 0.8)


def test_sessions_at_the_stage_are_those_whose_end_is_known(facts: Facts) -> None:
    reached = at_cart(facts)["shipping", None].reached
    # Seven reached the cart and ended; three of them went on, and two reached the goal.
    assert (reached.sessions, reached.advanced, reached.goals) == (7, 3, 2)
    assert reached.revenue == 75.0


def test_those_named_are_counted_by_how_probable_it_is_that_they_are_stopped(facts: Facts) -> None:
    named = at_cart(facts)["shipping", None].named
    assert named.above(0.0) == Target(
        sessions=5, visitors=4, advanced=2, goals=1, stopped=pytest.approx(0.9 + 0.6 + 0.9 + 1.0 + 0.2),
        variance=pytest.approx(0.09 + 0.24 + 0.09 + 0.0 + 0.16),
    )  # fmt: skip
    assert named.above(0.5).sessions == 4
    assert (named.above(0.65).sessions, named.above(0.65).visitors) == (3, 3)
    assert named.above(1.01) == Target()


def test_cohorts_add_up_to_everybody_but_those_of_whom_it_is_not_known(facts: Facts) -> None:
    parts = at_cart(facts, "device")
    assert parts["shipping", "mobile"].sessions.value == pytest.approx(0.9)
    assert parts["shipping", "desktop"].sessions.value == pytest.approx(0.8)
    assert parts["shipping", "mobile"].reached.sessions == 3
    assert ("shipping", None) not in parts


def test_a_period_is_the_days_of_the_log_that_the_filters_let_through(tmp_path: Path) -> None:
    facts = write_facts(
        tmp_path, [MadeSession(started_at=BEGIN), MadeSession(started_at=BEGIN + timedelta(days=9))], SHOP
    )
    assert period_of(facts, Filters()).days == 10
    assert period_of(facts, Filters(since=date(2026, 6, 3))).days == 8
    assert period_of(facts, Filters(until=date(2026, 6, 7))).weeks == 1
    assert period_of(facts, Filters(since=date(2020, 1, 1), until=date(2030, 1, 1))).days == 10
    assert period_of(facts, Filters(since=date(2030, 1, 1))).days == 1
