"""One person on several devices, several persons on one: what the service answers, and on which side chance has it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.messages import ScoreRequest
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from serving.subject import find_subject
from serving.times import show_time
from storage.holdout import count_holdout

SECOND = 1_000_000
DAY = 86_400 * SECOND
TROUBLES = ("view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")

Served = tuple[Any, Runtime, Any]


@pytest.fixture
def served(
    tmp_path: Path, shop: Journey, shop_model: RiskModel, clock: Any, client_of: Callable[[Starlette], Any]
) -> Iterator[Served]:
    """A service that recommends, whatever the risk, everything to half of all."""
    keen = replace(shop, policy=replace(shop.policy, low_risk=0.0, holdout=0.5, exploration=0.0, annoyance=0.0))
    willing = {"stages": tuple(stage.name for stage in shop.stages), "treats": shop.frictions}
    worth = {"prior_effect": 1.0, "cost": 0.0, "cost_if_converted": 0.0}
    keen = replace(keen, interventions=tuple(replace(one, **willing, **worth) for one in shop.interventions))
    runtime = open_runtime(Configuration(home=tmp_path), keen, shop_model, clock)
    app = create_app()
    attach(app, runtime)
    yield client_of(app), runtime, clock
    runtime.close()


def visit(served: Served, visitor: str, user: str | None = None, *events: str) -> str:
    """Send a visit's events, the last of which names the user, and return the session."""
    client, _, clock = served
    names = events or ("page_view", "view_product")
    for number, name in enumerate(names):
        clock.advance(5)
        call: dict[str, Any] = {
            "messageId": f"{visitor}-{clock.now_us}",
            "anonymousId": visitor,
            "event": name,
            "timestamp": show_time(clock.now_us),
            "properties": {"product": "p1", "basket_value": 40.0, "shipping": 9.0},
        }
        if user is not None and number == len(names) - 1:
            call["userId"] = user
        assert client.post("/v1/track", call).status_code == 200
    return str(client.post("/v1/score", {"visitor_id": visitor}).json()["session_id"])


def history_of(served: Served, session_id: str) -> float:
    """Return how many sessions the row of a session says the person had before."""
    client, runtime, _ = served
    return len(client.run(find_subject(runtime, ScoreRequest(session_id=session_id))).earlier)


def test_a_login_brings_the_sessions_of_the_other_device_and_changes_no_past_score(served: Served) -> None:
    client, _, clock = served
    visit(served, "laptop", "ann")
    clock.advance(7_200)
    session = visit(served, "phone")
    assert history_of(served, session) == 0
    before, at = client.post("/v1/score", {"session_id": session}).json(), show_time(clock.now_us)
    clock.advance(10)
    assert visit(served, "phone", "ann", "view_product") == session
    assert history_of(served, session) == 1
    past = client.post("/v1/score", {"session_id": session, "at": at}).json()
    assert (past["risk"], past["events_seen"]) == (before["risk"], before["events_seen"])
    story = client.get(f"/v1/sessions/{session}").json()
    assert (story["other_visitors"], story["user_id"]) == (["laptop"], "ann")


def test_a_second_user_of_a_tablet_does_not_see_what_the_first_one_did(served: Served) -> None:
    client, _, clock = served
    sessions = []
    for user in ("ann", "bob", "ann", None):
        clock.advance(7_200)
        sessions.append(visit(served, "tablet", user))
    assert [history_of(served, session) for session in sessions] == [0, 0, 1, 2]
    assert client.get(f"/v1/sessions/{sessions[1]}").json()["other_visitors"] == []


def test_asking_by_user_finds_the_latest_session_on_any_device(served: Served) -> None:
    client, _, clock = served
    visit(served, "laptop", "ann")
    clock.advance(7_200)
    visit(served, "phone", "ann")
    clock.advance(7_200)
    anonymous = visit(served, "laptop")
    assert client.post("/v1/score", {"user_id": "ann"}).json()["session_id"] == anonymous
    assert client.post("/v1/score", {"user_id": "nobody"}).status_code == 404


def test_what_was_recommended_on_one_device_counts_on_the_other(served: Served) -> None:
    client, runtime, clock = served
    # Some visitor whom chance lets see something; the person takes this side on all devices.
    for number in range(16):
        visitor = f"laptop{number}"
        first = visit(served, visitor, f"user{number}", *TROUBLES)
        told = client.post("/v1/recommend", {"session_id": first, "consent": True}).json()
        if told["recommendation"]:
            break
    chosen = told["recommendation"]["intervention"]
    clock.advance(60)
    session = visit(served, "phone", f"user{number}", *TROUBLES)
    again = client.post("/v1/recommend", {"session_id": session, "consent": True}).json()
    assert not again["holdout"]
    entry = runtime.ledger.session_decisions(session)[0]
    assert entry.excluded[chosen] == "shown too recently"


