"""Who is who: turns, bounds, aliases, undoing, and what is known at a moment."""

from contextlib import suppress
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from features.claims import (
    PLACEHOLDERS,
    Claim,
    IdentityError,
    Limits,
    claim_of,
    hear,
    is_placeholder,
    placeholder_sql,
    undo,
)
from features.events import Event
from features.identity import Kind, Known, Link, Links, Owner, Reason

_LIMITS = Limits()


def claim(
    visitor: str,
    user: str,
    at: int,
    *,
    session: str | None = None,
    received: int | None = None,
    previous: str | None = None,
) -> Claim:
    return Claim(visitor, user, f"e{visitor}{user}{at}", session, at, at if received is None else received, previous)


def book_of(*claims: Claim, limits: Limits = _LIMITS) -> Links:
    book = Links()
    for one in claims:
        hear(book, one, limits)
    return book


def told(book: Links) -> list[tuple[str, str, str | None]]:
    return [(row.kind.value, f"{row.visitor_id}={row.user_id}", row.reason) for row in book.rows]


def visitors(book: Links, user: str, at: int | None = None) -> tuple[str, ...]:
    known = Known(book, at)
    return known.visitors(known.users(user))


def test_two_devices_are_one_person_from_the_moment_both_have_named_the_user() -> None:
    book = book_of(claim("laptop", "ann", 10), claim("phone", "ann", 20))
    assert [visitors(book, "ann", at) for at in (9, 10, 19, 20)] == [
        (),
        ("laptop",),
        ("laptop",),
        ("laptop", "phone"),
    ]


def test_a_link_that_happened_long_ago_is_known_only_from_its_receipt_on() -> None:
    book = book_of(claim("laptop", "ann", 10), claim("phone", "ann", 20, received=100))
    assert visitors(book, "ann", 99) == ("laptop",)
    assert visitors(book, "ann", 100) == ("laptop", "phone")


def test_what_a_clock_ahead_says_is_not_known_before_it_happens() -> None:
    book = book_of(claim("laptop", "ann", 300, received=100))
    assert (visitors(book, "ann", 299), visitors(book, "ann", 300)) == ((), ("laptop",))


def test_a_user_that_is_named_again_and_again_makes_one_row() -> None:
    book = book_of(*(claim("laptop", "ann", at) for at in range(50)))
    assert told(book) == [("link", "laptop=ann", None)]


def test_sessions_before_the_first_login_are_the_first_users() -> None:
    known = Known(book_of(claim("laptop", "ann", 100)))
    assert known.owner("laptop", "s1", 5) == Owner("laptop", "ann", joined=True)


def test_nobody_known_means_the_visitor_alone() -> None:
    known = Known(Links())
    owner = known.owner("laptop", "s1", 5)
    assert owner == Owner("laptop")
    assert known.person(owner).visitors == ("laptop",)


def test_a_second_user_has_the_sessions_from_then_on_and_the_first_keeps_the_earlier_ones() -> None:
    known = Known(book_of(claim("tablet", "ann", 100, session="a"), claim("tablet", "bob", 200, session="b")))
    owners = [known.owner("tablet", name, at).user_id for name, at in (("x", 50), ("a", 90), ("y", 150), ("b", 190))]
    assert owners == ["ann", "ann", "ann", "bob"]
    assert known.owner("tablet", "z", 300).user_id == "bob"
    assert known.person(known.owner("tablet", "z", 300)).users == {"bob"}


def test_users_who_log_in_and_out_in_turn_each_keep_their_own_sessions() -> None:
    book = book_of(
        *(claim("tablet", "ann" if turn % 2 else "bob", 100 * turn, session=f"s{turn}") for turn in range(6))
    )
    known = Known(book)
    assert [known.owner("tablet", f"s{turn}", 100 * turn - 5).user_id for turn in range(6)] == ["bob", "ann"] * 3
    assert [row.kind for row in book.rows] == [Kind.LINK] * 6


def test_of_two_users_in_one_session_it_is_the_later_ones() -> None:
    known = Known(book_of(claim("tablet", "ann", 100, session="s"), claim("tablet", "bob", 110, session="s")))
    assert known.owner("tablet", "s", 90).user_id == "bob"
    assert Known(known.book, 105).owner("tablet", "s", 90).user_id == "ann"


