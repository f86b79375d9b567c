"""Which status may follow which, by hand and by verdicts."""

import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from made_tactics import evidence

from insights.playbook.status import TacticError, after_end, parse_tactic_status, require_change, supports
from storage.playbook import TacticStatus

PROPOSED, TESTING, PROVEN, RETIRED = TacticStatus
SHIPPED = (evidence(0),)


@pytest.mark.parametrize(("before", "after"), list(product(TacticStatus, TacticStatus)))
def test_people_may_change_a_status_as_documented(before: TacticStatus, after: TacticStatus) -> None:
    refused = {(PROVEN, PROVEN): False, (RETIRED, TESTING): True, (RETIRED, PROVEN): True}
    if refused.get((before, after), False):
        with pytest.raises(TacticError, match="is retired, and can only become proposed"):
            require_change("a.b.c", before, after, SHIPPED, "a reason")
    else:
        require_change("a.b.c", before, after, SHIPPED, "a reason")


@pytest.mark.parametrize(
    "known",
    [
        (),
        (evidence(0, verdict="inconclusive"),),
        (evidence(0, verdict="invalid"),),
        (evidence(9), evidence(0, verdict="stop")),
    ],
)
def test_proven_needs_an_experiment_that_shipped_and_none_after_it_that_stopped(known: tuple[object, ...]) -> None:
    with pytest.raises(TacticError, match="a valid experiment whose verdict is ship"):
        require_change("a.b.c", TESTING, PROVEN, known, "we believe in it")  # type: ignore[arg-type]


def test_a_ship_after_a_stop_proves_it_whatever_decided_nothing_since() -> None:
    assert supports([evidence(9, verdict="stop"), evidence(5), evidence(1, verdict="inconclusive")])


def test_retiring_needs_a_reason() -> None:
    with pytest.raises(TacticError, match="needs a reason"):
        require_change("a.b.c", PROVEN, RETIRED, SHIPPED, " ")


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(TacticError, match="'done' is no status; write one of proposed, testing, proven, retired"):
        parse_tactic_status("done")


@pytest.mark.parametrize(
    ("verdict", "before", "status"),
    [
        ("ship", (), PROVEN),
        ("ship", ("stop",), PROVEN),
        ("stop", (), RETIRED),
        ("stop", ("inconclusive", "stop"), RETIRED),
        ("stop", ("ship",), PROPOSED),
        ("inconclusive", (), PROPOSED),
        ("inconclusive", ("ship",), PROVEN),
        ("inconclusive", ("ship", "stop"), PROPOSED),
        ("invalid", (), PROPOSED),
        ("invalid", ("ship",), PROVEN),
    ],
)
def test_the_end_of_an_experiment_decides_the_status(
    verdict: str, before: tuple[str, ...], status: TacticStatus
) -> None:
    known = [evidence(10 * (len(before) - at), verdict=one) for at, one in enumerate(before)]
    assert after_end(verdict, [*known, evidence(0, verdict=verdict)]) is status


@given(st.lists(st.sampled_from(["ship", "stop", "inconclusive", "invalid"]), min_size=1, max_size=6))
def test_nothing_is_ever_proven_without_a_ship(verdicts: list[str]) -> None:
    known = [evidence(len(verdicts) - at, verdict=one) for at, one in enumerate(verdicts)]
    status = after_end(verdicts[-1], known)
    assert status is not PROVEN or "ship" in verdicts
    assert (status is PROVEN) == supports(known)
