"""Names as clients send them, and what journeys mean by them."""

import pytest

from features.names import EventNames, PropertyNames, snake

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


PROPERTIES = PropertyNames(
    {
        "": {"product": ("product_id", "items.0.item_id"), "price": ("items.0.price",)},
        "purchase": {"revenue": ("total", "value"), "price": ("paid",)},
    }
)


@pytest.mark.parametrize(
    ("event", "sent", "added"),
    [
        ("view", {"product_id": "a", "items": [{"item_id": "b"}]}, {"product": "a"}),
        ("view", {"items": [{"item_id": "b", "price": 2.5}]}, {"product": "b", "price": 2.5}),
        ("view", {"product": "c", "product_id": "a"}, {}),
        ("view", {"product": None, "product_id": "a"}, {"product": "a"}),
        ("view", {"product_id": None, "items": []}, {}),
        ("view", {"items": {"0": {"item_id": "b"}}}, {"product": "b"}),
        ("view", {"items": [[1]], "product_id": {"deep": 1}}, {}),
        ("view", {"total": 1}, {}),
        ("purchase", {"value": 2, "items": [{"price": 3}], "paid": 4}, {"revenue": 2, "price": 4}),
        ("purchase", {"total": 0, "value": 2}, {"revenue": 0}),
    ],
)
def test_a_property_is_filled_from_the_first_place_that_has_a_value(
    event: str, sent: dict[str, object], added: dict[str, object]
) -> None:
    properties = dict(sent)
    PROPERTIES.fill(event, properties)
    assert properties == {**sent, **added}
