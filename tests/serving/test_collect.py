"""Snowplow's and Google's requests over HTTP: what is kept, and answers that their clients know what to do with."""

import base64
import gzip
import json
from typing import Any

import pytest

SECOND = 1_000_000
NOW_US = 1_772_368_200 * SECOND  # where the clock of the fixtures stands
SNOWPLOW = "/com.snowplowanalytics.snowplow/tp2"
SCHEMA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
Client = OpenClient = Any  # as the fixtures of this folder make them


def _payload(event_id: str, **fields: str) -> dict[str, str]:
    return {"e": "pv", "eid": event_id, "duid": "v", "url": "https://shop.example/", "p": "web", **fields}


def _data(*payloads: Any) -> dict[str, Any]:
    return {"schema": SCHEMA, "data": list(payloads)}


def _events(runtime: Any, visitor_id: str = "v") -> list[tuple[str, str]]:
    return [(one.event_id, one.name) for one in runtime.log.visitor_events(visitor_id)]


def test_payloads_are_kept_and_the_bad_ones_counted(open_client: OpenClient) -> None:
    client, runtime = open_client()
    packed = base64.urlsafe_b64encode(b'{"data": "someone@example.org"}').decode()
    bad = [_payload("e3", e="zz", ue_px=packed), _payload("e4", dtm="soon"), [], {"e": {}}]
    answer = client.post(SNOWPLOW, _data(_payload("e1"), _payload("e2", e="pp"), *bad, _payload("e1")))
    said = answer.json()
    assert (answer.status_code, said["accepted"], said["duplicates"], said["quarantined"]) == (200, 2, 1, 4)
    assert _events(runtime) == [("e1", "page_view"), ("e2", "page_ping")]
    with runtime.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT visitor_id, payload FROM quarantine").all()
    assert [one.visitor_id for one in kept].count("v") == 2
    assert not any("ue_px" in one.payload for one in kept)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 422),
        (json.dumps(_data({"e": "pv"})).encode(), {}, 422),
        (json.dumps(_data(*[_payload(str(number)) for number in range(11)])).encode(), {}, 422),
        (b"x" * 100_001, {}, 422),
        (gzip.compress(bytes(1_000_000), mtime=0), {"content-encoding": "gzip"}, 422),
        (b"{}", {"content-encoding": "br"}, 422),
        (b"{}", {"content-encoding": "gzip"}, 400),
    ],
)
def test_a_tracker_is_never_told_what_it_would_try_again_for_ever(
    open_client: OpenClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    client, _ = open_client(max_body_bytes=100_000, max_batch_events=10)
    answer = client.request("POST", SNOWPLOW, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith(".")


def test_a_pixel_is_an_image_and_an_event_and_only_asking_about_it_is_none(open_client: OpenClient) -> None:
    client, runtime = open_client()
    agent = {"user-agent": "Mozilla/5.0 (iPhone) Mobile"}
    answer = client.request("GET", "/i", params=_payload("e1", key="secret"), headers=agent)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.content[:6] == b"GIF89a"
    assert answer.content[6:10] == b"\x01\x00\x01\x00"
    assert "no-store" in answer.headers["cache-control"]
    assert client.request("HEAD", "/i", params=_payload("e2")).status_code == 200
    (event,) = runtime.log.visitor_events("v")
    assert (event.event_id, event.device, event.properties["page"]) == ("e1", "mobile", "/")
    refused = client.request("GET", "/i", params={"e": "pv"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, None)
    assert "duid" in refused.json()["error"]["message"]


def test_segments_pixel_is_a_call_in_an_address(open_client: OpenClient) -> None:
    client, runtime = open_client()
    call = json.dumps({"messageId": "e1", "anonymousId": "v", "event": "email_open", "properties": {"x": "??>"}})
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        data = encode(call.encode()).decode().rstrip("=")
        answer = client.request("GET", "/v1/pixel/track", params={"data": data})
        assert (answer.status_code, answer.content[:6]) == (200, b"GIF89a")
    assert _events(runtime) == [("e1", "email_open")]
    client.request("HEAD", "/v1/pixel/page", params={"data": base64.b64encode(call.encode()).decode()})
    assert len(_events(runtime)) == 1
    assert client.get("/v1/pixel/delete").status_code == 404
    for data in ("", "a", "aGVsbG8="):
        assert client.request("GET", "/v1/pixel/track", params={"data": data}).status_code in (400, 422)


def _measured(**more: Any) -> dict[str, Any]:
    return {"client_id": "v", "events": [{"name": "page_view"}, {"name": "view_item"}], **more}


def test_what_google_would_be_sent_is_kept_and_answered_with_nothing(open_client: OpenClient) -> None:
    client, runtime = open_client()
    request = _measured(timestamp_micros=NOW_US - SECOND)
    for _ in range(2):
        answer = client.post("/mp/collect?measurement_id=G-1&api_secret=x", request)
        assert (answer.status_code, answer.content) == (204, b"")
    assert sorted(name for _, name in _events(runtime)) == ["page_view", "view_product"]


def test_google_would_not_say_what_is_wrong_but_this_service_does(open_client: OpenClient) -> None:
    client, runtime = open_client(max_batch_events=3)
    assert client.post("/mp/collect", b"{").status_code == 400
    nobody = client.post("/mp/collect", _measured(client_id=None))
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (422, "no_usable_event")
    assert client.post("/mp/collect", _measured(events=[{"name": "x"}] * 4)).status_code == 413
    mixed = client.post("/mp/collect", _measured(events=[{"name": "search"}, {"name": ""}]))
    assert mixed.status_code == 204
    assert [name for _, name in _events(runtime)] == ["search"]


def test_the_validation_keeps_nothing(open_client: OpenClient) -> None:
    client, runtime = open_client()
    assert client.post("/debug/mp/collect", _measured()).json() == {"validationMessages": []}
    answer = client.post("/debug/mp/collect", _measured(client_id=None)).json()["validationMessages"]
    assert [set(one) for one in answer] == [{"fieldPath", "description", "validationCode"}] * 2
    assert _events(runtime) == []


def test_names_that_the_journey_does_not_know_are_kept_and_counted(open_client: OpenClient) -> None:
    client, runtime = open_client()
    client.post("/mp/collect", _measured(events=[{"name": "odd_thing"}, {"name": "view_item"}, {"name": "page_view"}]))
    client.post("/v1/identify", {"anonymousId": "v", "userId": "u"})
    assert "odd_thing" in {name for _, name in _events(runtime)}
    assert "dropoff_unknown_events_total 1.0" in client.get("/metrics").text


def test_clients_are_told_when_to_try_again(open_client: OpenClient) -> None:
    client, runtime = open_client()
    runtime.writer.close()
    for address, body in ((SNOWPLOW, _data(_payload("e"))), ("/mp/collect", _measured())):
        answer = client.post(address, body)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_browsers_sdks_learn_where_to_send_and_that_there_is_nobody_else(client: Client) -> None:
    settings = client.get("/v1/projects/KEY/settings").json()
    assert list(settings["integrations"]) == ["Segment.io"]
    segment = settings["integrations"]["Segment.io"]
    assert (segment["apiKey"], segment["apiHost"], segment["protocol"]) == ("KEY", "127.0.0.1/v1", "http")
    assert (settings["metrics"]["sampleRate"], settings["remotePlugins"]) == (0, [])
    source = client.get("/sourceConfig/?writeKey=KEY").json()["source"]
    assert (source["writeKey"], source["enabled"], source["destinations"]) == ("KEY", True, [])
    assert not any(one["enabled"] for one in source["config"]["statsCollection"].values())
