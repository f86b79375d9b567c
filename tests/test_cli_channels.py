"""``dropoff channels`` as people type it: its tables, its lines, its file."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "insights" / "channels"))

from made_touches import row, write
from newsletter import call

DAY = 24 * 60


def sold(value: float) -> dict[str, Any]:
    return {"properties": {"revenue": value}}


ROWS = [
    row("a", 0, "click", "ads"),
    row("a", DAY, "open", "email"),
    row("a", DAY + 5, "buy", "site", **sold(30.0)),
    row("b", 0, "open", "email"),
    row("b", 60, "buy", "site", **sold(24.5)),
    row("c", 0, "click", "ads"),
    row("d", 0, "buy", "site", **sold(1.5)),
]
"""Ads then e-mail, and e-mail alone, bought; ads alone did not; one bought without a touch."""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))


def written(*arguments: object) -> dict[str, Any]:
    ran = call("channels", *arguments, "--json", "out.json")
    assert (ran.status, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(Path("out.json").read_text())
    return found


def test_a_plain_log_is_credited_by_every_model_as_by_hand() -> None:
    found = written("--log", write(Path("log.jsonl"), ROWS), "--goal", "buy")
    assert (found["goal"], found["conversions"], found["channels"]) == ("buy", 3, ["ads", "email", "none"])
    expected = {
        "first": (1, 1),
        "last": (0, 2),
        "linear": (0.5, 1.5),
        "position": (0.5, 1.5),
        # The ad was clicked a day before, with a half-life of seven days.
        "time_decay": (1 / (1 + 2 ** (1 / 7)), 1 + 2 ** (1 / 7) / (1 + 2 ** (1 / 7))),
        # P = 2/3 * 1/2 + 1/3 = 2/3; without ads 1/3, without e-mail 0: effects 1/2 and 1.
        "markov": (2 / 3, 4 / 3),
        "shapley": (0.5, 1.5),
    }
    for model, (ads, email) in expected.items():
        credit = found["models"][model]
        assert credit == pytest.approx({"ads": ads, "email": email, "none": 1.0}), model
        assert sum(credit.values()) == 3
    assert list(found["models"]) == list(expected)


def test_values_are_credited_where_a_property_is_named() -> None:
    found = written("--log", write(Path("log.jsonl"), ROWS), "--goal", "buy", "--value", "revenue")
    assert found["value"] == 56.0
    assert found["values"]["first"] == {"ads": 30.0, "email": 24.5, "none": 1.5}
    assert found["values"]["linear"] == pytest.approx({"ads": 15.0, "email": 39.5, "none": 1.5})
    assert {sum(credit.values()) for credit in found["values"].values()} == {56.0}


def test_models_lookback_and_dimension_can_be_chosen() -> None:
    log = write(Path("log.jsonl"), [{**one, "source": one.get("channel")} for one in ROWS])
    found = written(
        "--log", log, "--goal", "buy", "--models", "shapley_rates,first", "--lookback", "1h", "--by", "source"
    )
    assert (found["by"], found["lookback_seconds"]) == ("source", 3600.0)
    # The ad was clicked a day before; only the e-mails are young enough. Ads alone never led to anything.
    assert found["models"] == {
        "first": {"ads": 0.0, "email": 2.0, "none": 1.0},
        "shapley_rates": {"ads": 0.0, "email": 2.0, "none": 1.0},
    }


def test_the_order_of_the_rows_changes_nothing() -> None:
    forward = written("--log", write(Path("a.jsonl"), ROWS), "--goal", "buy", "--value", "revenue")
    assert written("--log", write(Path("b.jsonl"), ROWS[::-1]), "--goal", "buy", "--value", "revenue") == forward


def test_the_terminal_has_the_models_side_by_side_and_says_that_it_is_association() -> None:
    ran = call("channels", "--log", write(Path("log.jsonl"), ROWS), "--goal", "buy")
    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[:2] == ["7 events read; 7 used", "3 times buy, credited to each channel"]
    [email] = [line.split() for line in lines if line.startswith("email")]
    assert email == ["email", "2", "1.00", "2.00", "1.50", "1.50", "1.52", "1.33", "1.50"]
    assert any("it is association" in line for line in lines)


def test_each_stage_of_a_journey_is_credited() -> None:
    rows = [
        row("a", 0, "open", "email", session_id="a"),
        row("a", 1, "page_view", "site", session_id="a"),
        row("a", 2, "view_signup", "site", session_id="a"),
        row("b", 0, "page_view", "site", session_id="b"),
    ]
    example = Path(__file__).parents[1] / "examples" / "newsletter_signup.py"
    found = written(
        "--log", write(Path("log.jsonl"), rows), "--goal", "confirm", "--journey", example, "--models", "first,last"
    )
    stages = {stage["stage"]: stage for stage in found["stages"]}
    assert found["conversions"] == 0
    assert [stage["conversions"] for stage in found["stages"]][:2] == [2, 1]
    first, second, *_ = stages.values()
    assert first["models"] == {"first": {"email": 1.0, "site": 1.0}, "last": {"email": 0.0, "site": 2.0}}
    assert second["models"] == {"first": {"email": 1.0, "site": 0.0}, "last": {"email": 0.0, "site": 1.0}}


def test_touchpoints_beside_the_events_are_read_and_others_can_be_named() -> None:
    write(Path("shop/events/a.jsonl"), [row("v", 60, "page", "site"), row("v", 61, "buy", "site")])
    write(Path("shop/touchpoints/a.jsonl"), [row("v", 0, "ring", "call")])
    both = written("--log", "shop", "--goal", "buy")
    assert both["models"]["first"] == {"call": 1.0, "site": 0.0}
    assert written("--log", "shop/events", "--goal", "buy")["models"]["first"] == {"site": 1.0}
    assert written("--log", "shop/events", "--touchpoints", "shop/touchpoints", "--goal", "buy") == both


def test_a_goal_that_never_happens_and_a_column_that_is_not_there_are_told() -> None:
    log = write(Path("log.jsonl"), ROWS)
    ran = call("channels", "--log", log, "--goal", "by", "--json", "out.json")
    assert ran.status == 0
    assert "No event of the log is named 'by'; did you mean buy" in ran.out
    assert json.loads(Path("out.json").read_text())["models"]["markov"] == {"ads": 0.0, "email": 0.0, "site": 0.0}
    ran = call("channels", "--log", log, "--goal", "buy", "--by", "campaign", "--value", "price")
    assert ran.status == 0
    assert "No event of the log names a campaign" in ran.out
    assert "No buy carries a number as 'price'" in ran.out


def test_what_makes_no_sense_is_one_line() -> None:
    log = write(Path("log.jsonl"), ROWS)
    for options, line in (
        (("--by", "device"), "channels cannot be told apart by 'device'; use one of channel, source, campaign"),
        (("--models", "frist"), "no model is named 'frist'; did you mean first"),
        (("--lookback", "thirty"), "the lookback cannot be read: 'thirty' is no duration"),
        (("--half-life", "0d"), "the half-life cannot be read: '0d' is no duration"),
    ):
        ran = call("channels", "--log", log, "--goal", "buy", *options)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith(f"dropoff: {line}"), ran.err
    assert call("channels", "--log", log).status == 2
    assert call("channels", "--log", log, "--goal", "buy", "--order", 0).status == 2
