"""Sessions found, listed and retold."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.facts import Facts
from insights.filters import FilterError
from insights.pages.figure import View
from insights.pages.sessions import page
from insights.sessions import list_sessions, retold_sessions, tell_session

TOLD = [(0.0, "view_cart", None, ""), (5.0, "payment_failed", "PAYMENT", "payment failed 1 times")]


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    minute = timedelta(minutes=1)
    sessions = [
        MadeSession(2, visitor="anna", risk=0.9, started_at=BEGIN, confidences={"PAYMENT": 0.6}, told=TOLD),
        MadeSession(1, visitor="ben", risk=0.4, started_at=BEGIN + minute),
        MadeSession(5, "goal", visitor="100%_off", risk=None, started_at=BEGIN + 2 * minute),
    ]
    return write_facts(tmp_path / "facts", sessions)


def test_the_latest_stands_first_or_the_riskiest_and_an_unknown_risk_last(facts: Facts) -> None:
    with facts.connect() as connection:
        assert [one.visitor_id for one in list_sessions(connection)] == ["100%_off", "ben", "anna"]
        assert [one.visitor_id for one in list_sessions(connection, by_risk=True)] == ["anna", "ben", "100%_off"]
        assert [one.visitor_id for one in list_sessions(connection, least_risk=0.5)] == ["anna"]
        assert [one.visitor_id for one in list_sessions(connection, most=1)] == ["100%_off"]


def test_a_text_is_looked_for_in_every_id_as_it_is(facts: Facts) -> None:
    with facts.connect() as connection:
        assert [one.session_id for one in list_sessions(connection, text="nn")] == ["s0"]
        # No sign of it means more than itself.
        assert [one.visitor_id for one in list_sessions(connection, text="%_")] == ["100%_off"]
        assert list_sessions(connection, text="'; DROP TABLE") == ()


def test_a_session_is_retold_in_order_and_others_are_not(facts: Facts) -> None:
    with facts.connect() as connection:
        assert retold_sessions(connection, 5) == ("s0",)
        told = tell_session(connection, "s0")
        assert told is not None
        assert [(step.name, step.blocker, step.phrase) for step in told.steps] == [
            ("view_cart", None, ""),
            ("payment_failed", "PAYMENT", "payment failed 1 times"),
        ]
        assert told.steps[1].at == "2026-06-01T12:00:05Z"
        assert tell_session(connection, "s1") is None


def test_a_report_retells_the_typical_sessions(facts: Facts) -> None:
    shown = {figure.name: figure for figure in page(View(SHOP, facts)).figures}
    assert list(shown) == ["timeline_1", "timeline_1_steps", "list"]
    assert shown["timeline_1"].table.column("risk") == (0.9, 0.9)
    assert shown["list"].table.columns[0].link == ""


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (("risk", "much"), "risk='much' is no number; write a percentage such as risk=80"),
        (("risk", "101"), "risk='101' is no percentage; write a number from 0 to 100"),
        (("risk", "nan"), "risk='nan' is no percentage"),
        (("order", "random"), "order='random' is no order of sessions; write latest or riskiest"),
        (("session", "s9"), "no session 's9' is in the log"),
    ],
)
def test_a_choice_that_cannot_be_understood_says_what_to_write(
    facts: Facts, choice: tuple[str, str], said: str
) -> None:
    with pytest.raises(FilterError, match=said):
        page(View(SHOP, facts, query=(choice,)))
