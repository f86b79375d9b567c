"""What a person, a touch and a conversion are in a log."""

import random
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_touches import BEGIN, row, write

from features.log_files import LogError
from insights.channels.touch_log import read_touch_log


def touches_of(path: Path, *more: Path, by: str = "channel") -> list[tuple[int, float, str]]:
    """Person, minute and name of each touch."""
    with read_touch_log([path, *more], goals=["buy"], threads=1) as log:
        found = log.touches(by)
    first = round(BEGIN.timestamp()) * 1_000_000
    return [
        (person, (at - first) / 60e6, found.names[channel])
        for person, at, channel in zip(found.person.tolist(), found.at_us.tolist(), found.channel.tolist(), strict=True)
    ]


def channels_of(folder: Path, rows: list[dict[str, Any]], **options: Any) -> list[str]:
    return [name for _, _, name in touches_of(write(folder / "log.jsonl", rows), **options)]


def test_an_unbroken_run_of_one_channel_is_one_touch(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.jsonl",
        [row("v", 0, "open", "email"), row("v", 1, "click", "email"), row("v", 2, "page", "site")],
    )
    assert touches_of(path) == [(0, 0.0, "email"), (0, 2.0, "site")]


def test_another_channel_and_back_again_are_three_touches(tmp_path: Path) -> None:
    rows = [row("v", 0, "page", "site"), row("v", 1, "ring", "call"), row("v", 2, "page", "site")]
    assert channels_of(tmp_path, rows) == ["site", "call", "site"]


def test_a_silence_of_exactly_half_an_hour_stays_one_touch(tmp_path: Path) -> None:
    assert channels_of(tmp_path, [row("v", 0, "page", "site"), row("v", 30, "page", "site")]) == ["site"]
    assert channels_of(tmp_path, [row("v", 0, "page", "site"), row("v", 30.02, "page", "site")]) == ["site"] * 2


def test_another_session_is_another_touch(tmp_path: Path) -> None:
    rows = [row("v", 0, "page", "site", session_id="a"), row("v", 1, "page", "site", session_id="b")]
    assert channels_of(tmp_path, rows) == ["site", "site"]


def test_the_goal_and_events_without_a_channel_are_no_touch(tmp_path: Path) -> None:
    rows = [row("v", 0, "page"), row("v", 1, "page", ""), row("v", 2, "page", "None"), row("v", 3, "buy", "site")]
    assert channels_of(tmp_path, [*rows, row("v", 4, "page", "site")]) == ["site"]


def test_sources_and_campaigns_make_touches_of_their_own(tmp_path: Path) -> None:
    rows = [
        row("v", 0, "page", "site", source="ads", campaign="spring"),
        row("v", 1, "page", "site", source="ads"),
        row("v", 2, "page", "site", source="mail", campaign="spring"),
    ]
    assert channels_of(tmp_path, rows) == ["site"]
    assert channels_of(tmp_path, rows, by="source") == ["ads", "mail"]
    assert channels_of(tmp_path, rows, by="campaign") == ["spring"]


def test_visitors_with_the_same_placeholder_for_a_user_are_not_one_person(tmp_path: Path) -> None:
    rows = [
        row("phone", 0, "page", "ads", user_id="null"),
        row("laptop", 60, "page", "mail", user_id=" NULL "),
        row("tv", 120, "page", "mail", user_id="Test  User"),
        row("tv", 130, "page", "site", user_id="ann"),
        row("phone", 180, "page", "site", user_id="ann"),
    ]
    path = write(tmp_path / "log.jsonl", rows)
    found = touches_of(path)
    assert sorted((minute, name, person) for person, minute, name in found) == [
        (0.0, "ads", 0),
        (60.0, "mail", 1),
        (120.0, "mail", 0),
        (130.0, "site", 0),
        (180.0, "site", 0),
    ]


def test_a_visitor_known_as_one_user_is_that_person_on_every_device(tmp_path: Path) -> None:
    rows = [
        row("phone", 0, "page", "ads"),
        row("phone", 60, "page", "site", user_id="ann"),
        row("laptop", 120, "page", "mail", user_id="ann"),
        row("laptop", 180, "page", "site"),
    ]
    assert {person for person, _, _ in touches_of(write(tmp_path / "log.jsonl", rows))} == {0}


def test_on_a_shared_device_only_what_names_a_user_is_that_users(tmp_path: Path) -> None:
    rows = [
        row("tablet", 0, "page", "site"),
        row("tablet", 60, "page", "ads", user_id="ann"),
        row("tablet", 120, "page", "mail", user_id="bob"),
    ]
    found = touches_of(write(tmp_path / "log.jsonl", rows))
    assert len({person for person, _, _ in found}) == 3


