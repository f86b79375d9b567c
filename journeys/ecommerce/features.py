"""What is measured about a visit to the shop, one feature a line: context first, then by friction.

Nothing listens to what the shop itself showed (``intervention_*``).
"""

from features.friction import Friction
from features.scan import (
    absence,
    any_event,
    category,
    count,
    distinct,
    drops,
    gap,
    last,
    mean,
    on,
    peak,
    position,
    prop,
    recent,
    session_start,
    since,
    since_first,
    stage,
    streak,
)
from features.table import Feature

PROGRESS = on(
    "add_to_wishlist", "add_to_cart", "begin_checkout", "submit_address", "choose_payment_method", "submit_payment"
)
BROWSING = on("page_view", "view_category", "search", "apply_filter", "scroll")
# Steps that lead to the next stage; progress is also what prepares one.
ONWARD = on("view_product", "add_to_cart", "begin_checkout", "submit_address", "submit_payment")
TROUBLE = on("form_error", "payment_failed", "page_error", "rage_click", "dead_click")
RAGE_AFTER_TROUBLE = on("rage_click").within(30, of=("form_error", "payment_failed", "page_error", "dead_click"))
DOUBT = on(
    "view_shipping",
    "view_returns_policy",
    "view_privacy_policy",
    "view_reviews",
    "view_size_guide",
    "zoom_image",
    "open_help",
    "open_chat",
    "try_coupon",
    "remove_from_cart",
)
SOLD_OUT = on("view_product", in_stock=0)
BASKET, PRICE, PRODUCT = prop("basket_value"), prop("price"), prop("product")
RATING = last(prop("rating"), "view_product")
LOAD, DELIVERY_DAYS = prop("load_seconds"), prop("delivery_days")
EDITS_PER_FIELD = count("edit_field") / distinct(prop("field"), "edit_field")
METHODS_OFFERED = last(prop("method_count"), "view_payment")
METHODS_TRIED = distinct(prop("method"), "choose_payment_method")
SHIPPING_SHARE = last(prop("shipping"), "view_shipping") / last(BASKET)
VIEWS_PER_PRODUCT = count("view_product") / distinct(PRODUCT, "view_product")
FURTHEST_EVER = peak(position, per="visitor")
MEAN_STAGE_EVER = mean(position, per="visitor")
PROGRESS_SHARE_EVER = count(PROGRESS, per="visitor") / count(any_event, per="visitor")
TROUBLE_PHRASE = "something went wrong {:duration} ago"
RECENT_FAILURES = "{:.1f} failed payments lately"

CONTEXT = (
    Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
    Feature("current_stage", last(position), Friction.NONE, "now looking at stage {:.0f}"),
    Feature("mean_stage", mean(position), Friction.NONE, "at stage {:.1f} on average"),
    Feature("forward_share", count(ONWARD) / count(any_event), Friction.NONE, "{:.0%} of the steps led onward"),
    Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
    Feature("browsing_events", count(BROWSING), Friction.NONE, "looked around {:times}"),
    Feature("session_seconds", since_first(any_event), Friction.NONE, "here for {:duration}"),
    Feature("idle_seconds", since(any_event), Friction.NONE, "idle for {:duration}"),
    Feature("stage_seconds", since_first(any_event, per="stage"), Friction.NONE, "at this stage for {:duration}"),
    Feature("stage_events", count(any_event, per="stage"), Friction.NONE, "{:event|events} at this stage"),
    Feature("longest_gap_seconds", peak(gap), Friction.NONE, "the longest pause was {:duration}"),
    Feature("progress_age_seconds", since(PROGRESS), Friction.NONE, "last moved forward {:duration} ago"),
    Feature("device", category("device"), Friction.NONE, "device"),
    Feature("source", category("source"), Friction.NONE, "source of the visit"),
    Feature("visits", count(session_start, per="visitor"), Friction.NONE, "{:visit|visits} with this one"),
    Feature("earlier_purchases", count("purchase", per="visitor"), Friction.NONE, "{:earlier order|earlier orders}"),
    Feature("furthest_stage_ever", FURTHEST_EVER, Friction.NONE, "has been at stage {:.0f}, in this visit or before"),
    Feature("mean_stage_ever", MEAN_STAGE_EVER, Friction.NONE, "at stage {:.1f} on average of all visits"),
    Feature("progress_ever", count(PROGRESS, per="visitor"), Friction.NONE, "{:step|steps} forward in all visits"),
    Feature("progress_share_ever", PROGRESS_SHARE_EVER, Friction.NONE, "{:.0%} of the steps of all visits led forward"),
    Feature("payments_ever", count("submit_payment", per="visitor"), Friction.NONE, "paid or tried to {:times} so far"),
    Feature("items_ever", count("add_to_cart", per="visitor"), Friction.NONE, "{:item|items} put into a basket so far"),
    Feature("checkouts_ever", count("begin_checkout", per="visitor"), Friction.NONE, "{:checkout|checkouts} so far"),
    Feature("absence_seconds", last(absence, session_start, per="visitor"), Friction.NONE, "back after {:duration}"),
    Feature("basket_value", last(BASKET), Friction.NONE, "{:,.2f} euros in the basket"),
    Feature("doubt_age_seconds", since(DOUBT), Friction.NONE, "last looked something up {:duration} ago"),
    Feature("tab_switches", count("hide_tab"), Friction.NONE, "left for another tab {:times}"),
    Feature("scroll_depth", peak(prop("depth"), "scroll"), Friction.NONE, "scrolled through up to {:.0%} of a page"),
    Feature("log_ins", count("log_in"), Friction.NONE, "signed in {:times}"),
    Feature("exit_intents", count("exit_intent"), Friction.NONE, "went for the close button {:times}"),
)
"""Who, where, when and how far: nobody's blocker."""

