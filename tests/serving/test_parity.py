"""What the service was sent, what it answers and what training reads of it are the same to the bit."""

import random
from pathlib import Path
from typing import Any

import numpy as np

from features.build import build, every_event
from features.read_log import read_log
from features.vocabulary import Vocabulary
from serving.times import show_time

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
