"""What the address of a page tells of how somebody came to it."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.landing import CLICK_IDS, NOWHERE, Landing, read_landing


def test_the_parameters_of_a_campaign_are_read_from_an_address_or_its_query() -> None:
    query = "?utm_source=newsletter&utm_medium=email&utm_campaign=spring%20sale&x=1"
    expected = Landing("newsletter", "email", "spring sale", None)
    assert read_landing(query) == expected
    assert read_landing(f"https://shop.example/lamps{query}#top") == expected
    assert read_landing(query[1:]) == expected


@pytest.mark.parametrize(
    ("query", "landing"),
    [
        ("?gclid=abc", Landing("google", "cpc", None, "abc")),
        ("?fbclid=abc", Landing("facebook", None, None, "abc")),
        ("?click_id=abc", Landing(None, None, None, "abc")),
        ("?fbclid=f&gclid=g&utm_source=ads&utm_campaign=c", Landing("ads", "cpc", "c", "g")),
        ("?gclid=&utm_source=&utm_medium=email", Landing(None, "email", None, None)),
        ("?utm_source=a&utm_source=b", Landing("a", None, None, None)),
        ("?utm_source=%00a", Landing("a", None, None, None)),
        ("?page=2", NOWHERE),
        ("", NOWHERE),
        (None, NOWHERE),
    ],
)
def test_ids_of_clicks_name_whose_ad_it_was_unless_the_address_says_it(query: str | None, landing: Landing) -> None:
    assert read_landing(query) == landing


@given(st.text())
def test_any_text_is_an_address(address: str) -> None:
    landing = read_landing(f"?{address}=")
    for word in (landing.source, landing.medium, landing.campaign, landing.click_id):
        assert word is None or (0 < len(word) <= 200 and "\x00" not in word)


@given(st.sampled_from(sorted(CLICK_IDS)), st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=100))
def test_a_clicks_id_is_kept_as_it_is(name: str, click: str) -> None:
    expected = click.replace("\x00", "").strip() or None
    assert read_landing(f"https://shop.example/?{urlencode({name: click})}").click_id == expected
