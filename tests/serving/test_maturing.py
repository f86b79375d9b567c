"""What came of each decision is written down once, when its time is over, and the same after any crash."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from journeys.journey import Journey
from serving.duty import Duty
from serving.maturing import Looked, look, mature_once
from serving.runtime import Runtime
from serving.sweep import sweep_once
from storage.due_decisions import DueDecision, Waiting
from storage.leases import LeaseLost
from storage.ledger import LedgerEntry
from storage.session_ends import SettledPositions

Client = OpenClient = Clock = Any  # as the fixtures of this folder make them

TIMEOUT, LATE, WEEK, SECOND = 1_800, 300, 7 * 86_400, 1_000_000


class Shop:
    """A service, its clock, and what its duties do when they are told to."""

    def __init__(self, opened: tuple[Client, Runtime], clock: Clock) -> None:
        self.client, self.runtime = opened
        self.clock = clock
        self._settled = SettledPositions(self.runtime.engine)

    def track(self, visitor: str, name: str = "add_to_cart", **more: Any) -> str:
        answer = self.client.post("/v1/track", {"anonymousId": visitor, "event": name, **more})
        assert answer.status_code == 200, answer.text
        session_id: str = answer.json()["session_id"]
        return session_id

    def decide(
        self,
        decision_id: str,
        session_id: str,
        visitor: str,
        *eligible: str,
        reason: str = "best",
        risk: float = 0.9,
        chosen: str | None = None,
    ) -> None:
        """Write a decision of this moment into the ledger, which is looked at from this moment on."""
        at_us = self.clock.now_us
        entry = LedgerEntry(
            decision_id, session_id, visitor, at_us, at_us, "cart", 1, risk, [], "", list(eligible), {},
            {"nothing": 1.0}, chosen, 1.0, None, reason, False, None, None, "priors-1", "7",
        )  # fmt: skip
        self.client.run(self.runtime.commit(lambda connection: self.runtime.ledger.append(connection, entry, at_us)))

    def sweep(self) -> None:
        duty = Duty(self.runtime, "sweep:ecommerce")
        assert self.client.run(duty.take())
        self.client.run(sweep_once(duty, self._settled))
        self.client.run(duty.release())

    def mature(self) -> Looked:
        duty = Duty(self.runtime, "rewards:ecommerce")
        assert self.client.run(duty.take())
        looked: Looked = self.client.run(mature_once(duty))
        self.client.run(duty.release())
        return looked

    def rewards(self) -> dict[str, tuple[bool, float | None]]:
        return {one.decision_id: (one.converted, one.value) for _, one in self.runtime.rewards.after(0)}

    def waiting(self) -> int:
        with self.runtime.engine.connect() as connection:
            return self.runtime.due.waiting(connection).decisions


@pytest.fixture
def shop_now(open_client: OpenClient, clock: Clock) -> Shop:
    return Shop(open_client(), clock)


def test_a_session_s_decisions_become_known_when_it_is_over_and_what_is_late_has_come(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("d", session, "v")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE - 0.000001)
    shop_now.mature()
    assert shop_now.rewards() == {}
    shop_now.clock.advance(0.000001)
    shop_now.mature()
    assert shop_now.rewards() == {"d": (False, None)}
    assert shop_now.waiting() == 0


def test_a_goal_counts_for_the_decisions_before_it_and_makes_none_known_sooner(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("before", session, "v")
    shop_now.clock.advance(60)
    shop_now.track("v", "purchase", properties={"basket_value": 10, "revenue": 59.5})
    shop_now.clock.advance(60)
    shop_now.decide("after", session, "v")
    shop_now.mature()
    assert shop_now.rewards() == {}
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.mature()
    assert {name: converted for name, (converted, _) in shop_now.rewards().items()} == {"before": True, "after": False}
    assert shop_now.rewards()["before"][1] == 59.5


def test_a_late_order_counts_where_it_comes_before_the_rewards_and_not_afterwards(shop_now: Shop) -> None:
    sessions = {visitor: shop_now.track(visitor) for visitor in ("a", "b")}
    for visitor, session in sessions.items():
        shop_now.decide(f"d-{visitor}", session, visitor)
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    # A phone that was offline sends the order that was made ten minutes after the session's start.
    made = "2026-03-01T12:40:00Z"
    shop_now.track("a", "purchase", timestamp=made)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.mature()
    shop_now.track("b", "purchase", timestamp=made)
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.mature()
    assert {name: converted for name, (converted, _) in shop_now.rewards().items()} == {"d-a": True, "d-b": False}


def test_what_the_app_reports_goes_before_the_event_of_the_goal(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("phoned", session, "v")
    report = {"decision_id": "phoned", "outcome": "converted", "value": 12.25}
    assert shop_now.client.post("/v1/outcome", report).status_code == 200
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.mature()
    assert shop_now.rewards() == {"phoned": (True, 12.25)}


def test_a_decision_among_messages_counts_for_a_week_in_any_session_of_the_person(shop_now: Shop) -> None:
    session = shop_now.track("phone", userId="u")
    shop_now.track("desk", userId="u")
    for name in ("in_time", "too_late"):
        shop_now.clock.advance(60)
        visitor = f"{name}-phone"
        own = shop_now.track(visitor, userId=name)
        shop_now.track(f"{name}-desk", userId=name)
        shop_now.decide(name, own, visitor, "basket_reminder")
    shop_now.decide("nobody", session, "phone", "basket_reminder", "payment_help")
    made_us = shop_now.clock.now_us
    shop_now.clock.advance(WEEK)
    shop_now.track("in_time-desk", "purchase", userId="in_time", timestamp="2026-03-08T12:31:00Z")
    shop_now.clock.advance(LATE - 1)
    shop_now.mature()
    assert "nobody" not in shop_now.rewards()
    shop_now.clock.advance(1)
    assert shop_now.clock.now_us == made_us + (WEEK + LATE) * SECOND
    shop_now.track("too_late-desk", "purchase", userId="too_late")
    shop_now.mature()
    assert {name: converted for name, (converted, _) in shop_now.rewards().items()} == {
        "in_time": True,
        "too_late": False,
        "nobody": False,
    }


def test_of_sessions_that_are_kept_elsewhere_only_what_is_reported_is_known(shop_now: Shop) -> None:
    for name in ("told", "bought", "silent"):
        shop_now.decide(name, "elsewhere", "w")
    for name, outcome in (("told", "shown"), ("bought", "shown"), ("bought", "converted")):
        report = {"decision_id": name, "outcome": outcome}
        assert shop_now.client.post("/v1/outcome", report).status_code == 200
    shop_now.mature()
    assert shop_now.waiting() == 3
    shop_now.clock.advance(86_400 + LATE)
    shop_now.mature()
    assert shop_now.rewards() == {"told": (False, None), "bought": (True, None)}
    assert shop_now.waiting() == 0


def test_decisions_of_the_service_itself_are_waited_for_but_for_those_after_an_end(
    shop_now: Shop, shop: Journey
) -> None:
    shop_now.track("v")
    quiet = shop_now.client.post("/v1/recommend", {"visitor_id": "v"}).json()
    shop_now.track("v", "purchase")
    ended = shop_now.client.post("/v1/recommend", {"visitor_id": "v"}).json()
    assert ended["reason"] == "ended"
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.mature()
    assert shop_now.rewards() == {quiet["decision_id"]: (True, None)}


def test_a_second_process_and_a_repeated_turn_reward_nothing_twice(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("d", session, "v")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    runtime = shop_now.runtime
    # What two processes have found, as where one was stopped before it wrote.
    first, second = look(runtime, shop_now.clock.now_us), look(runtime, shop_now.clock.now_us)
    kept = [
        shop_now.client.run(runtime.commit(lambda connection, one=one: runtime.due.reward(connection, one.rewards)))
        for one in (first, second)
    ]
    assert kept == [1, 0]
    assert list(runtime.rewards.after(0)) == [(1, replace(first.rewards[0]))]


def test_what_was_erased_between_the_look_and_the_writing_has_no_reward(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("d", session, "v")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    runtime = shop_now.runtime
    found = look(runtime, shop_now.clock.now_us)
    assert len(found.rewards) == 1
    assert shop_now.client.request("DELETE", "/v1/visitors/v").json()["decisions"] == 1
    assert shop_now.client.run(runtime.commit(lambda connection: runtime.due.reward(connection, found.rewards))) == 0
    assert shop_now.rewards() == {}


def test_who_is_late_rewards_nothing(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("d", session, "v")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    mine, theirs = Duty(shop_now.runtime, "rewards:ecommerce"), Duty(shop_now.runtime, "rewards:ecommerce")
    assert shop_now.client.run(mine.take())
    shop_now.client.run(mine.release())
    assert shop_now.client.run(theirs.take())
    with pytest.raises(LeaseLost):
        shop_now.client.run(mature_once(mine))
    assert shop_now.rewards() == {}
    shop_now.client.run(mature_once(theirs))
    assert shop_now.rewards() == {"d": (False, None)}


def test_waiting_decisions_are_found_by_the_longest_due(shop_now: Shop) -> None:
    session = shop_now.track("v")
    for name in ("first", "second"):
        shop_now.decide(name, session, "v")
        shop_now.clock.advance(1)
    runtime, now_us = shop_now.runtime, shop_now.clock.now_us
    with runtime.engine.connect() as connection:
        assert runtime.due.due(connection, now_us, 1) == [DueDecision("first", session, "v", now_us - 2 * SECOND, [])]
        assert runtime.due.waiting(connection) == Waiting(2, now_us - 2 * SECOND, now_us - 2 * SECOND)


def test_the_duty_is_done_by_the_service_itself(shop_now: Shop) -> None:
    from serving.duties import duties_of

    async def running() -> None:
        tasks = [asyncio.create_task(one) for one in duties_of(shop_now.runtime)]
        for _ in range(200):
            await asyncio.sleep(0.02)
            if shop_now.rewards():
                break
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    session = shop_now.track("v")
    shop_now.decide("d", session, "v")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    shop_now.client.run(running())
    assert shop_now.rewards() == {"d": (False, None)}


def test_risks_are_judged_by_the_ends_of_their_sessions_each_session_weighing_one(shop_now: Shop) -> None:
    # Anna is asked about three times and leaves; Ben twice, and buys.
    for visitor, risks in (("anna", (0.2, 0.6, 0.7)), ("ben", (0.25, 0.05))):
        session = shop_now.track(visitor)
        for risk in risks:
            shop_now.clock.advance(1)
            shop_now.decide(f"{visitor}-{risk}", session, visitor, risk=risk)
        if visitor == "ben":
            shop_now.track(visitor, "purchase")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    judged = {(one.risk, one.abandoned, one.weight) for one in shop_now.mature().judged}
    assert judged == {
        (0.2, True, 1 / 3),
        (0.6, True, 1 / 3),
        (0.7, True, 1 / 3),
        (0.25, False, 0.5),
        (0.05, False, 0.5),
    }
    sums = {}
    for line in shop_now.client.get("/metrics").text.splitlines():
        if line.startswith("dropoff_calibration_") and "_created" not in line:
            name, _, value = line.rpartition(" ")
            family = name.partition("{")[0]
            assert 'version="7"' in name
            assert 'shown="nothing"' in name or float(value) == 0
            sums[family] = sums.get(family, 0.0) + float(value)
    assert sums["dropoff_calibration_sessions_total"] == pytest.approx(2)
    assert sums["dropoff_calibration_abandoned_total"] == pytest.approx(1)
    assert sums["dropoff_calibration_risk_total"] == pytest.approx((0.2 + 0.6 + 0.7) / 3 + (0.25 + 0.05) / 2)
    of_bin = 'dropoff_calibration_sessions_total{bin="0.2-0.3",shown="nothing",version="7"}'
    [of_bin] = [line for line in shop_now.client.get("/metrics").text.splitlines() if line.startswith(of_bin)]
    assert float(of_bin.split()[-1]) == pytest.approx(1 / 3 + 1 / 2)


def test_a_session_that_was_recommended_anything_is_told_apart_with_all_its_risks(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("before", session, "v", risk=0.3)
    shop_now.clock.advance(1)
    shop_now.decide("then", session, "v", risk=0.5, chosen="trust_panel")
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    assert [one.shown for one in shop_now.mature().judged] == [True, True]


def test_what_is_decided_after_the_end_and_about_sessions_kept_elsewhere_is_not_judged(shop_now: Shop) -> None:
    session = shop_now.track("v")
    shop_now.decide("elsewhere", "unheard-of", "w", risk=0.9)
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    # As a follow-up is: the session has been abandoned by then, so that its risk foretells nothing.
    shop_now.decide("message", session, "v", risk=0.9)
    shop_now.clock.advance(2 * 86_400)
    assert shop_now.mature().judged == []


@pytest.mark.parametrize(("horizon_seconds", "abandoned"), [(TIMEOUT - 30.0, False), (TIMEOUT + 30.0, True)])
def test_with_a_horizon_an_abandonment_beyond_it_counts_as_none(
    open_client: OpenClient, clock: Clock, horizon_seconds: float, abandoned: bool
) -> None:
    shop_now = Shop(open_client(), clock)
    shop_now.runtime.journey = replace(shop_now.runtime.journey, horizon_seconds=horizon_seconds)
    session = shop_now.track("v")
    shop_now.decide("d", session, "v", risk=0.9)
    shop_now.clock.advance(TIMEOUT)
    shop_now.sweep()
    shop_now.clock.advance(LATE)
    assert [one.abandoned for one in shop_now.mature().judged] == [abandoned]
