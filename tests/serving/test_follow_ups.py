"""Who has left and agreed to it is followed up: decided like everything else, signed, and delivered with one key."""

import hashlib
import hmac
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "insights"))

from collector import collecting
from receiver import Receiver, receiving

from decisions.arbiter import ON_ITS_WAY, TOO_SOON
from decisions.assignment import assignment_id, in_holdout
from decisions.budget import Budget, Pace
from decisions.priced import BUDGET_USED_UP
from journeys.journey import Journey
from serving.advice import ledger_entry
from serving.app import attach, create_app
from serving.budget import open_till
from serving.closing import Closing, examine
from serving.configuration import Configuration
from serving.deliver import Result, deliver_once
from serving.duty import Duty
from serving.errors import StartError
from serving.follow_ups import AddressError, backoff_seconds, check_follow_ups, propose, read_addresses
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from serving.sweep import sweep_once
from serving.trace_context import parse_traceparent
from storage.follow_ups import FollowUpState
from storage.pace_store import PaceStore
from storage.session_ends import OpenSession, SettledPositions

Client = Clock = Any  # as the fixtures of this folder make them
SECRET = "s3cret"  # noqa: S105
TIMEOUT = 1_800
SECOND = 1_000_000


class Shop:
    """A service whose journey has a reminder by e-mail for every blocker, and a receiver of its messages."""

    def __init__(self, client: Client, runtime: Runtime, clock: Clock) -> None:
        self.client, self.runtime, self.clock = client, runtime, clock
        self._settled = SettledPositions(runtime.engine)

    def walk(self, visitor: str, *, user: str | None = "u-17", consent: Any = True, at_end: str = "") -> str:
        """Put something into a basket and run into trouble, then be silent or do something else; return the session."""
        said = {} if consent is None else {"email_consent": consent}
        steps = [("add_to_cart", said), *[("payment_failed", {}), ("form_error", {})] * 4]
        if at_end:
            steps.append((at_end, {}))
        for number, (name, properties) in enumerate(steps):
            self.clock.advance(5)
            call = {"anonymousId": visitor, "event": name, "properties": properties, "messageId": f"{visitor}-{number}"}
            answer = self.client.post("/v1/track", call | ({"userId": user} if user else {}))
            assert answer.status_code == 200
        session_id: str = answer.json()["session_id"]
        return session_id

    def sweep(self) -> None:
        duty = Duty(self.runtime, "sweep:ecommerce")
        assert self.client.run(duty.take())
        self.client.run(sweep_once(duty, self._settled))
        self.client.run(duty.release())

    def deliver(self) -> list[Result]:
        duty = Duty(self.runtime, "follow-ups:ecommerce")
        assert self.client.run(duty.take())
        found: list[Result] = self.client.run(deliver_once(duty))
        self.client.run(duty.release())
        return found

    def leave(self, visitor: str, **more: Any) -> str:
        session = self.walk(visitor, **more)
        self.clock.advance(TIMEOUT)
        self.sweep()
        return session


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def journey(shop: Journey) -> Journey:
    # The small model's blockers are what they are: here a reminder is right for any, and worth it.
    every = tuple(friction for friction in shop.frictions if friction.addressable)
    offers = tuple(
        replace(one, treats=every, prior_effect=0.9, prior_deviation=0.1) if one.name == "basket_reminder" else one
        for one in shop.interventions
    )
    return replace(shop, interventions=offers, policy=replace(shop.policy, exploration=0.0, holdout=0.0))


@pytest.fixture
def open_shop(
    journey: Journey, shop_model: Any, tmp_path: Path, clock: Clock, client_of: Any, receiver: Receiver
) -> Iterator[Any]:
    opened: list[Runtime] = []

    def opening(declared: Journey = journey, **settings: Any) -> Shop:
        while opened:
            opened.pop().close()
        known = {"follow_up_url": receiver.url, "follow_up_secret": SECRET, "follow_up_pause_seconds": 8.0}
        runtime = open_runtime(Configuration(home=tmp_path, **known | settings), declared, shop_model, clock)
        opened.append(runtime)
        app = create_app()
        attach(app, runtime)
        return Shop(client_of(app), runtime, clock)

    yield opening
    while opened:
        opened.pop().close()


