"""Clocks that jump: the server's by an hour forth and back, a client's by years."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import NOW_US, SECOND, Client, Clock, OpenClient, clock, open_client, shop, shop_model

__all__ = ["clock", "open_client", "shop", "shop_model"]  # fixtures

_NOW = datetime.fromtimestamp(NOW_US / SECOND, UTC)
_HOUR = 3_600


def _track(client: Client, message_id: str, **more: Any) -> str:
    call = {"event": "page_view", "messageId": message_id, "anonymousId": "v"} | more
    answer = client.post("/v1/track", call)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["session_id"])


def _iso(seconds: float) -> str:
    return (_NOW + timedelta(seconds=seconds)).isoformat()


def test_a_server_clock_that_jumps_an_hour_forth_and_back_mixes_no_sessions_and_keeps_the_order(
    open_client: OpenClient, clock: Clock
) -> None:
    client, runtime = open_client()
    before = _track(client, "a")
    clock.advance(_HOUR)
    ahead = _track(client, "b")
    clock.advance(60 - _HOUR)
    back = _track(client, "c")
    # By their moments a and c are a minute apart, and b an hour from both.
    assert before == back != ahead
    client, runtime = open_client()
    answer = client.get(f"/v1/sessions/{before}").json()
    assert [event["event_id"] for event in answer["events"]] == ["a", "c"]
    assert client.post("/v1/score", {"session_id": ahead}).status_code == 200
    assert runtime.log.last_position() == 3


def test_events_from_before_a_jump_back_of_the_server_are_placed_by_their_own_time(
    open_client: OpenClient, clock: Clock
) -> None:
    client, _ = open_client()
    first = _track(client, "a", timestamp=_iso(0))
    clock.advance(-_HOUR)
    # Said by a client whose clock is right while the server's is an hour late: that is too far ahead to be believed.
    refused = client.post(
        "/v1/track", {"event": "page_view", "messageId": "b", "anonymousId": "v", "timestamp": _iso(10)}
    )
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "time_in_future"
    clock.advance(_HOUR)
    assert _track(client, "b", timestamp=_iso(-10)) == first
    assert _track(client, "c", timestamp=_iso(-5)) == first


@pytest.mark.parametrize("wrong_years", [-20, -1, 1, 30])
def test_a_client_clock_that_is_years_off_is_put_right_by_when_it_sent(
    open_client: OpenClient, clock: Clock, wrong_years: int
) -> None:
    client, runtime = open_client()
    wrong = timedelta(days=365 * wrong_years)
    sent = _NOW + wrong
    for number, ago in enumerate((90, 60, 30)):
        call = {"originalTimestamp": (sent - timedelta(seconds=ago)).isoformat(), "sentAt": sent.isoformat()}
        _track(client, f"m{number}", **call)
    [found] = {event.session_id for event in runtime.log.visitor_events("v")}
    moments = [event.occurred_at_us for event in runtime.log.session_events(str(found))]
    assert moments == [NOW_US - ago * SECOND for ago in (90, 60, 30)]
