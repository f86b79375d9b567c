"""The forms of the governance page, over HTTP: what they write down, and what they refuse."""

from datetime import date
from typing import Any

import pytest

from storage.history import account
from storage.record_store import load_records

Client = OpenClient = Runtime = Any  # as the fixtures of this folder make them
HEADERS = {"origin": "http://127.0.0.1", "referer": "http://127.0.0.1/governance?since=2026-03-01"}


def send(client: Client, form: str, **fields: str) -> Any:
    return client.request("POST", f"/governance/{form}", data=fields, headers=HEADERS)


def kept(runtime: Runtime) -> Any:
    return load_records(runtime.engine, runtime.journey.name)


def test_a_milestone_is_added_and_done_and_the_page_is_shown_again(open_client: OpenClient) -> None:
    client, runtime = open_client()
    answer = send(client, "milestone", title=" Free returns ", due="2026-04-01", owner="Logistics")
    assert (answer.status_code, answer.headers["location"]) == (303, "/governance?since=2026-03-01&done=milestone")
    (one,) = kept(runtime).milestones
    assert (one.title, one.due, one.owner, one.done_us) == ("Free returns", date(2026, 4, 1), "Logistics", None)
    assert send(client, "done", number=f"{one.id}: Free returns").status_code == 303
    assert kept(runtime).milestones[0].done_us == runtime.now_us()
    assert [(entry.action, entry.actor) for entry in kept(runtime).audit] == [
        ("add milestone", account()),
        ("complete milestone", account()),
    ]


def test_a_review_that_was_held_stands_in_the_audit(open_client: OpenClient) -> None:
    client, runtime = open_client()
    assert send(client, "review", until="2026-03-01").status_code == 303
    (entry,) = kept(runtime).audit
    assert (entry.action, entry.after) == ("hold review", {"until": "2026-03-01"})


@pytest.mark.parametrize(
    ("form", "fields", "said"),
    [
        ("milestone", {"title": "", "due": "2026-04-01", "owner": "Logistics"}, "The title is empty"),
        ("milestone", {"title": "x", "due": "soon", "owner": "Logistics"}, "'due' is a day"),
        ("milestone", {"title": "x", "due": "2026-04-01"}, "The owner is empty"),
        ("done", {"number": "9"}, "has no milestone 9"),
        ("done", {"number": "first"}, "by its number"),
        ("done", {"number": "9" * 30}, "by its number"),
        ("review", {"until": ""}, "'until' is a day"),
    ],
)
def test_what_cannot_be_written_down_is_a_mistake_that_says_why(
    open_client: OpenClient, form: str, fields: dict[str, str], said: str
) -> None:
    client, runtime = open_client()
    answer = send(client, form, **fields)
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert kept(runtime).audit == ()
