"""A policy is trained on what the service saw: its log, replayed at each decision, gives the same risk again."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "decisions"))

from small_effects import situations

from decisions.risk import RiskModel
from journeys.journey import Journey
from storage.event_log import EventLog
from storage.ledger import Ledger
from training.uplift.replayed import other_risks, with_rows

STEPS = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed")


def _track(client: Any, visitor: str, place: int, name: str) -> None:
    body = {
        "type": "track",
        "event": name,
        "messageId": f"{visitor}-{place}",
        "anonymousId": visitor,
        "properties": {"product": "p1", "basket_value": 40.0 + place, "shipping": 5.0, "field": "card"},
    }
    assert client.post("/v1/track", body).status_code == 200


def test_the_risk_of_every_decision_comes_out_again(
    open_client: Any, clock: Any, shop: Journey, shop_model: RiskModel, tmp_path: Path
) -> None:
    client, runtime = open_client()
    for number in range(4):
        visitor = f"v{number}"
        for place, name in enumerate(STEPS):
            _track(client, visitor, place, name)
            clock.advance(3 + number)
            # Some decisions fall into a silence, some right after an event.
            if place >= 2 + number % 2:
                assert client.post("/v1/recommend", {"visitor_id": visitor}).status_code == 200
                clock.advance(1 + 7 * (place % 2))
    runtime.writer.submit(lambda _connection: None).result(20)
    entries = list(Ledger(runtime.engine, shop.name).all_decisions())
    assert len(entries) == 14
    path = tmp_path / "log.parquet"
    assert EventLog(runtime.engine, shop.name).export(path)
    texts = [np.array([getattr(one, name) for one in entries], object) for name in ("decision_id", "session_id")]
    logged = replace(
        situations(len(entries), 1),
        decision_ids=texts[0],
        session_ids=texts[1],
        at_us=np.array([one.at_us for one in entries]),
        risk=np.array([one.risk for one in entries]),
    )
    replayed = with_rows(shop, logged, path)
    assert replayed.missing == 0
    assert other_risks(replayed.logged, shop_model).max() == 0.0
    assert len(np.unique(replayed.logged.risk)) == 4


def test_decisions_about_other_sessions_are_counted_and_left_out(
    open_client: Any, clock: Any, shop: Journey, tmp_path: Path
) -> None:
    client, runtime = open_client()
    _track(client, "v1", 0, "page_view")
    clock.advance(5)
    known = client.post("/v1/recommend", {"visitor_id": "v1"}).json()["session_id"]
    runtime.writer.submit(lambda _connection: None).result(20)
    path = tmp_path / "log.parquet"
    assert EventLog(runtime.engine, shop.name).export(path)
    logged = replace(situations(2, 1), session_ids=np.array([known, "elsewhere"], object), at_us=np.full(2, clock()))
    replayed = with_rows(shop, logged, path)
    assert replayed.missing == 1
    assert replayed.logged.session_ids.tolist() == [known]
