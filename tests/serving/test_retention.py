"""Old rows go, new ones stay, and nobody who is erased elsewhere is remembered here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.erasures import clear_told, forget_erased_since
from serving.retention import expire

OpenClient = Callable[..., Any]
DAY_SECONDS = 86_400


def _track(client: Any, visitor: str, event_id: str) -> None:
    client.post("/v1/track", {"messageId": event_id, "anonymousId": visitor, "event": "page_view"})


def _knows(client: Any, visitor: str) -> bool:
    return bool(client.post("/v1/score", {"visitor_id": visitor}).status_code == 200)


def test_what_came_before_the_retention_goes_and_the_rest_stays(open_client: OpenClient, clock: Any) -> None:
    client, runtime = open_client()
    for number in range(3):
        _track(client, f"old-{number}", f"o{number}")
    clock.advance(30 * DAY_SECONDS)
    _track(client, "new", "n")
    assert client.run(expire(runtime, 31)) | {"events": 0} == dict.fromkeys(client.run(expire(runtime, 31)), 0)
    counts = client.run(expire(runtime, 29))
    assert (counts["events"], counts["visitors"]) == (3, 3)
    client.run(forget_erased_since(runtime, 0))
    assert [_knows(client, visitor) for visitor in ("old-0", "old-1", "old-2", "new")] == [False, False, False, True]


def test_whom_another_process_erased_is_forgotten_here(open_client: OpenClient, tmp_path: Path, clock: Any) -> None:
    client, runtime = open_client()
    _track(client, "v", "e1")
    _track(client, "w", "e2")
    place = runtime.erasure.last_position()
    runtime.writer.submit(lambda connection: runtime.erasure.erase(connection, ["v"], clock.now_us)).result()
    assert _knows(client, "v"), "this process has not heard of it yet"
    assert client.run(forget_erased_since(runtime, place)) > place
    assert [_knows(client, "v"), _knows(client, "w")] == [False, True]


def test_the_id_of_an_erased_visitor_stands_in_no_file_after_a_minute(
    open_client: OpenClient, tmp_path: Path, clock: Any
) -> None:
    client, runtime = open_client()
    _track(client, "somebody-in-particular", "e1")
    client.request("DELETE", "/v1/visitors/somebody-in-particular")
    clock.advance(59)
    assert client.run(clear_told(runtime))
    assert any(b"somebody-in-particular" in path.read_bytes() for path in tmp_path.glob("dropoff.db*"))
    clock.advance(2)
    assert not client.run(clear_told(runtime))
    assert not any(b"somebody-in-particular" in path.read_bytes() for path in tmp_path.glob("dropoff.db*"))
