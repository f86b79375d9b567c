"""The routes: what the design promises, over HTTP, with a real model."""

import asyncio
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from decisions.risk import RiskModel
from features.events import Event
from journeys.journey import Journey
from serving.app import attach, create_app
from serving.openapi import OPERATIONS
from serving.times import show_time
from serving.tracking import track_batch
from storage.audit import names_visitor
from storage.history import account
from storage.record_store import load_records

SECOND = 1_000_000
NOW_US = 1_772_368_200 * SECOND  # where the clock of the fixtures stands
VERSION = "7"
Client = Clock = OpenClient = Any  # as the fixtures of this folder make them
STEPS = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")


def _call(event: str, event_id: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": event_id,
        "anonymousId": "v",
        "event": event,
        "timestamp": show_time(NOW_US + round(seconds * SECOND) - 600 * SECOND),
        "properties": {"product": "p1", "basket_value": 40.0, "shipping": 9.0},
        "context": {"device": {"type": "mobile"}},
        **more,
    }


def _walk(client: Client, **more: Any) -> str:
    """Send a troubled session and return its id."""
    calls = [_call(event, f"e{number}", 10 * number, **more) for number, event in enumerate(STEPS)]
    answer = client.post("/v1/batch", {"batch": calls})
    assert answer.status_code == 200, answer.text
    return str(client.post("/v1/score", {"visitor_id": more.get("anonymousId", "v")}).json()["session_id"])


def _canonical(number: int, event: str, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "visitor_id": "v",
        "name": event,
        "occurred_at": show_time(NOW_US + (10 * number - 600) * SECOND),
        "device": "mobile",
        "properties": {"product": "p1", "basket_value": 40.0, "shipping": 9.0},
        **more,
    }


def test_a_tracked_event_is_answered_with_its_session(client: Client) -> None:
    answer = client.post("/v1/track", _call("page_view", "e1"))
    assert answer.status_code == 200
    assert answer.json() == {"session_id": f"v~{NOW_US - 600 * SECOND}", "success": True}
    assert client.post("/v1/track", _call("page_view", "e1")).json() == answer.json()


@pytest.mark.parametrize(
    ("long", "short", "body"),
    [
        ("/v1/track", "/v1/t", {"event": "page_view"}),
        ("/v1/page", "/v1/p", {"name": "Home"}),
        ("/v1/screen", "/v1/s", {"name": "Home"}),
        ("/v1/identify", "/v1/i", {"userId": "u", "traits": {"plan": "pro"}}),
        ("/v1/alias", "/v1/a", {"previousId": "v", "userId": "u"}),
        ("/v1/group", "/v1/g", {"groupId": "g"}),
    ],
)
def test_every_call_of_segment_has_a_long_and_a_short_address(
    client: Client, long: str, short: str, body: dict[str, Any]
) -> None:
    for address in (long, short):
        answer = client.post(address, {"anonymousId": "v", **body})
        assert answer.status_code == 200
        assert answer.json()["success"] is True


def test_a_score_has_every_field_and_is_the_models(client: Client, shop: Journey, shop_model: RiskModel) -> None:
    session_id = _walk(client)
    answer = client.post("/v1/score", {"session_id": session_id}).json()
    assert set(answer) == {
        "session_id",
        "journey",
        "stage",
        "risk",
        "leaving_soon",
        "leaving_soon_within",
        "events_seen",
        "model_version",
        "scored_at",
    }
    assert (answer["session_id"], answer["journey"], answer["stage"]) == (session_id, "ecommerce", "checkout")
    assert (answer["events_seen"], answer["model_version"]) == (len(STEPS), VERSION)
    assert answer["scored_at"] == show_time(NOW_US)
    assert 0 < answer["risk"] < 1
    assert 0 < answer["leaving_soon"] < 1
    assert answer["leaving_soon_within"] == "1m"


def test_the_same_session_is_found_by_session_visitor_user_and_by_its_events(client: Client) -> None:
    session_id = _walk(client, userId="u")
    at = show_time(NOW_US)
    asked = [
        {"session_id": session_id, "at": at},
        {"visitor_id": "v", "at": at},
        {"user_id": "u", "at": at},
        {"events": [_canonical(number, event, user_id="u") for number, event in enumerate(STEPS)], "at": at},
    ]
    answers = [client.post("/v1/score", body) for body in asked]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert all(answer.json() == answers[0].json() for answer in answers)


