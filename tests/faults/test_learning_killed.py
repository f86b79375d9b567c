"""Workers that are killed while they write rewards and learn: every decision is rewarded and learnt exactly once."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import PostgresServer, Service, serving, wait_for
from sqlalchemy import Engine, create_engine, text

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import shop, shop_model

from storage.models import point_champion, publish

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]

__all__ = ["shop", "shop_model"]  # fixtures

_JOURNEY = """
from dataclasses import replace
from journeys.ecommerce import JOURNEY as SHOP

JOURNEY = replace(
    SHOP,
    session_timeout_seconds=1.0,
    idle_ticks_seconds=(0.5,),
    leaving_soon_within="1s",
    policy=replace(SHOP.policy, learns=True, low_risk=0.0, holdout=0.1, only_matching=False),
)
"""
_STEPS = ("add_to_cart", "payment_failed", "form_error")
_KILLS = 2


@pytest.fixture(scope="module")
def address(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database("killed")


@pytest.fixture(scope="module")
def service(address: str, tmp_path_factory: pytest.TempPathFactory, shop_model: Any) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("killed") / "home"
    publish(home, shop_model.journey, "7", shop_model.save)
    point_champion(home, shop_model.journey, "7")
    journey = home.parent / "mine.py"
    journey.write_text(_JOURNEY)
    with serving(
        str(journey),
        home,
        "--workers",
        "2",
        database_url=address,
        insights_refresh=0,
        lease_seconds=0.6,
        sweep_seconds=0.05,
        reward_seconds=0.05,
        late_seconds=0,
        learn_seconds=0.05,
        policy_watch_seconds=0.2,
    ) as running:
        yield running


@pytest.fixture
def database(address: str) -> Iterator[Engine]:
    engine = create_engine(address)
    yield engine
    engine.dispose()


def rows(database: Engine, query: str) -> list[Any]:
    with database.connect() as connection:
        return list(connection.execute(text(query)))


def count(database: Engine, query: str) -> int:
    return int(rows(database, query)[0][0] or 0)


def test_every_decision_is_rewarded_and_learnt_once_whoever_is_killed_meanwhile(
    service: Service, database: Engine
) -> None:
    asked = tried = killed = 0
    until = time.monotonic() + 60
    while killed < _KILLS and time.monotonic() < until:
        tried += 1
        asked += _visit(service, f"v{tried}", goes_on=tried % 3 == 0)
        holders = rows(database, "SELECT holder FROM leases WHERE name IN ('rewards:ecommerce', 'learning:ecommerce')")
        if asked > 12 * (killed + 1) and count(database, "SELECT count(*) FROM rewards") > 4 * killed and holders:
            process = int(holders[killed % len(holders)][0].split(":")[1])
            try:
                os.kill(process, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                # It is the one that was killed before, and nobody has taken over yet.
                continue
    assert killed == _KILLS
    decided = count(database, "SELECT count(*) FROM decisions WHERE reason <> 'ended'")
    assert decided >= asked * 0.9

    def learnt() -> int:
        newest = "SELECT decisions FROM policy_states ORDER BY revision DESC LIMIT 1"
        return count(database, newest)

    wait_for(lambda: count(database, "SELECT count(*) FROM rewards") == decided and learnt() == decided, seconds=40)
    assert count(database, "SELECT count(*) FROM decisions WHERE due_us IS NOT NULL") == 0
    goals = "SELECT count(*) FROM rewards WHERE converted"
    reported = "SELECT count(*) FROM outcomes WHERE outcome = 'converted'"
    assert count(database, goals) == count(database, reported) > 0
    newest = count(database, "SELECT max(revision) FROM policy_states")

    def answered_with_it() -> bool:
        _visit(service, f"later-{time.monotonic_ns()}", goes_on=False)
        [(version,)] = rows(database, "SELECT policy_version FROM decisions ORDER BY decided_at_us DESC LIMIT 1")
        return int(version.rpartition(".")[2]) >= newest

    wait_for(answered_with_it, seconds=20)


def _visit(service: Service, visitor: str, *, goes_on: bool) -> int:
    """Run into trouble, ask what to do about it, and perhaps order; return how often it was answered."""
    try:
        for name in _STEPS:
            httpx.post(f"{service.url}/v1/track", json={"anonymousId": visitor, "event": name}, timeout=20)
        answer = httpx.post(f"{service.url}/v1/recommend", json={"visitor_id": visitor}, timeout=20)
        if goes_on:
            httpx.post(f"{service.url}/v1/track", json={"anonymousId": visitor, "event": "purchase"}, timeout=20)
        return int(answer.status_code == 200)
    except httpx.TransportError:
        # The worker that was asked has just been killed.
        return 0
