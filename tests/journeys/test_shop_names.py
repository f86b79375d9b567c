"""The shop knows what Segment's specification, Google's recommendations and Snowplow's schemas call its events."""

from typing import Any

import pytest

from journeys.load import load_journey

SHOP = load_journey("ecommerce")


@pytest.mark.parametrize(
    ("sent", "meant", "properties", "found"),
    [
        # https://segment.com/docs/connections/spec/ecommerce/v2/
        ("Products Searched", "search", {"query": "lamps"}, {"query": "lamps"}),
        ("Product List Viewed", "view_category", {"category": "lamps"}, {"category": "lamps"}),
        ("Product Viewed", "view_product", {"product_id": "p1", "price": 19}, {"product": "p1", "price": 19}),
        ("Product Added", "add_to_cart", {"product_id": "p1", "quantity": 1}, {"product": "p1"}),
        ("Product Removed", "remove_from_cart", {"product_id": "p1"}, {"product": "p1"}),
        ("Cart Viewed", "view_cart", {"products": [{"product_id": "p1"}]}, {"product": "p1"}),
        ("Checkout Started", "begin_checkout", {"value": 20, "revenue": 25}, {"basket_value": 20}),
        ("Payment Info Entered", "choose_payment_method", {"payment_method": "Visa"}, {"method": "Visa"}),
        ("Order Completed", "purchase", {"total": 27.5, "revenue": 25}, {"revenue": 25}),
        ("Order Completed", "purchase", {"total": 27.5}, {"revenue": 27.5}),
        ("Coupon Entered", "try_coupon", {"coupon_id": "may"}, {}),
        ("Product Added to Wishlist", "add_to_wishlist", {"product_id": "p1"}, {"product": "p1"}),
        # https://developers.google.com/analytics/devguides/collection/ga4/reference/events
        ("search", "search", {"search_term": "lamps"}, {"query": "lamps"}),
        ("view_item_list", "view_category", {"item_list_name": "Lamps"}, {"category": "Lamps"}),
        ("view_item", "view_product", {"items": [{"item_id": "p1", "price": 9}]}, {"product": "p1", "price": 9}),
        ("add_to_cart", "add_to_cart", {"value": 9, "items": [{"item_id": "p1"}]}, {"product": "p1"}),
        ("view_cart", "view_cart", {"value": 30.03}, {"basket_value": 30.03}),
        ("begin_checkout", "begin_checkout", {"value": 30.03}, {"basket_value": 30.03}),
        ("add_shipping_info", "submit_address", {}, {}),
        ("add_payment_info", "choose_payment_method", {"payment_type": "Card"}, {"method": "Card"}),
        ("purchase", "purchase", {"value": 72.05}, {"revenue": 72.05}),
        ("login", "log_in", {}, {}),
        # https://docs.snowplow.io/docs/events/ootb-data/ecommerce-events/
        ("product_view", "view_product", {"contexts": {"product": [{"id": "p1"}]}}, {"product": "p1"}),
        ("list_view", "view_category", {}, {}),
        ("transaction", "purchase", {"contexts": {"transaction": [{"revenue": 50}]}}, {"revenue": 50}),
        (
            "trans_error",
            "payment_failed",
            {"contexts": {"transaction_error": [{"error_code": "E05"}]}},
            {"code": "E05"},
        ),
        ("site_search", "search", {"terms": ["lamps"], "totalResults": 3}, {"query": "lamps", "results": 3}),
        ("change_form", "edit_field", {"elementId": "city"}, {"field": "city"}),
    ],
)
def test_others_names_mean_ours(sent: str, meant: str, properties: dict[str, Any], found: dict[str, Any]) -> None:
    name = SHOP.names.kept(sent)
    filled = dict(properties)
    SHOP.property_names.fill(name, filled)
    assert name == meant
    assert {key: value for key, value in filled.items() if key not in properties or key in found} == found


def test_what_means_something_else_is_left_as_it_is() -> None:
    for sent in ("Coupon Applied", "Order Refunded", "Product Clicked", "select_item", "refund", "checkout_step"):
        assert SHOP.names.find(sent) is None
