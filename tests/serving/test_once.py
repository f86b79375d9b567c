"""A request that is sent again with its Idempotency-Key counts once, and is answered as it was the first time."""

from typing import Any

import pytest
from sqlalchemy import text

AT = "2026-03-01T12:29:00Z"
STEPS = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")


def track(client: Any, visitor: str) -> None:
    calls = [
        {
            "type": "track",
            "messageId": f"{visitor}-{place}",
            "anonymousId": visitor,
            "event": name,
            "properties": {"basket_value": 40.0, "shipping": 15.0, "field": "card"},
            "timestamp": f"2026-03-01T12:20:{10 + place}Z",
            "originalTimestamp": f"2026-03-01T12:20:{10 + place}Z",
        }
        for place, name in enumerate(STEPS)
    ]
    assert client.post("/v1/batch", {"batch": calls}).status_code == 200


def ask(client: Any, visitor: str, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.request("POST", "/v1/recommend", json={"visitor_id": visitor, "at": AT}, headers=headers)


def counted(client: Any, table: str) -> int:
    with client.app.state.runtime.engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


@pytest.fixture
def client(open_client: Any) -> Any:
    return open_client()[0]


def test_a_recommendation_that_is_asked_for_again_is_the_first_one_word_for_word(client: Any) -> None:
    recommended = 0
    for number in range(12):
        visitor = f"v{number}"
        track(client, visitor)
        first = ask(client, visitor, f"key-{number}")
        again = ask(client, visitor, f"key-{number}")
        assert (first.status_code, again.status_code) == (200, 200)
        assert again.json() == first.json()
        recommended += first.json()["recommendation"] is not None
        # Without the key it is another question, and another row of the ledger.
        other = ask(client, visitor).json()
        assert other["decision_id"] != first.json()["decision_id"]
        assert other["recommendation"] is None or first.json()["recommendation"] is None
    assert recommended > 0
    assert counted(client, "decisions") == 24


def test_a_key_that_was_sent_about_somebody_else_is_a_mistake(client: Any) -> None:
    for visitor in ("v1", "v2"):
        track(client, visitor)
    assert ask(client, "v1", "one").status_code == 200
    refused = ask(client, "v2", "one")
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "Idempotency-Key")
    assert counted(client, "decisions") == 1


def test_what_is_not_kept_is_not_taken_from_a_session_that_came_later(client: Any, clock: Any) -> None:
    track(client, "v1")
    headers, body = {"Idempotency-Key": "one"}, {"visitor_id": "v1"}
    first = client.request("POST", "/v1/recommend", json=body, headers=headers).json()
    clock.advance(7_200)
    call = {"anonymousId": "v1", "event": "page_view", "messageId": "later"}
    assert client.post("/v1/track", call).status_code == 200
    again = client.request("POST", "/v1/recommend", json=body, headers=headers).json()
    assert first["leaving_soon"] is not None
    assert again == first | {"leaving_soon": None, "leaving_soon_within": None}


@pytest.mark.parametrize("said", ["", "k" * 256])
def test_a_key_of_no_use_is_a_mistake(client: Any, said: str) -> None:
    refused = ask(client, "v1", said)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "Idempotency-Key")


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/track", {"anonymousId": "v", "event": "page_view"}),
        ("/v1/batch", {"batch": [{"type": "track", "anonymousId": "v", "event": "page_view"}] * 3}),
        ("/mp/collect", {"client_id": "v", "events": [{"name": "page_view"}]}),
        (
            "/com.snowplowanalytics.snowplow/tp2",
            {
                "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
                "data": [{"e": "pv", "duid": "v", "p": "web"}],
            },
        ),
    ],
)
def test_events_without_ids_count_once_however_often_their_request_comes(client: Any, address: str, body: Any) -> None:
    for _ in range(2):
        assert client.request("POST", address, json=body, headers={"Idempotency-Key": "a"}).status_code < 300
    once = counted(client, "events")
    assert once == len(body.get("batch", [0]))
    assert client.request("POST", address, json=body, headers={"Idempotency-Key": "b"}).status_code < 300
    assert counted(client, "events") == 2 * once
    assert client.request("POST", address, json=body).status_code < 300
    assert counted(client, "events") == 3 * once
