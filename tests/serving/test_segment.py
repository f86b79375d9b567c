"""Segment's tracking format as canonical events."""

import json
from typing import Any

import pytest

from features.events import Event
from features.names import EventNames
from serving.errors import ClientError
from serving.segment import Arrival, MessageType, SegmentReader

RECEIVED_US = 1_772_368_200_000_000  # 2026-03-01T12:30:00Z
ARRIVAL = Arrival(RECEIVED_US, RECEIVED_US + 300_000_000)
NAMES = {"order_completed": "", "view_cart": "", "page_view": "", "Odd Name": ""}


def _read(message: dict[str, Any], route: MessageType | None = MessageType.TRACK, arrival: Arrival = ARRIVAL) -> Event:
    return SegmentReader(EventNames(NAMES), 10_000).read(json.dumps(message).encode(), route, arrival)


def _refused(message: dict[str, Any] | bytes, route: MessageType | None = MessageType.TRACK) -> ClientError:
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    with pytest.raises(ClientError) as caught:
        SegmentReader(EventNames(NAMES), 10_000).read(raw, route, ARRIVAL)
    return caught.value


def test_a_track_call_becomes_an_event_with_its_context() -> None:
    event = _read(
        {
            "messageId": "m1",
            "anonymousId": "a1",
            "userId": "u1",
            "event": "order_completed",
            "timestamp": "2026-03-01T12:29:00Z",
            "properties": {"revenue": 12.5},
            "context": {
                "sessionId": 17,
                "channel": "web",
                "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
                "campaign": {"source": "newsletter", "name": "spring"},
                "location": {"country": "DE"},
            },
            "integrations": {"All": True},
        }
    )
    assert event == Event(
        event_id="m1",
        name="order_completed",
        occurred_at_us=RECEIVED_US - 60_000_000,
        visitor_id="a1",
        session_id="17",
        user_id="u1",
        received_at_us=RECEIVED_US,
        channel="web",
        device="mobile",
        source="newsletter",
        campaign="spring",
        properties={"revenue": 12.5, "country": "DE"},
    )


def test_segments_spelling_finds_the_journeys_event() -> None:
    assert _read({"anonymousId": "a", "event": "Order Completed"}).name == "order_completed"
    assert _read({"anonymousId": "a", "event": "Odd Name"}).name == "Odd Name"
    assert _read({"anonymousId": "a", "event": "Something Else"}).name == "Something Else"


def test_pages_and_screens_are_views_unless_the_journey_names_them() -> None:
    page = _read({"anonymousId": "a", "name": "Home", "properties": {"path": "/"}}, MessageType.PAGE)
    assert (page.name, page.properties["page"]) == ("page_view", "Home")
    assert _read({"anonymousId": "a", "name": "View Cart"}, MessageType.PAGE).name == "view_cart"
    assert _read({"anonymousId": "a", "name": "Home"}, MessageType.SCREEN).name == "screen_view"
    assert _read({"anonymousId": "a", "properties": {"path": "/x"}}, MessageType.PAGE).properties["page"] == "/x"


def test_identify_group_and_alias_keep_what_they_say() -> None:
    identify = _read({"anonymousId": "a", "userId": "u", "traits": {"plan": "pro"}}, MessageType.IDENTIFY)
    assert (identify.name, identify.user_id, identify.properties) == ("identify", "u", {"plan": "pro"})
    group = _read({"anonymousId": "a", "groupId": "g", "traits": {"size": 3}}, MessageType.GROUP)
    assert (group.name, group.properties) == ("group", {"size": 3, "group_id": "g"})
    alias = _read({"previousId": "a", "userId": "u"}, MessageType.ALIAS)
    assert (alias.name, alias.visitor_id, alias.user_id) == ("alias", "a", "u")


def test_a_batchs_messages_say_their_type_themselves() -> None:
    assert _read({"type": "page", "anonymousId": "a"}, None).name == "page_view"
    assert _refused({"anonymousId": "a"}, None).field == "type"
    assert _refused({"type": "delete", "anonymousId": "a"}, None).field == "type"


