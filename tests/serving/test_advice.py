"""Advice that comes together, and advice about visitors of whom no event is kept."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import text

from features.events import Event
from serving import advice
from serving.decoding import decode
from serving.messages import RecommendRequest
from serving.runtime import Runtime

SECOND = 1_000_000
NOW_US = 1_772_368_200 * SECOND
STEPS = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")


AT = "2026-03-01T12:21:00Z"


def _canonical(visitor: str) -> list[dict[str, Any]]:
    number = int(visitor[1:])
    return [
        {
            "event_id": f"{visitor}-{place}",
            "visitor_id": visitor,
            "name": name,
            "occurred_at": f"2026-03-01T12:20:{10 + place}Z",
            "device": "mobile",
            "properties": {"product": "p1", "basket_value": 40.0, "shipping": 5.0 + number, "field": "card"},
        }
        for place, name in enumerate((*STEPS, *STEPS[4:] * (number % 4)))
    ]


def _eager(runtime: Runtime) -> None:
    """Let every intervention treat everything, and be worth it, so that only caps and cooldowns hold one back."""
    journey = runtime.journey
    willing = {"stages": tuple(stage.name for stage in journey.stages), "treats": journey.frictions}
    worth = {"prior_effect": 1.0, "cost": 0.0, "cost_if_converted": 0.0}
    runtime.scorer = replace(
        runtime.scorer,
        interventions=tuple(replace(one, **willing, **worth) for one in journey.interventions),
        settings=replace(journey.policy, low_risk=0.0, holdout=0.0, exploration=0.0, nudge_within_seconds=0.0),
    )


def _together(client: Any, runtime: Runtime, requests: list[RecommendRequest]) -> None:
    async def together() -> None:
        await asyncio.gather(*(advice.recommend(runtime, request) for request in requests))

    client.run(together())


def _advised_visitor(client: Any) -> str:
    """Return a visitor who has a blocker, and of whom the service has not heard yet."""
    for number in range(60):
        body = {"events": _canonical(f"w{number}"), "at": AT}
        if client.post("/v1/recommend", body).json()["recommendation"]:
            client.request("DELETE", f"/v1/visitors/w{number}")
            return f"w{number}"
    raise AssertionError("nobody is recommended anything")


def _track(client: Any, visitor: str) -> None:
    calls = [
        {
            "type": "track",
            "messageId": event["event_id"],
            "anonymousId": visitor,
            "event": event["name"],
            "timestamp": event["occurred_at"],
            "properties": event["properties"],
            "context": {"device": {"type": "mobile"}},
        }
        for event in _canonical(visitor)
    ]
    assert client.post("/v1/batch", {"batch": calls}).status_code == 200


def test_nothing_is_recommended_twice_to_a_session_that_is_asked_about_many_times_at_once(open_client: Any) -> None:
    client, runtime = open_client()
    _eager(runtime)
    visitor = _advised_visitor(client)
    _track(client, visitor)
    _together(client, runtime, [RecommendRequest(visitor_id=visitor, at=AT)] * 12)
    _nothing_twice(runtime, visitor)


def _nothing_twice(runtime: Runtime, visitor: str) -> None:
    entries = runtime.ledger.visitor_decisions(visitor)
    chosen = Counter(entry.chosen for entry in entries if entry.chosen)
    assert len(entries) == 12
    assert chosen
    assert set(chosen.values()) == {1}
    assert chosen.total() == runtime.journey.policy.session_cap


def test_nothing_is_recommended_twice_to_a_visitor_whose_events_come_with_the_question(open_client: Any) -> None:
    client, runtime = open_client()
    _eager(runtime)
    visitor = _advised_visitor(client)
    body = msgspec.json.encode({"events": _canonical(visitor), "at": AT})
    _together(client, runtime, [decode(body, RecommendRequest)] * 12)
    _nothing_twice(runtime, visitor)
    assert len(runtime.sessions.memory) == 0


def test_a_visitor_is_not_put_aside_while_a_recommendation_is_on_its_way(open_client: Any) -> None:
    client, runtime = open_client()
    _eager(runtime)
    visitor = _advised_visitor(client)
    client, runtime = open_client(memory_events=8)
    _eager(runtime)
    _track(client, visitor)

    async def asked_and_crowded_out() -> None:
        asked = asyncio.gather(
            *(advice.recommend(runtime, RecommendRequest(visitor_id=visitor, at=AT)) for _ in range(6))
        )
        await asyncio.sleep(0)
        other = Event("x", "page_view", NOW_US, "x", "x", received_at_us=NOW_US)
        runtime.sessions.settle([runtime.sessions.place(other)])
        await asyncio.gather(
            asked, *(advice.recommend(runtime, RecommendRequest(visitor_id=visitor, at=AT)) for _ in range(6))
        )

    client.run(asked_and_crowded_out())
    _nothing_twice(runtime, visitor)
    assert len(runtime.sessions.memory) == 1


def test_a_recommendation_that_could_not_be_kept_does_not_count(open_client: Any) -> None:
    client, runtime = open_client()
    _eager(runtime)
    visitor = _advised_visitor(client)
    _track(client, visitor)
    with runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE decisions RENAME TO elsewhere"))
    answer = client.post("/v1/recommend", {"visitor_id": visitor, "at": AT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_unavailable")
    with runtime.engine.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO decisions"))
    for _ in range(12):
        client.post("/v1/recommend", {"visitor_id": visitor, "at": AT})
    _nothing_twice(runtime, visitor)


def test_silence_changes_the_risk_but_not_what_stands_in_the_way(open_client: Any) -> None:
    client, _ = open_client()
    told = []
    for at in ("2026-03-01T12:20:16Z", "2026-03-01T12:29:00Z"):
        answer = client.post("/v1/recommend", {"events": _canonical("w0"), "at": at}).json()
        told.append([(blocker["friction"], blocker["share"]) for blocker in answer["blockers"]])
    assert told[0] == told[1]
    assert told[0]
