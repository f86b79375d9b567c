from hypothesis import given, settings
from hypothesis import strategies as st
from made_facts import SHOP
from outsider import could_be

from insights.cohort_parts import find_shown_stages, tell_stages
from insights.cohort_sums import Pair
from insights.sums import Sums

STAGES = len(SHOP.stages)
LEAST = 20
# Of each cohort: how many left in each stage, and how many reached the goal.
WAYS = st.lists(
    st.lists(st.one_of(st.just(0), st.integers(0, 40)), min_size=STAGES + 1, max_size=STAGES + 1),
    min_size=1,
    max_size=5,
)


def sums_of(reached: list[int], exits: list[int]) -> list[Pair]:
    """Everybody has one session."""
    return [
        Pair(Sums(n, n, float(y), float(n), float(y), float(y)), Sums(0, 0, 0.0, 0.0, 0.0, 0.0), y)
        for n, y in zip(reached, exits, strict=True)
    ]


@given(WAYS)
@settings(max_examples=150, deadline=None)
def test_how_few_reached_a_stage_cannot_be_worked_out_from_all_that_is_shown(ways: list[list[int]]) -> None:
    names = [f"c{place}" for place in range(len(ways))]
    reached = [[sum(way[stage:]) for stage in range(STAGES)] for way in ways]
    sums = {("exit", str(stage)): {} for stage in range(STAGES)}
    for name, way, counts in zip(names, ways, reached, strict=True):
        for stage, pair in enumerate(sums_of(counts, way[:-1])):
            if pair.own.count:
                sums["exit", str(stage)][name] = pair
    shown = find_shown_stages(SHOP, names, names, sums, LEAST)
    known: dict[str, int] = {}
    relations = []
    for name, way in zip(names, ways, strict=True):
        known[f"goal {name}"] = way[-1]
        for stage, told in enumerate(tell_stages(SHOP, name, sums, {}, shown)):
            known |= {} if told.reached is None else {f"reached {name} {stage}": told.reached}
            known |= {} if told.exits is None else {f"exits {name} {stage}": told.exits}
            following = f"reached {name} {stage + 1}" if stage + 1 < STAGES else f"goal {name}"
            relations.append(([f"exits {name} {stage}", following], f"reached {name} {stage}"))
    for stage in range(STAGES):
        for kind, counts in (("reached", reached), ("exits", ways)):
            known[f"all {kind} {stage}"] = sum(of_cohort[stage] for of_cohort in counts)
            relations.append(([f"{kind} {name} {stage}" for name in names], f"all {kind} {stage}"))
    for at, name in enumerate(names):
        for stage in range(STAGES):
            others_left = any(ways[other][stage] for other in range(len(ways)) if other != at)
            if 0 < reached[at][stage] < LEAST:
                assert (stage, name) not in shown
                # Where nobody else left, everybody knows that all of the others went on.
                if others_left:
                    low, high = could_be(known, relations, f"reached {name} {stage}")
                    assert low < high


def test_a_cohort_in_which_nobody_left_does_not_hide_another() -> None:
    # All 30 of the second went on, which their goals tell: only the third can hide the 5 of the first.
    ways = {"a": [40, 0, 0, 0, 0, 2, 3], "b": [0, 0, 0, 0, 0, 0, 30], "c": [0, 0, 0, 0, 0, 30, 30]}
    sums = {("exit", str(stage)): {} for stage in range(STAGES)}
    for name, way in ways.items():
        for stage, pair in enumerate(sums_of([sum(way[stage:]) for stage in range(STAGES)], way[:-1])):
            sums["exit", str(stage)][name] = pair
    shown = find_shown_stages(SHOP, list(ways), list(ways), sums, LEAST)
    last = STAGES - 1
    assert {name for name in ways if (last, name) not in shown} == {"a", "b", "c"}
