"""A simulated online shop: the world behind the journey ``ecommerce``."""

from features.friction import Friction
from training.simulator.shop_properties import PRODUCTS, shop_properties
from training.simulator.world import Basket, Calendar, Kind, Obstacle, Outreach, Place, Remedy, Trait, World

PLACES = (
    Place(
        "browse",
        entry=("page_view",),
        leave=-2.6,
        advance=-1.35,
        events={
            "page_view": 1.6, "view_category": 3.0, "search": 2.0, "apply_filter": 1.2, "scroll": 2.0, "go_back": 0.5,
            "hide_tab": 0.4, "exit_intent": 0.2, "page_error": 0.06, "dead_click": 0.1, "open_help": 0.08,
        },
        gap_seconds=14,
    ),
    Place(
        "product",
        entry=("view_product",),
        leave=-2.75,
        advance=-2.4,
        back=0.16,
        back_event="view_category",
        events={
            "view_product": 2.0, "view_reviews": 0.7, "view_size_guide": 0.35, "zoom_image": 1.0,
            "compare_products": 0.3, "add_to_wishlist": 0.25, "scroll": 1.5, "view_shipping": 0.3,
            "view_returns_policy": 0.12, "open_help": 0.12, "open_chat": 0.07, "go_back": 0.6, "hide_tab": 0.5,
            "exit_intent": 0.2, "search": 0.5, "page_error": 0.05, "rage_click": 0.05, "dead_click": 0.1,
        },
        gap_seconds=20,
    ),
    Place(
        "cart",
        entry=("add_to_cart",),
        leave=-2.15,
        advance=-2.05,
        back=0.22,
        back_event="view_product",
        events={
            "view_cart": 1.6, "add_to_cart": 0.5, "remove_from_cart": 0.4, "view_shipping": 0.7, "try_coupon": 0.4,
            "view_returns_policy": 0.18, "view_privacy_policy": 0.06, "view_reviews": 0.25, "hide_tab": 0.5,
            "exit_intent": 0.3, "open_help": 0.12, "open_chat": 0.08, "view_size_guide": 0.12, "scroll": 0.6,
        },
        gap_seconds=18,
    ),
    Place(
        "checkout",
        entry=("begin_checkout",),
        leave=-2.05,
        advance=-0.8,
        events={
            "ask_login": 0.5, "log_in": 0.6, "view_shipping": 0.45, "view_returns_policy": 0.18,
            "view_privacy_policy": 0.15, "open_help": 0.15, "hide_tab": 0.4, "exit_intent": 0.25, "page_error": 0.08,
            "scroll": 0.4,
        },
        gap_seconds=16,
    ),
    Place(
        "address",
        entry=("edit_field",),
        leave=-2.5,
        advance=-1.2,
        events={
            "edit_field": 4.0, "form_error": 0.7, "open_help": 0.15, "view_privacy_policy": 0.18, "rage_click": 0.1,
            "dead_click": 0.1, "hide_tab": 0.3, "exit_intent": 0.2, "view_shipping": 0.25,
        },
        gap_seconds=10,
    ),
    Place(
        "payment",
        entry=("submit_address", "view_payment"),
        leave=-1.55,
        advance=-0.95,
        events={
            "choose_payment_method": 1.8, "edit_field": 1.0, "form_error": 0.3, "hide_tab": 0.35, "exit_intent": 0.3,
            "rage_click": 0.1, "view_returns_policy": 0.15, "view_privacy_policy": 0.2, "open_help": 0.15,
            "open_chat": 0.08,
        },
        gap_seconds=14,
    ),
)  # fmt: skip

OBSTACLES = (
    Obstacle(
        Friction.PAYMENT,
        share=0.17,
        exits={"payment": 0.28, "address": 0.03},
        drags={"payment": 0.9},
        traces={"choose_payment_method": 3.2, "rage_click": 2.0, "hide_tab": 1.4},
        marks={"view_payment": (0.8, 0.15, 0.05)},
        failure=0.5,
    ),
    Obstacle(
        Friction.SHIPPING,
        share=0.17,
        exits={"cart": 0.2, "checkout": 0.14, "address": 0.05},
        drags={"cart": 0.6, "checkout": 0.4},
        traces={"view_shipping": 6.5, "remove_from_cart": 2.0, "try_coupon": 2.0},
        marks={"view_shipping": (0.04, 0.08, 0.3, 0.58)},
    ),
    Obstacle(
        Friction.TRUST,
        share=0.17,
        exits={"product": 0.06, "cart": 0.1, "checkout": 0.08, "payment": 0.14},
        drags={"product": 0.4, "payment": 0.4},
        traces={"view_reviews": 4.0, "view_returns_policy": 7.5, "view_privacy_policy": 2.5},
        marks={"view_product": (0.56, 0.28, 0.12, 0.04)},
    ),
    Obstacle(
        Friction.INFORMATION,
        share=0.17,
        exits={"browse": 0.03, "product": 0.09, "cart": 0.08},
        drags={"product": 0.5},
        traces={"view_size_guide": 8.0, "open_help": 8.0, "open_chat": 8.0, "zoom_image": 2.5, "compare_products": 1.5},
    ),
)