def test_a_user_and_a_visitor_of_one_name_are_two_persons(tmp_path: Path) -> None:
    rows = [row("7", 0, "page", "site"), row("phone", 60, "page", "site", user_id="7")]
    assert len({person for person, _, _ in touches_of(write(tmp_path / "log.jsonl", rows))}) == 2


def test_a_duplicated_event_counts_once_and_the_first_received_stays(tmp_path: Path) -> None:
    rows = [
        row("v", 0, "page", "site", event_id="a", received_at="2026-03-02T10:00:00Z"),
        row("v", 0, "page", "mail", event_id="a", received_at="2026-03-02T09:59:00Z"),
        row("v", 500, "buy", event_id="b"),
        row("v", 500, "buy", event_id="b"),
    ]
    path = write(tmp_path / "log.jsonl", rows)
    assert touches_of(path) == [(0, 0.0, "mail")]
    with read_touch_log([path], goals=["buy"], threads=1) as log:
        assert log.goals_reached().at_us.tolist() == [round(BEGIN.timestamp()) * 1_000_000 + 500 * 60_000_000]
        assert (log.summaries[0].read, log.summaries[0].used, log.summaries[0].deduplicated) == (4, 2, 2)


def test_touchpoints_join_the_persons_of_the_log_although_both_number_their_rows(tmp_path: Path) -> None:
    events = write(tmp_path / "events" / "a.jsonl", [row("v", 60, "page", "site"), row("v", 61, "buy")])
    beside = write(tmp_path / "touchpoints" / "a.jsonl", [row("v", 0, "ring", "call"), row("w", 5, "ring", "call")])
    assert touches_of(events, beside) == [(0, 0.0, "call"), (0, 60.0, "site"), (1, 5.0, "call")]


def test_what_cannot_be_used_is_counted_and_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", [row("v", 0, "page", "site"), row(None, 1, "page", "site")])
    with read_touch_log([path], goals=["buy"], quarantine=tmp_path / "refused.jsonl", threads=1) as log:
        assert (log.summaries[0].used, log.summaries[0].quarantined) == (1, 1)
    assert "neither visitor_id nor user_id" in (tmp_path / "refused.jsonl").read_text()
    with (
        pytest.raises(LogError, match="no usable event"),
        read_touch_log([write(tmp_path / "bad.jsonl", [row(None, 1, "page")])], goals=["buy"]),
    ):
        pass


def test_a_goal_without_a_number_is_worth_nothing(tmp_path: Path) -> None:
    rows = [row("v", 0, "buy", properties={"revenue": 12.5}), row("v", 90, "buy", properties={"revenue": "free"})]
    with read_touch_log([write(tmp_path / "log.jsonl", rows)], goals=["buy"], value="revenue", threads=1) as log:
        assert log.goals_reached().value.tolist() == [12.5, 0.0]


def test_touches_of_a_drawn_log_are_those_of_the_definition_read_event_by_event(tmp_path: Path) -> None:
    source = random.Random(4)
    rows = [
        row(
            f"v{source.randrange(12)}",
            source.randrange(0, 1_200),
            source.choice(["page", "page", "page", "buy"]),
            source.choice(["site", "site", "mail", "ads", None]),
            event_id=f"e{number:04}",
            session_id=source.choice(["s1", "s2", None, None]),
            user_id=source.choice(["ann", *[None] * 9]),
        )
        for number in range(900)
    ]
    users: dict[str, set[str]] = {}
    for one in rows:
        users.setdefault(one["visitor_id"], set()).update({one["user_id"]} if "user_id" in one else ())
    paths: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(rows, key=lambda one: (one["occurred_at"], one["event_id"])):
        known = users[one["visitor_id"]]
        person = one.get("user_id") or (next(iter(known)) if len(known) == 1 else one["visitor_id"])
        paths.setdefault(person, []).append(one)
    expected: Counter[tuple[float, str]] = Counter()
    for path in paths.values():
        before = None
        for one in (one for one in path if "channel" in one and one["name"] != "buy"):
            at = datetime.fromisoformat(one["occurred_at"])
            now = (one["channel"], one.get("session_id"))
            if before is None or now != before[0] or at - before[1] > timedelta(minutes=30):
                expected[((at - BEGIN).total_seconds() / 60, one["channel"])] += 1
            before = (now, at)
    found = touches_of(write(tmp_path / "log.jsonl", rows))
    assert Counter((minute, name) for _, minute, name in found) == expected
    assert len({person for person, _, _ in found}) == len(paths)
    # Within a person in order of time, persons one after the other.
    assert [one[:2] for one in found] == sorted(one[:2] for one in found)
