"""What facts say of risk and blockers is what scoring the same log says."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from newsletter import EXAMPLE, fit_version, write_log

from insights.build_facts import build_facts
from insights.facts import Facts
from insights.timelines import TYPICAL
from journeys.load import load_journey
from training.score import score_log

SESSIONS = 2_000


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Facts, pd.DataFrame]:
    """Facts with a model, and the scores of the same log."""
    folder = tmp_path_factory.mktemp("told")
    log = write_log(folder / "log.jsonl", SESSIONS, 1)
    model = fit_version(log, "1", trees=20)
    journey = load_journey(str(EXAMPLE))
    score_log(journey, log, model, folder / "scores.parquet")
    return build_facts(journey, log, folder / "facts", model), pd.read_parquet(folder / "scores.parquet")


def rows_of(facts: Facts, query: str) -> list[tuple[Any, ...]]:
    with facts.connect() as connection:
        return connection.execute(query).fetchall()


def test_every_risk_is_that_of_the_scored_session(told: tuple[Facts, pd.DataFrame]) -> None:
    facts, scores = told
    found = dict(rows_of(facts, "SELECT session_id, risk FROM sessions WHERE risk IS NOT NULL"))
    expected = dict(zip(scores.session_id, scores.risk, strict=True))
    assert found.keys() == expected.keys()
    assert len(found) == SESSIONS
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_blocker_is_the_scores_own_where_a_risky_session_was_abandoned(
    told: tuple[Facts, pd.DataFrame],
) -> None:
    facts, scores = told
    rows = rows_of(facts, "SELECT session_id, blocker, confidence FROM sessions WHERE outcome = 'abandoned'")
    risky = scores[scores.reason != "low_risk"].set_index("session_id")
    compared = [row for row in rows if row[0] in risky.index]
    assert len(compared) > 50
    for session_id, blocker, confidence in compared:
        expected = risky.loc[session_id]
        assert blocker == (None if pd.isna(expected.blocker) else expected.blocker)
        if blocker:
            assert confidence == pytest.approx(expected.confidence, abs=1e-12)
    assert any(blocker for _, blocker, _ in compared)


def test_no_blocker_is_named_of_those_who_reached_the_goal(told: tuple[Facts, pd.DataFrame]) -> None:
    facts, _ = told
    assert rows_of(facts, "SELECT count(*) > 50, count(blocker) FROM sessions WHERE outcome = 'goal'") == [(True, 0)]
    assert rows_of(
        facts, "SELECT count(*) FROM blockers JOIN sessions USING (session) WHERE outcome <> 'abandoned'"
    ) == [(0,)]


def test_the_first_blocker_of_the_table_is_the_one_that_is_named(told: tuple[Facts, pd.DataFrame]) -> None:
    facts, _ = told
    both = (
        'SELECT session_id, friction, blockers.confidence FROM blockers JOIN sessions USING (session) WHERE "first" '
        "ORDER BY 1"
    )
    named = (
        "SELECT session_id, blocker, confidence FROM sessions WHERE outcome = 'abandoned' AND blocker IS NOT NULL "
        "ORDER BY 1"
    )
    assert rows_of(facts, both) == rows_of(facts, named)


def test_a_retold_session_ends_with_the_risk_of_the_table_of_sessions(told: tuple[Facts, pd.DataFrame]) -> None:
    facts, _ = told
    rows = rows_of(
        facts,
        "SELECT sessions.risk, last(timelines.risk ORDER BY place) FILTER (timelines.risk IS NOT NULL) "
        "FROM timelines JOIN sessions USING (session) GROUP BY session, sessions.risk",
    )
    assert len(rows) >= 50
    for of_session, of_timeline in rows:
        assert of_timeline == pytest.approx(of_session, abs=1e-12)


def test_each_week_has_a_few_typical_sessions_of_each_blocker_and_stage_retold(
    told: tuple[Facts, pd.DataFrame],
) -> None:
    facts, _ = told
    rows = rows_of(
        facts,
        "SELECT count(*), count(*) FILTER (session IN (SELECT session FROM timelines)) FROM sessions "
        "WHERE outcome = 'abandoned' AND blocker IS NOT NULL "
        "AND local_day > (SELECT max(local_day) FROM sessions) - INTERVAL 7 WEEK "
        "GROUP BY blocker, stage_index, date_trunc('week', local_day)",
    )
    assert len(rows) > 3
    for sessions, retold in rows:
        assert retold >= min(sessions, TYPICAL)
