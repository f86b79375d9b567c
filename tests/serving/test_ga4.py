"""GA4's Measurement Protocol as canonical events; the examples follow its documentation."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import Event
from features.names import EventNames, PropertyNames
from serving.errors import ClientError
from serving.ga4 import Measurement, MeasurementReader
from serving.ga4_validation import validate
from serving.segment import Arrival

RECEIVED_US = 1_772_368_200_000_000  # 2026-03-01T12:30:00Z
ARRIVAL = Arrival(RECEIVED_US, RECEIVED_US + 300_000_000)
NAMES = EventNames({"purchase": "", "view_product": ""}, {"view_item": "view_product"})
PROPERTIES = PropertyNames({"": {"product": ("items.0.item_id",)}, "purchase": {"revenue": ("value",)}})
READER = MeasurementReader(NAMES, PROPERTIES, 10_000)


def _read(request: dict[str, Any], index: int = 0) -> Event:
    return READER.read(msgspec.json.decode(json.dumps(request), type=Measurement), index, ARRIVAL)


def _wrong(request: Any) -> list[tuple[str, str]]:
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    messages = validate(body, READER, ARRIVAL, 3).validation_messages
    return [(one.field_path, one.validation_code) for one in messages]


def test_a_purchase_has_its_ids_times_parameters_and_where_it_came_from() -> None:
    request = {
        "client_id": "X.Y",
        "user_id": "u1",
        "timestamp_micros": RECEIVED_US - 60_000_000,
        "non_personalized_ads": True,
        "consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"},
        "user_properties": {"tier": {"value": "gold"}},
        "user_data": {"sha256_email_address": ["x"]},
        "user_location": {"country_id": "DE", "city": "Berlin"},
        "device": {"category": "mobile"},
        "events": [
            {
                "name": "purchase",
                "params": {
                    "session_id": "1772368000",
                    "engagement_time_msec": 100,
                    "currency": "EUR",
                    "value": 59.5,
                    "items": [{"item_id": "lamp", "price": 59.5}],
                    "page_location": "https://shop.example/done?utm_source=ads&utm_medium=cpc&gclid=G1",
                    "campaign": "spring",
                },
            }
        ],
    }
    event = _read(request)
    params = request["events"][0]["params"]  # type: ignore[index]
    assert event == Event(
        event_id=event.event_id,
        name="purchase",
        occurred_at_us=RECEIVED_US - 60_000_000,
        visitor_id="X.Y",
        session_id="X.Y.1772368000",
        user_id="u1",
        received_at_us=RECEIVED_US,
        channel="cpc",
        device="mobile",
        source="ads",
        campaign="spring",
        properties={
            **params,
            "click_id": "G1",
            "country": "DE",
            "user_properties": {"tier": "gold"},
            "product": "lamp",
            "revenue": 59.5,
        },
    )


def test_an_apps_instance_is_a_visitor_and_an_events_own_time_goes_first() -> None:
    event = _read(
        {
            "app_instance_id": "app",
            "timestamp_micros": RECEIVED_US - 60_000_000,
            "events": [{"name": "view_item", "timestamp_micros": RECEIVED_US - 1_000_000}],
        }
    )
    assert (event.visitor_id, event.name, event.occurred_at_us) == ("app", "view_product", RECEIVED_US - 1_000_000)
    page = {"name": "page_view", "params": {"page_location": "https://shop.example/lamps?x=1", "page_title": "Lamps"}}
    told = _read({"client_id": "c", "events": [page]})
    assert (told.occurred_at_us, told.properties["page"]) == (RECEIVED_US, "/lamps")


def test_a_request_sent_again_has_the_same_ids_and_two_equal_events_have_not() -> None:
    said = {"name": "purchase", "params": {"value": 1}}
    request = {"client_id": "c", "timestamp_micros": RECEIVED_US, "events": [said, said]}
    first, second = _read(request), _read(request, 1)
    assert first.event_id == _read(request).event_id
    assert first.event_id != second.event_id
    assert _read({**request, "client_id": "d"}).event_id != first.event_id
    timeless = {"client_id": "c", "events": [said]}
    assert _read(timeless).event_id != _read(timeless).event_id
    given_id = {"client_id": "c", "events": [{"name": "purchase", "params": {"event_id": "mine"}}]}
    assert _read(given_id).event_id == "mine"


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"client_id": ""}, "events[0].client_id", "VALUE_REQUIRED"),
        ({"client_id": None}, "events[0].client_id", "VALUE_REQUIRED"),
        ({"client_id": ["c"]}, "client_id", "VALUE_INVALID"),
        ({"events": {}}, "events", "VALUE_INVALID"),
        ({"events": [{"params": {}}]}, "events[0].name", "VALUE_INVALID"),
        ({"events": [{"name": ""}]}, "events[0].events.name", "NAME_INVALID"),
        ({"events": [{"name": "n" * 201}]}, "events[0].events.name", "VALUE_OUT_OF_BOUNDS"),
        ({"events": [{"name": "x", "params": []}]}, "events[0].params", "VALUE_INVALID"),
        ({"timestamp_micros": 1}, "events[0].timestamp_micros", "VALUE_OUT_OF_BOUNDS"),
        ({"timestamp_micros": "soon"}, "events[0].timestamp_micros", "VALUE_INVALID"),
        ({"timestamp_micros": RECEIVED_US + 900_000_000}, "events[0].timestamp_micros", "VALUE_OUT_OF_BOUNDS"),
        ({"events": [{"name": "x"}] * 4}, "events", "EXCEEDED_MAX_ENTITIES"),
    ],
)
def test_the_validation_says_what_would_be_refused(change: dict[str, Any], path: str, code: str) -> None:
    assert _wrong({"client_id": "c", "events": [{"name": "x"}], **change}) == [(path, code)]


def test_the_validation_has_nothing_to_say_about_what_would_be_kept() -> None:
    assert _wrong({"client_id": "c", "events": [{"name": "x"}]}) == []
    assert _wrong({"client_id": "c", "events": []}) == []
    assert _wrong(b"{") == [("", "VALUE_INVALID")]


_JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda one: st.lists(one, max_size=3))
_MEMBERS = ("client_id", "user_id", "timestamp_micros", "device", "user_properties", "user_agent")


@given(st.dictionaries(st.sampled_from(_MEMBERS), _JSON), st.dictionaries(st.text(), _JSON), st.text(), _JSON)
def test_any_request_is_kept_or_refused(members: dict[str, Any], params: Any, name: str, at: Any) -> None:
    event = {"name": name, "params": params, "timestamp_micros": at}
    for request in ({**members, "events": [event]}, {"client_id": "c", "events": [{"name": name, "params": params}]}):
        try:
            _read(request)
        except (ClientError, msgspec.ValidationError, msgspec.DecodeError) as error:
            refused: Exception | None = error
        else:
            refused = None
        assert bool(_wrong(request)) == (refused is not None)
