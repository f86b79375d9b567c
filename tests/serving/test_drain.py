"""A service that is about to stop says so, goes on answering, and keeps no connection open."""

from typing import Any

from serving.drain import drain
from serving.guard import Guard


def test_a_service_that_drains_answers_everything_but_that_it_is_ready(open_client: Any, client_of: Any) -> None:
    client, _ = open_client()
    guarded = client_of(Guard(client.app, 1_000_000, client.app))
    assert guarded.get("/readyz").status_code == 200
    assert "connection" not in guarded.get("/livez").headers
    drain(client.app)
    ready = guarded.get("/readyz")
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "stopping")
    for answer in (ready, guarded.get("/livez"), guarded.post("/v1/track", {"anonymousId": "v", "event": "page_view"})):
        assert answer.headers["connection"] == "close"
    assert guarded.get("/livez").status_code == 200
