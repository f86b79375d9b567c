"""Names as clients send them, and what journeys mean by them."""

import pytest

from features.names import EventNames, snake

NAMES = EventNames(["order_completed", "view_product"], {"Purchase": "order_completed", "view_item": "view_product"})


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("order_completed", "order_completed"),
        ("Order Completed", "order_completed"),
        ("Purchase", "order_completed"),
        ("view_item", "view_product"),
        ("View Item", "view_product"),
    ],
)
def test_a_name_is_found_as_it_is_by_its_spelling_and_by_an_alias(sent: str, meant: str) -> None:
    assert NAMES.find(sent) == meant


def test_an_unknown_name_is_kept_as_it_was_sent() -> None:
    assert NAMES.find("Store Located") is None
    assert NAMES.kept("Store Located") == "Store Located"


def test_spelling_drops_what_is_neither_letter_nor_digit() -> None:
    assert snake(" Order--Completed (v2)! ") == "order_completed_v2"
