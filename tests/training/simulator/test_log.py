"""Walks as a log: what is planted in the rows, and that what was walked can be read back out of them."""

import itertools
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_world import SMALL, WORLDS, close_to

from features.plan import compile_plan
from features.read_log import read_log
from features.source import CANONICAL_COLUMNS
from journeys.load import load_journey
from training.simulator.log import DUPLICATES, LATE, to_events, to_truth
from training.simulator.properties import Words, json_text
from training.simulator.rules import compile_world
from training.simulator.simulate import WORLDS as SHIPPED
from training.simulator.simulate import Chunk, draw, starting_odds
from training.simulator.world import World

SESSIONS, FIRST_SESSION = 3_000, 70_000
Written = tuple[World, Chunk, pa.Table, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=WORLDS.keys())
def written(request: pytest.FixtureRequest) -> Written:
    """A world, what was walked, and the log of it: all rows as received, and the first row of each event id."""
    world = WORLDS[request.param]
    [chunk] = draw(world, sessions=SESSIONS, seed=21)
    table = to_events(world, chunk.visits, chunk.walks, FIRST_SESSION, chunk.rng)
    seen: dict[str, dict[str, Any]] = {}
    for row in table.to_pylist():
        seen.setdefault(row["event_id"], row)
    return world, chunk, table, sorted(seen.values(), key=lambda row: row["event_id"])


def test_the_columns_are_the_canonical_ones(written: Written) -> None:
    _world, _chunk, table, _events = written
    assert table.column_names == list(CANONICAL_COLUMNS)
    for name in ("occurred_at", "received_at"):
        assert table.schema.field(name).type == pa.timestamp("us", tz="UTC")
    for name in ("event_id", "session_id", "visitor_id", "name", "occurred_at", "received_at", "properties"):
        assert table[name].null_count == 0, name


def test_every_step_of_every_walk_is_an_event_in_its_order(written: Written) -> None:
    world, chunk, _table, events = written
    walks, visits = chunk.walks, chunk.visits
    assert len(events) == len(walks.code)
    assert [row["name"] for row in events] == [world.names[code] for code in walks.code]
    session = np.repeat(np.arange(SESSIONS), np.diff(walks.starts))
    assert [row["session_id"] for row in events] == [f"s{FIRST_SESSION + s:09}" for s in session]
    assert [row["visitor_id"] for row in events] == [f"v{visits.visitor[s]:09}" for s in session]
    at_us = np.array([row["occurred_at"].timestamp() * 1e6 for row in events]).round().astype(np.int64)
    np.testing.assert_array_equal(at_us[walks.starts[:-1]], visits.started_us)
    inner = np.ones(len(at_us), np.bool_)
    inner[walks.starts[:-1]] = False
    np.testing.assert_array_equal(np.append(0, np.diff(at_us))[inner], walks.gap_us[inner])


def test_one_event_in_a_hundred_is_received_again_under_its_own_id(written: Written) -> None:
    _world, _chunk, table, events = written
    counts = Counter(table["event_id"].to_pylist())
    again = np.array([counts[row["event_id"]] - 1 for row in events])
    assert set(again) == {0, 1}
    assert close_to(again, DUPLICATES)
    first = {row["event_id"]: row for row in events}
    seen: set[str] = set()
    for row in table.to_pylist():
        if row["event_id"] in seen:
            original = first[row["event_id"]]
            assert row["received_at"] >= original["received_at"]
            assert {**row, "received_at": None} == {**original, "received_at": None}
        seen.add(row["event_id"])


def test_rows_stand_as_received_and_late_events_behind_later_ones(written: Written) -> None:
    _world, _chunk, table, events = written
    received = table["received_at"].to_numpy()
    assert (np.diff(received) >= np.timedelta64(0)).all()
    delays = np.array([(row["received_at"] - row["occurred_at"]).total_seconds() for row in events])
    assert delays.min() > 0
    # What is not late takes less than two seconds; a late event some minutes, and hardly ever so few seconds.
    assert close_to(delays > 2.0, LATE)
    occurred = table["occurred_at"].to_numpy()
    assert (np.diff(occurred) < np.timedelta64(0)).any()
    place = {row["event_id"]: number for number, row in enumerate(table.to_pylist()[::-1])}
    overtaken = sum(
        left["session_id"] == right["session_id"] and place[left["event_id"]] < place[right["event_id"]]
        for left, right in itertools.pairwise(events)
    )
    assert overtaken > 10


