"""Sessions in memory: cut by inactivity, bounded, and the same again after they are read back."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from features.events import Event
from features.friction import Friction
from features.live import LiveSession
from features.plan import Plan, compile_plan
from features.scan import any_event, count, position, since, stage
from features.scan import drops as steps_back
from features.table import Feature, FeatureTable, Stage
from serving.database_sessions import DatabaseStore
from serving.session_store import Limits
from serving.sessions import AloneStore
from serving.visitor import Placed, Visitor
from serving.visitor_memory import EVENT_BYTES
from storage.database import database_url, open_database
from storage.event_log import EventLog
from storage.ledger import Ledger
from storage.tables import events as events_table
from storage.visitor_log import VisitorLog
from storage.writer import Writer

SECOND = 1_000_000
TIMEOUT_US = 1_800 * SECOND
START_US = 1_760_000_000 * SECOND
TABLE = FeatureTable(
    events=("look", "buy"),
    stages=(Stage("looking", "look"), Stage("buying", "buy")),
    features=(
        Feature("events_seen", count(any_event), Friction.NONE, "{:.0f} events"),
        Feature("stage_index", stage, Friction.NONE, "stage {:.0f}"),
        Feature("idle_seconds", since(any_event), Friction.NONE, "{:.0f} s"),
        Feature("steps_back", steps_back(position), Friction.NAVIGATION, "{:.0f} steps back"),
        Feature("purchases_before", count("buy", per="visitor"), Friction.NONE, "{:.0f} purchases"),
    ),
)
EVENT = Event("e0", "look", START_US, "v", received_at_us=START_US)


class Kept:
    """A store with its log, and the shortest way to put events through both."""

    def __init__(self, folder: Path, memory_events: int = 1_000, kind: str = "alone") -> None:
        self.plan: Plan = compile_plan(TABLE)
        self.engine = open_database(database_url(folder))
        self.writer = Writer(self.engine)
        self.log, self.ledger = EventLog(self.engine, "j"), Ledger(self.engine, "j")
        self.limits = Limits(TIMEOUT_US, 20_000, memory_events)
        self.kind = kind
        self._runner = asyncio.Runner()
        self.store = self.another()

    def another(self) -> Any:
        """Return a store of another process on the same log, or of this one after a restart."""
        if self.kind == "alone":
            return AloneStore(self.plan, self.log, self.ledger, self.writer, self.limits)
        known = VisitorLog(self.engine, "j")
        return DatabaseStore(self.plan, self.log, self.ledger, known, self.writer, self.limits)

    def restarted(self) -> Any:
        self.store = self.another()
        return self.store

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    def receive(self, *events: Event, store: Any = None) -> list[Placed]:
        return self.run((store or self.store).keep(events, lambda _connection, _placements: None)).placed

    def visitor(self, visitor_id: str = "v") -> Visitor:
        return self.run(self.store.visitor(visitor_id))

    def session(self, placed: Placed) -> LiveSession:
        found = self.visitor(placed.event.visitor_id).session(str(placed.event.session_id))
        assert found is not None
        return found

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()
        self.writer.close()
        self.engine.dispose()


@pytest.fixture(params=["alone", "database"])
def kept(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kept]:
    opened = Kept(tmp_path, kind=request.param)
    yield opened
    opened.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Kept]:
    opened = Kept(tmp_path)
    yield opened
    opened.close()


def _at(seconds: float, event_id: str, **changes: object) -> Event:
    return msgspec.structs.replace(
        EVENT, event_id=event_id, occurred_at_us=START_US + round(seconds * SECOND), **changes
    )


def test_a_gap_of_exactly_the_timeout_stays_one_session_and_a_microsecond_more_starts_another(kept: Kept) -> None:
    first, same, other = kept.receive(_at(0, "a"), _at(1_800, "b"), _at(3_600.000001, "c"))
    assert first.event.session_id == same.event.session_id == f"v~{START_US}"
    assert other.event.session_id == f"v~{START_US + 3_600_000_001}"


def test_a_session_that_the_payload_names_is_never_cut(kept: Kept) -> None:
    named = kept.receive(_at(0, "a", session_id="s"), _at(90_000, "b", session_id="s"))
    assert {one.event.session_id for one in named} == {"s"}


def test_a_session_that_another_visitor_names_too_gets_one_beside_it(kept: Kept) -> None:
    kept.receive(_at(0, "a", session_id="s"))
    for store in (kept.store, kept.restarted()):
        (beside,) = kept.receive(_at(1, f"b{id(store)}", session_id="s", visitor_id="w"))
        assert beside.event.session_id == "s~w"
    assert len(kept.log.visitor_events("w")) == 2
    owner = kept.run(kept.store.visitor_of_session("s"))
    assert owner is not None
    assert owner.visitor_id == "v"


def test_an_event_without_a_session_joins_the_one_it_is_near(kept: Kept) -> None:
    kept.receive(_at(0, "a", session_id="s"))
    (near,) = kept.receive(_at(10, "b"))
    assert near.event.session_id == "s"


def test_a_late_event_joins_its_session_and_never_renames_it(kept: Kept) -> None:
    kept.receive(_at(100, "a"))
    (late,) = kept.receive(_at(0, "b"))
    assert late.event.session_id == f"v~{START_US + 100 * SECOND}"
    assert kept.session(late).first_at_us == START_US


def test_an_event_id_is_placed_once(kept: Kept) -> None:
    kept.receive(_at(0, "a"))
    (again,) = kept.receive(_at(0, "a"))
    assert not again.is_new
    assert kept.visitor().event_count == kept.store.memory.event_count == 1


def test_features_of_a_visitor_look_at_earlier_sessions(kept: Kept) -> None:
    kept.receive(_at(0, "a", name="buy"))
    (today,) = kept.receive(_at(86_400, "b"))
    session = kept.session(today)
    row = session.row(START_US + 86_400 * SECOND, kept.visitor().others(session))
    assert row[TABLE.names.index("purchases_before")] == 1
    assert row[TABLE.names.index("events_seen")] == 1


def test_a_restart_continues_open_sessions(kept: Kept) -> None:
    (before,) = kept.receive(_at(0, "a"))
    kept.restarted()
    (after,) = kept.receive(_at(60, "b"))
    assert after.event.session_id == before.event.session_id
    assert len(kept.session(after)) == 2


def test_sessions_are_found_by_session_user_and_visitor_after_a_restart(kept: Kept) -> None:
    kept.receive(_at(0, "a", session_id="s", user_id="u"))
    store = kept.restarted()
    found = kept.run(store.visitor_of_session("s"))
    assert found is not None
    assert found.visitor_id == "v"
    by_user = kept.run(store.visitor_of_user("u"))
    assert by_user is not None
    assert by_user[1].session_id == "s"
    assert kept.run(store.visitor_of_session("unknown")) is None
    assert kept.run(store.visitor_of_user("nobody")) is None
    assert kept.visitor("nobody").latest() is None


def test_memory_is_bounded_and_who_was_put_aside_comes_back_whole(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory_events=100)
    for number in range(40):
        kept.receive(*(_at(step, f"{number}-{step}", visitor_id=f"v{number}") for step in range(5)))
        assert kept.store.memory.byte_count <= 100 * EVENT_BYTES
    assert "v0" not in kept.store.memory
    assert 2 <= len(kept.store.memory) < 40
    assert kept.store.memory.event_count == 5 * len(kept.store.memory)
    assert kept.visitor("v0").event_count == 5
    assert kept.store.memory.byte_count <= 100 * EVENT_BYTES
    kept.close()


def test_visitors_who_were_not_touched_lately_are_packed_and_never_read_from_the_log(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory_events=4_000)
    for number in range(400):
        kept.receive(_at(number, f"e{number}", visitor_id=f"v{number}"), _at(0, f"n{number}", visitor_id=f"v{number}"))
    memory = kept.store.memory
    assert (len(memory), memory.event_count) == (400, 800)
    assert memory.packed_count > 300
    with kept.engine.begin() as connection:
        connection.execute(delete(events_table))
    for number in range(400):
        visitor = kept.visitor(f"v{number}")
        assert visitor.session_ids == (f"v{number}~{START_US + number * SECOND}",)
        assert visitor.event_count == 2
    assert (len(memory), memory.event_count) == (400, 800)
    kept.close()


def test_all_that_memory_counts_is_given_back(kept: Kept) -> None:
    for number in range(30):
        kept.receive(_at(number, f"e{number}", visitor_id=f"v{number % 7}", session_id=f"s{number % 11}-{number % 7}"))
        kept.visitor(f"v{number % 7}")
    for number in range(7):
        kept.run(kept.store.forget(f"v{number}"))
    memory = kept.store.memory
    assert (len(memory), memory.event_count, memory.byte_count) == (0, 0, 0)
    assert memory.owner("s1-1") is None


def test_a_visitor_whose_events_are_on_their_way_is_not_put_aside(tmp_path: Path) -> None:
    kept = Kept(tmp_path, memory_events=50)
    on_their_way = [kept.store.place(_at(step, f"w{step}", visitor_id="w")) for step in range(3)]
    kept.receive(*(_at(step, f"x{step}", visitor_id="x") for step in range(3)))
    assert kept.visitor("w").event_count == 3
    kept.writer.submit(lambda connection: kept.log.append(connection, [one.event for one in on_their_way])).result(5)
    kept.store.settle(on_their_way)
    kept.receive(_at(9, "y", visitor_id="y"))
    assert kept.store.memory.packed_count >= 1
    kept.close()


def test_a_visitor_with_very_many_events_is_read_aside_and_events_meanwhile_are_not_lost(kept: Kept) -> None:
    many = [_at(number / 10, f"e{number}") for number in range(3_000)]
    kept.receive(*many)
    kept.restarted()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    async def ask() -> None:
        counting = asyncio.create_task(count_turns())
        await asyncio.sleep(0)
        ways = (
            kept.store.visitor("v"),
            kept.store.keep([_at(400, "late")], lambda _connection, _placements: None),
            kept.store.visitor("v"),
        )
        await asyncio.gather(*ways)
        counting.cancel()
        assert (await kept.store.visitor("v")).event_count == 3_001

    kept.run(ask())
    assert turns >= 3
    assert len(kept.log.visitor_events("v")) == 3_001


def test_a_full_visitor_gets_no_further_events_and_those_sent_again_are_acknowledged(kept: Kept) -> None:
    kept.limits = replace(kept.limits, visitor_events=2)
    store = kept.restarted()
    kept.receive(_at(0, "a"), _at(1, "b"))
    kept_again = kept.run(store.keep([_at(0, "a"), _at(2, "c")], lambda _connection, _placements: None))
    assert [(one.event.event_id, one.is_new) for one in kept_again.placed] == [("a", False)]
    assert [event.event_id for event in kept_again.full] == ["c"]


def test_a_visitor_in_doubt_is_read_again_from_the_log(alone: Kept) -> None:
    alone.receive(_at(0, "a"))
    lost = alone.store.place(_at(1, "never kept"))
    alone.store.settle([lost], doubtful=True)
    assert alone.visitor("v").event_count == 1


def test_open_sessions_are_those_that_an_event_could_still_join(kept: Kept) -> None:
    kept.receive(_at(0, "a"), _at(10_000, "b"), _at(10_000, "c", visitor_id="w"))
    assert kept.visitor("v").event_count + kept.visitor("w").event_count == 3
    assert kept.store.memory.open_sessions(START_US + 10_001 * SECOND) == 2
    assert kept.store.memory.open_sessions(START_US + 20_000 * SECOND) == 0


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1.0, 1_799.0, 1_800.0, 1_801.0, 5_000.0, 90_000.0]),
        st.sampled_from(["look", "buy", "other"]),
        st.sampled_from([None, None, "s"]),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(ARRIVALS)
def test_what_is_read_back_has_the_same_sessions_and_features(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list[tuple[float, str, str | None]]
) -> None:
    kept = Kept(tmp_path_factory.mktemp("log"))
    for number, (seconds, name, session_id) in enumerate(arrivals):
        kept.receive(_at(seconds, f"e{number}", name=name, session_id=session_id))
    live = _described(kept.visitor())
    kept.restarted()
    read_back = _described(kept.visitor())
    assert live.keys() == read_back.keys()
    for session_id, rows in live.items():
        np.testing.assert_array_equal(rows, read_back[session_id])
    assert sum(len(rows) for rows in live.values()) == len(arrivals)
    kept.close()


def _described(visitor: Visitor) -> dict[str, np.ndarray]:
    rows = {}
    for session_id in visitor.session_ids:
        session = visitor.session(session_id)
        assert session is not None
        moments = [(seen + 1, session.last_at_us + SECOND) for seen in range(len(session))]
        rows[session_id] = session.rows(moments, visitor.others(session))
    return rows
