"""The algebra: what is refused and with which words, and how a declaration reads."""

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from strategies import expressions

from features import scan as algebra
from features.friction import Friction
from features.plan import compile_plan
from features.scan import (
    ONE,
    Combination,
    DeclarationError,
    EventFilter,
    Expression,
    ScanKind,
    absence,
    any_event,
    category,
    count,
    distinct,
    drops,
    first,
    gap,
    hour,
    key,
    last,
    low,
    mean,
    on,
    peak,
    position,
    prop,
    recent,
    scans,
    session_start,
    since,
    since_first,
    streak,
    total,
)
from features.table import Feature, FeatureTable, Stage

ANYTHING: dict[str, object] = {**vars(algebra), "inf": math.inf}


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (on, "on() needs at least one event name; use any_event to listen to all of them"),
        (lambda: on(3), "write them as text, for example 'page_view'"),
        (lambda: on("a", x="much"), "x='much' is no bound: write a number or an inclusive pair such as (3, None)"),
        (lambda: on("a", x=True), "x=True is no bound: write a number"),
        (lambda: on("a", x=(0, True)), "x=(0, True) is no bound: write a number"),
        (lambda: on("a", x=(1, 2, 3)), "x=(1, 2, 3) is no bound"),
        (lambda: on("a", x=(2, 1)), "x=(2, 1) lets nothing through: the first number must not exceed the second"),
        (lambda: on("a", x=math.nan), "x=nan lets nothing through"),
        (lambda: on("a").within(0, of="b"), "within(0, ...) needs a positive number of seconds"),
        (lambda: on("a").within("10", of="b"), "within('10', ...) needs a positive number of seconds"),
        (lambda: on("a").within(1, of=()), "within(..., of=...) takes event names"),
        (lambda: on("a").within(1, of=on("b")), "within(..., of=...) takes event names"),
        (lambda: on("a").within(1, of="b").within(2, of="c"), "declare two features and subtract them"),
        (lambda: session_start.within(1, of="b"), "use on('name').within(...)"),
        (lambda: session_start.where(x=1), "use on('name', ...) for bounds"),
        (lambda: count(("a", "b")), "is no event filter: write an event name, on('name', ...) or any_event"),
        (lambda: count("a", per="day"), "per='day' is unknown: write per='session', per='stage' or per='visitor'"),
        (lambda: recent("a", half_life=0), "half_life=0) needs a positive number of seconds"),
        (lambda: recent("a", half_life=math.inf), "half_life=inf) needs a positive number of seconds"),
        (lambda: recent("a", half_life="60"), "half_life='60') needs a positive number of seconds"),
        (
            lambda: recent("a", half_life=60, value=key("x")),
            "recent(key(\"x\")) needs a number: write recent(prop('x'))",
        ),
        (lambda: total("x"), "total('x') needs a value: write total(prop('x'))"),
        (lambda: last("x"), "last('x') needs a value: write last(prop('x'))"),
        (lambda: first("x"), "first('x') needs a value: write first(prop('x'))"),
        (lambda: distinct("x"), "distinct('x') needs a value: write distinct(prop('x'))"),
        (lambda: last(count("a")), "needs a value: write last(prop('name'))"),
        (lambda: mean(key("x")), "mean(key(\"x\")) needs a number: write mean(prop('x'))"),
        (lambda: peak(ONE), "peak() needs a value to read: write peak(prop('name'))"),
        (lambda: prop(""), "prop('') needs the name of a property"),
        (lambda: key(3), "key(3) needs the name of a property"),
        (lambda: prop('a"b'), "no double quote"),
        (lambda: count("a") - 3, "3 is not a scan: only scans combine with - and /"),
        (lambda: count("a") / prop("x"), "is not a scan: only scans combine with - and /"),
        (lambda: category("device") - count("a"), "is an identity and cannot be subtracted or divided"),
        (lambda: count("a") / first(key("x")), "is an identity and cannot be subtracted or divided"),
        (lambda: last(absence), "is never known: write last(absence, session_start)"),
        (lambda: total(gap, session_start), "is never known: session_start has no gap; use any_event"),
        (lambda: drops(on=session_start), "is never known: session_start has no position; use any_event"),
        (lambda: streak("a", among=on("a", x=1)), "takes event names without bounds: among=on('search', 'click')"),
        (lambda: streak(session_start), "takes event names without bounds"),
        (lambda: streak("a", among="b"), "the events of `on` must be among those of `among`"),
    ],
)
def test_what_is_declared_wrongly_is_refused_with_what_to_write(declare: Callable[[], object], said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert said in str(caught.value)


@given(expressions())
def test_a_description_is_the_declaration_itself(expression: Expression) -> None:
    assert eval(expression.describe(), dict(ANYTHING)) == expression  # noqa: S307 (text of our own scans)


@pytest.mark.parametrize(
    "written",
    [
        'count("click")',
        'last(prop("shipping")) / last(prop("basket_value"))',
        '(count("a") - count("b")) / count(any_event)',
        'count("a") - count("b") - count("c")',
        'count("a") - (count("b") - count("c"))',
        'count("a") / (count("b") - count("c"))',
        'count("a") / count("b") / count("c")',
        'count(on("page_view", load_seconds=(3, None)))',
        'count(on("page_view", load_seconds=(None, 0.1)), per="stage")',
        'count(any_event.where(x=1).within(0.5, of=("a", "b")))',
        'mean(prop("price"), on=on("view", stars=4), per="visitor")',
        'recent("a", half_life=60, value=prop("x"))',
        'recent(on("a", "b"), half_life=0.25)',
        'streak(on("search", results=0), among="search")',
        'distinct(key("product"), on="view")',
        'drops(position, on="view")',
        "last(absence, on=session_start)",
        "hour - since(any_event)",
    ],
)
def test_declarations_read_as_they_were_written(written: str) -> None:
    assert eval(written, dict(ANYTHING)).describe() == written  # noqa: S307 (text of this file)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_scans_are_equal_exactly_when_their_bounds_are(left: float, right: float) -> None:
    assert (count(on("a", x=left)) == count(on("a", x=right))) is (left == right or repr(left) == repr(right))


def test_bounds_that_differ_late_do_not_share_their_state() -> None:
    assert count(on("a", x=(1_234_567, None))) != count(on("a", x=(1_234_568, None)))
    assert recent("a", half_life=60.00001) != recent("a", half_life=60.00002)
    assert count(on("a").within(60.00001, of="b")) != count(on("a").within(60.00002, of="b"))


def test_equal_scans_are_one_and_hash_alike() -> None:
    assert {count("a"), count(on("a")), count(EventFilter(("a",)))} == {count("a")}
    assert recent("a", half_life=60) == recent("a", half_life=60.0)


def test_a_streak_with_bounds_is_broken_by_its_own_events_only() -> None:
    assert streak(on("search", results=0)).among == on("search")
    assert streak("search").among == any_event
    assert streak(on("search").within(5, of="click")).among == on("search")


def test_distinct_reads_a_property_as_an_identity() -> None:
    assert distinct(prop("product")) == distinct(key("product"))
    assert distinct(position).value == position


def test_scans_of_a_combination_come_left_to_right() -> None:
    assert scans((count("a") - count("b")) / count("c")) == [count("a"), count("b"), count("c")]
    assert scans(hour) == []
    assert hour.parts() == ()
    combined = count("a") - count("b")
    assert isinstance(combined, Combination)
    assert combined.parts() == (count("a"), count("b"))


def test_every_primitive_has_a_function_and_can_be_compiled() -> None:
    made = [
        *(count("a"), total(gap), mean(gap), last(gap), first(gap), peak(gap), low(gap), since("a"), since_first("a")),
        *(recent("a", half_life=1), streak("a"), distinct(gap), drops()),
    ]
    assert {scan.kind for scan in made} == set(ScanKind)
    assert {scan.describe().partition("(")[0] for scan in made} == {kind.name.lower() for kind in ScanKind}
    features = tuple(Feature(f"f{place}", scan, Friction.FORM, "{:.0f}") for place, scan in enumerate(made))
    assert compile_plan(FeatureTable(("a",), (Stage("one", "a"),), features)).feature_names[-1] == "f12"
