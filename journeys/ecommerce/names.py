"""What others call the events and properties of a shop.

Segment's e-commerce specification (version 2), Google Analytics 4's recommended events, and Snowplow's e-commerce
schemas, as far as they mean the same as ours: a coupon that is applied is the answer to one that was entered, and no
second try.
"""

from collections.abc import Mapping

from features.names import EVERY_EVENT

_SEGMENT = {
    "Products Searched": "search",
    "Product List Viewed": "view_category",
    "Product List Filtered": "apply_filter",
    "Product Viewed": "view_product",
    "Product Added to Wishlist": "add_to_wishlist",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Cart Viewed": "view_cart",
    "Coupon Entered": "try_coupon",
    "Checkout Started": "begin_checkout",
    "Payment Info Entered": "choose_payment_method",
    "Order Completed": "purchase",
    "Signed In": "log_in",
}
_GOOGLE = {
    "view_search_results": "search",
    "view_item_list": "view_category",
    "view_item": "view_product",
    "add_shipping_info": "submit_address",
    "add_payment_info": "choose_payment_method",
    "login": "log_in",
}
_SNOWPLOW = {
    "site_search": "search",
    "list_view": "view_category",
    "product_view": "view_product",
    "change_form": "edit_field",
    "trans_error": "payment_failed",
    "transaction": "purchase",
}
ALIASES = {
    # As they are written, and as they are once spelt like ours.
    **_SEGMENT,
    **{name.lower().replace(" ", "_"): meant for name, meant in _SEGMENT.items()},
    **_GOOGLE,
    **_SNOWPLOW,
}
PROPERTY_ALIASES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    EVERY_EVENT: {
        "product": (
            "product_id",
            "item_id",
            "sku",
            "products.0.product_id",
            "items.0.item_id",
            "contexts.product.0.id",
        ),
        "price": ("unitPrice", "products.0.price", "items.0.price", "contexts.product.0.price"),
        "category": (
            "item_list_name",
            "item_category",
            "products.0.category",
            "items.0.item_category",
            "contexts.product.0.category",
        ),
        "query": ("search_term", "terms.0"),
        "results": ("totalResults", "total_results"),
        "basket_value": ("cart_value", "contexts.cart.0.total_value"),
        "method": ("payment_method", "payment_type"),
        "field": ("elementId",),
    },
    "view_cart": {"basket_value": ("value",)},
    "begin_checkout": {"basket_value": ("value", "revenue")},
    "purchase": {"revenue": ("total", "value", "contexts.transaction.0.revenue")},
    "payment_failed": {"code": ("contexts.transaction_error.0.error_code",)},
}