def test_a_known_user_who_agreed_is_written_to_once_with_what_stood_in_the_way(
    open_shop: Any, receiver: Receiver
) -> None:
    shop = open_shop()
    session = shop.leave("v")
    assert shop.deliver() == [Result.DELIVERED]
    shop.sweep()
    assert shop.deliver() == []
    [(headers, body)] = receiver.got
    told = json.loads(body)
    (decision,) = shop.runtime.ledger.session_decisions(session)
    assert told == {
        "id": headers["Idempotency-Key"],
        "decision_id": decision.decision_id,
        "journey": "ecommerce",
        "session_id": session,
        "user_id": "u-17",
        "stage": decision.stage,
        "blocker": decision.blockers[0]["friction"],
        "narrative": decision.narrative,
        "recommendation": {
            "intervention": "basket_reminder",
            "title": "Your basket is waiting",
            "message": "We kept your basket. Prices are unchanged for the next 24 hours.",
            "channel": "email",
        },
    }
    timestamp = headers["X-Dropoff-Timestamp"]
    signed = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Dropoff-Signature"] == f"sha256={signed}"
    assert int(timestamp) == shop.clock.now_us // SECOND
    # The decision is one like all others: with its propensities, at the moment at which the silence was over.
    assert (decision.chosen, decision.reason, decision.propensity) == ("basket_reminder", "best_value", 1.0)
    assert set(decision.propensities) == {"nothing", "basket_reminder"}
    [end] = shop.runtime.ends.all_ends()
    assert decision.at_us == end.last_at_us + TIMEOUT * SECOND
    story = shop.client.get(f"/v1/sessions/{session}").json()
    assert story["end"]["follow_ups"] == [
        {"id": told["id"], "decision_id": decision.decision_id, "channel": "email", "state": "delivered", "attempts": 1}
    ]
    # What was sent is with its receiver now, and no longer here.
    assert [one.body for one in shop.runtime.follow_ups.of_session(session)] == [""]


def test_whoever_takes_a_message_learns_which_trace_it_belongs_to(open_shop: Any, receiver: Receiver) -> None:
    with collecting() as collector:
        shop = open_shop(traces_url=collector.url, traces_sample=1.0)
        shop.leave("v")
        assert shop.deliver() == [Result.DELIVERED]
        [(headers, body)] = receiver.got
        context = parse_traceparent(headers["Traceparent"].encode())
        assert context is not None
        assert context.sampled
        found = {one.name: one for one in collector.wait_for(f"{context.trace_id:032x}")}
        sent, errand = found["POST"], found["follow-up"]
    assert (sent.span_id, sent.parent_id, errand.parent_id) == (f"{context.span_id:016x}", errand.span_id, "")
    assert sent.attributes["server.address"] == "127.0.0.1"
    assert errand.attributes["dropoff.decision_id"] == json.loads(body)["decision_id"]
    assert "v" not in {str(value) for one in found.values() for value in one.attributes.values()}


@pytest.mark.parametrize(
    ("visit", "reason"),
    [
        ({"consent": False}, "not_eligible"),
        ({"consent": None}, "not_eligible"),
        ({"user": None}, None),
        ({"at_end": "purchase"}, None),
    ],
)
def test_nobody_is_written_to_without_consent_a_user_or_an_exit(
    open_shop: Any, visit: dict[str, Any], reason: str | None
) -> None:
    shop = open_shop()
    session = shop.leave("v", **visit)
    assert shop.deliver() == []
    assert len(shop.runtime.ends.all_ends()) == 1
    decisions = shop.runtime.ledger.session_decisions(session)
    assert [one.reason for one in decisions] == ([] if reason is None else [reason])
    if decisions:
        assert decisions[0].excluded["basket_reminder"] == "needs a consent that was not given"