def test_events_are_scored_at_the_last_one_and_forgotten(client: Client) -> None:
    events = [_canonical(number, event) for number, event in enumerate(STEPS)]
    answer = client.post("/v1/score", {"events": events}).json()
    assert answer["scored_at"] == events[-1]["occurred_at"]
    assert answer["session_id"] == f"v~{NOW_US - 600 * SECOND}"
    assert client.post("/v1/score", {"visitor_id": "v"}).status_code == 404
    text = [event | {"properties": json.dumps(event["properties"])} for event in events]
    assert client.post("/v1/score", {"events": text}).json() == answer


def test_a_moment_in_the_past_sees_only_what_had_happened(client: Client) -> None:
    session_id = _walk(client)
    then = show_time(NOW_US - 600 * SECOND + 10 * SECOND)
    assert client.post("/v1/score", {"session_id": session_id, "at": then}).json()["events_seen"] == 2
    before = client.post("/v1/score", {"session_id": session_id, "at": show_time(NOW_US - 601 * SECOND)})
    assert (before.status_code, before.json()["error"]["field"]) == (422, "at")


def test_silence_changes_the_moment_that_is_scored(client: Client, clock: Clock) -> None:
    session_id = _walk(client)
    clock.advance(60)
    assert client.post("/v1/score", {"session_id": session_id}).json()["scored_at"] == show_time(NOW_US + 60 * SECOND)


def _advised(client: Client, count: int = 40) -> list[dict[str, Any]]:
    answers = []
    for number in range(count):
        visitor = f"w{number}"
        calls = [
            _call(event, f"{visitor}-{step}", 10 * step, anonymousId=visitor)
            for step, event in enumerate((*STEPS, *STEPS[4:] * (number % 3)))
        ]
        client.post("/v1/batch", {"batch": calls})
        answers.append(client.post("/v1/recommend", {"visitor_id": visitor}).json())
    return answers


def test_advice_has_every_field_and_is_in_the_ledger_before_it_is_answered(open_client: OpenClient) -> None:
    client, runtime = open_client()
    answers = _advised(client)
    assert any(answer["recommendation"] for answer in answers)
    for answer in answers:
        assert set(answer) == {
            "session_id",
            "journey",
            "stage",
            "risk",
            "leaving_soon",
            "leaving_soon_within",
            "events_seen",
            "model_version",
            "scored_at",
            "decision_id",
            "blockers",
            "narrative",
            "recommendation",
            "reason",
            "holdout",
            "propensity",
            "experiment",
        }
        (entry,) = runtime.ledger.session_decisions(answer["session_id"])
        chosen = answer["recommendation"]["intervention"] if answer["recommendation"] else None
        assert (entry.decision_id, entry.chosen) == (answer["decision_id"], chosen)
        assert (entry.risk, entry.reason, entry.propensity) == (answer["risk"], answer["reason"], answer["propensity"])
        assert entry.blockers == answer["blockers"]
        assert sum(entry.propensities.values()) == pytest.approx(1, abs=1e-12)
        assert entry.propensities[chosen or "nothing"] == answer["propensity"]
        assert sum(blocker["share"] for blocker in answer["blockers"]) == pytest.approx(1 if answer["blockers"] else 0)


def test_a_cap_counts_what_was_recommended_before_even_after_a_restart(open_client: OpenClient) -> None:
    client, runtime = open_client()
    answers = [answer for answer in _advised(client, 20) if answer["recommendation"]]
    asked = answers[0]
    for _ in range(runtime.journey.policy.session_cap + 1):
        client.post("/v1/recommend", {"session_id": asked["session_id"]})
    client, runtime = open_client()
    client.post("/v1/recommend", {"session_id": asked["session_id"]})
    entries = runtime.ledger.session_decisions(asked["session_id"])
    chosen = [entry.chosen for entry in entries if entry.chosen]
    assert len(chosen) <= runtime.journey.policy.session_cap
    caps = {intervention.name: intervention.cap for intervention in runtime.journey.interventions}
    assert all(chosen.count(name) <= caps[name] for name in chosen)


