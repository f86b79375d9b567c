"""One law of all protocols: the same event is the same canonical event, whoever tells of it."""

import base64
import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from features.events import Event
from journeys.load import load_journey
from serving.ga4 import Measurement, MeasurementReader
from serving.segment import Arrival, MessageType, SegmentReader
from serving.snowplow import SnowplowReader, sent_at_us
from serving.times import show_time

RECEIVED_US = 1_772_368_200_000_000
ARRIVAL = Arrival(RECEIVED_US, RECEIVED_US + 300_000_000)
SHOP = load_journey("ecommerce")
SEGMENT = SegmentReader(SHOP.names, 100_000, SHOP.property_names)
SNOWPLOW = SnowplowReader(SHOP.names, SHOP.property_names, 100_000)
GOOGLE = MeasurementReader(SHOP.names, SHOP.property_names, 100_000)
SEGMENTS = {
    "view_product": "Product Viewed",
    "add_to_cart": "Product Added",
    "begin_checkout": "Checkout Started",
    "purchase": "Order Completed",
    "search": "Products Searched",
}
GOOGLES = {"view_product": "view_item"}
SNOWPLOWS = {"view_product": "product_view", "purchase": "transaction", "search": "site_search"}

_IDS = st.text("abcdefghij-_.", min_size=1, max_size=20)
_WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=12
)
_VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _WORDS
)
_PROPERTIES = st.dictionaries(
    st.sampled_from(["product", "price", "basket_value", "note", "coupon"]), _VALUES, max_size=5
)


def _segment(event: Event, sent_us: int) -> Event:
    message: dict[str, Any] = {
        "messageId": event.event_id,
        "event": SEGMENTS.get(event.name, event.name),
        "anonymousId": event.visitor_id,
        "userId": event.user_id,
        "timestamp": show_time(event.occurred_at_us),
        "sentAt": show_time(sent_us),
        "properties": event.properties,
        "context": {
            "sessionId": event.session_id,
            "device": {"type": event.device},
            "campaign": {"source": event.source, "name": event.campaign},
        },
    }
    return SEGMENT.read(json.dumps(message).encode(), MessageType.TRACK, ARRIVAL)


def _snowplow(event: Event, sent_us: int) -> Event:
    described = {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": {
            "schema": f"iglu:com.example/{SNOWPLOWS.get(event.name, event.name)}/jsonschema/1-0-0",
            "data": event.properties,
        },
    }
    fields = {
        "e": "ue",
        "ue_px": base64.urlsafe_b64encode(json.dumps(described).encode()).decode(),
        "eid": event.event_id,
        "duid": event.visitor_id,
        "sid": event.session_id,
        "uid": event.user_id,
        "dtm": str(event.occurred_at_us // 1_000),
        "stm": str(sent_us // 1_000),
        "ua": {"mobile": "Mozilla/5.0 (iPhone)", "desktop": "Mozilla/5.0 (X11)", "tablet": "Mozilla/5.0 (iPad)"}[
            str(event.device)
        ],
    }
    told = SNOWPLOW.fields_of(json.dumps(fields).encode())
    return SNOWPLOW.read(told, ARRIVAL, sent_at_us([told]), None)


def _google(event: Event, skew_us: int) -> Event:
    # The protocol has no time of sending, so that a wrong clock cannot be noticed.
    request = {
        "client_id": event.visitor_id,
        "user_id": event.user_id,
        "device": {"category": event.device},
        "events": [
            {
                "name": GOOGLES.get(event.name, event.name),
                "timestamp_micros": event.occurred_at_us - skew_us,
                "params": {
                    **event.properties,
                    "session_id": event.session_id,
                    "event_id": event.event_id,
                    "source": event.source,
                    "campaign": event.campaign,
                },
            }
        ],
    }
    return GOOGLE.read(msgspec.json.decode(json.dumps(request), type=Measurement), 0, ARRIVAL)


def _canonical(event: Event, *said_elsewhere: str) -> tuple[Any, ...]:
    properties = {name: value for name, value in event.properties.items() if name not in said_elsewhere}
    who = (event.event_id, event.name, event.visitor_id, event.session_id, event.user_id)
    return (*who, event.occurred_at_us, event.received_at_us, event.device, properties)


@given(
    event=st.builds(
        Event,
        event_id=_IDS,
        name=st.sampled_from([*SHOP.events, "unheard_of"]),
        occurred_at_us=st.integers(1_000, 10**9).map(lambda ago_ms: RECEIVED_US - ago_ms * 1_000),
        visitor_id=_IDS,
        session_id=_IDS,
        user_id=st.none() | _IDS,
        received_at_us=st.just(RECEIVED_US),
        device=st.sampled_from(["mobile", "desktop", "tablet"]),
        source=_WORDS,
        campaign=_WORDS,
        properties=_PROPERTIES,
    ),
    skew_ms=st.sampled_from([0, 3_600_000, -3_600_000, 86_400_000]),
)
def test_the_same_event_is_the_same_by_every_protocol(event: Event, skew_ms: int) -> None:
    skew_us = skew_ms * 1_000
    said = Event(
        **{**{name: getattr(event, name) for name in Event.__slots__}, "occurred_at_us": event.occurred_at_us + skew_us}
    )
    sent_us = RECEIVED_US + skew_us
    segment, snowplow, google = _segment(said, sent_us), _snowplow(said, sent_us), _google(said, skew_us)
    expected = _canonical(event)
    assert _canonical(segment) == expected
    assert _canonical(snowplow) == expected
    assert _canonical(google, "session_id", "event_id", "source", "campaign") == expected
    assert (segment.source, segment.campaign) == (google.source, google.campaign) == (event.source, event.campaign)