def test_some_events_of_a_session_share_their_time(written: Written) -> None:
    _world, _chunk, _table, events = written
    moments = Counter((row["session_id"], row["occurred_at"]) for row in events)
    assert sum(count > 1 for count in moments.values()) > 100


def test_who_signs_in_is_known_from_then_on_on_that_device_alone(written: Written) -> None:
    world, _chunk, _table, events = written
    assert world.sign_in in world.names
    order = sorted(events, key=lambda row: (row["visitor_id"], row["occurred_at"], row["event_id"]))
    known: dict[str, str] = {}
    later_visits = 0
    signed: dict[str, str] = {}
    for row in order:
        visitor = row["visitor_id"]
        if row["name"] == world.sign_in and visitor not in known:
            assert row["user_id"] is not None
            known[visitor], signed[visitor] = row["user_id"], row["session_id"]
        assert row["user_id"] == known.get(visitor)
        later_visits += visitor in known and row["session_id"] != signed[visitor]
    assert later_visits > 10
    assert len(known) < len({row["visitor_id"] for row in events})


def test_two_devices_of_a_person_who_signs_in_on_both_have_one_user(written: Written) -> None:
    _world, chunk, _table, events = written
    person = {f"v{visitor:09}": who for visitor, who in zip(chunk.visits.visitor, chunk.visits.person, strict=True)}
    users: dict[int, set[str]] = {}
    for row in events:
        if row["user_id"] is not None:
            users.setdefault(person[row["visitor_id"]], set()).add(row["user_id"])
    assert all(len(names) == 1 for names in users.values())
    names = [next(iter(names)) for names in users.values()]
    assert len(set(names)) == len(names)


def test_without_a_sign_in_nobody_is_known() -> None:
    places = tuple(
        type(place)(**{**vars(place), "events": {name: w for name, w in place.events.items() if name != "log_in"}})
        for place in SMALL.places
    )
    world = World(**{**vars(SMALL), "places": places, "policy_traces": {}})
    [chunk] = draw(world, sessions=50, seed=1)
    events = to_events(world, chunk.visits, chunk.walks, 0, chunk.rng)
    assert events["user_id"].null_count == events.num_rows


def test_properties_are_json_objects_with_what_the_world_declares(written: Written) -> None:
    world, chunk, _table, events = written
    countries = {name for name, _share in world.countries}
    present: Counter[tuple[str, str]] = Counter()
    totals = Counter(row["name"] for row in events)
    for row in events:
        properties = json.loads(row["properties"])
        assert next(iter(properties)) == "country"
        assert properties["country"] in countries
        assert set(properties) <= {"country", *world.properties.get(row["name"], ())}
        assert all(isinstance(value, str | int | float) for value in properties.values())
        present.update((row["name"], name) for name in properties)
    # All that is declared is carried at least sometimes.
    for name, declared in world.properties.items():
        for carried in declared:
            assert not totals[name] or present[name, carried] > 0, (name, carried)
    by_session = {row["session_id"]: json.loads(row["properties"])["country"] for row in events}
    for s in range(0, SESSIONS, 97):
        assert by_session[f"s{FIRST_SESSION + s:09}"] == world.countries[chunk.visits.country[s]][0]


def test_what_was_shown_says_what_and_with_which_propensity(written: Written) -> None:
    world, chunk, _table, events = written
    names = ("", *(remedy.name for remedy in world.remedies))
    shown = 0
    for place, row in enumerate(events):
        if row["name"].startswith("intervention_"):
            properties = json.loads(row["properties"])
            if "intervention" in world.properties.get(row["name"], {}):
                assert properties["intervention"] == names[chunk.walks.remedy[place]]
            if row["name"] == "intervention_shown":
                assert properties["propensity"] == pytest.approx(chunk.walks.propensity[place], abs=1e-4)
                shown += 1
    assert shown > 20


