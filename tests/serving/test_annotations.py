"""Annotations over HTTP and by the form of the page of alerts, and alarms that people look after."""

from typing import Any

import pytest

from insights.alarms import ACTOR
from storage.database import writing
from storage.records import Alarm, AlarmStatus, AnnotationKind

NOW_US = 1_772_368_200_000_000  # 2026-03-01T12:30:00Z
ORIGIN = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}


def post_form(client: Any, address: str, fields: dict[str, str]) -> Any:
    return client.request("POST", address, data=fields, headers=ORIGIN)


def test_what_was_noted_down_is_told_in_the_order_of_what_it_is_about(client: Any) -> None:
    assert client.get("/v1/annotations").json() == {"annotations": []}
    for at, text in (("2026-02-20T08:00:00Z", "New form"), ("2026-02-10T09:00:00+01:00", "Campaign starts")):
        answer = client.post("/v1/annotations", {"at": at, "text": text, "kind": "release", "author": "ann"})
        assert answer.status_code == 200
    told = client.get("/v1/annotations").json()["annotations"]
    assert [(one["at"], one["text"]) for one in told] == [
        ("2026-02-10T08:00:00Z", "Campaign starts"),
        ("2026-02-20T08:00:00Z", "New form"),
    ]
    assert (told[0]["kind"], told[0]["author"], told[0]["created_at"]) == ("release", "ann", "2026-03-01T12:30:00Z")


def test_kind_and_author_have_defaults(client: Any) -> None:
    answer = client.post("/v1/annotations", {"at": "2026-02-20", "text": "x"}).json()
    assert (answer["kind"], answer["author"]) == ("other", "api")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "x"}, "at"),
        ({"at": "2026-02-20"}, "text"),
        ({"at": "yesterday", "text": "x"}, "at"),
        ({"at": "1970-01-01", "text": "x"}, "at"),
        ({"at": "2036-01-01", "text": "x"}, "at"),
        ({"at": "2026-02-20", "text": "  "}, "text"),
        ({"at": "2026-02-20", "text": "x" * 501}, "text"),
        ({"at": "2026-02-20", "text": "x", "kind": "party"}, "kind"),
        ({"at": "2026-02-20", "text": "x", "colour": "red"}, "colour"),
    ],
)
def test_a_mistake_is_named_with_its_field(client: Any, body: dict[str, str], field: str) -> None:
    answer = client.post("/v1/annotations", body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert client.get("/v1/annotations").json() == {"annotations": []}


def test_a_planned_release_may_lie_ahead(client: Any) -> None:
    assert client.post("/v1/annotations", {"at": "2026-06-01", "text": "New checkout"}).status_code == 200


def test_the_description_has_both_ways(client: Any) -> None:
    described = client.get("/docs.json").json()
    assert set(described["paths"]["/v1/annotations"]) == {"get", "post"}
    kinds = described["components"]["schemas"]["AnnotationKind"]["enum"]
    assert sorted(kinds) == sorted(kind.value for kind in AnnotationKind)


def test_the_form_keeps_local_time_and_leads_back_to_the_page(client: Any) -> None:
    fields = {"at": "2026-02-20T09:30", "kind": "policy", "text": "Sign-in is required", "author": "ann"}
    answer = post_form(client, "/alerts/annotate", fields)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/alerts?done=annotate")
    [one] = client.get("/v1/annotations").json()["annotations"]
    # The shop is in Berlin: an hour ahead in February.
    assert (one["at"], one["kind"], one["text"], one["author"]) == (
        "2026-02-20T08:30:00Z", "policy", "Sign-in is required", "ann",
    )  # fmt: skip


@pytest.mark.parametrize("changed", [{"at": "soon"}, {"at": ""}, {"text": " "}, {"kind": "party"}])
def test_the_form_refuses_what_cannot_be_meant(client: Any, changed: dict[str, str]) -> None:
    fields = {"at": "2026-02-20T09:30", "kind": "policy", "text": "x", "author": "ann"} | changed
    assert post_form(client, "/alerts/annotate", fields).status_code == 422
    assert client.get("/v1/annotations").json() == {"annotations": []}


def test_alarms_are_acknowledged_and_closed_by_forms(open_client: Any) -> None:
    client, runtime = open_client()
    alarm = Alarm("0123456789abcdef", "cart", None, "rise", NOW_US, NOW_US, 0.2, 0.3, 1.5, 1.3, 1.7)
    with writing(runtime.engine) as connection:
        runtime.records.open_alarm(connection, alarm, actor=ACTOR, now_us=NOW_US)
    choice = "cart, everybody: rise since 2026-03-01 13:30 [0123456789abcdef]"
    assert post_form(client, "/alerts/acknowledge", {"alarm": choice, "author": "ann"}).status_code == 303
    assert runtime.records.alarms()[0].status is AlarmStatus.ACKNOWLEDGED
    assert post_form(client, "/alerts/close", {"alarm": choice, "author": "ann"}).status_code == 303
    [closed] = runtime.records.alarms()
    assert (closed.status, closed.closed_us) == (AlarmStatus.CLOSED, NOW_US)
    assert post_form(client, "/alerts/close", {"alarm": "none", "author": "ann"}).status_code == 422
