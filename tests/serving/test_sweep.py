"""Silent sessions are closed once, by the definition that labels history, and opened again by what comes late."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event

from features.plan import compile_plan
from features.read_log import read_log
from journeys.ends import find_ends, name_outcomes
from journeys.journey import Ends, Journey
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.duty import Duty
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from serving.sweep import Turn, sweep_once
from serving.times import show_time
from storage.leases import LeaseLost
from storage.session_ends import SessionEnd, SettledPositions

Client = OpenClient = Clock = Any  # as the fixtures of this folder make them

TIMEOUT = 1_800
SECOND = 1_000_000


def track(client: Client, visitor: str, name: str = "page_view", **more: Any) -> str:
    call = {"anonymousId": visitor, "event": name, **more}
    answer = client.post("/v1/track", call)
    assert answer.status_code == 200, answer.text
    session_id: str = answer.json()["session_id"]
    return session_id


def sweeper(client: Client, runtime: Runtime, settled: SettledPositions | None = None) -> Any:
    """Return what does one turn as the holder of the duty."""
    duty = Duty(runtime, "sweep:ecommerce")
    settled = settled or SettledPositions(runtime.engine)

    def turn() -> Turn:
        assert client.run(duty.take())
        found: Turn = client.run(sweep_once(duty, settled))
        client.run(duty.release())
        return found

    return turn


def ends(runtime: Runtime) -> dict[str, SessionEnd]:
    return {end.session_id: end for end in runtime.ends.all_ends()}


def test_a_session_is_closed_when_its_silence_reaches_the_timeout_and_not_before(
    open_client: OpenClient, clock: Clock
) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    session = track(client, "v", "add_to_cart", userId="u")
    clock.advance(TIMEOUT - 0.000001)
    assert sweep().closed == []
    clock.advance(0.000001)
    assert len(sweep().closed) == 1
    end = ends(runtime)[session]
    assert (end.visitor_id, end.user_id, end.outcome, end.stage) == ("v", "u", "abandoned", "cart")
    assert end.closed_us - end.last_at_us == TIMEOUT * SECOND
    story = client.get(f"/v1/sessions/{session}").json()
    assert story["end"]["outcome"] == "abandoned"
    assert story["end"]["risk"] == pytest.approx(story["events"][-1]["risk"], abs=1e-12)
    assert story["end"]["last_at"] == story["events"][-1]["occurred_at"]


def test_a_session_that_goes_on_is_waited_for_and_an_order_is_an_end_without_a_risk(
    open_client: OpenClient, clock: Clock
) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    session = track(client, "v")
    for _ in range(3):
        clock.advance(TIMEOUT - 1)
        assert sweep().closed == []
        assert track(client, "v", "purchase") == session
    assert client.get(f"/v1/sessions/{session}").json()["end"] is None
    clock.advance(TIMEOUT)
    assert len(sweep().closed) == 1
    assert (ends(runtime)[session].outcome, ends(runtime)[session].risk) == ("goal", None)


def test_sweeping_again_or_after_a_restart_closes_nothing_twice(open_client: OpenClient, clock: Clock) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    track(client, "a")
    sweep()
    track(client, "b")
    clock.advance(TIMEOUT + 60)
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    assert {closing.end.visitor_id for closing, _ in sweep().closed} == {"a", "b"}
    assert sweep().closed == []
    client, runtime = open_client()
    assert sweeper(client, runtime)().closed == []
    assert len(runtime.ends.all_ends()) == 2


def test_a_late_event_opens_a_session_again_and_its_end_comes_back_corrected(
    open_client: OpenClient, clock: Clock
) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    session = track(client, "v", "add_to_cart")
    clock.advance(TIMEOUT)
    sweep()
    assert ends(runtime)[session].outcome == "abandoned"
    # A phone that was offline sends the order that was made before the silence was over.
    made = "2026-03-01T12:40:00Z"
    late = {"messageId": "late", "anonymousId": "v", "event": "purchase", "timestamp": made, "originalTimestamp": made}
    assert client.post("/v1/track", late).json()["session_id"] == session
    turn = sweep()
    assert turn.reopened == 1
    # It ended 10 minutes later than thought, and that is 20 minutes ago: an event could join it still.
    assert session not in ends(runtime)
    clock.advance(TIMEOUT - 1_200)
    sweep()
    assert ends(runtime)[session].outcome == "goal"
    assert b"dropoff_sessions_reopened_total 1.0" in runtime.show_metrics()


def test_what_was_erased_is_waited_for_no_longer_and_its_end_is_gone(open_client: OpenClient, clock: Clock) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    track(client, "v")
    track(client, "w")
    sweep()
    assert client.request("DELETE", "/v1/visitors/w").json()["session_ends"] == 0
    clock.advance(TIMEOUT)
    assert [closing.end.visitor_id for closing, _ in sweep().closed] == ["v"]
    assert client.request("DELETE", "/v1/visitors/v").json()["session_ends"] == 1
    assert runtime.ends.all_ends() == []
    assert runtime.ends.waiting() == (0, None)


def test_an_event_that_comes_while_a_session_is_closed_keeps_it_open(open_client: OpenClient, clock: Clock) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    session = track(client, "v")
    sweep()
    clock.advance(TIMEOUT)
    written: list[object] = []

    def another_process_writes(execute: Any) -> None:
        # Right after the session has been found silent, and before that is written down.
        if not written:
            written.append(execute)
            at_us = runtime.now_us()
            with runtime.engine.connect() as own, own.execution_options(immediate=True).begin():
                [known] = runtime.log.session_events(session)
                runtime.log.append(
                    own, [msgspec.structs.replace(known, event_id="new", occurred_at_us=at_us, received_at_us=at_us)]
                )

    model_predict = runtime.model.predict

    def predict(rows: Any) -> Any:
        another_process_writes(rows)
        return model_predict(rows)

    object.__setattr__(runtime, "model", _Predicting(runtime.model, predict))
    assert sweep().closed == []
    assert written
    assert runtime.ends.all_ends() == []
    clock.advance(TIMEOUT)
    assert len(sweep().closed) == 1


class _Predicting:
    """A model whose prediction takes so long that something happens meanwhile."""

    def __init__(self, model: Any, predict: Any) -> None:
        self._model = model
        self.predict = predict

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def test_who_is_late_writes_nothing(open_client: OpenClient, clock: Clock) -> None:
    client, runtime = open_client(lease_seconds=0.1)
    track(client, "v")
    clock.advance(TIMEOUT)
    stopped = Duty(runtime, "sweep:ecommerce")
    assert client.run(stopped.take())
    client.run(asyncio.sleep(0.15))
    following = Duty(runtime, "sweep:ecommerce")
    assert client.run(following.take())
    assert not client.run(stopped.take())
    with pytest.raises(LeaseLost):
        client.run(sweep_once(stopped, SettledPositions(runtime.engine)))
    assert runtime.ends.waiting() == (0, None)
    assert runtime.ends.all_ends() == []


def test_a_turn_reads_what_is_new_and_not_the_log_again(open_client: OpenClient, clock: Clock) -> None:
    client, runtime = open_client()
    sweep = sweeper(client, runtime)
    for number in range(20):
        track(client, f"v{number}")
    sweep()
    track(client, "new")
    rows: list[int] = []

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO open_sessions" in statement:
            rows.append(cursor.rowcount)

    event.listen(runtime.engine, "after_cursor_execute", count)
    sweep()
    sweep()
    assert rows == [1]


@pytest.mark.parametrize("silence_abandons", [True, False])
def test_sweeping_a_live_log_finds_the_ends_that_training_finds_in_its_export(
    shop: Journey, shop_model: Any, tmp_path: Path, clock: Clock, client_of: Any, silence_abandons: bool
) -> None:
    declared = Ends(
        goal=("purchase",),
        abandoned=("email_open",),
        competing=("ad_click",),
        closes=("email_click",),
        silence_abandons=silence_abandons,
    )
    journey = replace(shop, ends=declared)
    runtime = open_runtime(Configuration(home=tmp_path), journey, shop_model, clock)
    app = create_app()
    attach(app, runtime)
    client = client_of(app)
    source = random.Random(3)
    sweep = sweeper(client, runtime)
    names = ["page_view", "view_product", "add_to_cart", "begin_checkout"]
    for number in range(150):
        clock.advance(source.choice([1, 60, 900, 1_799, 1_801]))
        rare = source.choice(["purchase", "email_open", "ad_click", "email_click"])
        late = source.random() < 0.1
        at = show_time(clock.now_us - (source.randint(1, 7_200) * SECOND if late else 0))
        call = {
            "type": "track",
            "messageId": f"m{number}",
            "anonymousId": f"v{source.randint(0, 4)}",
            "event": rare if source.random() < 0.2 else source.choice(names),
            "timestamp": at,
            "originalTimestamp": at,
        }
        if source.random() < 0.2:
            call["context"] = {"sessionId": f"named-{source.randint(0, 3)}-{call['anonymousId']}"}
        assert client.post("/v1/track", call).status_code == 200
        if source.random() < 0.3:
            sweep()
    while sweep().is_behind:
        pass
    runtime.log.export(tmp_path / "log.parquet")
    plan = compile_plan(journey.table)
    with read_log(tmp_path / "log.parquet", plan, timeout_seconds=journey.session_timeout_seconds) as opened:
        log = opened.whole()
    found = find_ends(plan, log, journey, clock.now_us)
    names_found = name_outcomes(plan, log, journey, found)
    last_us = log.at_us[log.starts[1:] - 1]
    expected = {
        str(session): (str(name), int(left if name == "abandoned" else last))
        for session, name, left, last in zip(log.session_ids, names_found, found.left_us, last_us, strict=True)
        if last + TIMEOUT * SECOND <= clock.now_us
    }
    swept = {end.session_id: (str(end.outcome), end.last_at_us) for end in runtime.ends.all_ends()}
    assert swept == expected
    kinds = Counter(name for name, _ in swept.values())
    assert set(kinds) == {"goal", "abandoned", "competing"} | ({"censored"} if not silence_abandons else set())
    assert runtime.ends.waiting()[0] == log.session_count - len(expected)
    runtime.close()