OBSTACLES = (
    # Friction: the way itself.
    Feature("form_errors", count("form_error"), Friction.FORM, "{:form error|form errors}"),
    Feature("form_errors_recent", recent("form_error", half_life=60), Friction.FORM, "{:.1f} form errors lately"),
    Feature("field_edits", count("edit_field"), Friction.FORM, "{:entry|entries} in the form"),
    Feature("edits_per_field", EDITS_PER_FIELD, Friction.FORM, "each field filled in {:times}"),
    Feature("payment_failures", count("payment_failed"), Friction.PAYMENT, "payment failed {:times}"),
    Feature("payment_failures_recent", recent("payment_failed", half_life=120), Friction.PAYMENT, RECENT_FAILURES),
    Feature("payment_methods", METHODS_OFFERED, Friction.PAYMENT, "{:way|ways} to pay", less_is_worse=True),
    Feature("payment_methods_tried", METHODS_TRIED, Friction.PAYMENT, "{:way|ways} to pay tried"),
    Feature("load_seconds", mean(LOAD, "page_view"), Friction.SPEED, "pages take {:.1f} s to load"),
    Feature("page_errors", count("page_error"), Friction.SPEED, "{:page|pages} failed to load"),
    Feature("dead_clicks", count("dead_click"), Friction.SPEED, "{:click|clicks} did nothing"),
    Feature("rage_clicks", count("rage_click"), Friction.SPEED, "clicked in anger {:times}"),
    Feature("rage_after_trouble", count(RAGE_AFTER_TROUBLE), Friction.SPEED, "anger right after an error {:times}"),
    Feature("trouble_age_seconds", since(TROUBLE), Friction.SPEED, TROUBLE_PHRASE, less_is_worse=True),
    Feature("searches", count("search"), Friction.NAVIGATION, "{:search|searches}"),
    Feature("failed_searches", count(on("search", results=0)), Friction.NAVIGATION, "searched in vain {:times}"),
    Feature("failed_search_streak", streak(on("search", results=0)), Friction.NAVIGATION, "{:.0f} in vain in a row"),
    Feature("back_clicks", count("go_back"), Friction.NAVIGATION, "{:step|steps} back in the browser"),
    Feature("stages_back", drops(), Friction.NAVIGATION, "went back in the journey {:times}"),
    Feature("filters", count("apply_filter"), Friction.NAVIGATION, "{:filter|filters} applied"),
    Feature("login_requests", count("ask_login"), Friction.EFFORT, "asked to sign in {:times}"),
    Feature("checkout_seconds", since_first("begin_checkout"), Friction.EFFORT, "checking out for {:duration}"),
    # Information gap: how to decide, and what is not known.
    Feature("products_viewed", distinct(PRODUCT, "view_product"), Friction.CHOICE, "{:product|products} seen"),
    Feature("views_per_product", VIEWS_PER_PRODUCT, Friction.CHOICE, "each product opened {:times}"),
    Feature("comparisons", count("compare_products"), Friction.CHOICE, "compared products {:times}"),
    Feature("help_requests", count(on("open_help", "open_chat")), Friction.INFORMATION, "looked for help {:times}"),
    Feature("size_guides", count("view_size_guide"), Friction.INFORMATION, "looked up sizes {:times}"),
    Feature("image_zooms", count("zoom_image"), Friction.INFORMATION, "{:picture|pictures} enlarged"),
    Feature("sold_out_views", count(SOLD_OUT), Friction.AVAILABILITY, "{:sold-out product|sold-out products} seen"),
    # Value: is it worth it.
    Feature("price", last(PRICE, "view_product"), Friction.PRICE, "the latest product costs {:,.2f} euros"),
    Feature("coupons_refused", count(on("try_coupon", accepted=0)), Friction.PRICE, "{:code|codes} refused"),
    Feature("cart_removals", count("remove_from_cart"), Friction.PRICE, "{:item|items} taken out of the basket"),
    Feature("basket_drop", peak(BASKET) - last(BASKET), Friction.PRICE, "basket {:,.2f} euros below its highest"),
    Feature("shipping_share", SHIPPING_SHARE, Friction.SHIPPING, "shipping is {:.0%} of the basket"),
    Feature("shipping_views", count("view_shipping"), Friction.SHIPPING, "looked at delivery {:times}"),
    Feature("delivery_days", last(DELIVERY_DAYS, "view_shipping"), Friction.SHIPPING, "delivery takes {:day|days}"),
    # Trust: is it safe.
    Feature("rating", RATING, Friction.TRUST, "the latest product is rated {:.1f}", less_is_worse=True),
    Feature("review_views", count("view_reviews"), Friction.TRUST, "read reviews {:times}"),
    Feature("returns_views", count("view_returns_policy"), Friction.TRUST, "looked up returns {:times}"),
    Feature("privacy_views", count("view_privacy_policy"), Friction.PRIVACY, "looked up data protection {:times}"),
)
"""What may stand in the way, each with the friction it is evidence of."""

FEATURES = CONTEXT + OBSTACLES
