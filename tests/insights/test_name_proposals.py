"""Proposals: what unknown names may mean, by spelling, known tracking plans, words and letters."""

import ast

import pytest

from insights.name_proposals import LEAST_CONFIDENCE, Proposal, aliases_line, propose

SHOP = ("page_view", "search", "view_product", "add_to_cart", "begin_checkout", "payment_failed", "purchase")


@pytest.mark.parametrize(
    ("sent", "meant", "why"),
    [
        ("Add To Cart", "add_to_cart", "another spelling"),
        ("PURCHASE", "purchase", "another spelling"),
        # Segment's e-commerce specification, GA4's recommended events, Snowplow's schemas, PostHog's own names.
        ("Product Added", "add_to_cart", "known tracking plans call it so"),
        ("Order Completed", "purchase", "known tracking plans call it so"),
        ("view_item", "view_product", "known tracking plans call it so"),
        ("view_search_results", "search", "known tracking plans call it so"),
        ("trans_error", "payment_failed", "known tracking plans call it so"),
        ("$pageview", "page_view", "known tracking plans call it so"),
        ("viewedProduct", "view_product", "the same words"),
        ("Product Seen", "view_product", "the same words"),
        ("failed payment", "payment_failed", "the same words"),
        ("cart: product view", "view_product", "shares the words product, view"),
        ("add_to_crt", "add_to_cart", "nearly the same letters"),
    ],
)
def test_a_name_is_proposed_for_a_declared_event_with_why(sent: str, meant: str, why: str) -> None:
    found = propose(sent, SHOP)
    assert found is not None
    assert (found.sent, found.meant, found.why) == (sent, meant, why)
    assert LEAST_CONFIDENCE <= found.confidence <= 1


@pytest.mark.parametrize("sent", ["newsletter opened", "x", "", "heartbeat", "Ünïcode"])
def test_nothing_is_proposed_where_nothing_is_likely(sent: str) -> None:
    assert propose(sent, SHOP) is None


def test_surer_reasons_go_first() -> None:
    said = [propose(name, SHOP) for name in ("add to cart", "Product Added", "Cart Add", "cart: product view")]
    confidences = [one.confidence for one in said if one is not None]
    assert confidences == sorted(confidences, reverse=True)
    assert len(set(confidences)) == 4


def test_the_line_for_the_journeys_file_is_python_and_leaves_other_spellings_out() -> None:
    sent = ('say "hi"', "back\\slash", "Add To Cart")
    line = aliases_line(Proposal(name, "search", "", 1.0 if name == "Add To Cart" else 0.9) for name in sent)
    call = ast.parse(f"f({line})", mode="eval").body
    assert isinstance(call, ast.Call)
    assert ast.literal_eval(call.keywords[0].value) == {'say "hi"': "search", "back\\slash": "search"}
    assert aliases_line([]) == ""
