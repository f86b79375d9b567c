"""The forms of the playbook's page over HTTP, and what the service opens by itself."""

from pathlib import Path
from typing import Any

import pytest

from insights.facts import Facts
from serving.playbook import keep_playbook
from storage.record_store import load_records

Client = OpenClient = Runtime = Any  # as the fixtures of this folder make them
HEADERS = {"origin": "http://127.0.0.1", "referer": "http://127.0.0.1/playbook?status=proposed"}


def send(client: Client, name: str, **fields: str) -> Any:
    return client.request("POST", f"/playbook/{name}", data=fields, headers=HEADERS)


def parts(runtime: Runtime) -> dict[str, str]:
    """Something that may be added to the playbook of the service's journey."""
    first = runtime.journey.interventions[0]
    return {"stage": first.stages[0], "blocker": first.treats[0].name, "intervention": first.name}


def kept(runtime: Runtime) -> Any:
    return load_records(runtime.engine, runtime.journey.name)


def test_a_tactic_is_added_changed_and_what_was_learnt_is_noted(open_client: OpenClient) -> None:
    client, runtime = open_client()
    added = parts(runtime)
    name = "{stage}.{blocker}.{intervention}".format(**added)
    answer = send(client, "add", **added, owner="", learning="", author="Ada")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/playbook?status=proposed&done=add"
    send(client, "learn", tactic=name, learning="People like it.", author="Bo")
    send(client, "status", tactic=name, status="retired", reason=" too dear ", owner="Tills", author="Cy")
    [tactic] = kept(runtime).tactics
    assert (tactic.learning, tactic.status, tactic.owner) == ("People like it.", "retired", "Tills")
    entries = [(one.actor, one.action) for one in kept(runtime).audit]
    assert entries == [("Ada", "open tactic"), ("Bo", "revise tactic"), ("Cy", "set tactic status")]
    assert kept(runtime).audit[-1].after["reason"] == "too dear"
    assert kept(runtime).audit[-1].at_us == runtime.now_us()


@pytest.mark.parametrize(
    ("form", "fields", "said"),
    [
        ("status", {"tactic": "nothing.like.it"}, "has no tactic 'nothing.like.it'"),
        ("status", {"status": ""}, "Choose a status"),
        ("status", {"status": "proven"}, "is not proven"),
        ("status", {"status": "retired"}, "needs a reason"),
        ("status", {"author": " "}, "The actor is empty"),
        ("status", {"reason": "x" * 501}, "at most 500 characters"),
        ("learn", {"learning": " "}, "Write what is known"),
        ("add", {}, "already"),
        ("add", {"intervention": "magic"}, "has no tactic"),
    ],
)
def test_what_cannot_be_kept_is_a_mistake_that_says_why(
    open_client: OpenClient, form: str, fields: dict[str, str], said: str
) -> None:
    client, runtime = open_client()
    right = parts(runtime) | {"author": "Ada", "status": "testing", "learning": "It works."}
    right["tactic"] = "{stage}.{blocker}.{intervention}".format(**right)
    assert send(client, "add", **right).status_code == 303
    before = kept(runtime)
    answer = send(client, form, **(right | fields))
    assert answer.status_code == 422
    assert said in answer.json()["error"]["message"]
    assert kept(runtime).tactics == before.tactics


def test_a_form_from_another_site_is_refused(open_client: OpenClient) -> None:
    client, runtime = open_client()
    elsewhere = {**HEADERS, "origin": "http://elsewhere.example"}
    fields = parts(runtime) | {"author": "Ada"}
    assert client.request("POST", "/playbook/add", data=fields, headers=elsewhere).status_code == 403
    assert kept(runtime).tactics == ()


def test_figures_that_were_made_open_what_they_propose_once(open_client: OpenClient, tmp_path: Path) -> None:
    from made_facts import MadeSession, write_facts

    _, runtime = open_client()
    stage = runtime.journey.interventions[0].stages[0]
    index = [one.name for one in runtime.journey.stages].index(stage)
    blocker = runtime.journey.interventions[0].treats[0].name
    sessions = [MadeSession(index, confidences={blocker: 0.9}), MadeSession(len(runtime.journey.stages) - 1, "goal")]
    facts: Facts = write_facts(tmp_path / "facts", sessions * 40, runtime.journey)
    keep_playbook(runtime, facts)
    tactics = kept(runtime).tactics
    assert f"{stage}.{blocker}" in {one.source.removeprefix("opportunity ") for one in tactics}
    assert {one.status for one in tactics} == {"proposed"}
    keep_playbook(runtime, facts)
    assert kept(runtime).tactics == tactics
