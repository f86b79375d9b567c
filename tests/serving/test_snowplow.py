"""Snowplow's tracker protocol as canonical events; the examples follow its documentation."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import Event
from features.names import EventNames, PropertyNames
from serving.errors import ClientError
from serving.segment import Arrival
from serving.snowplow import SnowplowReader, sent_at_us

RECEIVED_US = 1_772_368_200_000_000  # 2026-03-01T12:30:00Z
RECEIVED_MS = RECEIVED_US // 1_000
ARRIVAL = Arrival(RECEIVED_US, RECEIVED_US + 300_000_000)
NAMES = EventNames({"purchase": "", "add_to_cart": ""}, {"transaction": "purchase"})
PROPERTIES = PropertyNames({"": {"product": ("sku", "contexts.product.0.id")}})
READER = SnowplowReader(NAMES, PROPERTIES, 10_000)
PLAIN = {"e": "pv", "duid": "d", "eid": "e1"}


def _read(fields: dict[str, str], agent: str | None = None) -> Event:
    return READER.read(fields, ARRIVAL, sent_at_us([fields]), agent)


def _base64(said: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")


def _described(name: str, data: Any) -> dict[str, Any]:
    return {"schema": f"iglu:com.example/{name}/jsonschema/1-0-0", "data": data}


def _unstruct(name: str, data: Any) -> dict[str, Any]:
    return {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0"} | {
        "data": _described(name, data)
    }


def test_a_page_view_has_its_page_ids_times_and_campaign() -> None:
    fields = {
        "e": "pv",
        "eid": "c6ef3124-b53a-4b13-a233-0088f79dcbcb",
        "duid": "aeb1691c5a0ee5a6",
        "nuid": "a9f0",
        "uid": "u1",
        "sid": "5c33fccf",
        "vid": "2",
        "p": "web",
        "url": "https://shop.example/lamps?utm_source=letter&utm_campaign=spring&gclid=G1",
        "page": "Lamps",
        "refr": "https://www.google.com/",
        "dtm": str(RECEIVED_MS - 90_000),
        "stm": str(RECEIVED_MS - 60_000),
        "tv": "js-3.0.0",
    }
    assert _read(fields, "Mozilla/5.0 (iPhone) Mobile") == Event(
        event_id="c6ef3124-b53a-4b13-a233-0088f79dcbcb",
        name="page_view",
        occurred_at_us=RECEIVED_US - 30_000_000,
        visitor_id="aeb1691c5a0ee5a6",
        session_id="5c33fccf",
        user_id="u1",
        received_at_us=RECEIVED_US,
        channel="cpc",
        device="mobile",
        source="letter",
        campaign="spring",
        properties={
            "page": "/lamps",
            "url": fields["url"],
            "title": "Lamps",
            "referrer": "https://www.google.com/",
            "click_id": "G1",
        },
    )


@pytest.mark.parametrize("packing", ["ue_px", "ue_pr"])
def test_a_self_describing_event_is_called_by_its_schema(packing: str) -> None:
    said = _unstruct("add_to_cart", {"sku": "lamp", "price": 59.5, "nested": {"a": [1]}})
    event = _read({"e": "ue", "duid": "d", packing: _base64(said) if packing == "ue_px" else json.dumps(said)})
    assert event.name == "add_to_cart"
    assert event.properties == {"sku": "lamp", "product": "lamp", "price": 59.5, "nested": {"a": [1]}}
    assert _read({"e": "ue", "duid": "d", "ue_pr": json.dumps(_unstruct("Odd-Name", {}))}).name == "Odd-Name"


def test_a_shops_action_is_called_by_its_type_and_its_entities_are_kept() -> None:
    entities = [_described("product", {"id": "lamp"}), _described("product", {"id": "oven"}), _described("cart", {})]
    fields = {
        "e": "ue",
        "duid": "d",
        "ue_px": _base64(_unstruct("snowplow_ecommerce_action", {"type": "transaction"})),
        "cx": _base64(_described("contexts", entities)),
    }
    event = _read(fields)
    assert (event.name, event.properties["product"]) == ("purchase", "lamp")
    assert event.properties["contexts"] == [
        {"name": "product", "data": {"id": "lamp"}},
        {"name": "product", "data": {"id": "oven"}},
        {"name": "cart", "data": {}},
    ]


def test_structured_events_pings_and_transactions_have_their_fields() -> None:
    structured = {"e": "se", "se_ca": "shop", "se_ac": "Add To Cart", "se_la": "l", "se_pr": "p", "se_va": "2.5"}
    event = _read({**structured, "duid": "d"})
    assert (event.name, dict(event.properties)) == (
        "add_to_cart",
        {"category": "shop", "label": "l", "property": "p", "value": 2.5},
    )
    ping = _read({"e": "pp", "duid": "d", "pp_mix": "0", "pp_may": "750", "url": "https://shop.example/a"})
    assert (ping.name, ping.properties["pp_yoffset_max"], ping.properties["page"]) == ("page_ping", 750, "/a")
    order = _read({"e": "tr", "duid": "d", "tr_id": "o1", "tr_tt": "20", "tr_sh": "4.9"})
    assert (order.name, dict(order.properties)) == (
        "purchase",
        {"transaction_id": "o1", "revenue": 20, "shipping": 4.9},
    )
    item = _read({"e": "ti", "duid": "d", "ti_id": "o1", "ti_sk": "lamp", "ti_pr": "20", "ti_qu": "1"})
    assert (item.name, item.properties["product"], item.properties["quantity"]) == ("transaction_item", "lamp", 1)


def test_the_visitor_is_named_by_the_page_the_app_the_network_or_the_user() -> None:
    client = _base64(_described("contexts", [_described("client_session", {"userId": "app", "sessionId": "s"})]))
    every = {"e": "pv", "duid": "d", "tnuid": "t", "nuid": "n", "uid": "u", "cx": client}
    found = []
    for name in ("duid", "cx", "tnuid", "nuid", "uid"):
        event = _read(every)
        found.append((event.visitor_id, event.session_id))
        del every[name]
    assert found == [("d", "s"), ("app", "s"), ("t", None), ("n", None), ("u", None)]
    with pytest.raises(ClientError) as caught:
        _read(every)
    assert (caught.value.status, caught.value.field) == (422, "duid")


def test_a_sending_time_in_whole_seconds_lies_after_all_that_was_sent() -> None:
    # snowplow-tracker cuts stm to seconds: three events of one second keep their order and distances.
    payloads = [{**PLAIN, "dtm": str(1_000_000_000_100 + 400 * number), "stm": "1000000000000"} for number in range(3)]
    sent_us = sent_at_us(payloads)
    found = [READER.read(fields, ARRIVAL, sent_us, None).occurred_at_us for fields in payloads]
    assert found == [RECEIVED_US - 800_000, RECEIVED_US - 400_000, RECEIVED_US]


def test_a_true_time_is_believed_and_a_time_without_that_of_sending_is_not_corrected() -> None:
    ten_minutes_ago = str(RECEIVED_MS - 600_000)
    assert _read({**PLAIN, "ttm": ten_minutes_ago, "dtm": "1", "stm": "2"}).occurred_at_us == RECEIVED_US - 600_000_000
    assert _read({**PLAIN, "dtm": ten_minutes_ago}).occurred_at_us == RECEIVED_US - 600_000_000
    assert _read(PLAIN).occurred_at_us == RECEIVED_US


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"e": "xx"}, "e"),
        ({"e": ""}, "e"),
        ({"e": "se"}, "se_ac"),
        ({"e": "se", "se_ac": "x", "se_va": "many"}, "se_va"),
        ({"e": "se", "se_ac": "x", "se_va": "1e999"}, "se_va"),
        ({"e": "ue"}, "ue_px"),
        ({"e": "ue", "ue_px": "a"}, "ue_px"),
        ({"e": "ue", "ue_px": _base64([1])}, "ue_px"),
        ({"e": "ue", "ue_px": _base64({"data": {"schema": "add_to_cart", "data": {}}})}, "ue_px"),
        ({"e": "ue", "ue_pr": "{"}, "ue_pr"),
        ({"cx": _base64({"data": [{"schema": 1}]})}, "cx"),
        ({"co": _base64({})}, "co"),
        ({"dtm": "soon"}, "dtm"),
        ({"dtm": str(RECEIVED_MS), "stm": "late"}, "stm"),
        ({"ttm": str(RECEIVED_MS + 600_000)}, "ttm"),
        ({"dtm": "1"}, "dtm"),
        ({"duid": "d" * 300}, "duid"),
        ({"sid": "a\nb"}, "sid"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_field(fields: dict[str, str], field: str) -> None:
    with pytest.raises(ClientError) as caught:
        _read({**PLAIN, **fields})
    assert (caught.value.status, caught.value.field) == (422, field)


def test_deep_nul_and_huge_payloads_are_refused_with_a_status_that_trackers_give_up_at() -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    for fields in (
        {"e": "ue", "ue_px": _base64(_unstruct("x", {"a": deep}))},
        {"e": "ue", "ue_px": _base64(_unstruct("x", {"a": "\x00"}))},
        {"page": "\x00"},
        {"page": "x" * 20_000},
    ):
        with pytest.raises(ClientError) as caught:
            _read({**PLAIN, **fields})
        assert caught.value.status == 422


_FIELDS = st.sampled_from(
    ["e", "duid", "uid", "sid", "dtm", "stm", "ttm", "ue_px", "ue_pr", "cx", "co", "url", "se_ac"]
)
_KINDS = st.sampled_from(["pv", "pp", "se", "ue", "tr", "ti"])


@given(st.dictionaries(_FIELDS, st.text(max_size=60), max_size=8), _KINDS, st.binary(max_size=80))
def test_any_text_is_kept_or_refused(fields: dict[str, str], kind: str, packed: bytes) -> None:
    packing = {"ue_px": base64.urlsafe_b64encode(packed).decode()}
    for one in (fields, {**fields, "e": kind}, {**fields, "duid": "d", "e": "ue", **packing}):
        try:
            event = _read(one)
        except ClientError as error:
            refused = error.status
        else:
            refused = 422 * (len(event.visitor_id) > 240)
        assert refused in (0, 422)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_payload_or_none(raw: bytes) -> None:
    try:
        fields = READER.fields_of(raw)
    except ClientError as error:
        fields = {"refused": str(error.status)}
    assert all(isinstance(value, str) for value in fields.values())
