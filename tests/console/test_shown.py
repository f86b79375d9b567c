"""Figures and sessions as a terminal shows them: whole on eighty columns."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from console import terminal
from console.shown import figures, session_table, show_replay
from features.events import Event
from features.read_sessions import RecordedSession
from serving.messages import BlockerAnswer, EvidenceAnswer, RecommendAnswer, RecommendationAnswer
from serving.replay import Step

START_US = 1_772_368_200 * 1_000_000
BLOCK = {
    "auc": 0.7715208,
    "ap": 0.9569,
    "log_loss": 0.3334,
    "brier": 0.0957,
    "brier_skill": -0.0512,
    "ece": None,
    "base_rate": 0.8795,
    "n_rows": 1_234_567,
    "n_sessions": 7_500,
    "intervals": {"auc": [0.7412345, 0.8], "brier_skill": [-0.1, 0.0312], "ece": None},
}
EVALUATION = {
    **BLOCK,
    "session_weighted": BLOCK,
    "by_events": {"1": BLOCK, "21": BLOCK},
    "by_stage": {"before the first stage": BLOCK, "checkout": BLOCK},
    "by_cohort": {"device=desktop": BLOCK, "source=a=b": BLOCK},
}


@pytest.fixture(params=[80, 100, 160])
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A screen of this width that is no terminal; what is printed is in ``terminal.out.file``."""
    monkeypatch.setattr(terminal, "out", Console(file=io.StringIO(), width=request.param, highlight=False))
    return int(request.param)


def printed() -> str:
    file = terminal.out.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def advice(risk: float, **changes: object) -> RecommendAnswer:
    given = {
        "session_id": "s1",
        "journey": "shop",
        "stage": "checkout",
        "risk": risk,
        "leaving_soon": 0.25,
        "leaving_soon_within": "1m",
        "events_seen": 1,
        "model_version": "1",
        "scored_at": "2026-03-01T12:30:00Z",
        "decision_id": "d",
        "blockers": [],
        "narrative": "Sessions like this one are more often abandoned; payment failed twice and the form has errors.",
        "recommendation": None,
        "reason": "no_blocker",
        "holdout": False,
        "propensity": 1.0,
        "experiment": None,
    }
    return RecommendAnswer(**{**given, **changes})


def payment(phrase: str, confidence: float = 0.75) -> list[BlockerAnswer]:
    evidence = [EvidenceAnswer("payment_failures", 2.0, phrase, 0.5)] if phrase else []
    return [BlockerAnswer("PAYMENT", "friction", 1.0, confidence, evidence)]


def steps(*advices: RecommendAnswer | None, name: str = "choose_payment_method") -> list[Step]:
    events = tuple(Event(f"e{place}", name, START_US + place * 65_000_000, "v1", "s1") for place in range(len(advices)))
    session = RecordedSession("s1", "v1", events, ())
    return [
        Step(session, place + 1, event, given) for place, (event, given) in enumerate(zip(events, advices, strict=True))
    ]


OTHER_PAYMENT = RecommendationAnswer("other_payment", "Pay another way", "Or by invoice.", "on_site", 0.08, 0.1)


def test_figures_fit_the_screen_with_every_number_whole(width: int) -> None:
    for table in figures("Version 3 of shop", EVALUATION):
        terminal.out.print(table)
    lines = printed().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in printed()
    [row] = [line.split() for line in lines if line.startswith("checkout")]
    assert " ".join(row) == "checkout 0.772 0.957 0.333 0.096 -0.051 - 0.879 1,234,567 7,500"
    below = lines[next(place for place, line in enumerate(lines) if line.startswith("checkout")) + 1 :]
    assert [line.split() for line in below[:2]] == [["from", "0.741", "-0.100"], ["to", "0.800", "0.031"]]
    for title in ("Version 3 of shop", "After so many events", "By the stage reached", "By cohort"):
        assert title in lines
    assert any(line.startswith("device: desktop") for line in lines)


def test_a_replay_shows_stage_risk_blocker_and_recommendation_after_each_event(width: int) -> None:
    shown = steps(
        advice(0.94, stage=None),
        advice(0.5, blockers=payment("payment failed twice"), recommendation=OTHER_PAYMENT, reason="best_value"),
        advice(0.02, blockers=payment("payment failed twice", 0.6), reason="not_worth_it"),
        advice(0.3, blockers=payment("payment failed 3 times"), reason="low_risk"),
        None,
    )
    show_replay(shown, {"s1": "bought in the end"})
    text = printed()
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0] == "Session s1: bought in the end"
    words = [line.split() for line in lines]
    assert words[1] == ["#", "Time", "Event", "Stage", "Risk", "Top", "blocker", "Recommendation"]
    rows = [row for row in words if row and row[0].isdigit()]
    assert rows[0][:3] == ["1", "0:00", "choose_payment_method"]
    assert rows[0][3:] == ["-", "█████", "94%", "none", "(no", "blocker)"]
    assert rows[1][1:6] == ["1:05", "choose_payment_method", "checkout", "██░░░", "50%"]
    assert rows[1][-1] == "other_payment"
    assert rows[2][3:6] == ["checkout", "░░░░░", "2%"]
    # The evidence is told where it changes, not in every row.
    assert rows[2][6:] == ["payment", "60%", "(not", "worth", "it)"]
    assert rows[4] == ["5", "4:20", "choose_payment_method", "(ended)"]
    told = " ".join(text.split())
    assert told.count("failed") == 3  # two rows and the narrative
    assert told.endswith("payment failed twice and the form has errors.")


def test_a_blocker_without_evidence_is_shown_by_its_confidence_alone() -> None:
    table = session_table("s", steps(advice(0.9, blockers=payment("")), name="view"))
    assert table.rows[0][5] == "payment 75%"


def test_the_time_of_a_long_journey_is_in_hours_and_days() -> None:
    moments = {
        0: "0:00",
        59: "0:59",
        3_599: "59:59",
        3_600: "1:00:00",
        86_399: "23:59:59",
        86_400 * 12 + 61: "12d 00:01",
    }
    events = tuple(Event(f"e{at}", "view", START_US + at * 1_000_000, "v1", "s1") for at in moments)
    session = RecordedSession("s1", "v1", events, ())
    shown = [Step(session, place, event, None) for place, event in enumerate(events, start=1)]
    assert [row[1] for row in session_table("s", shown).rows] == list(moments.values())


def test_only_the_latest_rows_are_left_where_a_screen_is_low() -> None:
    shown = steps(*(advice(0.9, blockers=payment("payment failed twice")) for _ in range(9)), name="view")
    table = session_table("s", shown, latest=3)
    assert [row[0] for row in table.rows] == ["7", "8", "9"]
    assert table.rows[0][5] == "payment 75%"


def test_the_risk_bar_is_green_then_yellow_then_red() -> None:
    table = session_table("s", steps(advice(0.3), advice(0.5), advice(0.9), name="view"))
    bars = [row[4] for row in table.rows]
    assert all(isinstance(bar, Text) for bar in bars)
    assert [bar.spans[0].style for bar in bars if isinstance(bar, Text)] == ["green", "yellow", "red"]