def test_requests_that_come_together_respect_the_cap_together(open_client: OpenClient) -> None:
    client, runtime = open_client()
    asked = next(answer for answer in _advised(client, 20) if answer["recommendation"])
    client.post_together("/v1/recommend", [{"session_id": asked["session_id"]}] * 8)
    entries = runtime.ledger.session_decisions(asked["session_id"])
    assert len(entries) == 9
    assert sum(entry.chosen is not None for entry in entries) <= runtime.journey.policy.session_cap


def test_nobody_is_offered_anything_after_the_order(client: Client) -> None:
    asked = next(answer for answer in _advised(client, 20) if answer["recommendation"])
    visitor = asked["session_id"].partition("~")[0]
    client.post("/v1/track", _call("purchase", "goal", 500, anonymousId=visitor))
    client.post("/v1/track", _call("payment_failed", "later", 510, anonymousId=visitor))
    answer = client.post("/v1/recommend", {"session_id": asked["session_id"]}).json()
    assert (answer["reason"], answer["recommendation"], answer["blockers"]) == ("ended", None, [])
    assert answer["propensity"] == 1
    then = client.post("/v1/recommend", {"session_id": asked["session_id"], "at": show_time(NOW_US - 110 * SECOND)})
    assert then.json()["reason"] != "ended"


def test_outcomes_are_kept_and_a_goal_reports_itself(open_client: OpenClient) -> None:
    client, runtime = open_client()
    session_id = _walk(client)
    decision_id = client.post("/v1/recommend", {"session_id": session_id}).json()["decision_id"]
    shown = client.post("/v1/outcome", {"decision_id": decision_id, "outcome": "shown"})
    assert (shown.status_code, shown.json()) == (200, {"success": True})
    client.post("/v1/track", _call("purchase", "goal", 601, properties={"revenue": 49.0}))
    outcomes = {outcome.outcome: outcome.value for outcome in runtime.ledger.session_outcomes(session_id)}
    assert outcomes == {"shown": None, "converted": 49.0}
    unknown = client.post("/v1/outcome", {"decision_id": "nobody's", "outcome": "shown"})
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "decision_id")
    wrong = client.post("/v1/outcome", {"decision_id": decision_id, "outcome": "eaten"})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "outcome")


def test_a_sessions_story_has_events_risks_and_decisions(client: Client) -> None:
    session_id = _walk(client)
    last = show_time(NOW_US - 600 * SECOND + 10 * (len(STEPS) - 1) * SECOND)
    decision = client.post("/v1/recommend", {"session_id": session_id, "at": last}).json()
    client.post("/v1/outcome", {"decision_id": decision["decision_id"], "outcome": "clicked"})
    story = client.get(f"/v1/sessions/{session_id}").json()
    assert [event["name"] for event in story["events"]] == list(STEPS)
    assert story["events"][-1]["risk"] == decision["risk"]
    assert [event["stage"] for event in story["events"]][:4] == ["browse", "product", "cart", "checkout"]
    (told,) = story["decisions"]
    assert (told["decision_id"], told["outcomes"]) == (decision["decision_id"], ["clicked"])
    for event in story["events"]:
        asked = {"session_id": session_id, "at": event["occurred_at"]}
        assert client.post("/v1/score", asked).json()["risk"] == event["risk"]
    assert client.get("/v1/sessions/unknown").status_code == 404


