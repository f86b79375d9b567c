"""Two workers that are asked at the same moment about two devices of one person nudge once between them."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from decisions.arbiter import TOO_SOON
from journeys.journey import Journey
from serving import advice
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.messages import RecommendRequest
from serving.open_runtime import open_runtime
from serving.runtime import Runtime


@pytest.fixture
def journey(shop: Journey) -> Journey:
    """A shop in which every intervention is worth it for everybody, and only the arbiter holds one back."""
    willing = {"stages": tuple(stage.name for stage in shop.stages), "treats": shop.frictions}
    worth = {"prior_effect": 1.0, "cost": 0.0, "cost_if_converted": 0.0, "cap": 9, "cooldown_seconds": 0.0}
    policy = replace(shop.policy, low_risk=0.0, holdout=0.0, exploration=0.0, session_cap=9, only_matching=False)
    return replace(
        shop, interventions=tuple(replace(one, **willing, **worth) for one in shop.interventions), policy=policy
    )


@pytest.fixture
def workers(
    journey: Journey, shop_model: Any, address: str, tmp_path: Path, clock: Any, request: Any
) -> Iterator[list[Runtime]]:
    settings = Configuration(home=tmp_path, database_url=address, shared=True)
    opened = [open_runtime(settings, journey, shop_model, clock) for _ in range(2)]
    yield opened
    for one in opened:
        one.close()


def test_two_devices_that_are_asked_about_on_two_workers_at_once_are_nudged_once(
    workers: list[Runtime], client_of: Any, clock: Any
) -> None:
    app = create_app()
    attach(app, workers[0])
    client = client_of(app)
    for device in ("phone", "laptop"):
        for name in ("add_to_cart", "payment_failed", "form_error"):
            call = {"anonymousId": device, "userId": "u", "event": name}
            assert client.post("/v1/track", call).status_code == 200

    def asking(number: int) -> Any:
        device = ("phone", "laptop")[number // 2 % 2]
        return advice.recommend(workers[number % 2], RecommendRequest(visitor_id=device))

    async def together() -> list[Any]:
        return await asyncio.gather(*(asking(number) for number in range(16)))

    nudged = [answer for answer in client.run(together()) if answer.recommendation is not None]
    assert len(nudged) == 1
    entries = [entry for device in ("phone", "laptop") for entry in workers[0].ledger.visitor_decisions(device)]
    assert len(entries) == 16
    refused = [entry for entry in entries if entry.chosen is None]
    assert {reason for entry in refused for reason in entry.excluded.values()} == {
        TOO_SOON,
        "meant for when the session is over",
    }
    clock.advance(300)
    assert len([one for one in client.run(together()) if one.recommendation is not None]) == 1