def test_devices_sources_campaigns_and_channels_belong_to_the_session(written: Written) -> None:
    world, chunk, _table, events = written
    visits = chunk.visits
    for row in events[:: len(events) // 500]:
        s = int(row["session_id"][1:]) - FIRST_SESSION
        source = world.sources[visits.source[s]].name
        assert (row["device"], row["source"]) == (world.devices[visits.device[s]].name, source)
        assert row["campaign"] == (f"{source}-{visits.campaign[s]}" if source in world.touchpoints else None)
        assert row["channel"] == world.channels.get(row["name"], world.channel)
    assert {row["channel"] for row in events if row["name"] == "email_open"} == {"email"}


def test_the_truth_has_a_row_for_each_session_that_agrees_with_its_events(written: Written) -> None:
    world, chunk, _table, events = written
    odds = starting_odds(compile_world(world), chunk.visits)
    truth = to_truth(world, chunk.visits, chunk.walks, odds, FIRST_SESSION).to_pylist()
    goal = world.goal_events[1]
    count = Counter(row["session_id"] for row in events)
    reached = {row["session_id"] for row in events if row["name"] == goal}
    shown = {row["session_id"] for row in events if row["name"] == "intervention_shown"}
    first_seen = {row["session_id"]: row for row in reversed(events)}
    assert [row["session_id"] for row in truth] == [f"s{FIRST_SESSION + s:09}" for s in range(SESSIONS)]
    frictions = {obstacle.friction.name for obstacle in world.obstacles}
    for row in truth:
        name = row["session_id"]
        assert row["events"] == count[name]
        assert row["converted"] == (name in reached)
        assert (row["intervention"] is not None) == (name in shown)
        assert row["started_at"] == first_seen[name]["occurred_at"]
        assert row["visitor_id"] == first_seen[name]["visitor_id"]
        assert row["blocker"] is None or row["blocker"] in frictions
        assert not (row["caused_exit"] and (row["blocker"] is None or row["converted"]))
    assert {row["blocker"] for row in truth} == {None, *frictions}


@pytest.mark.parametrize("world", SHIPPED.values(), ids=SHIPPED.keys())
def test_a_shipped_world_is_read_whole_by_its_journey(world: World, tmp_path: Path) -> None:
    [chunk] = draw(world, sessions=1_000, seed=4)
    pq.write_table(to_events(world, chunk.visits, chunk.walks, 0, chunk.rng), tmp_path / "log.parquet")
    journey = load_journey(world.journey)
    plan = compile_plan(journey.table)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    with read_log(tmp_path / "log.parquet", plan, timeout_seconds=journey.session_timeout_seconds, now=now) as read:
        log, summary = read.whole(), read.summary
    assert (summary.used, summary.quarantined, summary.unknown_events) == (len(chunk.walks.code), 0, {})
    assert summary.deduplicated > 0
    assert log.session_count == 1_000
    # Every property that a feature reads is a number or an identity that arrives.
    assert (~np.isnan(log.values)).any(axis=0).all()


@pytest.mark.parametrize("world", SHIPPED.values(), ids=SHIPPED.keys())
def test_sessions_cut_by_silence_are_those_that_were_walked(world: World, tmp_path: Path) -> None:
    # No pause within a session is as long as the timeout, and nobody is back before it.
    [chunk] = draw(world, sessions=3_000, seed=6)
    table = to_events(world, chunk.visits, chunk.walks, 0, chunk.rng)
    pq.write_table(table.drop_columns("session_id"), tmp_path / "log.parquet")
    journey = load_journey(world.journey)
    timeout = journey.session_timeout_seconds
    assert world.longest_pause_seconds < timeout
    now = datetime(2027, 1, 1, tzinfo=UTC)
    with read_log(tmp_path / "log.parquet", compile_plan(journey.table), timeout_seconds=timeout, now=now) as read:
        log = read.whole()
    cut = np.split(log.event_ids, log.starts[1:-1])
    assert len(cut) == 3_000
    assert all(len({name.split("-")[0] for name in names}) == 1 for names in cut)


def test_json_text_writes_what_json_reads_and_leaves_missing_numbers_out() -> None:
    columns = {
        "word": Words(np.array([1, 0]), ("é", "b")),
        "real": np.array([np.nan, 1.25]),
        "large": np.array([1e22, -1e-3]),
        "whole": np.array([3, -4]),
    }
    texts = [json.loads(text) for text in json_text(columns, 2).to_pylist()]
    assert texts == [
        {"word": "b", "large": 1e22, "whole": 3},
        {"word": "é", "real": 1.25, "large": -0.001, "whole": -4},
    ]
    assert json_text({}, 3).to_pylist() == ["{}"] * 3


def test_a_missing_number_at_the_front_still_leaves_an_object() -> None:
    texts = json_text({"real": np.array([np.nan, 2.0]), "whole": np.array([3, 4])}, 2).to_pylist()
    assert [json.loads(text) for text in texts] == [{"whole": 3}, {"real": 2.0, "whole": 4}]