def test_erasing_a_visitor_leaves_nothing_and_says_how_much_it_was(open_client: OpenClient) -> None:
    client, runtime = open_client()
    session_id = _walk(client)
    client.post(
        "/v1/batch", {"batch": [_call("page_view", "w", anonymousId="w"), {"type": "track", "anonymousId": "v"}]}
    )
    decision_id = client.post("/v1/recommend", {"session_id": session_id}).json()["decision_id"]
    client.post("/v1/outcome", {"decision_id": decision_id, "outcome": "shown"})
    receipt = client.request("DELETE", "/v1/visitors/v").json()
    counts = {"events": len(STEPS), "sessions": 1, "decisions": 1, "outcomes": 1, "quarantined": 1}
    counts |= {"identity_links": 0, "assignments": 1}
    counts |= {"session_ends": 0, "follow_ups": 0, "rewards": 0, "exposures": 0, "touchpoints": 0, "clicks": 0}
    assert receipt == {"visitor_id": "v", "erased_at": show_time(NOW_US), "visitors": 1, "models": [], **counts}
    assert client.post("/v1/score", {"session_id": session_id}).status_code == 404
    assert client.post("/v1/score", {"visitor_id": "w"}).status_code == 200
    assert runtime.ledger.visitor_decisions("v") == []
    again = client.request("DELETE", "/v1/visitors/v").json()
    nothing = dict.fromkeys(counts, 0)
    assert again == {"visitor_id": "v", "erased_at": show_time(NOW_US), "visitors": 0, "models": [], **nothing}


def test_an_erasure_is_audited_once_and_without_the_id_of_whom(open_client: OpenClient) -> None:
    client, runtime = open_client()
    client.post("/v1/track", _call("page_view", "e1", anonymousId="someone@example.org"))
    for _ in range(2):
        assert client.request("DELETE", "/v1/visitors/someone@example.org").status_code == 200
    (entry,) = load_records(runtime.engine, runtime.journey.name).audit
    assert (entry.action, entry.at_us, entry.actor) == ("erase visitor", NOW_US, account())
    assert entry.before == {"sessions": 1, "events": 1} | dict.fromkeys(
        (
            "quarantined",
            "outcomes",
            "decisions",
            "identity_links",
            "assignments",
            "session_ends",
            "follow_ups",
            "rewards",
            "exposures",
            "touchpoints",
            "clicks",
        ),
        0,
    )
    assert "someone" not in repr(entry)
    assert names_visitor(entry.subject, runtime.privacy.visitor_id("someone@example.org"))


def test_a_bad_event_in_a_batch_is_counted_and_the_others_are_used(open_client: OpenClient) -> None:
    client, runtime = open_client()
    batch = [
        _call("page_view", "e1"),
        {"type": "track", "event": "page_view"},
        "no object",
        _call("page_view", "e2", timestamp="1970-01-01T00:00:00Z"),
        _call("page_view", "e3", properties={"text": "x" * 100_000}),
        _call("view_product", "e4", 5),
        _call("view_product", "e4", 5),
    ]
    answer = client.post("/v1/batch", {"batch": batch})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["success"], body["accepted"], body["duplicates"], body["quarantined"]) == (True, 2, 1, 4)
    assert "The event needs an anonymousId or a userId." in body["reasons"]
    assert [event.event_id for event in runtime.log.visitor_events("v")] == ["e1", "e4"]
    assert client.post("/v1/batch", {"batch": batch}).json()["duplicates"] == 3
    nothing = client.post("/v1/batch", {"batch": batch[1:3]})
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (422, "no_usable_event")


def test_a_batch_in_any_order_is_one_session_named_after_its_first_event(client: Client) -> None:
    calls = [_call("page_view", f"e{seconds}", seconds) for seconds in (500, 0, 250)]
    client.post("/v1/batch", {"batch": calls})
    answer = client.post("/v1/score", {"visitor_id": "v"}).json()
    assert (answer["session_id"], answer["events_seen"]) == (f"v~{NOW_US - 600 * SECOND}", 3)


def test_a_long_batch_lets_others_have_their_turn(open_client: OpenClient) -> None:
    client, runtime = open_client()
    calls = [_call("page_view", f"e{number}", anonymousId=f"w{number}") for number in range(400)]
    seen: set[int] = set()

    async def send_and_watch() -> None:
        sending = asyncio.ensure_future(track_batch(runtime, json.dumps({"batch": calls}).encode()))
        while not sending.done():
            seen.add(runtime.sessions.memory.event_count)
            await asyncio.sleep(0)
        assert (await sending).accepted == 400

    client.run(send_and_watch())
    assert any(0 < count < 400 for count in seen)


