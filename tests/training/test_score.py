"""Scoring a log: one row a session, the same in every format and every time, and the same as a live session gets."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from made_logs import at, sign_ups, signup

from decisions.decision import Reason
from decisions.scorer import LOW_RISK_NARRATIVE, Scorer
from features.encode import encode_event
from features.live import LiveSession
from features.plan import compile_plan
from features.read_sessions import read_sessions
from features.store_path import StorePath, remove_folder
from training.score import SCHEMA, UnknownFormat, score_log

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


@pytest.fixture(scope="module")
def few(shop_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of some visitors with all of their sessions."""
    path = tmp_path_factory.mktemp("few") / "log.parquet"
    some = "SELECT DISTINCT visitor_id FROM log WHERE hash(visitor_id) % 8 = 0"
    duckdb.execute(
        f"COPY (WITH log AS (FROM '{shop_log}/*.parquet') FROM log WHERE visitor_id IN ({some})) TO '{path}'"
    )
    return path


@pytest.fixture(scope="module")
def scores(trained: "Trained", few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scores") / "scores.parquet"
    score_log(trained.journey, few, trained.result.model, out)
    return out


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def test_every_session_has_one_row_as_it_stood_before_its_end(few: Path, scores: Path) -> None:
    expected = duckdb.sql(
        f"""
        WITH event AS (SELECT DISTINCT ON (event_id) * FROM '{few}' ORDER BY event_id, received_at),
        bought AS (
            SELECT session_id, min((occurred_at, event_id)) AS moment FROM event WHERE name = 'purchase' GROUP BY 1
        )
        SELECT session_id, count(*), epoch_us(max(occurred_at)) FROM event LEFT JOIN bought USING (session_id)
        WHERE moment IS NULL OR (occurred_at, event_id) < moment GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    columns = pq.read_table(scores, columns=["session_id", "events_seen", "at"])
    moments = columns["at"].cast(pa.int64()).to_pylist()
    found = sorted(zip(columns["session_id"].to_pylist(), columns["events_seen"].to_pylist(), moments, strict=True))
    assert len(found) > 200
    assert found == expected
    assert pq.read_schema(scores).equals(SCHEMA)


def test_a_row_is_what_the_live_session_would_have_been_answered(trained: "Trained", few: Path, scores: Path) -> None:
    journey, model = trained.journey, trained.result.model
    plan = compile_plan(journey.table)
    stages = tuple(stage.name for stage in journey.stages)
    scorer = Scorer(journey.name, stages, journey.interventions, journey.policy, model)
    written = {row["session_id"]: row for row in rows_of(scores)}
    recorded = read_sessions(few, plan, timeout_seconds=journey.session_timeout_seconds, most=60, min_events=2)
    reasons = set()
    for session in recorded:
        row = written[session.session_id]
        live = LiveSession(plan, session.session_id, session.visitor_id)
        for event in session.events[: row["events_seen"]]:
            live.append(encode_event(plan, event))
        earlier: dict[str, LiveSession] = {}
        for event in session.earlier:
            name = str(event.session_id)
            earlier.setdefault(name, LiveSession(plan, name, session.visitor_id)).append(encode_event(plan, event))
        decision_id = f"{session.session_id}@{live.last_at_us}"
        decision = scorer.recommend(live, list(earlier.values()), live.last_at_us, decision_id=decision_id)
        reasons.add(decision.reason)
        assert row["risk"] == pytest.approx(decision.score.risk, abs=1e-12)
        assert (row["stage"], row["model_version"]) == (decision.score.stage, model.version)
        assert (row["reason"], row["narrative"]) == (decision.reason, decision.narrative)
        assert json.loads(row["blockers"]) == {
            blocker.friction.name: pytest.approx(blocker.share, abs=1e-6) for blocker in decision.blockers
        }
        chosen = decision.recommendation.intervention if decision.recommendation else None
        assert (row["recommendation"], row["visitor_id"]) == (chosen, session.visitor_id)
    assert len(reasons) > 2


def test_the_first_blocker_leads_and_a_low_risk_has_none(scores: Path, trained: "Trained") -> None:
    rows = rows_of(scores)
    for row in rows:
        blockers = json.loads(row["blockers"])
        assert (row["risk"] < trained.journey.policy.low_risk) == (row["reason"] == Reason.LOW_RISK)
        if blockers:
            assert row["blocker"] == next(iter(blockers))
            assert row["share"] == pytest.approx(max(blockers.values()), abs=1e-6)
            assert sum(blockers.values()) == pytest.approx(1, abs=1e-5)
        else:
            assert (row["blocker"], row["share"], row["confidence"], row["recommendation"]) == (None, None, None, None)
        if row["reason"] == Reason.LOW_RISK:
            assert row["narrative"] == LOW_RISK_NARRATIVE
        assert (row["recommendation"] is None) == (row["expected_uplift"] is None)
    assert {row["blocker"] for row in rows} > {None}
    assert any(row["recommendation"] for row in rows)


def test_scoring_twice_writes_the_same_bytes(trained: "Trained", few: Path, scores: Path, tmp_path: Path) -> None:
    score_log(trained.journey, few, trained.result.model, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == scores.read_bytes()


def test_every_format_holds_the_same_rows(trained: "Trained", few: Path, scores: Path, tmp_path: Path) -> None:
    expected = rows_of(scores)
    for name in ("deep/scores.csv", "scores.jsonl"):
        score_log(trained.journey, few, trained.result.model, tmp_path / name)
    options = pa.csv.ConvertOptions(column_types=SCHEMA, strings_can_be_null=True, quoted_strings_can_be_null=False)
    assert pa.csv.read_csv(tmp_path / "deep/scores.csv", convert_options=options).to_pylist() == expected
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [list(line) for line in lines] == [SCHEMA.names] * len(expected)
    for line, row in zip(lines, expected, strict=True):
        assert line == row | {
            "at": row["at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "risk": pytest.approx(row["risk"], abs=1e-14),
            "leaving_soon": pytest.approx(row["leaving_soon"], abs=1e-14),
            "share": pytest.approx(row["share"], abs=1e-14),
            "confidence": pytest.approx(row["confidence"], abs=1e-14),
            "expected_uplift": pytest.approx(row["expected_uplift"], abs=1e-14),
        }


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_scores_are_written_into_a_store_as_on_this_machine(
    ending: str, trained: "Trained", few: Path, tmp_path: Path
) -> None:
    there, here = StorePath(f"memory://scores/all.{ending}"), tmp_path / f"all.{ending}"
    for out in (there, here):
        score_log(trained.journey, few, trained.result.model, out)
    assert there.read_bytes() == here.read_bytes()
    assert [file.name for file in there.parent.files()] == [there.name]
    remove_folder(there.parent)


@pytest.mark.parametrize("name", ["scores.xlsx", "scores", "scores.parquet.gz"])
def test_a_format_that_cannot_be_written_is_refused_before_any_work(
    name: str, trained: "Trained", tmp_path: Path
) -> None:
    with pytest.raises(UnknownFormat, match=r"should end in \.parquet, \.csv or \.jsonl"):
        score_log(trained.journey, tmp_path / "no such log", trained.result.model, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_sessions_that_begin_with_their_end_have_nothing_to_be_scored_on(
    train_sign_ups: "Train", tmp_path: Path
) -> None:
    model = train_sign_ups(sign_ups(400, 1)).result.model
    line = {"event_id": "e", "visitor_id": "v", "name": "sign_up", "occurred_at": at(0) / 1e6}
    (tmp_path / "ends.jsonl").write_text(json.dumps(line) + "\n")
    for name in ("none.parquet", "none.csv", "none.jsonl"):
        score_log(signup(), tmp_path / "ends.jsonl", model, tmp_path / name)
    assert rows_of(tmp_path / "none.parquet") == []
    assert pq.read_schema(tmp_path / "none.parquet").equals(SCHEMA)
    assert (tmp_path / "none.csv").read_text().splitlines() == [",".join(f'"{name}"' for name in SCHEMA.names)]
    assert (tmp_path / "none.jsonl").read_text() == ""