def test_who_is_held_out_is_not_written_to_and_counts_in_the_comparison(open_shop: Any, journey: Journey) -> None:
    shop = open_shop(replace(journey, policy=replace(journey.policy, holdout=0.5)))
    held_out = next(
        name for name in map(str, range(100)) if in_holdout("ecommerce", assignment_id("ecommerce", name), 0.5)
    )
    session = shop.leave(held_out)
    assert shop.deliver() == []
    (decision,) = shop.runtime.ledger.session_decisions(session)
    assert (decision.reason, decision.holdout, decision.eligible) == ("holdout", True, ["basket_reminder"])


def test_an_answer_that_was_taken_back_counts_even_when_the_message_is_written(open_shop: Any) -> None:
    shop = open_shop()
    shop.leave("v")
    call = {"anonymousId": "v", "event": "page_view", "properties": {"email_consent": 0}}
    assert shop.client.post("/v1/track", call).status_code == 200
    assert shop.deliver() == [Result.DROPPED]
    assert [one.said for one in shop.runtime.follow_ups.unfinished()] == ["the consent was taken back"]


def test_an_order_that_comes_before_the_message_is_sent_makes_it_unwanted(open_shop: Any, receiver: Receiver) -> None:
    shop = open_shop()
    receiver.statuses = [503]
    shop.leave("v")
    assert shop.deliver() == [Result.FAILED]
    shop.clock.advance(60)
    assert shop.client.post("/v1/track", {"anonymousId": "v", "event": "purchase"}).status_code == 200
    assert shop.deliver() == [Result.DROPPED]
    assert len(receiver.got) == 1


def test_who_has_come_back_in_another_session_is_not_written_to_about_the_last_one(open_shop: Any) -> None:
    shop = open_shop()
    first = shop.walk("v")
    shop.clock.advance(TIMEOUT + 1)
    second = shop.client.post("/v1/track", {"anonymousId": "v", "event": "page_view"}).json()["session_id"]
    assert second != first
    shop.sweep()
    assert {end.session_id for end in shop.runtime.ends.all_ends()} == {first}
    assert shop.deliver() == []


def test_ends_of_long_ago_are_kept_and_nobody_is_written_to_about_them(open_shop: Any) -> None:
    shop = open_shop(follow_up_within_seconds=3_600.0)
    shop.walk("v")
    shop.clock.advance(TIMEOUT + 3_601)
    shop.sweep()
    assert len(shop.runtime.ends.all_ends()) == 1
    assert shop.deliver() == []


def test_a_receiver_in_trouble_gets_the_same_key_ever_later_until_it_takes_it(
    open_shop: Any, receiver: Receiver
) -> None:
    shop = open_shop()
    receiver.statuses = [503, 500, 429]
    shop.leave("v")
    waited = []
    for expected in [Result.FAILED] * 3 + [Result.DELIVERED]:
        assert shop.deliver() == [expected]
        [one] = shop.runtime.follow_ups.of_session(shop.runtime.ends.all_ends()[0].session_id)
        if expected is Result.FAILED:
            pause = (one.due_us - shop.clock.now_us) / SECOND
            waited.append(pause)
            shop.clock.advance(pause - 0.001)
            assert shop.deliver() == []
            shop.clock.advance(0.001)
    # 8, 16 and 32 seconds, each half to one and a half times as long.
    assert all(0.5 <= pause / usual <= 1.5 for pause, usual in zip(waited, (8, 16, 32), strict=True))
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 4


def test_after_the_last_attempt_it_is_given_up_listed_and_sent_again_when_asked(
    open_shop: Any, receiver: Receiver
) -> None:
    shop = open_shop(follow_up_attempts=2)
    receiver.statuses = [503, 503]
    shop.leave("v")
    assert shop.deliver() == [Result.FAILED]
    shop.clock.advance(12)
    assert shop.deliver() == [Result.GIVEN_UP]
    shop.clock.advance(86_400)
    assert shop.deliver() == []
    [one] = shop.runtime.follow_ups.unfinished()
    assert (one.state, one.attempts, one.said) == (FollowUpState.GIVEN_UP, 2, "status 503")
    assert b'dropoff_follow_ups_total{result="given_up"} 1.0' in shop.runtime.show_metrics()
    shop.client.run(
        shop.runtime.commit(lambda connection: shop.runtime.follow_ups.retry(connection, shop.clock.now_us))
    )
    assert shop.deliver() == [Result.DELIVERED]
    assert {headers["Idempotency-Key"] for headers, _ in receiver.got} == {one.id}


