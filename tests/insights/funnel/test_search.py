"""The compiled search for attempts against a naive one, and laws that hold for any events."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_funnel import Person, Rules, best_attempt

from features.read_log import ReadSummary
from insights.funnel.declare import NO_LIMIT_US, CountBy, Funnel, Order
from insights.funnel.events import FunnelEvents
from insights.funnel.measure import count_funnel
from insights.funnel.search import find_attempts
from insights.funnel.steps import Pattern, Step

windows = st.sampled_from((0, 1, 2, 3, 5, 8, NO_LIMIT_US))
SUMMARY = ReadSummary(0, 0, 0, 0, {}, {}, 0, 0, 0)


@st.composite
def funnels(draw: st.DrawFn) -> Funnel:
    count = draw(st.integers(1, 4))
    order = draw(st.sampled_from(Order))
    optional = [False, *(draw(st.integers(0, 3)) == 0 for _ in range(count - 1))]
    return Funnel(
        steps=tuple(
            Step(f"s{place}", (Pattern(f"s{place}"),), is_optional) for place, is_optional in enumerate(optional)
        ),
        order=order,
        window_us=draw(windows),
        step_window_us=NO_LIMIT_US if order is Order.UNORDERED else draw(windows),
        exclude=(Step("x", (Pattern("x"),)),) if draw(st.booleans()) else (),
        count_by=CountBy.VISITOR,
    )


@st.composite
def people(draw: st.DrawFn, funnel: Funnel, overlap: bool) -> Person:
    """Up to eight events, close in time; where steps overlap, one event may take several."""
    count = len(funnel.steps)
    gaps = draw(st.lists(st.sampled_from((0, 1, 1, 2, 4)), max_size=8))
    kinds = [*range(count), *([-1] if funnel.exclude else [])]
    one = st.sampled_from([frozenset[int](), *(frozenset((kind,)) for kind in kinds)])
    any_of = st.frozensets(st.sampled_from(kinds), max_size=3) if overlap else one
    return Person(np.cumsum(gaps).tolist(), [draw(any_of) for _ in gaps])


def arrays(funnel: Funnel, persons: Sequence[Person]) -> FunnelEvents:
    starts = np.cumsum([0, *(len(person.at) for person in persons)])
    bits = [
        sum(1 << (len(funnel.steps) if kind < 0 else kind) for kind in taken)
        for person in persons
        for taken in person.takes
    ]
    at_us = [moment for person in persons for moment in person.at]
    return FunnelEvents(
        starts.astype(np.int64),
        np.array(at_us, np.int64),
        np.array(bits, np.uint32),
        np.array([], np.int32),
        (),
        SUMMARY,
    )


def rules(funnel: Funnel, begins: int = -NO_LIMIT_US, ends: int = NO_LIMIT_US) -> Rules:
    optional = [step.optional for step in funnel.steps]
    return Rules(optional, funnel.window_us, funnel.step_window_us, begins, ends)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_everybodys_best_attempt_is_the_naive_one(data: st.DataObject) -> None:
    funnel = data.draw(funnels())
    persons = data.draw(st.lists(people(funnel, overlap=False), min_size=1, max_size=4))
    events = arrays(funnel, persons)
    begins, ends = data.draw(st.sampled_from(((-NO_LIMIT_US, NO_LIMIT_US), (2, 6))))
    edges = np.array([-NO_LIMIT_US, 3, 7, NO_LIMIT_US])
    found = find_attempts(funnel, events.starts, events.at_us, events.bits, (begins, ends), edges, threads=2)
    wanted = {
        number: attempt
        for number, person in enumerate(persons)
        if (attempt := best_attempt(funnel.order, person, rules(funnel, begins, ends))) is not None
    }
    assert found.person.tolist() == list(wanted)
    for number, places, excluded in zip(found.person.tolist(), found.places.tolist(), found.excluded, strict=True):
        low = int(events.starts[number])
        assert [place - low if place >= 0 else -1 for place in places] == wanted[number][0]
        assert bool(excluded) == wanted[number][1]
    for day, (first, last) in enumerate(pairwise(edges.tolist())):
        attempts = [
            best_attempt(funnel.order, person, rules(funnel, max(begins, first), min(ends, last))) for person in persons
        ]
        taken = [[place >= 0 for place in attempt[0]] for attempt in attempts if attempt and not attempt[1]]
        assert found.daily[day].tolist() == np.sum([[False] * len(funnel.steps), *taken], axis=0).tolist()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_it_gets_as_far_where_an_event_takes_several_steps(data: st.DataObject) -> None:
    funnel = data.draw(funnels())
    person = data.draw(people(funnel, overlap=True))
    events = arrays(funnel, [person])
    everything = (-NO_LIMIT_US, NO_LIMIT_US)
    found = find_attempts(funnel, events.starts, events.at_us, events.bits, everything, np.array(everything), threads=1)
    wanted = best_attempt(funnel.order, person, rules(funnel))
    depth = 0 if wanted is None else sum(wanted[0][step] >= 0 for step in funnel.required)
    assert (found.places[:, list(funnel.required)] >= 0).sum() == depth
    if funnel.order is not Order.UNORDERED and wanted is not None:
        assert found.places.tolist() == [wanted[0]]
        assert found.excluded.tolist() == [wanted[1]]
    for places in found.places.tolist():
        taken = [place for place in places if place >= 0]
        assert len(set(taken)) == len(taken)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_longer_window_never_counts_fewer_and_a_strict_funnel_never_more(data: st.DataObject) -> None:
    funnel = data.draw(funnels().filter(lambda made: not made.exclude and not any(s.optional for s in made.steps)))
    events = arrays(funnel, data.draw(st.lists(people(funnel, overlap=False), min_size=1, max_size=5)))

    def counted(order: Order, window_us: int) -> list[int]:
        step_window_us = NO_LIMIT_US if order is Order.UNORDERED else funnel.step_window_us
        made = Funnel(funnel.steps, order, window_us=window_us, step_window_us=step_window_us)
        return [step.count for step in count_funnel(made, events, threads=1).steps]

    def none_larger(these: list[int], those: list[int]) -> bool:
        return all(one <= other for one, other in zip(these, those, strict=True))

    assert none_larger(counted(funnel.order, 2), counted(funnel.order, 4))
    assert none_larger(counted(Order.STRICT, 3), counted(Order.ORDERED, 3))
    assert none_larger(counted(Order.ORDERED, 3), counted(Order.UNORDERED, 3))
    steps = counted(funnel.order, 3)
    assert steps == sorted(steps, reverse=True)


def test_thousands_of_entries_of_one_person_are_no_trouble() -> None:
    # 100,000 entries of which each could reach all the others: not a step of the search may look at pairs.
    funnel = Funnel(tuple(Step(name, (Pattern(name),)) for name in "abc"), step_window_us=10**9)
    count = 100_000
    bits = np.where(np.arange(count) % 2 == 0, 1, 2).astype(np.uint32)
    events = FunnelEvents(np.array([0, count]), np.arange(count), bits, np.array([], np.int32), (), SUMMARY)
    result = count_funnel(funnel, events)
    assert [step.count for step in result.steps] == [1, 1, 0]
    assert [day.day for day in result.days] == [date(1970, 1, 1)]
