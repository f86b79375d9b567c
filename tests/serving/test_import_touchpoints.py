"""Touchpoints out of files: mapped by a TOML file, kept once, and joined to people like those that were sent."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import NOW_US, SECOND, Client, OpenClient
from typer.testing import CliRunner

from cli import app
from features.source import SourceError
from features.sources.touchpoint_mapping import read_touchpoint_mapping
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.import_touchpoints import ImportedTouchpoints, import_touchpoints
from serving.times import show_time

DEALS = """\
[columns]
id = ["deal", "phase"]
occurred_at = "changed"
user_id = "customer"
source = "owner"
[constants]
name = "deal"
[properties]
stage = "phase"
amount = "worth"
"""
BEFORE = show_time(NOW_US - 86_400 * SECOND)


def mapping(tmp_path: Path, content: str = DEALS) -> Path:
    path = tmp_path / "crm.toml"
    path.write_text(content)
    return path


def imported(tmp_path: Path, shop: Journey, path: Path, content: str = DEALS, **settings: Any) -> ImportedTouchpoints:
    source = read_touchpoint_mapping(mapping(tmp_path, content))
    configuration = Configuration(home=tmp_path, **settings)
    return import_touchpoints(configuration, shop, source, path, quarantine=tmp_path / "refused.jsonl")


def touchpoints(client: Client, user_id: str) -> list[dict[str, Any]]:
    call = {"event": "view_product", "anonymousId": "v", "userId": user_id, "timestamp": show_time(NOW_US)}
    session_id = client.post("/v1/track", call).json()["session_id"]
    found: list[dict[str, Any]] = client.get(f"/v1/sessions/{session_id}").json()["touchpoints"]
    return found


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_deals_of_a_crm_join_their_customer_and_come_twice_only_in_another_stage(
    open_client: OpenClient, shop: Journey, tmp_path: Path, suffix: str
) -> None:
    client, _ = open_client()
    columns = ("deal", "phase", "changed", "customer", "owner", "worth")
    rows = [("7", "offer", BEFORE, "u", "Ada", 120.5), ("7", "won", BEFORE, "u", "Ada", 120.5)]
    path = tmp_path / f"deals.{suffix}"
    if suffix == "csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in (columns, *rows)) + "\n")
    else:
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    first, again = (imported(tmp_path, shop, path) for _ in range(2))
    assert (first.new, first.duplicates, again.new, again.duplicates) == (2, 0, 0, 2)
    found = touchpoints(client, "u")
    assert [(one["id"], one["properties"]["stage"], float(one["properties"]["amount"])) for one in found] == [
        ("7:offer", "offer", 120.5),
        ("7:won", "won", 120.5),
    ]
    # A deal is no way to come to the shop.
    assert {one["channel"] for one in found} == {None}


def test_clicks_of_an_advertiser_join_whoever_came_by_them(
    open_client: OpenClient, shop: Journey, tmp_path: Path
) -> None:
    client, runtime = open_client()
    client.post("/v1/track", {"event": "view_product", "anonymousId": "v", "properties": {"url": "/?gclid=g1"}})
    columns = '[columns]\noccurred_at = "at"\nclick_id = "gclid"\ncampaign = "ad"\n[constants]\nname = "ad_click"\n'
    (tmp_path / "clicks.csv").write_text(f"at,gclid,ad\n{BEFORE},g1,spring\n{BEFORE},g2,spring\n{BEFORE},g1,spring\n")
    found = imported(tmp_path, shop, tmp_path / "clicks.csv", columns)
    # Without an id the same row is the same touchpoint.
    assert (found.new, found.duplicates) == (2, 1)
    [joined] = runtime.touchpoints.of_person(["v"], [], NOW_US)
    assert (joined.visitor_id, joined.click_id, joined.channel, joined.campaign) == ("v", "g1", "ads", "spring")


def test_people_are_kept_as_the_service_keeps_them(open_client: OpenClient, shop: Journey, tmp_path: Path) -> None:
    client, _ = open_client()
    columns = (
        '[columns]\nname = "what"\noccurred_at = "at"\nuser_id = "to"\n[properties]\nstatus = "state"\nbody = "text"\n'
    )
    rows = [{"what": "Email Open", "at": BEFORE, "to": "anna@example.org", "state": "read", "text": "Dear Anna"}]
    rows += [{"what": "", "at": BEFORE, "to": "anna@example.org"}, {"what": "call", "at": "then", "to": "u"}]
    path = tmp_path / "mails.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert imported(tmp_path, shop, path, columns).summary.reasons == {
        "the event name is missing": 1,
        "occurred_at is missing or no time": 1,
    }
    [mail] = touchpoints(client, "Anna@Example.org")
    assert (mail["name"], mail["channel"], mail["properties"]) == ("email_open", "email", {"status": "read"})
    assert "anna" not in (tmp_path / "refused.jsonl").read_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[columns]\nuser = "a"\n', "'user' is nothing that touchpoints have; did you mean user_id"),
        ('[columns]\nname = "a"\noccurred_at = "b"\n', "does not say whose they are: add a column for visitor_id"),
        ('[columns]\nuser_id = "a"\noccurred_at = "b"\n', 'does not say the name: add [constants] name = "deal"'),
        ('[columns]\nuser_id = "a"\nname = "b"\n', "does not say the occurred_at: add [columns] occurred_at"),
        ('[columns]\nid = []\nname = "b"\n', "[columns] id is the name of a column, or a list of them"),
        ("[constants]\nname = 3\n", '[constants] name is a text, as in name = "deal"'),
        ("[column]\n", "'column' means nothing here; the tables are [columns], [constants], [properties]"),
    ],
)
def test_a_wrong_mapping_is_told_what_to_write(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        read_touchpoint_mapping(mapping(tmp_path, content))
    assert said in str(caught.value)


def test_the_command_says_how_many_were_new_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    Path("deals.csv").write_text(f"deal,phase,changed,customer,owner,worth\n7,won,{BEFORE},u,Ada,5\n")
    given = ["import", "crm", "deals.csv", "--mapping", str(mapping(tmp_path)), "--journey", "ecommerce"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert "1 new touchpoints of ecommerce; 0 were there already" in result.output
    for wrong, said in (
        (given[:3], "need --journey NAME and --mapping FILE.toml"),
        ([*given, "--out", "x.parquet"], "leave --out out"),
        (["import", "canonical", "deals.csv"], "--out is missing"),
    ):
        refused = CliRunner().invoke(app, wrong)
        assert refused.exit_code == 2
        assert said in " ".join(refused.output.replace("│", " ").split())
