"""``dropoff funnel`` as people type it: its tables, its file, its errors."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import call

pytestmark = pytest.mark.xdist_group("cli")


def row(number: int, visitor: str, name: str, minute: int, **more: Any) -> dict[str, Any]:
    at = f"2026-03-29T{minute // 60:02}:{minute % 60:02}:00Z"
    return {"event_id": f"e{number}", "visitor_id": visitor, "name": name, "occurred_at": at, **more}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four visitors view, three add, one of them too late for 30 minutes, one buys; clocks move in Berlin."""
    monkeypatch.chdir(tmp_path)
    rows = [
        *(row(place, f"v{place}", "view", 10, device="mobile" if place else "desktop") for place in range(4)),
        row(4, "v0", "add", 20, device="desktop"),
        row(5, "v1", "add", 40, device="mobile"),
        row(6, "v2", "add", 41, device="mobile"),
        row(7, "v0", "buy", 40, device="desktop"),
        row(8, "v3", "help", 11, device="mobile"),
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows) + "{}\n")
    return path


def test_the_counts_stand_in_the_table_and_in_the_file(log: Path) -> None:
    ran = call("funnel", "--log", log, "--steps", "view,add,buy", "--window", "30m", "--json", "out/funnel.json")
    assert ran.status == 0, ran.err
    assert "10 events read; 9 used; 1 quarantined (1: the event id is missing)" in ran.out
    for line in (["view", "4"], ["add", "2"], ["buy", "1"]):
        assert any(words[:2] == line for words in map(str.split, ran.out.splitlines())), ran.out
    written = json.loads(Path("out/funnel.json").read_text())
    assert [(step["name"], step["count"]) for step in written["steps"]] == [("view", 4), ("add", 2), ("buy", 1)]
    add = written["steps"][1]
    assert (add["dropped"], add["step_conversion"]["value"], add["drop_off"]["value"]) == (2, 0.5, 0.5)
    assert add["time_seconds"]["median"] == (10 + 30) * 60 / 2
    assert written["conversion"]["value"] == 0.25
    assert written["window"] == "30m"
    assert "breakdown" not in written


def test_all_options_reach_the_funnel(log: Path) -> None:
    ran = call(
        *("funnel", "--log", log, "--steps", "view,add,buy", "--window", "1h", "--step-window", "31m"),
        *("--exclude", "help", "--optional", "add", "--by", "device", "--attribution", "step", "--attribution-step"),
        *("view", "--count-by", "session", "--session-timeout", "45m", "--since", "2026-03-29", "--until"),
        *("2026-03-29", "--timezone", "Europe/Berlin", "--json", "funnel.json"),
    )
    assert ran.status == 0, ran.err
    assert "1 sessions are left out for an excluded event within their attempt" in ran.out
    written = json.loads(Path("funnel.json").read_text())
    assert [(step["count"], step["optional"]) for step in written["steps"]] == [(3, False), (3, True), (1, False)]
    assert written["excluded"] == 1
    assert written["days"] == [
        {
            "day": "2026-03-29",
            "hours": 23.0,
            "counts": [3, 3, 1],
            "conversion": written["days"][0]["conversion"],
        }
    ]
    assert written["breakdown"]["attribution_step"] == "view"
    groups = {group["value"]: [step["count"] for step in group["steps"]] for group in written["breakdown"]["groups"]}
    assert groups == {"mobile": [2, 2, 0], "desktop": [1, 1, 1]}


@pytest.mark.parametrize(("order", "counts"), [("ordered", [4, 3]), ("strict", [4, 3]), ("unordered", [4, 3])])
def test_every_order_can_be_asked_for(log: Path, order: str, counts: list[int]) -> None:
    ran = call("funnel", "--log", log, "--steps", "view,add", "--order", order, "--json", "funnel.json")
    assert ran.status == 0, ran.err
    assert [step["count"] for step in json.loads(Path("funnel.json").read_text())["steps"]] == counts


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--steps", "view,ad"], "no event in the log is named 'ad'; did you mean add"),
        (["--steps", "view,add", "--by", "devise"], "no event has a column or property 'devise'; columns are"),
        (["--steps", "view,add", "--order", "any"], "'any' is no order; use ordered, strict, unordered"),
        (["--steps", "view,add", "--window", "soon"], "the window: 'soon' is no duration"),
        (["--steps", "view,,add"], "an event's name is missing before ','"),
        (["--steps", "view", "--timezone", "Berlin"], "no time zone is named 'Berlin'"),
        (["--steps", "view", "--json", "."], "is a folder"),
    ],
)
def test_a_mistake_is_one_line(log: Path, options: list[str], told: str) -> None:
    ran = call("funnel", "--log", log, *options)
    assert ran.status == 1
    assert told in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_help_teaches() -> None:
    ran = call("funnel", "--help")
    assert ran.status == 0
    for word in ("--steps", "--window", "ordered", "strict", "unordered", "Example: dropoff funnel --log"):
        assert word in ran.out