def test_a_session_whose_first_event_is_on_its_way_is_not_known_yet(open_client: OpenClient) -> None:
    client, runtime = open_client()
    event = Event("e", "page_view", NOW_US, "v", "s", received_at_us=NOW_US)
    placed = runtime.sessions.place(event)
    assert client.get("/v1/sessions/s").status_code == 404
    runtime.writer.submit(lambda connection: runtime.log.append(connection, [placed.event])).result(5)
    runtime.sessions.settle([placed])
    assert len(client.get("/v1/sessions/s").json()["events"]) == 1


def test_an_event_id_counts_once_whatever_session_it_names(open_client: OpenClient) -> None:
    client, runtime = open_client()
    client.post("/v1/track", _call("page_view", "e1", context={"sessionId": "s1"}))
    client.post("/v1/track", _call("view_product", "e1", context={"sessionId": "s2"}))
    assert client.post("/v1/score", {"session_id": "s1"}).json()["events_seen"] == 1
    assert client.post("/v1/score", {"session_id": "s2"}).status_code == 404
    assert runtime.sessions.memory.event_count == 1


def test_requests_that_come_together_lose_and_double_nothing(open_client: OpenClient) -> None:
    client, runtime = open_client()
    calls = [_call("page_view", f"e{number % 50}", number % 50) for number in range(150)]
    answers = client.post_together("/v1/track", calls)
    assert {answer.status_code for answer in answers} == {200}
    assert client.post("/v1/score", {"visitor_id": "v"}).json()["events_seen"] == 50
    assert len(runtime.log.visitor_events("v")) == 50


def test_one_event_id_sent_for_many_visitors_at_once_is_kept_for_one_of_them(open_client: OpenClient) -> None:
    client, runtime = open_client()
    visitors = [f"w{number}" for number in range(12)]
    calls = [_call("page_view", f"e{number}", anonymousId=visitor) for number in range(5) for visitor in visitors]
    assert {answer.status_code for answer in client.post_together("/v1/track", calls)} == {200}
    kept = {visitor: runtime.log.visitor_events(visitor) for visitor in visitors}
    assert sorted(event.event_id for events in kept.values() for event in events) == [f"e{n}" for n in range(5)]
    for visitor, events in kept.items():
        answer = client.post("/v1/score", {"visitor_id": visitor})
        assert answer.json().get("events_seen", 0) == len(events)
    assert runtime.sessions.memory.event_count == 5


def test_a_restart_answers_the_same(open_client: OpenClient) -> None:
    client, _ = open_client()
    session_id = _walk(client)
    before = client.post("/v1/score", {"session_id": session_id}).json()
    client, _ = open_client()
    assert client.post("/v1/score", {"session_id": session_id}).json() == before


def test_what_does_not_fit_in_memory_answers_the_same(open_client: OpenClient) -> None:
    client, _ = open_client()
    visitors = [f"w{number}" for number in range(12)]
    sessions = []
    for visitor in visitors:
        calls = [_call(event, f"{visitor}{number}", number, anonymousId=visitor) for number, event in enumerate(STEPS)]
        client.post("/v1/batch", {"batch": calls})
        sessions.append(client.post("/v1/score", {"visitor_id": visitor}).json())
    client, runtime = open_client(memory_events=2 * len(STEPS))
    assert [client.post("/v1/score", {"visitor_id": visitor}).json() for visitor in visitors] == sessions
    assert runtime.sessions.memory.event_count <= 2 * len(STEPS)


