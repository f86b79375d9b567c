"""The proxy's configuration that is shipped for replicas, beside the routes that it stands before."""

import re

import pytest

from benchmarks.nginx import SHIPPED
from serving import openapi

SENT_AGAIN = re.findall(r"location ~ (\S+) \{[^}]*non_idempotent;", SHIPPED.read_text(encoding="utf-8"))
"""The patterns of addresses of which a request goes to a second replica where the first one has not answered."""


@pytest.mark.parametrize(
    "address",
    [
        *openapi.TRACKING_ROUTES,
        *openapi.BATCH_ROUTES,
        "/v1/score",
        "/v1/recommend",
        "/v1/outcome",
        "/mp/collect",
        "/i",
        "/v1/pixel/track",
        "/com.snowplowanalytics.snowplow/tp2",
    ],
)
def test_what_counts_once_however_often_it_comes_is_sent_again(address: str) -> None:
    assert sum(re.search(pattern, address) is not None for pattern in SENT_AGAIN) == 1


@pytest.mark.parametrize("address", ["/v1/annotations", "/v1/touchpoints", "/v1/visitors/v", "/login", "/metrics", "/"])
def test_what_is_not_safe_to_do_twice_is_not_sent_again(address: str) -> None:
    assert not any(re.search(pattern, address) for pattern in SENT_AGAIN)