def test_a_receiver_that_does_not_want_it_is_not_asked_again(open_shop: Any, receiver: Receiver) -> None:
    shop = open_shop()
    receiver.statuses = [410]
    shop.leave("v")
    assert shop.deliver() == [Result.GIVEN_UP]
    assert len(receiver.got) == 1


def test_what_was_being_sent_when_the_process_died_is_sent_again_with_the_same_key(
    open_shop: Any, receiver: Receiver
) -> None:
    shop = open_shop()
    shop.leave("v")
    [one] = shop.runtime.follow_ups.due(shop.clock.now_us, 10)
    due_us = shop.clock.now_us + 18 * SECOND
    # It claims the message, as it does before it sends it, and is no more.
    assert shop.client.run(
        shop.runtime.commit(lambda connection: shop.runtime.follow_ups.claim(connection, one, due_us))
    )
    assert not shop.client.run(
        shop.runtime.commit(lambda connection: shop.runtime.follow_ups.claim(connection, one, due_us))
    )
    shop = open_shop()
    assert shop.deliver() == []
    shop.clock.advance(18)
    assert shop.deliver() == [Result.DELIVERED]
    assert [headers["Idempotency-Key"] for headers, _ in receiver.got] == [one.id]


def test_a_late_event_that_changes_nothing_leads_to_no_second_message(open_shop: Any, receiver: Receiver) -> None:
    shop = open_shop()
    session = shop.leave("v")
    assert shop.deliver() == [Result.DELIVERED]
    made = "2026-03-01T12:30:07Z"
    late = {"anonymousId": "v", "event": "scroll", "timestamp": made, "originalTimestamp": made, "userId": "u-17"}
    assert shop.client.post("/v1/track", late).json()["session_id"] == session
    shop.sweep()
    shop.sweep()
    assert len(shop.runtime.ends.all_ends()) == 1
    assert shop.deliver() == []
    assert len(shop.runtime.ledger.session_decisions(session)) == 1


def test_a_message_holds_back_nudges_on_every_device_until_it_has_been_there_for_a_while(
    open_shop: Any, journey: Journey
) -> None:
    shop = open_shop(replace(journey, policy=replace(journey.policy, only_matching=False, low_risk=0.0)))
    shop.leave("v")
    assert shop.runtime.follow_ups.counts()[FollowUpState.PENDING] == 1
    shop.walk("laptop")

    def why_not() -> set[str]:
        answer = shop.client.post("/v1/recommend", {"visitor_id": "laptop"}).json()
        [*_, entry] = shop.runtime.ledger.visitor_decisions("laptop")
        assert entry.decision_id == answer["decision_id"]
        return {reason for reason in entry.excluded.values() if reason in (ON_ITS_WAY, TOO_SOON)}

    assert why_not() == {ON_ITS_WAY}
    # Somebody who goes on elsewhere is not written to about the last session, so it is sent before.
    shop.runtime.writer.submit(
        lambda connection: shop.runtime.follow_ups.record_delivery(
            connection, shop.runtime.follow_ups.unfinished()[0].id, shop.clock.now_us
        )
    ).result(5)
    shop.client.run(shop.runtime.sessions.forget("v"))
    assert why_not() == {TOO_SOON}
    shop.clock.advance(300)
    assert why_not() == set()


def test_a_nudge_that_comes_while_a_message_is_being_decided_goes_first(open_shop: Any) -> None:
    shop = open_shop()
    shop.walk("laptop")
    session = shop.walk("v")
    shop.clock.advance(TIMEOUT)
    runtime, now_us = shop.runtime, shop.clock.now_us
    last_us = now_us - TIMEOUT * SECOND
    closing = examine(runtime, OpenSession(session, "v", last_us), now_us)
    assert isinstance(closing, Closing)
    proposal = shop.client.run(propose(runtime, closing, now_us))
    assert proposal.message is not None
    assert set(proposal.kin) == {"v", "laptop"}
    with runtime.engine.connect() as connection:
        assert not proposal.is_overtaken(connection, runtime.ledger)
    nudge = replace(ledger_entry(proposal.decision, now_us), decision_id="elsewhere", visitor_id="laptop")
    runtime.writer.submit(lambda connection: runtime.ledger.append(connection, nudge)).result(5)
    with runtime.engine.connect() as connection:
        assert proposal.is_overtaken(connection, runtime.ledger)