def test_the_difference_of_the_clocks_is_taken_out() -> None:
    # The client's clock is an hour ahead; the event was two seconds old when it was sent.
    message = {
        "anonymousId": "a",
        "event": "view_cart",
        "timestamp": "2026-03-01T13:29:58Z",
        "sentAt": "2026-03-01T13:30:00Z",
    }
    assert _read(message).occurred_at_us == RECEIVED_US - 2_000_000
    original = {**message, "originalTimestamp": message["timestamp"]}
    del original["timestamp"]
    assert _read(original).occurred_at_us == RECEIVED_US - 2_000_000
    corrected = {**message, "originalTimestamp": "2026-03-01T13:29:58Z", "timestamp": "2026-03-01T12:29:58Z"}
    assert _read(corrected).occurred_at_us == RECEIVED_US - 2_000_000
    without = {"anonymousId": "a", "event": "view_cart"}
    assert _read(without).occurred_at_us == RECEIVED_US
    of_batch = Arrival(RECEIVED_US, RECEIVED_US, sent_at="2026-03-01T13:30:00Z")
    assert _read({**without, "timestamp": "2026-03-01T13:29:59Z"}, arrival=of_batch).occurred_at_us == (
        RECEIVED_US - 1_000_000
    )


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"event": "view_cart"}, "anonymousId"),
        ({"anonymousId": "", "event": "view_cart"}, "anonymousId"),
        ({"anonymousId": "a"}, "event"),
        ({"anonymousId": "a", "event": 3}, "event"),
        ({"anonymousId": ["a"], "event": "view_cart"}, "anonymousId"),
        ({"anonymousId": "a", "event": "view_cart", "properties": [1]}, "properties"),
        ({"anonymousId": "a", "event": "view_cart", "timestamp": "soon"}, "timestamp"),
        ({"anonymousId": "a", "event": "view_cart", "timestamp": "1970-01-01T00:00:00Z"}, "timestamp"),
        ({"anonymousId": "a", "event": "view_cart", "timestamp": "2026-03-02T12:30:00Z"}, "timestamp"),
        ({"anonymousId": "a", "event": "view_cart", "sentAt": "x", "timestamp": "2026-03-01T12:30:00Z"}, "sentAt"),
        ({"anonymousId": "a" * 600, "event": "view_cart"}, "anonymousId"),
        ({"anonymousId": "a", "event": "view_cart", "messageId": "m" * 600}, "messageId"),
        ({"anonymousId": "a", "event": "v" * 201}, "event"),
        ({"anonymousId": "a\n", "event": "view_cart"}, "anonymousId"),
        ({"anonymousId": "a", "userId": "u\x7f", "event": "view_cart"}, "userId"),
        ({"anonymousId": "a", "messageId": "m\t", "event": "view_cart"}, "messageId"),
        ({"anonymousId": "a", "event": "view_cart", "context": {"sessionId": "s\r"}}, "sessionId"),
        ({"anonymousId": "a", "event": "view_cart", "context": {"sessionId": 1.5}}, "context.sessionId"),
        ({"anonymousId": "a", "event": "view_cart", "context": {"sessionId": True}}, "context.sessionId"),
        ({"anonymousId": "a", "event": "view_cart", "properties": {"session_id": {}}}, "properties.session_id"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(message: dict[str, Any], field: str) -> None:
    error = _refused(message)
    assert (error.status, error.field) == (422, field)
    assert error.message.endswith(".")


def test_no_json_nul_characters_and_huge_events_are_refused() -> None:
    assert _refused(b"{").status == 400
    assert _refused(b"\xff\xfe").status == 400
    assert _refused(b'{"anonymousId":"a","event":"x","properties":{"t":' + b"[" * 5_000).status == 400
    assert _refused(b"[]").status == 422
    assert _refused(b'{"anonymousId":"a","event":"x","properties":{"t":"\\u0000"}}').code == "nul_character"
    assert _refused({"anonymousId": "a", "event": "x", "properties": {"t": "x" * 20_000}}).status == 413


def test_a_backslash_before_u0000_is_no_nul() -> None:
    raw = b'{"anonymousId":"a","event":"x","properties":{"t":"\\\\u0000"}}'
    assert SegmentReader(EventNames(NAMES), 10_000).read(raw, MessageType.TRACK, ARRIVAL).properties["t"] == "\\u0000"


@pytest.mark.parametrize(
    ("context", "device"),
    [
        ({"device": {"type": "ios"}}, "mobile"),
        ({"device": {"type": "Tablet"}}, "tablet"),
        ({"device": "desktop"}, "desktop"),
        ({"userAgent": "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X)"}, "tablet"),
        ({"userAgent": "Mozilla/5.0 (Linux; Android 13; SM-X700) Safari"}, "tablet"),
        ({"userAgent": "Mozilla/5.0 (Linux; Android 13; Pixel 7) Mobile Safari"}, "mobile"),
        ({"userAgent": "Mozilla/5.0 (X11; Linux x86_64)"}, "desktop"),
        ({}, None),
        ({"device": 3, "userAgent": {"x": 1}}, None),
        ({"userAgentData": {"mobile": True, "platform": "Android", "brands": []}}, "mobile"),
        ({"userAgentData": {"mobile": False, "platform": "Linux"}}, "desktop"),
        ({"userAgentData": {"mobile": None}}, None),
    ],
)
def test_the_device_comes_from_the_context(context: dict[str, Any], device: str | None) -> None:
    assert _read({"anonymousId": "a", "event": "x", "context": context}).device == device


def test_messages_without_an_id_get_different_ones() -> None:
    message = {"anonymousId": "a", "event": "x"}
    assert _read(message).event_id != _read(message).event_id


def test_an_address_tells_the_campaign_where_the_context_does_not() -> None:
    page = {"search": "?utm_source=letter&utm_medium=email&utm_campaign=spring&gclid=G1"}
    told = _read({"anonymousId": "a", "event": "x", "context": {"page": page}})
    assert (told.source, told.campaign, told.channel) == ("letter", "spring", "email")
    assert told.properties == {"click_id": "G1"}
    named = {"page": page, "campaign": {"source": "ads", "name": "summer"}, "channel": "shop"}
    said = _read({"anonymousId": "a", "event": "x", "context": named})
    assert (said.source, said.campaign, said.channel) == ("ads", "summer", "shop")
    url = {"url": "https://shop.example/?fbclid=F1"}
    page_call = _read({"anonymousId": "a", "properties": url, "channel": "web"}, MessageType.PAGE)
    assert (page_call.source, page_call.channel, page_call.properties["click_id"]) == ("facebook", "web", "F1")


def test_ids_may_be_whole_numbers_and_moments_may_be_numbers() -> None:
    sent = {"anonymousId": 5, "userId": 10**20, "messageId": 7, "event": "x", "timestamp": 1_772_368_140}
    event = _read(sent)
    assert (event.visitor_id, event.user_id, event.event_id) == ("5", str(10**20), "7")
    assert event.occurred_at_us == RECEIVED_US - 60_000_000
    later = {**sent, "timestamp": 1_772_368_140_500, "sentAt": 1_772_368_141_500}
    assert _read(later).occurred_at_us == RECEIVED_US - 1_000_000


def test_nulls_are_what_is_not_said() -> None:
    members = ("messageId", "userId", "previousId", "properties", "traits", "context", "timestamp", "sentAt", "channel")
    bare = {"anonymousId": "a", "event": "x", "messageId": "m"}
    nulls = {**dict.fromkeys([*members, "integrations", "_metadata"]), **bare}
    assert _read(nulls) == _read(bare)


def test_rudderstacks_traits_are_in_the_context() -> None:
    sent = {"anonymousId": "a", "userId": "u", "context": {"traits": {"plan": "pro", "size": 1}}, "traits": {"size": 2}}
    assert _read(sent, MessageType.IDENTIFY).properties == {"plan": "pro", "size": 2}
    assert _read({**sent, "event": "x"}).properties == {}