def test_a_visitor_with_too_many_events_is_refused_further_ones(open_client: OpenClient) -> None:
    client, _ = open_client(max_visitor_events=3)
    for number in range(3):
        assert client.post("/v1/track", _call("page_view", f"e{number}", number)).status_code == 200
    full = client.post("/v1/track", _call("page_view", "e9", 9))
    assert (full.status_code, full.json()["error"]["code"]) == (422, "visitor_too_long")
    batch = [_call("page_view", "f1", 9), _call("page_view", "f2", 9, anonymousId="w")]
    assert client.post("/v1/batch", {"batch": batch}).json()["quarantined"] == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        (b"not json", 400, None),
        (b'{"session_id": "s"', 400, None),
        (b"\xff", 400, None),
        (b"[]", 422, None),
        (b"null", 422, None),
        (b"{}", 422, None),
        (b'{"session_id": 3}', 422, "session_id"),
        (b'{"session_id": null}', 422, "session_id"),
        (b'{"sesion_id": "s"}', 422, "sesion_id"),
        (b'{"session_id": "s", "visitor_id": "v"}', 422, "visitor_id"),
        (b'{"session_id": "s", "at": "soon"}', 404, "session_id"),
        (b'{"session_id": "s"}', 404, "session_id"),
        (b'{"visitor_id": "nobody"}', 404, "visitor_id"),
        (b'{"user_id": "nobody"}', 404, "user_id"),
        (b'{"events": []}', 422, "events"),
        (b'{"events": [{}]}', 422, "events[0].event_id"),
        (
            b'{"events": [{"event_id": "e", "visitor_id": "v", "name": "x", "occurred_at": "now"}]}',
            422,
            "events[0].occurred_at",
        ),
        (
            b'{"events": [{"event_id": "e", "visitor_id": "v", "name": "x", "occurred_at": "1970-01-01"}]}',
            422,
            "events[0].occurred_at",
        ),
        (
            b'{"events": [{"event_id": "e", "visitor_id": "v", "name": "", "occurred_at": "2026-01-01"}]}',
            422,
            "events[0].name",
        ),
        (
            b'{"events": [{"event_id": "e", "visitor_id": "v", "name": "x", "occurred_at": "2026-01-01", '
            b'"properties": "{"}]}',
            422,
            "events[0].properties",
        ),
        (
            b'{"events": [{"event_id": "e", "visitor_id": "v", "name": "x", "occurred_at": "2026-01-01"}, '
            b'{"event_id": "f", "visitor_id": "w", "name": "x", "occurred_at": "2026-01-01"}]}',
            422,
            "events[1].visitor_id",
        ),
    ],
)
@pytest.mark.parametrize("address", ["/v1/score", "/v1/recommend"])
def test_a_mistake_in_a_question_is_named(
    client: Client, address: str, body: bytes, status: int, field: str | None
) -> None:
    answer = client.post(address, body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "field"}
    assert error["field"] == field
    assert error["message"].endswith(".")


def test_an_event_of_ten_megabytes_is_refused(client: Client) -> None:
    huge = _call("page_view", "e1", properties={"text": "x" * 10_000_000})
    for body in (huge, {"batch": [huge]}):
        answer = client.post("/v1/track" if body is huge else "/v1/batch", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    large = _call("page_view", "e1", properties={"text": "x" * 100_000})
    answer = client.post("/v1/track", large)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "event_too_large")


def test_a_body_that_does_not_say_its_length_is_bounded_too(open_client: OpenClient) -> None:
    client, _ = open_client(max_body_bytes=1_000)

    async def parts() -> Any:
        for _ in range(10):
            yield b"x" * 500

    answer = client.request("POST", "/v1/track", content=parts())
    assert answer.status_code == 413


def test_unknown_addresses_and_wrong_methods_have_the_error_shape(client: Client) -> None:
    for method in ("GET", "POST", "OPTIONS", "TRACE", "BREW"):
        unknown = client.request(method, "/v1/nowhere")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "no_such_address")
    for method in ("GET", "OPTIONS", "TRACE", "BREW"):
        wrong = client.request(method, "/v1/score")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "wrong_method")
        assert wrong.headers["allow"] == "POST"
    assert client.request("HEAD", "/v1/score").status_code == 405
    assert client.request("PUT", "/").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_packed_body_is_unpacked_and_another_encoding_refused(client: Client, encoding: str, pack: Any) -> None:
    body = pack(json.dumps(_call("page_view", "e1")).encode())
    answer = client.request("POST", "/v1/track", content=body, headers={"content-encoding": encoding})
    assert answer.json() == client.post("/v1/track", _call("page_view", "e1")).json()
    other = client.request("POST", "/v1/track", content=body, headers={"content-encoding": "br"})
    assert (other.status_code, other.json()["error"]["code"]) == (415, "encoded_body")