DOUBTS = dict.fromkeys(
    (
        "view_reviews", "view_size_guide", "zoom_image", "compare_products", "view_shipping", "view_returns_policy",
        "view_privacy_policy", "open_help", "try_coupon", "choose_payment_method",
    ),
    1.9,
)  # fmt: skip

KINDS = (
    Kind("usual", share=0.74, habits={}),
    # Explorers leave every trace without being stopped by anything.
    Kind("explorer", share=0.25, habits=DOUBTS, leave=-0.25, advance=-0.15, pace=0.2),
    Kind(
        "bot",
        share=0.01,
        habits={"*": 0.0, "page_view": 1.0, "view_category": 1.0, "view_product": 1.0, "view_cart": 1.0}
        | {"ask_login": 1.0, "edit_field": 1.0, "choose_payment_method": 1.0},
        leave=-1.2,
        advance=-1.5,
        pace=-2.6,
        spread=0.35,
    ),
)

DEVICES = (
    Trait("desktop", 0.42, advance=0.25, leave=-0.17),
    Trait("mobile", 0.5, advance=-0.23, leave=0.17, blockers={Friction.PAYMENT: 1.4}),
    Trait("tablet", 0.08),
)

SOURCES = (
    Trait("direct", 0.26, advance=0.4, leave=-0.29),
    Trait("search", 0.34),
    Trait("email", 0.1, advance=0.52, leave=-0.4),
    Trait("social", 0.12, advance=-0.69, leave=0.46, blockers={Friction.INFORMATION: 1.4}),
    Trait("ads", 0.14, advance=-0.46, leave=0.34, blockers={Friction.TRUST: 1.5}),
    Trait("affiliate", 0.04, advance=-0.11, blockers={Friction.SHIPPING: 1.4}),
)

REMEDIES = (
    Remedy("other_payment", ("payment",), {Friction.PAYMENT: 0.7}, leave=0.12),
    Remedy("free_delivery", ("cart", "payment"), {Friction.SHIPPING: 0.75}, leave=0.08),
    Remedy("trust_panel", ("cart", "payment"), {Friction.TRUST: 0.6}, leave=0.12),
    Remedy("live_chat", ("cart", "payment"), {Friction.INFORMATION: 0.6}, leave=0.15),
    Remedy("basket_discount", ("cart", "payment"), {Friction.SHIPPING: 0.25}, advance=0.3),
)

OUTREACH = (
    Outreach("email", "email_open", "email", reach=0.22, hours=20, pull=0.7, strays=0.3),
    # Shown to those who are about to buy anyway: much credit, and no pull.
    Outreach("ads", "ad_view", "ads", reach=0.3, hours=40, aim=0.9, strays=0.6),
    Outreach("in_app", "message_shown", "app", reach=0.12, hours=3, strays=0.1),
    Outreach("call", "call_answered", "phone", reach=0.04, hours=8, pull=1.2, strays=0.02),
)

PRICES = tuple(8.99 + 5.0 * (product % 23) + product % 7 for product in range(len(PRODUCTS)))

SHOP = World(
    journey="ecommerce",
    places=PLACES,
    goal_events=("submit_payment", "purchase", "payment_failed"),
    failure=0.05,
    obstacles=OBSTACLES,
    kinds=KINDS,
    devices=DEVICES,
    sources=SOURCES,
    visits=(Trait("first", 1.0), Trait("second", 1.0, advance=0.25), Trait("later", 1.0, advance=0.45, leave=-0.1)),
    countries=(("DE", 0.6), ("AT", 0.15), ("CH", 0.1), ("NL", 0.1), ("FR", 0.05)),
    calendar=Calendar(
        days=28.0,
        hours=(1, 1, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 8, 8, 7, 7, 7, 8, 10, 12, 13, 12, 8, 4),
        returns=0.38,
        least_absence_seconds=4 * 3_600.0,
        absence_seconds=36 * 3_600.0,
    ),
    basket=Basket("view_product", "add_to_cart", "remove_from_cart", PRICES),
    channels={"email_open": "email", "email_click": "email", "ad_click": "ads", "open_chat": "in_app"},
    touchpoints={"email": ("email_open", "email_click"), "ads": ("ad_click",)},
    remedies=REMEDIES,
    outreach=OUTREACH,
    properties=shop_properties(tuple(remedy.name for remedy in REMEDIES)),
    upsetting={
        "exit_intent": 2, "payment_failed": 2, "page_error": 1, "form_error": 1, "rage_click": 1, "hide_tab": 1,
    },
    upset=(0.0, 0.5, 1.1),
    marks={
        "search": (0.15, 0.85),
        "view_product": (0.15, 0.3, 0.33, 0.22),
        "view_shipping": (0.25, 0.35, 0.27, 0.13),
        "view_payment": (0.2, 0.45, 0.35),
        "try_coupon": (0.6, 0.4),
    },
    intent_leave=-0.45,
    intent_advance=0.6,
    policy_change={"checkout": 0.95},
    policy_traces={"ask_login": 3.0},
    decide_at={"cart": 0.25, "payment": 0.25},
)  # fmt: skip
"""From a middle day of the log on, the checkout asks everybody to sign in: more people leave there."""