@pytest.mark.parametrize("user", ["null", "undefined", "Anonymous", "0", " NULL ", " ", "[object Object]", "test user"])
def test_a_placeholder_links_nobody_and_is_kept_with_its_reason(user: str) -> None:
    assert is_placeholder(user)
    book = book_of(claim("a", user, 1), claim("b", user, 2), claim("a", user, 3))
    assert told(book) == [("refusal", f"a={user}", "placeholder"), ("refusal", f"b={user}", "placeholder")]
    assert Known(book).owner("a", "s", 5) == Owner("a")
    assert visitors(book, user) == ()


def test_ordinary_ids_are_no_placeholders() -> None:
    assert not any(is_placeholder(one) for one in ("17", "ann@example.com", "nullius", "u-0", "Anne Undefined"))


def test_sql_knows_the_same_placeholders() -> None:
    ids = [*PLACEHOLDERS, "17", "ann", " NULL ", "Test  User", "null1", "u'0", "ANONYMOUS", "\tguest", "a_b", " ", ""]
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE ids AS SELECT unnest(?) AS id", [ids])
        found = dict(connection.execute(f"SELECT id, {placeholder_sql('id')} FROM ids").fetchall())
    assert found == {one: is_placeholder(one) for one in ids}


def test_the_26th_visitor_of_a_user_is_refused_and_stands_for_itself() -> None:
    book = book_of(*(claim(f"v{number:02}", "agent", number) for number in range(30)))
    assert [row.kind for row in book.rows].count(Kind.LINK) == 25
    assert {row.reason for row in book.rows if row.kind is Kind.REFUSAL} == {Reason.TOO_MANY_VISITORS}
    known = Known(book)
    owner = known.owner("v27", "s", 100)
    assert owner == Owner("v27", "agent", joined=False)
    assert known.person(owner).visitors == ("v27",)
    assert len(visitors(book, "agent")) == 25


def test_a_refused_user_ends_the_turn_of_the_one_before() -> None:
    book = book_of(*(claim(f"v{number:02}", "agent", number) for number in range(25)))
    hear(book, claim("desk", "ann", 50, session="mine"), _LIMITS)
    hear(book, claim("desk", "agent", 60, session="call"), _LIMITS)
    known = Known(book)
    assert known.owner("desk", "later", 99) == Owner("desk", "agent", joined=False)
    assert known.owner("desk", "mine", 49) == Owner("desk", "ann", joined=True)


def test_a_refused_pair_stays_refused_when_it_comes_again() -> None:
    limits = Limits(visitors=1)
    book = book_of(
        claim("a", "ann", 1), claim("b", "ann", 2), claim("b", "bob", 3), claim("b", "ann", 4), limits=limits
    )
    assert told(book) == [
        ("link", "a=ann", None),
        ("refusal", "b=ann", "too_many_visitors"),
        ("link", "b=bob", None),
        ("refusal", "b=ann", "refused_before"),
    ]


def test_a_visitor_with_too_many_users_in_turn_becomes_nobodys() -> None:
    book = book_of(*(claim("kiosk", f"u{at}", at) for at in range(20)), limits=Limits(turns=5))
    assert [row.reason for row in book.rows] == [None] * 4 + ["too_many_turns"]
    assert Known(book).owner("kiosk", "later", 99) == Owner("kiosk", "u4", joined=False)


def test_an_alias_makes_two_users_one_person() -> None:
    book = book_of(claim("a", "old", 1), claim("b", "new", 2), claim("b", "new", 3, previous="old"))
    assert visitors(book, "new", 2) == ("b",)
    assert visitors(book, "new", 3) == visitors(book, "old", 3) == ("a", "b")
    assert told(book)[-1] == ("link", "b=new", None)


def test_an_alias_of_a_visitor_links_that_visitor() -> None:
    book = book_of(claim("server", "ann", 5, previous="anonymous-7"))
    assert visitors(book, "ann") == ("anonymous-7", "server")


def test_an_alias_without_a_visitor_of_its_own_joins_the_old_user_that_is_seen_later() -> None:
    # A server's alias call has no anonymous id: the earlier id stands for the visitor.
    book = book_of(claim("old", "new", 1, previous="old"), claim("phone", "old", 2))
    assert visitors(book, "new") == ("old", "phone")