def test_a_client_that_leaves_in_the_middle_of_a_body_is_no_failure_of_the_service(open_client: OpenClient) -> None:
    client, runtime = open_client()
    app = create_app()
    attach(app, runtime)
    arriving = iter(
        [{"type": "http.request", "body": b'{"event"', "more_body": True}, {"type": "http.disconnect"}],
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return next(arriving)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/track", "headers": [], "query_string": b"", "app": app}
    client.run(app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert runtime.sessions.memory.event_count == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.sampled_from(["2026-03-01T12:20:00Z", "9999-12-31", "0001-01-01T00:00:00+14:00", "1970-01-01", "soon", ""])
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"event_id": JSON | st.text(), "visitor_id": JSON | st.just("v"), "name": JSON | st.just("page_view")},
        optional={"occurred_at": JSON | TIMES, "session_id": JSON, "properties": JSON, "user_id": JSON, "device": JSON},
    ),
    max_size=2,
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        **{name: JSON | st.just("v") for name in ("session_id", "visitor_id", "user_id", "decision_id")},
        "at": JSON | TIMES,
        "events": JSON | EVENTS,
        "consent": JSON,
        "outcome": JSON | st.just("shown"),
        "value": JSON,
        "type": JSON | st.just("track"),
        "event": JSON | st.just("page_view"),
        "batch": st.lists(JSON, max_size=3),
        **{name: JSON | st.just("v") for name in ("anonymousId", "userId", "previousId", "messageId", "name")},
        **dict.fromkeys(("timestamp", "sentAt", "originalTimestamp"), JSON | TIMES),
        **dict.fromkeys(("properties", "traits", "context", "channel", "category"), JSON),
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["score", "recommend", "track", "page", "identify", "alias", "group", "batch", "outcome"]), BODIES
)
def test_whatever_is_sent_is_answered_or_refused_in_the_error_shape(client: Client, address: str, body: Any) -> None:
    for sent in [body, {"batch": [body]}] if address == "batch" else [body]:
        answer = client.post(f"/v1/{address}", sent)
        assert answer.status_code in (200, 400, 404, 413, 422), answer.text
        if answer.status_code == 200:
            assert "error" not in answer.json()
        else:
            error = answer.json()["error"]
            assert set(error) == {"code", "message", "field"}
            assert error["code"]
            assert error["message"].endswith(".")


def test_a_moment_in_the_future_is_refused(client: Client) -> None:
    session_id = _walk(client)
    soon, far = show_time(NOW_US + 300 * SECOND), show_time(NOW_US + 300 * SECOND + 1)
    for subject in ({"session_id": session_id}, {"events": [_canonical(0, "page_view")]}):
        for address in ("/v1/score", "/v1/recommend"):
            assert client.post(address, {**subject, "at": soon}).status_code == 200
            answer = client.post(address, {**subject, "at": far})
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "time_in_future")
            assert answer.json()["error"]["field"] == "at"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"session_id": "s\x00"}, "session_id"),
        ({"session_id": "s" * 513}, "session_id"),
        ({"user_id": "u\x00"}, "user_id"),
        ({"visitor_id": "v" * 513}, "visitor_id"),
        ({"name": "n" * 201}, "name"),
        ({"received_at": "later"}, "received_at"),
    ],
)
def test_an_event_that_no_log_would_keep_is_not_scored_either(
    client: Client, changed: dict[str, Any], field: str
) -> None:
    answer = client.post("/v1/score", {"events": [_canonical(0, "page_view", **changed)]})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, f"events[0].{field}")


def test_a_story_holds_no_decision_about_somebody_else(client: Client) -> None:
    session_id = _walk(client)
    client.post("/v1/recommend", {"events": [_canonical(0, "page_view", visitor_id="w", session_id=session_id)]})
    assert client.get(f"/v1/sessions/{session_id}").json()["decisions"] == []


def test_what_was_erased_stands_in_no_file_while_the_service_runs(open_client: OpenClient, tmp_path: Path) -> None:
    client, _ = open_client()
    client.post("/v1/track", _call("page_view", "e1", properties={"page": "/of-somebody"}))
    assert any(b"/of-somebody" in path.read_bytes() for path in tmp_path.glob("dropoff.db*"))
    client.request("DELETE", "/v1/visitors/v")
    assert not any(b"/of-somebody" in path.read_bytes() for path in tmp_path.glob("dropoff.db*"))
    assert client.post("/v1/track", _call("page_view", "e2")).status_code == 200


