"""Touchpoints: kept once, joined to their person whenever that becomes known, credited, told and erased."""

import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import NOW_US, SECOND, Client, OpenClient

from features.log_files import EVENTS_FOLDER, TOUCHPOINTS_FOLDER
from insights.channels.contribution import measure_contribution
from serving.live_log import LiveLog
from serving.runtime import Runtime
from serving.times import show_time
from storage.tables import events

DAY = 86_400


@pytest.fixture
def opened(open_client: OpenClient) -> tuple[Client, Runtime]:
    return open_client()


def track(client: Client, visitor: str, second: float = 0, name: str = "view_product", **said: Any) -> None:
    call = {
        "event": name,
        "anonymousId": visitor,
        "messageId": f"{visitor}{name}{second}",
        "timestamp": show_time(NOW_US + round(second * SECOND)),
    }
    assert client.post("/v1/track", call | said).status_code == 200


def touch(number: str, second: float = -DAY, **said: Any) -> dict[str, Any]:
    return {"id": number, "name": "email_click", "occurred_at": show_time(NOW_US + round(second * SECOND))} | said


def told(client: Client, runtime: Runtime, visitor: str) -> list[str]:
    """The ids of the touchpoints of a visitor's latest session."""
    [session_id, *_] = runtime.log.sessions_of(visitor)
    answer = client.get(f"/v1/sessions/{session_id}")
    assert answer.status_code == 200
    return [one["id"] for one in answer.json()["touchpoints"]]