def test_more_users_than_five_are_not_joined() -> None:
    book = book_of(*(claim(f"v{number}", f"u{number}", number) for number in range(7)))
    for number in range(1, 7):
        hear(book, claim(f"v{number}", f"u{number}", 10 + number, previous=f"u{number - 1}"), _LIMITS)
    assert len(Known(book).users("u0")) == 5
    assert [row.reason for row in book.rows if row.previous_id] == [None] * 4 + ["too_many_users", None]


def test_an_alias_that_would_make_too_many_visitors_is_refused() -> None:
    limits = Limits(visitors=3)
    book = book_of(*(claim(f"v{number}", "ann" if number % 2 else "bob", number) for number in range(4)), limits=limits)
    hear(book, claim("v0", "bob", 9, previous="ann"), limits)
    assert told(book)[-1] == ("refusal", "v0=bob", "too_many_visitors")
    assert visitors(book, "ann") == ("v1", "v3")


def test_undoing_takes_a_visitor_out_from_then_on_and_events_do_not_bring_it_back() -> None:
    book = book_of(claim("a", "ann", 1), claim("b", "ann", 2))
    undo(book, book.rows[1], 50, _LIMITS)
    hear(book, claim("b", "ann", 60), _LIMITS)
    assert visitors(book, "ann", 49) == ("a", "b")
    assert visitors(book, "ann", 50) == visitors(book, "ann") == ("a",)
    assert Known(book).owner("b", "s", 70) == Owner("b", "ann", joined=False)
    assert [row.kind for row in book.rows] == [Kind.LINK, Kind.LINK, Kind.UNDOING]


def test_an_undoing_can_be_undone() -> None:
    book = book_of(claim("a", "ann", 1), claim("b", "ann", 2))
    undo(book, book.rows[1], 50, _LIMITS)
    undo(book, book.rows[2], 80, _LIMITS)
    assert [visitors(book, "ann", at) for at in (40, 60, 80)] == [("a", "b"), ("a",), ("a", "b")]
    assert [row.reason for row in book.rows[2:]] == ["undoes 2", "undoes 3"]


def test_an_undoing_can_be_undone_after_the_users_have_taken_turns_again() -> None:
    book = book_of(claim("tablet", "ann", 1), claim("laptop", "ann", 2))
    undo(book, book.rows[0], 10, _LIMITS)
    for one in (claim("tablet", "bob", 20), claim("tablet", "ann", 30)):
        hear(book, one, _LIMITS)
    assert told(book)[-1] == ("refusal", "tablet=ann", "refused_before")
    undo(book, book.rows[2], 40, _LIMITS)
    assert [visitors(book, "ann", at) for at in (35, 40)] == [("laptop",), ("laptop", "tablet")]


def test_an_alias_can_be_undone() -> None:
    book = book_of(claim("a", "old", 1), claim("b", "new", 2), claim("b", "new", 3, previous="old"))
    undo(book, book.rows[-1], 10, _LIMITS)
    hear(book, claim("b", "new", 12, previous="old"), _LIMITS)
    assert visitors(book, "new", 5) == ("a", "b")
    assert visitors(book, "new") == ("b",)


def test_what_does_not_hold_cannot_be_undone() -> None:
    book = book_of(claim("a", "null", 1), claim("a", "ann", 2))
    with pytest.raises(IdentityError, match="is a refusal"):
        undo(book, book.rows[0], 9, _LIMITS)
    undo(book, book.rows[1], 9, _LIMITS)
    with pytest.raises(IdentityError, match="does not hold any more"):
        undo(book, book.rows[1], 10, _LIMITS)


def test_an_undoing_is_not_undone_where_the_person_has_become_full() -> None:
    limits = Limits(visitors=2)
    book = book_of(claim("a", "ann", 1), claim("b", "ann", 2), limits=limits)
    undo(book, book.rows[0], 3, limits)
    hear(book, claim("c", "ann", 4), limits)
    with pytest.raises(IdentityError, match="too large"):
        undo(book, book.rows[2], 5, limits)


