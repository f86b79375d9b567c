"""How a log arrived: every count is told by the rows of the test's own small log."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from made_logs import signup

from features.plan import compile_plan
from features.read_log import read_log
from insights.arrivals import write_arrivals
from insights.build_facts import build_facts

# Half past eleven at night in UTC is half past midnight in Berlin.
LATE_EVENING = datetime(2026, 3, 1, 22, 30, tzinfo=UTC).timestamp()
SIGNUP = signup(
    timezone="Europe/Berlin", properties={"price": "what it costs", "plan": "which one", "never": "in no event"}
)


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "visitor_id": "v",
        "name": "page_view",
        "occurred_at": LATE_EVENING + number,
        "channel": "on_site",
        "source": "search",
        "properties": {},
    } | changes


def arrive(folder: Path, rows: Iterable[object]) -> None:
    log = folder / "log.jsonl"
    log.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    with read_log(log, compile_plan(SIGNUP.table), timeout_seconds=1800) as read:
        write_arrivals(read, SIGNUP, folder)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in ("arrivals", "lateness", "fields", "refused"):
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{folder}/{table}.parquet'")
        return connection.execute(query).fetchall()


def test_days_and_hours_are_those_of_the_journeys_time_zone(tmp_path: Path) -> None:
    arrive(tmp_path, [event(0), event(1), event(1_800), event(5_400)])
    counted = rows(tmp_path, "SELECT local_day, local_hour, channel, source, name, events FROM arrivals")
    who = ("on_site", "search", "page_view")
    assert counted == [
        (date(2026, 3, 1), 23, *who, 2),
        (date(2026, 3, 2), 0, *who, 1),
        (date(2026, 3, 2), 1, *who, 1),
    ]


def test_an_event_sent_twice_counts_once_and_as_one_duplicate(tmp_path: Path) -> None:
    arrive(tmp_path, [event(0), event(0), event(0), event(1)])
    assert rows(tmp_path, "SELECT sum(events), sum(duplicates) FROM arrivals") == [(2, 2)]


def test_late_is_more_than_a_minute_and_early_more_than_five_seconds(tmp_path: Path) -> None:
    delays = (60, 60.5, 0, -5, -5.5, 3_600)
    log = [event(at, received_at=LATE_EVENING + at + delay) for at, delay in enumerate(delays)]
    arrive(tmp_path, [*log, event(9)])
    assert rows(tmp_path, "SELECT sum(events), sum(timed), sum(late), sum(early) FROM arrivals") == [(7, 6, 2, 1)]


def test_quantiles_of_lateness_are_of_each_channel_and_of_all(tmp_path: Path) -> None:
    log = [event(at, received_at=LATE_EVENING + at + at) for at in range(5)]
    log += [event(at, received_at=LATE_EVENING + at + 100, channel="email") for at in (10, 11)]
    arrive(tmp_path, log)
    told = rows(tmp_path, "SELECT channel, whole, timed, p50, most FROM lateness ORDER BY whole, channel")
    # Of 0 1 2 3 4 100 100 the median is 3.
    assert told == [("email", False, 2, 100, 100), ("on_site", False, 5, 2, 4), (None, True, 7, 3, 100)]


def test_names_that_nobody_declared_are_told_apart_from_what_the_service_shows(tmp_path: Path) -> None:
    arrive(tmp_path, [event(0), event(1, name="hovercraft"), event(2, name="intervention_shown")])
    told = rows(tmp_path, "SELECT name, declared FROM arrivals ORDER BY name")
    assert told == [("hovercraft", False), ("intervention_shown", True), ("page_view", True)]


def test_declared_interventions_share_a_code_and_keep_their_names(tmp_path: Path) -> None:
    shown = ("intervention_shown", "intervention_clicked")
    journey = signup(events={**SIGNUP.events, **dict.fromkeys(shown, "what the service shows")})
    log = tmp_path / "log.jsonl"
    names = (*shown, shown[0], "page_view", "intervention_other")
    log.write_text("\n".join(json.dumps(event(at, name=name)) for at, name in enumerate(names)))
    with read_log(log, compile_plan(journey.table), timeout_seconds=1800) as read:
        write_arrivals(read, journey, tmp_path)
    told = rows(tmp_path, "SELECT name, events, declared FROM arrivals ORDER BY name")
    assert told == [
        ("intervention_clicked", 1, True),
        ("intervention_other", 1, True),
        ("intervention_shown", 2, True),
        ("page_view", 1, True),
    ]


def test_a_field_is_missing_where_it_is_absent_null_or_empty(tmp_path: Path) -> None:
    prices = ({"price": 1}, {"price": None}, {"price": ""}, {}, {"price": 0, "other": 1}, {"price": False})
    log = [event(at, properties=one) for at, one in enumerate(prices)]
    arrive(tmp_path, [*log, event(9, name="edit_field", properties={"plan": "small"}, source="")])
    told = rows(tmp_path, "SELECT name, field, events, missing FROM fields WHERE declared ORDER BY ALL")
    assert told == [("edit_field", "plan", 1, 0), ("page_view", "price", 6, 3)]
    told = rows(
        tmp_path, "SELECT name, field, events, missing FROM fields WHERE NOT declared AND missing > 0 ORDER BY ALL"
    )
    everywhere = ("campaign", "device", "received_at", "session_id", "user_id")
    assert told == [
        *(("edit_field", field, 1, 1) for field in sorted((*everywhere, "source"))),
        *(("page_view", field, 6, 6) for field in everywhere),
    ]


def test_refused_rows_count_on_the_day_they_arrived_where_their_own_cannot_be_used(tmp_path: Path) -> None:
    never = {"occurred_at": "soon"}
    arrive(
        tmp_path,
        [
            event(0),
            event(7_200),
            event(1, visitor_id=""),
            event(2, **never, received_at=LATE_EVENING + 7_200),
            event(3, **never),
            event(4, occurred_at="2099-01-01T00:00:00Z", received_at=LATE_EVENING),
            "{this is no JSON",
        ],
    )
    told = rows(tmp_path, "SELECT local_day, rows, reason FROM refused ORDER BY local_day NULLS LAST, reason")
    assert [one[:2] for one in told] == [
        (date(2026, 3, 1), 1),
        (date(2026, 3, 1), 1),
        (date(2026, 3, 2), 1),
        (None, 1),
        (None, 1),
    ]
    assert "future" in told[1][2]
    assert "neither visitor_id nor user_id" in told[0][2]


def test_facts_hold_how_the_log_arrived(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(event(at)) for at in range(3)))
    build_facts(SIGNUP, log, tmp_path / "facts")
    assert rows(tmp_path / "facts", "SELECT sum(events) FROM arrivals") == [(3,)]
    assert rows(tmp_path / "facts", "SELECT count(*) FROM refused") == [(0,)]
