"""What the service was sent, what it answers and what training reads of it are the same to the bit."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.build import build, every_event, silent_after
from features.events import Cutoffs
from features.histories import rows_as_known
from features.identity import Kind
from features.read_log import read_log
from features.vocabulary import Vocabulary
from serving.times import show_time
from storage.database import writing

SECOND = 1_000_000
NOW_US = 1_772_368_200 * SECOND


def _calls(seed: int, names: list[str]) -> list[dict[str, Any]]:
    """Return calls with ties, late ones, duplicates, named sessions, several visits and odd properties."""
    source = random.Random(seed)
    calls = []
    for number in range(400):
        visitor = f"v{source.randint(0, 7)}"
        day = source.randint(0, 3)
        at_us = NOW_US - (4 - day) * 86_400 * SECOND + source.randint(0, 2_400) * SECOND
        call = {
            "type": "track",
            "messageId": f"m{number}",
            "anonymousId": visitor,
            "event": source.choice(names),
            "timestamp": show_time(at_us),
            "properties": {
                "product": source.choice(["p1", "Ü-2", "17", 17, 17.0, "", None, True, ["p1"], "1e3"]),
                "price": source.choice([0.1 + 0.2, 1e22, -0.0, 3, "4.50", "x", 2**70]),
                "basket_value": source.uniform(0, 99),
                "shipping": 4.95,
                "country": source.choice(["DE", "FR"]),
            },
            "context": {"userAgent": source.choice(["iPhone", "X11"]), "campaign": {"source": "email"}},
        }
        if visitor == "v1":
            call["context"]["sessionId"] = f"named-{day}"
        calls.append(call)
        if source.random() < 0.05:
            calls.append(call)
    return calls


def test_the_log_that_training_reads_has_the_sessions_and_features_that_were_answered(
    open_client: Any, tmp_path: Path
) -> None:
    client, runtime = open_client()
    calls = _calls(5, [*[*runtime.journey.events][:20], "something_undeclared"])
    for start in range(0, len(calls), 7):
        assert client.post("/v1/batch", {"batch": calls[start : start + 7]}).status_code == 200
    path = tmp_path / "log.parquet"
    assert runtime.log.export(path) == 400
    timeout = runtime.journey.session_timeout_seconds
    with read_log(path, runtime.plan, timeout_seconds=timeout) as read:
        assert (read.summary.used, read.summary.quarantined, read.summary.deduplicated) == (400, 0, 0)
        log = read.whole()
    cutoffs = every_event(log)
    history = build(runtime.plan, log, cutoffs)
    compared = 0
    for index, session_id in enumerate(log.session_ids):
        visitor = client.run(runtime.sessions.visitor_of_session(session_id))
        assert visitor is not None
        session = visitor.session(session_id)
        mine = cutoffs.session == index
        moments = list(zip(cutoffs.after[mine].tolist(), cutoffs.at_us[mine].tolist(), strict=True))
        live = session.rows(moments, visitor.others(session))
        np.testing.assert_array_equal(live.view(np.int64), history[mine].view(np.int64))
        compared += len(live)
    assert compared == len(history) >= 350
    assert len(log.session_ids) > 20


def test_risks_of_the_story_are_those_of_the_log(open_client: Any, tmp_path: Path, shop_model: Any) -> None:
    client, runtime = open_client()
    for call in _calls(6, [*runtime.journey.events][:12])[:60]:
        client.post("/v1/track", call)
    path = tmp_path / "log.parquet"
    runtime.log.export(path)
    with read_log(path, runtime.plan, timeout_seconds=runtime.journey.session_timeout_seconds) as read:
        log = read.whole()
    cutoffs = every_event(log)
    risks = shop_model.predict(build(runtime.plan, log, cutoffs))
    for index, session_id in enumerate(log.session_ids):
        story = client.get(f"/v1/sessions/{session_id}").json()
        last = risks[cutoffs.session == index][-1]
        assert story["events"][-1]["risk"] == last
    assert isinstance(shop_model.vocabulary, Vocabulary)


def _logins(seed: int, names: list[str]) -> list[tuple[int, list[dict[str, Any]]]]:
    """Return requests, in their order: few people on few devices, who log in, share, alias, come late and repeat."""
    source = random.Random(seed)
    requests, at_us, sent = [], NOW_US, list[dict[str, Any]]()
    for number in range(200):
        at_us += source.choice([5, 20, 60, 900, 4_000]) * SECOND
        visitor = source.choice(["laptop", "phone", "tablet", "tv"])
        call: dict[str, Any] = {
            "type": "track",
            "messageId": f"m{number:03d}",
            "anonymousId": visitor,
            "event": source.choice(names),
            "timestamp": show_time(at_us - source.choice([0, 0, 0, 30, 5_000]) * SECOND),
            "properties": {"product": f"p{number % 5}", "basket_value": source.uniform(0, 99)},
        }
        if source.random() < 0.25:
            call["userId"] = source.choice(["ann", "bob", "null"] if visitor == "tablet" else ["ann", "null"])
        if source.random() < 0.03:
            call |= {"type": "alias", "userId": "ann", "previousId": source.choice(["bob", "tv"])}
        if visitor == "phone" and source.random() < 0.3:
            call["context"] = {"sessionId": f"named-{number // 40}"}
        sent.append(call)
        requests.append((at_us, [call, *([source.choice(sent)] if source.random() < 0.1 else [])]))
    return requests


def _undo_latest(runtime: Any, kind: Kind, now_us: int) -> None:
    links = [row for row in runtime.identity.rows_about("ann") if row.kind is kind]
    with writing(runtime.engine) as connection:
        undone = runtime.identity.undo(connection, links[-1].number, now_us)
    runtime.identity.learn([undone])


def _same_person(runtime: Any, client: Any, session_id: str) -> Any:
    visitor = client.run(runtime.sessions.visitor_of_session(session_id))

    def sessions_of(visitor_id: str) -> Any:
        return client.run(runtime.sessions.visitor(visitor_id)).sessions

    return visitor.session(session_id), sessions_of


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_persons_on_several_devices_have_the_same_history_live_and_in_the_log(
    open_client: Any, tmp_path: Path, clock: Any, seed: int
) -> None:
    client, runtime = open_client()
    for clock.now_us, calls in _logins(seed, [*runtime.journey.events][:20]):
        assert client.post("/v1/batch", {"batch": calls}).status_code == 200
        if (name := calls[0]["messageId"]) in ("m080", "m160"):
            clock.advance(1)
            _undo_latest(runtime, Kind.LINK if name == "m080" else Kind.UNDOING, clock.now_us)
    path = tmp_path / "log.parquet"
    runtime.log.export(path)
    with read_log(path, runtime.plan, timeout_seconds=runtime.journey.session_timeout_seconds) as read:
        log = read.whole()
    assert [replace(row, number=0) for row in read.gathered.links.rows] == [
        replace(row, number=0)
        for row in sorted(
            {row for name in ("laptop", "phone", "tablet", "tv", "bob") for row in runtime.identity.rows_about(name)},
            key=lambda row: row.number,
        )
    ]
    assert log.histories is not None
    assert len(log.histories) > 10
    after_events = every_event(log)
    silences = silent_after(log, after_events, 4.0, log.at_us.max())
    both = [
        np.append(*pair)
        for pair in zip(*((c.session, c.after, c.at_us) for c in (after_events, silences)), strict=True)
    ]
    cutoffs = Cutoffs(*(column[np.lexsort(both[::-1])] for column in both))
    history = build(runtime.plan, log, cutoffs)
    alone = build(runtime.plan, replace(log, histories=None), cutoffs)
    assert not np.array_equal(history.view(np.int64), alone.view(np.int64))
    for index, session_id in enumerate(log.session_ids):
        session, sessions_of = _same_person(runtime, client, session_id)
        mine = cutoffs.session == index
        moments = list(zip(cutoffs.after[mine].tolist(), cutoffs.at_us[mine].tolist(), strict=True))
        live = rows_as_known(session, moments, runtime.identity, sessions_of)
        np.testing.assert_array_equal(live.view(np.int64), history[mine].view(np.int64))
    # What a sample keeps, and what is put together of batches, keeps its histories.
    with read_log(path, runtime.plan, timeout_seconds=runtime.journey.session_timeout_seconds, batch_events=60) as read:
        parts = read.whole()
    order = np.argsort(parts.visitor_ids, kind="stable")
    assert (parts.session_ids[order] == log.session_ids).all()
    again = build(runtime.plan, parts, every_event(parts))
    whole = build(runtime.plan, log, after_events)
    for index, session_id in enumerate(parts.session_ids):
        there = after_events.session == list(log.session_ids).index(session_id)
        np.testing.assert_array_equal(
            again[every_event(parts).session == index].view(np.int64), whole[there].view(np.int64)
        )


def test_what_was_answered_while_logins_came_in_is_found_again_in_the_log(
    open_client: Any, tmp_path: Path, clock: Any, shop_model: Any
) -> None:
    client, runtime = open_client()
    answered: list[dict[str, Any]] = []
    moments: list[int] = []
    for clock.now_us, calls in _logins(9, [*runtime.journey.events][:12]):
        call = {**calls[0], "timestamp": show_time(clock.now_us)}
        assert client.post("/v1/track", call).status_code == 200
        clock.advance(2)
        answered.append(client.post("/v1/score", {"visitor_id": call["anonymousId"]}).json())
        moments.append(clock.now_us)
    path = tmp_path / "log.parquet"
    runtime.log.export(path)
    with read_log(path, runtime.plan, timeout_seconds=runtime.journey.session_timeout_seconds) as read:
        log = read.whole()
    number = {session_id: index for index, session_id in enumerate(log.session_ids)}
    asked = sorted(
        (number[one["session_id"]], one["events_seen"], at_us, one["risk"])
        for one, at_us in zip(answered, moments, strict=True)
    )
    columns = [np.array(column) for column in zip(*asked, strict=True)]
    rows = build(runtime.plan, log, Cutoffs(*columns[:3]))
    np.testing.assert_array_equal(shop_model.predict(rows), columns[3])
