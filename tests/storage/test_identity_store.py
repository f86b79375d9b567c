"""Links and assignments in the database: the same as in memory, whoever else writes."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import PostgresServer
from sqlalchemy import Engine, delete

from features.claims import IdentityError, Limits, claim_of, hear
from features.events import Event
from features.identity import Kind, Known, Links
from storage.assignments import AlreadyAssigned, Assignment, Assignments
from storage.database import database_url, open_database, writing
from storage.identity_store import IdentityStore
from storage.identity_tables import assignments, identity_links


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def any_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = database_url(tmp_path_factory.mktemp("home"))
    else:
        url = request.getfixturevalue("postgres")
    opened = open_database(url)
    yield opened
    opened.dispose()


@pytest.fixture
def emptied(any_engine: Engine) -> Engine:
    with writing(any_engine) as connection:
        connection.execute(delete(identity_links))
        connection.execute(delete(assignments))
    return any_engine


def named(visitor: str, user: str | None, at: int, **more: object) -> Event:
    event = Event(f"e{visitor}{user}{at}", "page_view", at, visitor, f"s{at}", user, at)
    return msgspec.structs.replace(event, **more)  # type: ignore[arg-type]


def record(store: IdentityStore, engine: Engine, *events: Event) -> list[str]:
    with writing(engine) as connection:
        links = store.record(connection, events)
    store.learn(links)
    return [link.kind.value for link in links]


def visitors(store: IdentityStore, user: str) -> tuple[str, ...]:
    known = Known(store)
    return known.visitors(known.users(user))


def test_what_events_say_is_kept_and_read_back(emptied: Engine) -> None:
    store = IdentityStore(emptied, "shop")
    assert record(store, emptied, named("a", None, 1), named("a", "ann", 2), named("a", "ann", 3)) == ["link"]
    assert record(store, emptied, named("b", "ann", 4), named("b", "null", 5)) == ["link", "refusal"]
    assert visitors(store, "ann") == ("a", "b")
    (first, second, refused) = IdentityStore(emptied, "shop").rows_about("ann") + store.rows_about("null")
    assert (first.event_id, first.session_id, first.at_us, first.received_us) == ("eaann2", "s2", 2, 2)
    assert (second.number > first.number, refused.kind, refused.reason) == (True, Kind.REFUSAL, "placeholder")
    assert visitors(IdentityStore(emptied, "trial"), "ann") == ()


def test_what_was_read_before_a_link_is_read_again_after_it(emptied: Engine) -> None:
    store = IdentityStore(emptied, "shop")
    assert visitors(store, "ann") == ()
    record(store, emptied, named("a", "ann", 1))
    assert visitors(store, "ann") == ("a",)


def test_another_process_sees_a_link_at_once_where_processes_are_shared(emptied: Engine) -> None:
    one, other = (IdentityStore(emptied, "shop", shared=True) for _ in range(2))
    for store in (one, other):
        store.catch_up()
        assert visitors(store, "ann") == ()
    record(one, emptied, named("a", "ann", 1))
    record(other, emptied, named("b", "ann", 2))
    for store in (one, other):
        store.catch_up()
        assert visitors(store, "ann") == ("a", "b")


def test_a_link_that_was_not_committed_is_not_known(emptied: Engine) -> None:
    store = IdentityStore(emptied, "shop", shared=True)
    with emptied.connect() as connection:
        assert len(store.record(connection, [named("a", "ann", 1)])) == 1
        connection.rollback()
    store.catch_up()
    assert visitors(store, "ann") == ()
    assert record(store, emptied, named("a", "ann", 1)) == ["link"]


def test_memory_is_bounded(emptied: Engine) -> None:
    store = IdentityStore(emptied, "shop", memory_links=10)
    record(store, emptied, *(named(f"v{number}", f"u{number}", number) for number in range(50)))
    for number in range(50):
        assert visitors(store, f"u{number}") == (f"v{number}",)
    assert len(store) <= 10


def test_undoing_is_another_row(emptied: Engine) -> None:
    store = IdentityStore(emptied, "shop")
    record(store, emptied, named("a", "ann", 1), named("b", "ann", 2))
    number = store.rows_about("b")[0].number
    with writing(emptied) as connection:
        undone = store.undo(connection, number, 50)
    store.learn([undone])
    assert visitors(store, "ann") == ("a",)
    assert record(store, emptied, named("b", "ann", 60)) == []
    assert [row.kind for row in store.rows_about("ann")] == [Kind.LINK, Kind.LINK, Kind.UNDOING]
    with pytest.raises(IdentityError, match="no link 987654"), writing(emptied) as connection:
        store.undo(connection, 987_654, 60)


def test_erasing_a_visitor_takes_its_links_and_its_number_is_not_given_again(emptied: Engine) -> None:
    store = IdentityStore(emptied, "shop")
    alias = named("b", "ann", 3, name="alias", properties={"previous_id": "a"})
    record(store, emptied, named("a", "ann", 1), named("b", "ann", 2), alias)
    newest = max(row.number for row in store.rows_about("ann"))
    with writing(emptied) as connection:
        assert store.erase_visitor(connection, "a") == {"identity_links": 2}
        assert store.erase_visitor(connection, "b") == {"identity_links": 1}
    store.forget()
    assert visitors(store, "ann") == ()
    record(store, emptied, named("c", "ann", 9))
    assert store.rows_about("ann")[0].number > newest


_events = st.lists(
    st.tuples(
        st.sampled_from(["v1", "v2", "v3", "both"]),
        st.sampled_from(["u1", "u2", "both", "null", None]),
        st.integers(0, 30),
        st.sampled_from(["u1", "u2", "v1", None]),
        st.booleans(),
    ),
    max_size=15,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_events)
def test_the_database_holds_the_rows_that_the_rules_make(
    emptied: Engine, drawn: list[tuple[str, str | None, int, str | None, bool]]
) -> None:
    with writing(emptied) as connection:
        connection.execute(delete(identity_links))
    limits = Limits(visitors=2, users=2, turns=6)
    store, book = IdentityStore(emptied, "shop", limits), Links()
    batch: list[Event] = []
    for number, (visitor, user, late, previous, ends_batch) in enumerate(drawn):
        properties = {"previous_id": previous} if previous else {}
        name = "alias" if previous else "page_view"
        at = 10 * number + 100
        batch.append(Event(f"e{number}", name, at - late, visitor, f"s{number % 3}", user, at, properties=properties))
        if ends_batch:
            record(store, emptied, *batch)
            batch = []
        claim = claim_of(
            Event(f"e{number}", name, at - late, visitor, f"s{number % 3}", user, at, properties=properties)
        )
        if claim is not None:
            hear(book, claim, limits)
    record(store, emptied, *batch)
    for visitor in ("v1", "v2", "v3", "both"):
        kept, expected = store.of_visitor(visitor), book.of_visitor(visitor)
        assert [replace(row, number=0) for row in kept] == [replace(row, number=0) for row in expected]
    for user in ("u1", "u2", "both", "null"):
        kept, expected = store.of_user(user), book.of_user(user)
        assert [replace(row, number=0) for row in kept] == [replace(row, number=0) for row in expected]


def test_the_first_assignment_stays(emptied: Engine) -> None:
    one, other = Assignments(emptied, "shop"), Assignments(emptied, "shop")
    with writing(emptied) as connection:
        one.keep(connection, Assignment("a", "first", 1))
    with writing(emptied) as connection:
        other.keep(connection, Assignment("a", "first", 9))
        with pytest.raises(AlreadyAssigned) as overtaken:
            other.keep(connection, Assignment("a", "second", 2))
    assert overtaken.value.standing == Assignment("a", "first", 1)
    assert other.find(["a", "b"]) == {"a": Assignment("a", "first", 1)}
    with writing(emptied) as connection:
        assert other.erase_visitor(connection, "a") == {"assignments": 1}
    assert other.find(["a"]) == {}
