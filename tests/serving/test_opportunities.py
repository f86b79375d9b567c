"""The form of the page of opportunities, over HTTP: what it keeps, and what it refuses."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage.record_store import load_records

Client = OpenClient = Runtime = Any  # as the fixtures of this folder make them
HEADERS = {"origin": "http://127.0.0.1", "referer": "http://127.0.0.1/opportunities?opportunity=form.form"}


def send(client: Client, **fields: str) -> Any:
    return client.request("POST", "/opportunities/status", data=fields, headers=HEADERS)


def opportunity_of(runtime: Runtime) -> str:
    return f"{runtime.journey.stages[0].name}.{runtime.journey.frictions[0].name}"


def kept(runtime: Runtime) -> Any:
    return load_records(runtime.engine, runtime.journey.name)


def test_a_status_is_kept_and_the_page_is_shown_again(open_client: OpenClient) -> None:
    client, runtime = open_client()
    name = opportunity_of(runtime)
    answer = send(client, opportunity=name, status="accepted", reason=" soon ", author="Ada", at="")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/opportunities?opportunity=form.form&done=status"
    (one,) = kept(runtime).opportunity_statuses
    assert (one.opportunity_id, one.status, one.reason, one.author) == (name, "accepted", "soon", "Ada")
    assert one.at_us == runtime.now_us()


def test_a_day_means_its_beginning_in_the_journeys_time_zone(open_client: OpenClient) -> None:
    client, runtime = open_client()
    day = datetime(2026, 2, 1, tzinfo=ZoneInfo(runtime.journey.timezone))
    assert day.timestamp() * 1e6 < runtime.now_us()
    assert (
        send(client, opportunity=opportunity_of(runtime), status="done", author="Ada", at="2026-02-01").status_code
        == 303
    )
    assert kept(runtime).opportunity_statuses[0].at_us == day.timestamp() * 1e6


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"opportunity": "nowhere"}, "has no opportunity 'nowhere'"),
        ({"status": "doing"}, "'doing' is no status"),
        ({"status": "dismissed"}, "needs a reason"),
        ({"author": " "}, "The actor is empty"),
        ({"at": "soon"}, "'soon' is no day"),
        ({"at": "2999-01-01"}, "lies ahead"),
        ({"reason": "x" * 501}, "at most 500 characters"),
    ],
)
def test_what_cannot_be_kept_is_a_mistake_that_says_why(
    open_client: OpenClient, fields: dict[str, str], said: str
) -> None:
    client, runtime = open_client()
    right = {"opportunity": opportunity_of(runtime), "status": "done", "author": "Ada"}
    answer = send(client, **(right | fields))
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert kept(runtime).opportunity_statuses == ()