def test_events_claim_what_they_name() -> None:
    event = Event("e1", "alias", 5, "v1", "s1", "ann", 7, properties={"previous_id": "old"})
    assert claim_of(event) == Claim("v1", "ann", "e1", "s1", 5, 7, "old")
    assert claim_of(replace(event, name="checkout")) == Claim("v1", "ann", "e1", "s1", 5, 7)
    assert claim_of(replace(event, received_at_us=None, properties={"previous_id": 3})) == Claim(
        "v1", "ann", "e1", "s1", 5, 5
    )
    assert claim_of(replace(event, user_id=None)) is None


_ids = st.sampled_from(["v1", "v2", "v3", "v4", "v5", "both"])
_users = st.sampled_from(["u1", "u2", "u3", "both", "null"])
_claims = st.lists(
    st.builds(
        lambda visitor, user, late, session, previous: (visitor, user, late, session, previous),
        _ids,
        _users,
        st.integers(0, 30),
        st.sampled_from(["s1", "s2", None]),
        st.none() | _users | _ids,
    ),
    max_size=30,
)
_SMALL = Limits(visitors=3, users=2, turns=8)


def _in_order(drawn: list[tuple[str, str, int, str | None, str | None]]) -> list[Claim]:
    """Return claims that are received ten microseconds apart and happened up to thirty before."""
    return [
        Claim(visitor, user, f"e{number}", session, 10 * number - late, 10 * number, previous)
        for number, (visitor, user, late, session, previous) in enumerate(drawn)
    ]


def _persons(book: Links, at: int | None) -> dict[str, tuple[tuple[str, ...], frozenset[str]]]:
    known = Known(book, at)
    return {
        f"{visitor} {session} {first}": (person.visitors, person.users)
        for visitor in ("v1", "v2", "v3", "v4", "v5", "both")
        for session in ("s1", "other")
        for first in (0, 95)
        for person in [known.person(known.owner(visitor, session, first))]
    }


@given(_claims, st.integers(0, 30))
def test_what_is_known_at_a_moment_is_not_changed_by_what_arrives_later(
    drawn: list[tuple[str, str, int, str | None, str | None]], cut: int
) -> None:
    claims = _in_order(drawn)
    moment = 10 * cut
    before = book_of(*(one for one in claims if one.received_us <= moment), limits=_SMALL)
    assert _persons(book_of(*claims, limits=_SMALL), moment) == _persons(before, moment)


@given(_claims)
def test_the_same_events_again_change_nothing(drawn: list[tuple[str, str, int, str | None, str | None]]) -> None:
    claims = _in_order(drawn)
    once, twice = Links(), Links()
    for one in claims:
        hear(once, one, _SMALL)
        hear(twice, one, _SMALL)
        hear(twice, one, _SMALL)
    assert once.rows == twice.rows


@given(_claims, st.lists(st.integers(0, 40), max_size=4))
def test_no_person_grows_beyond_the_limits(
    drawn: list[tuple[str, str, int, str | None, str | None]], undone: list[int]
) -> None:
    book = Links()
    for number, one in enumerate(_in_order(drawn)):
        hear(book, one, _SMALL)
        if number in undone and book.rows:
            row = book.rows[number % len(book.rows)]
            with suppress(IdentityError):
                undo(book, row, one.received_us, _SMALL)
    for moment in range(0, 10 * len(drawn) + 10, 10):
        for persons in _persons(book, moment).values():
            assert len(persons[0]) <= 3
            assert len(persons[1]) <= 2
    of_one: dict[str, list[Link]] = {}
    for row in book.rows:
        of_one.setdefault(row.visitor_id, []).append(row)
    assert all(first.number < second.number for first, second in pairwise(book.rows))
    assert all(sum(row.is_turn for row in rows) <= _SMALL.turns for rows in of_one.values())


@given(_claims)
def test_belonging_to_a_person_is_the_same_seen_from_any_of_its_sessions(
    drawn: list[tuple[str, str, int, str | None, str | None]],
) -> None:
    known = Known(book_of(*_in_order(drawn), limits=_SMALL))
    owners = [known.owner(visitor, "s1", 95) for visitor in ("v1", "v2", "v3", "v4", "v5", "both")]
    for one in owners:
        person = known.person(one)
        assert person.has(one)
        for other in owners:
            if person.has(other):
                assert known.person(other) == person
                assert other.visitor_id in person.visitors
