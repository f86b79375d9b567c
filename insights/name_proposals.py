"""Which declared event an unknown name may mean, with why and how surely.

Names are compared by what known tracking plans call the same thing, by their words, and by their letters. The plans are
Segment's e-commerce specification (https://segment.com/docs/connections/spec/ecommerce/v2/), Google Analytics 4's
recommended events, and the names that Snowplow and PostHog give by themselves. A proposal is for people to judge: what
is the same to a reader may not be the same event.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from features.names import snake

LEAST_CONFIDENCE = 0.5
_SAME_WORDS, _SHARED_WORDS, _SAME_LETTERS = 0.85, 0.8, 0.75
_LEAST_OVERLAP, _LEAST_LIKENESS = 0.5, 0.8

# Each line is one thing that people do, by the names that known tracking plans and shops give it.
_MEANINGS: tuple[tuple[str, ...], ...] = (
    ("page_view", "page_viewed", "pageview", "$pageview", "viewed_page", "page"),
    ("screen_view", "screen_viewed", "$screen", "viewed_screen", "screen"),
    ("search", "products_searched", "view_search_results", "site_search", "searched"),
    ("view_category", "product_list_viewed", "view_item_list", "list_view", "category_viewed"),
    ("apply_filter", "product_list_filtered", "filter_applied"),
    ("view_product", "product_viewed", "view_item", "product_view", "product_clicked", "select_item"),
    ("add_to_cart", "product_added", "added_to_cart", "add_to_basket", "basket_add"),
    ("remove_from_cart", "product_removed", "removed_from_cart", "remove_from_basket"),
    ("view_cart", "cart_viewed", "basket_viewed", "view_basket"),
    ("add_to_wishlist", "product_added_to_wishlist"),
    ("begin_checkout", "checkout_started", "start_checkout", "checkout_begun", "checkout"),
    ("submit_address", "add_shipping_info", "shipping_info_entered"),
    ("choose_payment_method", "add_payment_info", "payment_info_entered"),
    ("payment_failed", "trans_error", "payment_error", "payment_declined"),
    ("purchase", "order_completed", "transaction", "order_placed", "checkout_completed", "order_created"),
    ("try_coupon", "coupon_entered"),
    ("log_in", "login", "signed_in", "sign_in", "user_logged_in"),
    ("sign_up", "signed_up", "account_created", "user_signed_up", "registration_completed"),
    ("form_error", "form_validation_failed", "validation_error"),
    ("page_leave", "$pageleave", "page_left"),
)
_PLAN_CONFIDENCE = 0.95
_ENDINGS = re.compile(r"(?<=[a-z]{3})(?:ied|ed|ing|s)$")
_SYNONYMS = {
    **dict.fromkeys(("see", "seen", "show", "look"), "view"),
    **dict.fromkeys(("basket", "bag"), "cart"),
    **dict.fromkeys(("item", "article"), "product"),
    **dict.fromkeys(("start", "begun"), "begin"),
    **dict.fromkeys(("buy", "bought", "order"), "purchase"),
    **dict.fromkeys(("delete", "drop"), "remove"),
}
_DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1$")


@dataclass(frozen=True, slots=True)
class Proposal:
    """That a sent name may mean a declared one; ``confidence`` is from 0 to 1, 1 for another spelling of it."""

    sent: str
    meant: str
    why: str
    confidence: float


def propose(sent: str, declared: Sequence[str]) -> Proposal | None:
    """Return the likeliest declared event that a name may mean; None where nothing is likely enough."""
    found = [*_by_spelling(sent, declared), *_by_plan(sent, declared)]
    found += [*_by_words(sent, declared), *_by_letters(sent, declared)]
    likely = [one for one in found if one.confidence >= LEAST_CONFIDENCE]
    # Of equals the first in the journey's order.
    return max(likely, key=lambda one: (one.confidence, -declared.index(one.meant)), default=None)


def aliases_line(proposals: Iterable[Proposal]) -> str:
    """Return the line for a journey's file that takes proposals on; empty for none.

    >>> aliases_line([Proposal("Product Seen", "view_product", "", 0.9)])
    'aliases={"Product Seen": "view_product"},'
    """
    # Another spelling needs no alias.
    taken = [one for one in proposals if one.confidence < 1]
    if not taken:
        return ""
    return "aliases={" + ", ".join(f"{_quoted(one.sent)}: {_quoted(one.meant)}" for one in taken) + "},"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _by_spelling(sent: str, declared: Sequence[str]) -> Iterable[Proposal]:
    spelt = snake(sent)
    if spelt in declared:
        yield Proposal(sent, spelt, "another spelling", 1.0)


def _by_plan(sent: str, declared: Sequence[str]) -> Iterable[Proposal]:
    for name in (sent, snake(sent)):
        for meant in _MEANT_BY.get(name, ()):
            if meant in declared and meant != sent:
                yield Proposal(sent, meant, "known tracking plans call it so", _PLAN_CONFIDENCE)


def _by_words(sent: str, declared: Sequence[str]) -> Iterable[Proposal]:
    words = _words(sent)
    for name in declared:
        others = _words(name)
        overlap = len(words & others) / len(words | others) if words | others else 0.0
        if overlap == 1:
            yield Proposal(sent, name, "the same words", _SAME_WORDS)
        elif overlap >= _LEAST_OVERLAP:
            shared = ", ".join(sorted(words & others))
            yield Proposal(sent, name, f"shares the words {shared}", round(_SHARED_WORDS * overlap, 2))


def _by_letters(sent: str, declared: Sequence[str]) -> Iterable[Proposal]:
    spelt = snake(sent)
    for name in declared:
        likeness = difflib.SequenceMatcher(None, spelt, name).ratio()
        if likeness >= _LEAST_LIKENESS:
            yield Proposal(sent, name, "nearly the same letters", round(_SAME_LETTERS * likeness, 2))


def _words(name: str) -> frozenset[str]:
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return frozenset(_stem(word) for word in snake(spread).split("_") if word and word not in ("to", "the", "a", "of"))


def _stem(word: str) -> str:
    stem = _ENDINGS.sub("", word)
    whole = stem if stem == word else _DOUBLED.sub(r"\1", stem)
    return _SYNONYMS.get(whole, whole)


def _known_meanings() -> Mapping[str, tuple[str, ...]]:
    meant: dict[str, tuple[str, ...]] = {}
    for names in _MEANINGS:
        for name in names:
            meant[name] = (*meant.get(name, ()), *(other for other in names if other != name))
    return meant


_MEANT_BY = _known_meanings()