def test_erasing_nobody_is_a_mistake(client: Client) -> None:
    answer = client.request("DELETE", "/v1/visitors/")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "visitor_id")


def test_a_database_that_fails_keeps_nothing_and_memory_does_not_pretend(open_client: OpenClient) -> None:
    client, runtime = open_client()
    assert client.post("/v1/track", _call("page_view", "e0")).status_code == 200
    _rename(runtime, "events", "elsewhere")
    batch = {"batch": [_call("view_product", "e1", 1), _call("page_view", "f1", anonymousId="w")]}
    for address, body in (("/v1/track", _call("view_product", "e2", 2)), ("/v1/batch", batch)):
        answer = client.post(address, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    _rename(runtime, "elsewhere", "events")
    assert client.post("/v1/score", {"visitor_id": "v"}).json()["events_seen"] == 1
    assert client.post("/v1/batch", batch).json()["accepted"] == 2
    assert client.post("/v1/score", {"visitor_id": "v"}).json()["events_seen"] == 2


def _rename(runtime: Any, table: str, name: str) -> None:
    with runtime.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_the_page_the_probes_and_the_metrics_answer(client: Client, clock: Clock) -> None:
    _walk(client)
    client.post("/v1/recommend", {"visitor_id": "v"})
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "The figures are being made" in page.text
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    metrics = client.get("/metrics").text
    assert 'dropoff_requests_total{route="/v1/recommend",status="200"} 1.0' in metrics
    assert 'dropoff_events_total{kind="new"} 7.0' in metrics
    assert "dropoff_sessions_open 1.0" in metrics
    assert 'dropoff_model{journey="ecommerce",version="7"} 1.0' in metrics
    assert 'dropoff_model_seconds_count{step="replay"} 2.0' in metrics
    assert "dropoff_decisions_total{" in metrics


def test_the_description_is_valid_and_every_answer_is_as_described(client: Client) -> None:
    description = client.get("/docs.json").json()
    assert description["openapi"] == "3.1.0"
    for name, schema in description["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"], name
    assert {one.path for one in OPERATIONS} == set(description["paths"])
    session_id = _walk(client)
    decision = client.post("/v1/recommend", {"session_id": session_id})
    outcome = {"decision_id": decision.json()["decision_id"], "outcome": "shown"}
    answers = {
        ("post", "/v1/track"): client.post("/v1/track", _call("page_view", "new")),
        ("post", "/v1/batch"): client.post("/v1/batch", {"batch": []}),
        ("post", "/v1/score"): client.post("/v1/score", {"session_id": session_id}),
        ("post", "/v1/recommend"): decision,
        ("post", "/v1/outcome"): client.post("/v1/outcome", outcome),
        ("get", "/v1/sessions/{session_id}"): client.get(f"/v1/sessions/{session_id}"),
        ("delete", "/v1/visitors/{visitor_id}"): client.request("DELETE", "/v1/visitors/v"),
    }
    for (method, path), answer in answers.items():
        _check(description, path, method, answer.status_code, answer.json())
        assert answer.status_code == 200
    for path in ("/v1/track", "/v1/batch", "/v1/score", "/v1/recommend", "/v1/outcome"):
        for body in (b"{", b"[]"):
            mistake = client.post(path, body)
            assert mistake.status_code in (400, 422)
            _check(description, path, "post", mistake.status_code, mistake.json())


def _check(description: dict[str, Any], path: str, method: str, status: int, body: Any) -> None:
    described = description["paths"][path][method]["responses"][str(status)]["content"]["application/json"]["schema"]
    strict = json.loads(json.dumps(description["components"]["schemas"]))
    for schema in strict.values():
        if "properties" in schema:
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])
    jsonschema.Draft202012Validator(described | {"components": {"schemas": strict}}).validate(body)


def test_a_service_without_a_model_is_alive_but_not_ready(client_of: Any) -> None:
    client = client_of(create_app())
    assert client.get("/livez").status_code == 200
    for answer in (client.get("/readyz"), client.get("/"), client.post("/v1/score", {"visitor_id": "v"})):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
