"""What the service keeps of people, and what it never does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.events import Event
from features.personal import hashed_id
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.privacy import Privacy, privacy_of

KEY = b"k" * 32
OpenClient = Callable[..., Any]


def _event(**columns: Any) -> Event:
    return Event(**({"event_id": "e", "name": "page_view", "occurred_at_us": 1, "visitor_id": "v"} | columns))


def _kept(rules: Privacy, event: Event) -> Event:
    kept = rules.admit(event)
    assert kept is not None
    return kept


def _track(name: str, event_id: str, **members: Any) -> dict[str, Any]:
    return {"messageId": event_id, "anonymousId": "v", "event": name, **members}


def test_only_declared_and_configured_properties_are_kept(tmp_path: Path, shop: Journey) -> None:
    rules = privacy_of(Configuration(home=tmp_path, keep_properties="colour, size"), shop)
    declared = next(iter(shop.properties))
    said = {declared: 1, "colour": "red", "size": 3, "email": "a@example.org", "card_number": "4111"}
    assert _kept(rules, _event(properties=said)).properties == {declared: 1, "colour": "red", "size": 3}


def test_a_star_keeps_all_properties_but_no_address_in_them(tmp_path: Path, shop: Journey) -> None:
    rules = privacy_of(Configuration(home=tmp_path, keep_properties="*"), shop)
    kept = _kept(rules, _event(properties={"note": "from anna@example.org", "deep": [{"ip": "192.0.2.1"}]}))
    assert kept.properties == {"note": "from [e-mail]", "deep": [{"ip": "[ip address]"}]}


def test_an_e_mail_address_as_an_id_becomes_a_keyed_hash_in_every_place() -> None:
    rules = Privacy(frozenset({"previous_id"}), KEY)
    mail = "anna@example.org"
    kept = _kept(rules, _event(visitor_id=mail, user_id=mail, session_id=mail, properties={"previous_id": mail}))
    hashed = hashed_id(KEY, mail)
    assert (kept.visitor_id, kept.user_id, kept.session_id, kept.properties["previous_id"]) == (hashed,) * 4


def test_user_ids_are_hashed_where_the_settings_say_so_and_visitors_not() -> None:
    kept = _kept(Privacy(None, KEY, hash_user_ids=True), _event(user_id="u-17"))
    assert (kept.visitor_id, kept.user_id) == ("v", hashed_id(KEY, "u-17"))


def test_a_user_who_is_all_that_names_the_visitor_stays_the_same_as_the_visitor() -> None:
    kept = _kept(Privacy(None, KEY, hash_user_ids=True), _event(visitor_id="u-17", user_id="u-17"))
    assert kept.visitor_id == kept.user_id == hashed_id(KEY, "u-17")


@pytest.mark.parametrize(
    ("said", "required", "admitted"),
    [(None, False, True), (True, False, True), (False, False, False), (None, True, False), (True, True, True)],
)
def test_a_refusal_always_counts_and_silence_only_where_consent_is_required(
    said: bool | None, required: bool, admitted: bool
) -> None:
    rules = Privacy(frozenset(), KEY, consent_required=required)
    properties = {} if said is None else {"consent": said}
    assert (rules.admit(_event(properties=properties)) is not None) == admitted


@given(st.dictionaries(st.text(max_size=5), st.recursive(st.text() | st.integers(), st.lists, max_leaves=5)))
def test_keeping_what_is_kept_changes_nothing(properties: dict[str, Any]) -> None:
    rules = Privacy(None, KEY, hash_user_ids=True)
    properties.pop("consent", None)
    once = _kept(rules, _event(user_id="u", properties=properties))
    assert rules.admit(once) == once


def test_a_refused_payload_is_kept_without_people() -> None:
    rules = Privacy(frozenset({"price"}), KEY, hash_user_ids=True)
    said = (
        '{"type":"track","userId":"u-1","context":{"ip":"192.0.2.1"},"traits":{"email":"a@example.org"},'
        '"properties":{"price":3,"name":"Anna"}}'
    )
    assert rules.quarantined(said) == (
        '{"type":"track","userId":"' + hashed_id(KEY, "u-1") + '","properties":{"price":3}}'
    )
    assert rules.quarantined("no JSON of Anna Smith") == "[21 characters that are no JSON]"
    assert rules.quarantined('["Anna Smith"]') == "[JSON, but no object: 14 characters]"


def test_members_that_no_protocol_knows_are_kept_of_no_refused_payload() -> None:
    rules = Privacy(frozenset(), KEY)
    said = '{"type":"bogus","anonymousId":"a-1","phone":"030 901820","name":{"first":"Anna"},"timestamp":"?"}'
    assert rules.quarantined(said) == '{"type":"bogus","anonymousId":"a-1","timestamp":"?"}'


def test_an_earlier_user_id_is_hashed_as_the_user_was_and_an_earlier_visitor_stays() -> None:
    rules = Privacy(None, KEY, hash_user_ids=True)
    user = _kept(rules, _event(name="alias", user_id="new", properties={"previous_id": "old"}))
    assert user.properties["previous_id"] == rules.user_id("old") == hashed_id(KEY, "old")
    visitor = _kept(rules, _event(name="alias", user_id="new", properties={"previous_id": "v"}))
    assert (visitor.visitor_id, visitor.properties["previous_id"]) == ("v", "v")


def test_two_hashed_users_joined_by_an_alias_are_one_person(open_client: OpenClient) -> None:
    client, runtime = open_client(hash_user_ids=True)
    client.post("/v1/track", _track("page_view", "e1", anonymousId="laptop", userId="user-old"))
    client.post("/v1/track", _track("page_view", "e2", anonymousId="phone", userId="user-new"))
    client.post("/v1/alias", {"messageId": "e3", "previousId": "user-old", "userId": "user-new"})
    found = client.request("DELETE", "/v1/visitors/user-new?person=true").json()
    assert (found["events"], runtime.log.visitor_events("laptop")) == (3, [])


@pytest.mark.parametrize("store", [False, True])
def test_no_hashed_user_id_reaches_a_file(open_client: OpenClient, tmp_path: Path, store: bool) -> None:
    client, _ = open_client(hash_user_ids=True, keep_properties="*" if store else "")
    hidden = "account-4711"
    good = {"type": "track", "anonymousId": "v", "event": "view_product"}
    calls = [
        good,
        {"type": "track", "userId": hidden, "event": "view_product"},
        {"type": "alias", "previousId": hidden, "userId": "u-2"},
        {"type": "alias", "previousId": hidden},
        {"type": "alias", "anonymousId": "v", "previousId": hidden, "userId": "u-2"},
        # These cannot be used.
        {"type": "track", "userId": hidden},
        {"type": "track", "userId": hidden, "anonymousId": hidden},
        {"type": "track", "previousId": hidden},
        {"type": "track", "anonymousId": "v", "previousId": hidden, "userId": hidden},
    ]
    assert client.post("/v1/batch", {"batch": calls}).json()["quarantined"] == 4
    events = [{"name": "view_item", "params": {"session_id": 1772368000}}, {"name": ""}]
    assert client.post("/mp/collect", {"user_id": hidden, "events": events}).status_code == 204
    snowplow = [{"e": "pv", "uid": hidden, "url": "https://shop.example/"}, {"e": "bogus", "uid": hidden}]
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    told = client.post("/com.snowplowanalytics.snowplow/tp2", {"schema": schema, "data": snowplow})
    assert told.json()["quarantined"] == 1
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"view_product" in content for content in written)
    assert not any(hidden.encode() in content for content in written)


def test_a_visitor_is_asked_about_and_erased_by_the_address_that_was_sent(open_client: OpenClient) -> None:
    client, runtime = open_client(hash_user_ids=True)
    mail = "anna@example.org"
    client.post("/v1/track", _track("page_view", "e1", anonymousId=mail, userId="u-17"))
    assert client.post("/v1/score", {"visitor_id": mail}).status_code == 200
    assert client.post("/v1/score", {"user_id": "u-17"}).status_code == 200
    (stored,) = runtime.log.visitor_events(runtime.privacy.visitor_id(mail))
    assert "anna" not in repr(stored)
    assert "u-17" not in repr(stored)
    receipt = client.request("DELETE", f"/v1/visitors/{mail}").json()
    assert (receipt["visitor_id"], receipt["events"]) == (mail, 1)


def test_an_event_without_consent_is_answered_and_not_kept(open_client: OpenClient) -> None:
    client, runtime = open_client()
    refused = _track("page_view", "e1", properties={"consent": False})
    assert client.post("/v1/track", refused).json() == {"session_id": None, "success": True}
    told = client.post("/v1/batch", {"batch": [{"type": "track", **refused}, {"type": "track", **_track("a", "e2")}]})
    assert told.json()["withheld"] == 1
    assert [event.event_id for event in runtime.log.visitor_events("v")] == ["e2"]


def test_what_a_visitor_said_to_analytics_counts_as_consent(open_client: OpenClient) -> None:
    client, runtime = open_client(consent_required=True)
    for number, said in enumerate((True, False, None)):
        preferences = {} if said is None else {"Analytics": said, "Advertising": False}
        client.post("/v1/track", _track("a", f"e{number}", context={"consent": {"categoryPreferences": preferences}}))
    assert [event.event_id for event in runtime.log.visitor_events("v")] == ["e0"]


def test_no_address_of_an_e_mail_reaches_a_file(open_client: OpenClient, tmp_path: Path) -> None:
    client, _ = open_client(keep_properties="*")
    hidden = "anna.secret@example.org"
    everywhere = {
        "properties": {"note": hidden, hidden: 1, "page": f"https://x.example/?mail={hidden}"},
        "context": {"campaign": {"source": hidden, "name": hidden}, "channel": hidden, "sessionId": hidden},
        "userId": hidden,
    }
    client.post("/v1/track", _track(f"Welcome {hidden}", "e1", **everywhere))
    client.post("/v1/identify", {"messageId": "e2", "userId": hidden, "traits": {"email": hidden}})
    client.post(
        "/v1/batch", {"batch": [{"type": "track", "userId": hidden, "event": ""}, {"type": hidden}, {"a": hidden}]}
    )
    client.post("/v1/alias", {"messageId": "e3", "userId": "u", "previousId": hidden})
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"anna.secret" not in path.read_bytes(), path


def test_what_cannot_be_used_is_not_kept_without_consent_either(open_client: OpenClient) -> None:
    client, _ = open_client()
    good = {"type": "track", **_track("a", "e1")}
    refusals = [
        {"properties": {"consent": False}},
        {"context": {"consent": {"categoryPreferences": {"Analytics": False}}}},
    ]
    bad = [{"type": "track", "anonymousId": "v", "event": "", **said} for said in ({}, *refusals)]
    assert client.post("/v1/batch", {"batch": [good, *bad]}).json()["quarantined"] == 3
    assert client.request("DELETE", "/v1/visitors/v").json()["quarantined"] == 1


def test_what_is_refused_for_its_bytes_goes_with_its_visitor(open_client: OpenClient) -> None:
    client, _ = open_client()
    good = b'{"type":"track","anonymousId":"other","event":"a"}'
    broken = b'{"type":"track","anonymousId":"v","event":"a","properties":{"product":"\xff"}}'
    assert client.post("/v1/batch", b'{"batch":[' + good + b"," + broken + b"]}").json()["quarantined"] == 1
    assert client.request("DELETE", "/v1/visitors/v").json()["quarantined"] == 1


def test_a_hashed_user_who_is_all_that_names_the_visitor_is_erased_as_one(open_client: OpenClient) -> None:
    client, _ = open_client(hash_user_ids=True)
    client.post("/v1/track", {"messageId": "e1", "userId": "u-17", "event": "page_view"})
    assert client.request("DELETE", "/v1/visitors/u-17").json()["events"] == 1