def test_a_budget_that_another_replica_has_just_used_up_closes_the_session_without_a_message(
    open_shop: Any, journey: Journey
) -> None:
    paying = replace(journey, policy=replace(journey.policy, budget=Budget(treated_share=0.01)))
    shop = open_shop(paying)
    open_till(shop.runtime)
    spent = Pace(decisions=100, granted=1.0, spent=21.0)

    def spend(connection: Any) -> None:
        PaceStore(paying.name).keep(connection, spent.to_json(), 0)

    # This process has not heard of it.
    shop.runtime.writer.submit(spend).result(20)
    session = shop.leave("v")
    told = shop.client.get(f"/v1/sessions/{session}").json()
    assert told["end"]["outcome"] == "abandoned"
    assert told["end"]["follow_ups"] == []
    [entry] = shop.runtime.ledger.visitor_decisions("v")
    assert (entry.chosen, entry.excluded["basket_reminder"]) == (None, BUDGET_USED_UP)
    with shop.runtime.engine.connect() as connection:
        kept = Pace.from_json(str(PaceStore(paying.name).read(connection)))
    assert (kept.decisions, kept.spent) == (101, 21.0)


def test_erasing_takes_the_message_away_too(open_shop: Any) -> None:
    shop = open_shop()
    shop.leave("v")
    receipt = shop.client.request("DELETE", "/v1/visitors/v").json()
    assert (receipt["session_ends"], receipt["follow_ups"]) == (1, 1)
    assert shop.deliver() == []


def test_each_channel_may_have_its_own_address_and_only_safe_ones_are_taken() -> None:
    one = read_addresses("https://a.example/hook")
    assert set(one) == {"email", "sms", "push", "ad"}
    assert set(one.values()) == {"https://a.example/hook"}
    assert read_addresses("email=https://a.example/?x=1 push=http://127.0.0.1:9/") == {
        "email": "https://a.example/?x=1",
        "push": "http://127.0.0.1:9/",
    }
    both = read_addresses("email=https://mail.example/ https://rest.example/")
    assert (both["email"], both["ad"]) == ("https://mail.example/", "https://rest.example/")
    assert read_addresses("") == {}
    for wrong in ("http://a.example/", "ftp://a.example/", "on_site=https://a.example/", "nonsense", "https://"):
        with pytest.raises(AddressError):
            read_addresses(wrong)


def test_a_service_that_could_not_send_its_follow_ups_does_not_start(tmp_path: Path) -> None:
    known = Configuration(home=tmp_path, follow_up_url="https://a.example/hook", follow_up_secret=SECRET)
    check_follow_ups(known)
    check_follow_ups(Configuration(home=tmp_path))
    with pytest.raises(StartError, match="set DROPOFF_FOLLOW_UP_SECRET too"):
        check_follow_ups(replace(known, follow_up_secret=""))
    with pytest.raises(StartError, match=r"DROPOFF_FOLLOW_UP_URL: 'http://a\.example/' is no address"):
        check_follow_ups(replace(known, follow_up_url="http://a.example/"))


def test_pauses_double_up_to_six_hours_and_those_of_two_messages_differ() -> None:
    assert 0.5 * 10 <= backoff_seconds("a", 1, 10) <= 1.5 * 10
    assert 0.5 * 80 <= backoff_seconds("a", 4, 10) <= 1.5 * 80
    assert 3 * 3_600 <= backoff_seconds("a", 40, 10) <= 9 * 3_600
    assert backoff_seconds("a", 3, 10) == backoff_seconds("a", 3, 10) != backoff_seconds("b", 3, 10)