def test_a_visitor_that_was_linked_before_takes_the_persons_side(served: Served) -> None:
    client, _, _ = served
    for number in range(12):
        sides = []
        for device in ("laptop", "phone", "tv"):
            session = visit(served, f"{device}{number}", f"user{number}", *TROUBLES)
            sides.append(client.post("/v1/recommend", {"session_id": session}).json()["holdout"])
        assert len(set(sides)) == 1


def test_devices_on_both_sides_before_they_are_linked_keep_them_and_are_counted(served: Served) -> None:
    client, runtime, _ = served
    sides: dict[bool, str] = {}
    for number in range(16):
        session = visit(served, f"v{number}", None, *TROUBLES)
        sides.setdefault(client.post("/v1/recommend", {"session_id": session}).json()["holdout"], f"v{number}")
    for visitor in (sides[True], sides[False]):
        visit(served, visitor, "ann")
    for side, visitor in sides.items():
        session = visit(served, visitor, None, *TROUBLES)
        assert client.post("/v1/recommend", {"session_id": session}).json()["holdout"] == side
    assert b"dropoff_identity_crossovers_total 1.0" in runtime.show_metrics()
    counts = count_holdout(runtime.engine, runtime.journey.name)
    assert counts is not None
    assert counts.crossovers == 1


def test_refusals_are_counted_by_reason(served: Served) -> None:
    _, runtime, _ = served
    visit(served, "a", "null")
    visit(served, "a", "ann")
    shown = runtime.show_metrics().decode()
    assert 'dropoff_identity_links_total{kind="refusal",reason="placeholder"} 1.0' in shown
    assert 'dropoff_identity_links_total{kind="link",reason=""} 1.0' in shown


def test_erasing_a_visitor_takes_its_links_and_its_side(served: Served) -> None:
    client, _, clock = served
    session = visit(served, "laptop", "ann")
    client.post("/v1/recommend", {"session_id": session})
    clock.advance(7_200)
    phone = visit(served, "phone", "ann")
    receipt = client.request("DELETE", "/v1/visitors/laptop").json()
    assert (receipt["identity_links"], receipt["assignments"]) == (1, 1)
    assert history_of(served, phone) == 0
    assert client.get(f"/v1/sessions/{phone}").json()["other_visitors"] == []


def test_processes_that_share_a_database_know_each_others_links_and_sides(
    tmp_path: Path, shop: Journey, shop_model: RiskModel, clock: Any, client_of: Callable[[Starlette], Any]
) -> None:
    keen = replace(shop, policy=replace(shop.policy, holdout=0.5))
    both: list[Served] = []
    for _ in range(2):
        runtime = open_runtime(Configuration(home=tmp_path, shared=True), keen, shop_model, clock)
        app = create_app()
        attach(app, runtime)
        both.append((client_of(app), runtime, clock))
    one, other = both
    session = visit(one, "laptop", "ann")
    side = one[0].post("/v1/recommend", {"session_id": session}).json()["holdout"]
    clock.advance(7_200)
    phone = visit(other, "phone", "ann")
    assert history_of(one, phone) == history_of(other, phone) == 1
    assert other[0].post("/v1/recommend", {"session_id": phone}).json()["holdout"] == side
    assert one[0].post("/v1/recommend", {"session_id": phone}).json()["holdout"] == side
    assert one[0].post("/v1/score", {"user_id": "ann"}).json()["session_id"] == phone
    for client, runtime, _ in both:
        client.run(runtime.sessions.close())
        runtime.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["ann", "bob", None]), st.booleans(), st.booleans()), max_size=12
    )
)
def test_a_visitors_side_never_changes(served: Served, steps: list[tuple[int, str | None, bool, bool]]) -> None:
    client, runtime, clock = served
    clock.advance(40 * 86_400)
    world, sides = clock.now_us, {}
    for number, user, asks, forgets in steps:
        visitor = f"{world}-{number}"
        session = visit(served, visitor, user and f"{world}-{user}", "view_product")
        if forgets:
            runtime.identity.forget()
            client.run(runtime.sessions.forget(visitor))
        if asks:
            held_out = client.post("/v1/recommend", {"session_id": session}).json()["holdout"]
            assert sides.setdefault(visitor, held_out) == held_out