def test_a_touchpoint_is_kept_once_and_starts_no_session(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    both = [touch("t1", user_id="u"), touch("t2", user_id="u")]
    assert client.post("/v1/touchpoints", both).json() == {
        "accepted": 2,
        "duplicates": 0,
        "withheld": 0,
        "success": True,
    }
    assert client.post("/v1/touchpoints", touch("t1", user_id="other")).json()["duplicates"] == 1
    twice = client.post("/v1/touchpoints", [touch("t3", user_id="u"), touch("t3", user_id="u")]).json()
    assert (twice["accepted"], twice["duplicates"]) == (1, 1)
    assert runtime.touchpoints.count() == 3
    assert runtime.log.last_position() is None
    assert client.post("/v1/score", {"user_id": "u"}).status_code == 404


def test_a_touchpoint_joins_its_user_also_when_who_that_is_becomes_known_later(
    opened: tuple[Client, Runtime],
) -> None:
    client, runtime = opened
    client.post("/v1/touchpoints", [touch("mail", user_id="u"), touch("other", user_id="somebody else")])
    track(client, "v")
    assert told(client, runtime, "v") == []
    client.post("/v1/identify", {"anonymousId": "v", "userId": "u", "messageId": "i", "timestamp": show_time(NOW_US)})
    assert told(client, runtime, "v") == ["mail"]
    # Another device of the same person.
    track(client, "phone", 5, userId="u")
    assert told(client, runtime, "phone") == ["mail"]


def test_a_touchpoint_joins_by_the_click_whichever_comes_first(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    client.post("/v1/touchpoints", touch("early", name="ad_click", click_id="g1"))
    track(client, "v", context={"page": {"url": "https://shop.example/?gclid=g1"}})
    client.post("/v1/touchpoints", touch("late", name="ad_click", click_id="g1"))
    client.post("/v1/touchpoints", touch("another", name="ad_click", click_id="g2"))
    assert told(client, runtime, "v") == ["early", "late"]
    # Whoever forwards the link is not the one who clicked.
    track(client, "friend", context={"page": {"url": "https://shop.example/?gclid=g1"}})
    assert told(client, runtime, "friend") == []


def test_a_session_tells_what_happened_before_and_during_it_but_not_after(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    track(client, "v", -600, userId="u")
    track(client, "v", 0, userId="u")
    moments = {"before": -DAY, "during": -300, "end": 0, "after": 1}
    client.post("/v1/touchpoints", [touch(name, second, user_id="u") for name, second in moments.items()])
    assert told(client, runtime, "v") == ["before", "during", "end"]


def test_two_people_on_one_device_keep_their_touchpoints_apart(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    track(client, "shared", -2 * 3_600, userId="a")
    client.post("/v1/touchpoints", [touch("a's", user_id="a"), touch("b's", user_id="b")])
    track(client, "shared", 0, userId="b")
    assert told(client, runtime, "shared") == ["b's"]


def test_a_deal_is_told_with_its_stage_and_amount(opened: tuple[Client, Runtime]) -> None:
    client, runtime = opened
    said = {"stage": "won", "amount": 120.5, "email": "anna@example.org", "note": "call 10.0.0.1"}
    client.post("/v1/touchpoints", touch("d1", name="deal", user_id="u", properties=said))
    track(client, "v", userId="u")
    [session_id] = runtime.log.sessions_of("v")
    [deal] = client.get(f"/v1/sessions/{session_id}").json()["touchpoints"]
    assert deal == {
        "id": "d1",
        "name": "deal",
        "occurred_at": show_time(NOW_US - DAY * SECOND),
        "channel": None,
        "campaign": None,
        "properties": {"stage": "won", "amount": 120.5},
    }
    [on_page] = LiveLog(runtime).tell(session_id).touches  # type: ignore[union-attr]
    assert (on_page.name, on_page.at) == ("deal", deal["occurred_at"])


def test_users_are_hashed_as_events_users_are_so_that_they_still_join(open_client: OpenClient) -> None:
    client, runtime = open_client(hash_user_ids=True)
    client.post("/v1/touchpoints", touch("mail", user_id="Anna@example.org"))
    track(client, "v", userId="anna@example.org")
    assert told(client, runtime, "v") == ["mail"]
    [kept] = runtime.touchpoints.of_person([], [runtime.privacy.user_id("anna@example.org")], NOW_US)
    assert kept.user_id is not None
    assert kept.user_id.startswith("h_")


def test_channels_of_a_live_log_are_credited_with_its_touchpoints(
    opened: tuple[Client, Runtime], tmp_path: Path
) -> None:
    client, runtime = opened
    track(client, "v", 0, "purchase", userId="u")
    track(client, "w", 0, "purchase", context={"page": {"url": "https://shop.example/?gclid=g1"}})
    touches = [touch("mail", user_id="u"), touch("ad", name="ad_click", click_id="g1"), touch("lost", click_id="g9")]
    client.post("/v1/touchpoints", touches)
    folder = tmp_path / "log"
    runtime.log.export(folder / EVENTS_FOLDER / "log.parquet")
    # A click that has led nobody here is nobody's touch.
    assert runtime.touchpoints.export(folder / TOUCHPOINTS_FOLDER / "log.parquet") == 2
    assert pq.read_table(folder / TOUCHPOINTS_FOLDER / "log.parquet")["session_id"].null_count == 2
    counts = {one.channel: one.conversions for one in measure_contribution(folder, "purchase").goal.counts}
    assert {name: counts[name] for name in ("email", "ads")} == {"email": 1, "ads": 1}


def test_a_log_without_touchpoints_has_no_folder_of_them(opened: tuple[Client, Runtime], tmp_path: Path) -> None:
    assert opened[1].touchpoints.export(tmp_path / "touchpoints" / "log.parquet") == 0
    assert not (tmp_path / "touchpoints").exists()


def test_erasing_a_visitor_erases_touchpoints_and_clicks_but_not_another_persons(
    opened: tuple[Client, Runtime],
) -> None:
    client, runtime = opened
    track(client, "v", userId="u", context={"page": {"url": "https://shop.example/?gclid=g1"}})
    track(client, "w", 1, userId="both")
    track(client, "v", 2, name="add_to_cart", userId="both")
    touches = [touch("mail", user_id="u"), touch("ad", click_id="g1"), touch("own", visitor_id="v")]
    client.post("/v1/touchpoints", [*touches, touch("kept", user_id="both"), touch("stays", user_id="x")])
    receipt = client.request("DELETE", "/v1/visitors/v").json()
    assert (receipt["touchpoints"], receipt["clicks"]) == (3, 1)
    left = runtime.touchpoints.of_person(["v"], ["u", "both", "x"], NOW_US)
    assert [one.touchpoint_id for one in left] == ["kept", "stays"]
    with runtime.engine.connect() as connection:
        assert {row.visitor_id for row in connection.execute(events.select())} == {"w"}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (touch("t"), 422, "user_id"),
        ([touch("t", user_id="u"), touch("t")], 422, "[1].user_id"),
        (touch("", user_id="u"), 422, "id"),
        (touch("t", user_id="u", name=""), 422, "name"),
        (touch("t", user_id="u", occurred_at="soon"), 422, "occurred_at"),
        ([touch("t", user_id="u", occurred_at="1999-01-01")], 422, "[0].occurred_at"),
        (touch("t", DAY, user_id="u"), 422, "occurred_at"),
        (touch("t", user_id="u" * 300), 422, "user_id"),
        (touch("t", click_id="c" * 300), 422, "click_id"),
        (touch("t", user_id="u", channels="x"), 422, "channels"),
        (touch("t", user_id=5), 422, "user_id"),
        ({"id": "t", "name": "call", "user_id": "u"}, 422, "occurred_at"),
        ([], 200, None),
        (b"nonsense", 400, None),
    ],
)
def test_a_client_is_told_which_field_is_wrong_and_nothing_is_kept(
    opened: tuple[Client, Runtime], body: Any, status: int, field: str | None
) -> None:
    client, runtime = opened
    answer = client.post("/v1/touchpoints", body)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["error"]["field"] == field
    assert runtime.touchpoints.count() == 0


def test_too_many_at_once_are_refused(open_client: OpenClient) -> None:
    client, _ = open_client(max_batch_events=2)
    assert client.post("/v1/touchpoints", [touch(str(n), user_id="u") for n in range(3)]).status_code == 413
