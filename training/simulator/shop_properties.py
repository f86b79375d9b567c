"""What the events of the simulated shop carry."""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from features.events import FloatArray
from training.simulator.properties import Column, Drawn, Property, Words, by_mark, choice, shown_properties

PRODUCTS = tuple(f"p{number:03}" for number in range(400))
FIELDS = ("first_name", "last_name", "street", "postcode", "city", "phone")


def _product(drawn: Drawn) -> Column:
    return Words(np.maximum(drawn.product, 0), PRODUCTS)


def _price(drawn: Drawn) -> Column:
    return np.round(drawn.price.astype(np.float64), 2)


def _basket(drawn: Drawn) -> Column:
    basket = np.round(drawn.basket.astype(np.float64), 2)
    return np.where(basket > 0, basket, np.nan)


def _items(drawn: Drawn) -> Column:
    return drawn.items


def _load_seconds(drawn: Drawn) -> Column:
    typical = np.array([0.9, 1.7, 1.3])[drawn.device]
    noise = ndtri(np.clip(drawn.noise.astype(np.float64), 1e-6, 1 - 1e-6))
    seconds: FloatArray = np.round(typical * np.exp(0.5 * noise), 2)
    return seconds


def _rating(drawn: Drawn) -> Column:
    stars: FloatArray = np.round(np.array([2.9, 3.6, 4.2, 4.6])[drawn.mark] + 0.4 * drawn.noise, 1)
    return stars


def _review_count(drawn: Drawn) -> Column:
    return (3.0 + 250.0 * drawn.noise**3).astype(np.int64)


def _in_stock(drawn: Drawn) -> Column:
    return (drawn.noise < 0.96).astype(np.int64)


def _results(drawn: Drawn) -> Column:
    return np.where(drawn.mark == 0, 0, 1 + (60 * drawn.noise).astype(np.int64))


def _delivery_days(drawn: Drawn) -> Column:
    return 1 + (5 * drawn.noise).astype(np.int64)


def shop_properties(remedies: tuple[str, ...]) -> Mapping[str, Mapping[str, Property]]:
    """Return the properties of each event."""
    product = {"product": _product}
    basket = {"basket_value": _basket, "items": _items}
    campaign: dict[str, Property] = {"campaign_id": lambda drawn: drawn.campaign}
    return {
        "page_view": {"page": choice("home", "home", "landing", "blog"), "load_seconds": _load_seconds},
        "search": {"query": choice("shoes", "jacket", "bag", "lamp", "gift"), "results": _results},
        "apply_filter": {"filter": choice("size", "colour", "price", "brand")},
        "view_category": {"category": choice(*(f"c{number:02}" for number in range(12)))},
        "view_product": {
            **product,
            "price": _price,
            "rating": _rating,
            "review_count": _review_count,
            "in_stock": _in_stock,
        },
        "view_reviews": product,
        "view_size_guide": product,
        "zoom_image": product,
        "compare_products": product,
        "add_to_wishlist": product,
        "add_to_cart": {**product, "price": _price, **basket},
        "remove_from_cart": {**product, **basket},
        "view_cart": basket,
        "view_shipping": {
            "shipping": by_mark(0.0, 2.95, 4.95, 8.95),
            "basket_value": _basket,
            "delivery_days": _delivery_days,
        },
        "try_coupon": {"accepted": lambda drawn: drawn.mark},
        "open_help": {"topic": choice("delivery", "returns", "sizes", "materials", "payment")},
        "begin_checkout": basket,
        "edit_field": {"field": choice(*FIELDS)},
        "form_error": {"field": choice(*FIELDS)},
        "submit_address": {"basket_value": _basket},
        "view_payment": {"method_count": by_mark(2, 4, 6)},
        "choose_payment_method": {"method": choice("card", "card", "wallet", "invoice", "transfer")},
        "submit_payment": {"basket_value": _basket},
        "payment_failed": {"code": choice("declined", "expired", "timeout")},
        "page_error": {"status": choice("500", "503", "404")},
        "rage_click": {"element": choice("button", "image", "menu")},
        "dead_click": {"element": choice("button", "image", "text")},
        "scroll": {"depth": lambda drawn: np.round(drawn.noise, 2)},
        "purchase": {"revenue": _basket, "items": _items},
        "email_open": campaign,
        "email_click": campaign,
        "ad_click": campaign,
        **shown_properties(remedies),
    }
