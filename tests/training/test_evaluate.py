"""Evaluation: the shape of the block, what each part counts, and the same figures from any log with these sessions."""

import json
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_logs import TIMEOUT, Visit, at, encode, sign_ups, signup
from sklearn.metrics import roc_auc_score

from features.build import build
from features.plan import compile_plan
from features.read_log import read_log
from journeys.ends import find_ends
from journeys.journey import Journey
from training.cutoffs import after_every_event
from training.evaluate import BEFORE_THE_FIRST_STAGE, EVENT_COUNTS, Scored, cohorts_of, describe
from training.evaluate_log import evaluate_log
from training.labels import label
from training.metrics import FIGURES
from training.split import forward_split

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

BLOCK = {*FIGURES, "n_rows", "n_sessions", "n_visitors", "intervals"}


def scored(rows: list[tuple[float, float, int, int, float]], cohorts: dict[str, list[str | None]]) -> Scored:
    """Rows of label, risk, session, events seen and stage; every session is another person's."""
    labels, risks, sessions, after, stages = (np.array(column) for column in zip(*rows, strict=True))
    named = {name: np.array(values, object) for name, values in cohorts.items()}
    sessions = sessions.astype(np.int64)
    return Scored(labels, risks, sessions, sessions, after.astype(np.int64), stages, named)


ROWS = [
    (1.0, 0.6, 0, 1, np.nan),
    (1.0, 0.8, 0, 2, 0.0),
    (0.0, 0.7, 1, 1, 0.0),
    (0.0, 0.4, 1, 2, 1.0),
    (0.0, 0.1, 1, 3, 1.0),
    (1.0, 0.9, 2, 1, 0.0),
]
DEVICES: dict[str, list[str | None]] = {"device": ["mobile", "mobile", "desktop", "desktop", "desktop", None]}


def test_each_part_of_a_block_measures_its_own_rows() -> None:
    found: Any = describe(signup(), scored(ROWS, DEVICES))
    assert (found["n_rows"], found["n_sessions"], found["base_rate"]) == (6, 3, 0.5)
    assert found["auc"] == pytest.approx(8 / 9)  # of the nine pairs only (.6, .7) is in the wrong order
    assert found["session_weighted"]["base_rate"] == pytest.approx(2 / 3)
    assert [(block["n_rows"], block["base_rate"]) for block in found["by_events"].values()] == [
        (3, 2 / 3),
        (2, 0.5),
        (1, 0.0),
        *[(0, None)] * 5,
    ]
    assert found["by_events"]["1"]["auc"] == 0.5  # .6 against .7, and .9 against .7
    assert {name: block["n_rows"] for name, block in found["by_stage"].items()} == {
        BEFORE_THE_FIRST_STAGE: 1,
        "read": 3,
        "form": 2,
    }
    assert {name: block["n_rows"] for name, block in found["by_cohort"].items()} == {
        "device=mobile": 2,
        "device=desktop": 3,
    }


def test_cohorts_of_less_than_one_in_a_hundred_rows_are_left_out() -> None:
    rows = [(float(place % 2), 0.5, place, 1, 0.0) for place in range(201)]
    sources: list[str | None] = ["rare"] * 2 + ["seldom"] * 3 + ["mail"] * 196
    found: Any = describe(signup(), scored(rows, {"source": sources}))
    assert list(found["by_cohort"]) == ["source=mail", "source=seldom"]


def test_a_visitor_returns_from_the_second_session_on() -> None:
    log = encode(signup(), [Visit([(seconds, "page_view")], name) for seconds, name in enumerate("abaca")])
    assert cohorts_of(log)["visitor"].tolist() == ["new", "returning", "returning", "new", "new"]


def check_shape(block: Any) -> None:
    assert set(block) == BLOCK | {"session_weighted", "by_events", "by_stage", "by_cohort", "leaving_soon"}
    assert list(block["by_events"]) == ["1", "2", "3", "5", "8", "10", "13", "21"]
    parts = [block["session_weighted"]]
    parts += [part for name in ("by_events", "by_stage", "by_cohort") for part in block[name].values()]
    for part in parts:
        assert set(part) == BLOCK
    assert json.loads(json.dumps(block, allow_nan=False)) == block


def test_training_and_evaluating_write_the_same_shape(trained: "Trained") -> None:
    written: Any = trained.result.to_json()
    assert written["model_version"] == trained.result.model.version
    check_shape(written["held_out"])
    read = evaluate_log(trained.journey, trained.log, trained.result.model)
    check_shape(read.evaluation)
    assert read.summary == trained.result.summary


def test_every_prefix_of_every_known_session_is_counted(trained: "Trained") -> None:
    block: Any = evaluate_log(trained.journey, trained.log, trained.result.model).evaluation
    # The sessions' lengths from the files: events before the purchase; open at the end are those within the timeout.
    lengths = duckdb.sql(
        f"""
        WITH event AS (SELECT DISTINCT ON (event_id) * FROM '{trained.log}/*.parquet' ORDER BY event_id, received_at),
        session AS (
            SELECT session_id, min((occurred_at, event_id)) FILTER (name = 'purchase') AS bought,
                max(occurred_at) AS latest
            FROM event GROUP BY ALL
        )
        SELECT session_id, bought IS NOT NULL AS bought,
            count(*) FILTER (bought IS NULL OR (occurred_at, event_id) < bought) AS events
        FROM event JOIN session USING (session_id)
        WHERE bought IS NOT NULL
            OR latest + INTERVAL {int(trained.journey.session_timeout_seconds)} SECOND
                <= (SELECT max(occurred_at) FROM event)
        GROUP BY ALL
        """
    ).fetchnumpy()
    events, bought = lengths["events"], lengths["bought"]
    assert block["n_sessions"] == (events > 0).sum()
    assert block["n_rows"] == events.sum()
    assert block["base_rate"] == pytest.approx(events[~bought].sum() / events.sum())
    assert block["session_weighted"]["base_rate"] == pytest.approx((~bought[events > 0]).mean())
    for count in EVENT_COUNTS:
        at_least = events >= count
        assert block["by_events"][str(count)]["n_rows"] == at_least.sum()
        assert block["by_events"][str(count)]["base_rate"] == pytest.approx((~bought[at_least]).mean())
    assert sum(part["n_rows"] for part in block["by_stage"].values()) == block["n_rows"]
    by_visitor = [block["by_cohort"][f"visitor={name}"]["n_rows"] for name in ("new", "returning")]
    assert sum(by_visitor) == block["n_rows"]


def test_the_model_tells_more_the_more_it_has_seen(trained: "Trained") -> None:
    block: Any = trained.result.evaluation
    by_events = [block["by_events"][count]["auc"] for count in ("1", "5", "21")]
    assert all(former < latter for former, latter in pairwise(by_events))
    # Better than the base rate, which has a skill of zero.
    assert block["brier_skill"] > 0
    assert block["session_weighted"]["auc"] > 0.7


@pytest.mark.parametrize("horizon", [None, 300.0])
def test_a_log_of_the_held_out_sessions_gives_the_figures_of_the_training(
    horizon: float | None, train_sign_ups: "Train", tmp_path: Path
) -> None:
    journey = signup(horizon_seconds=horizon)
    # Close enough for many sessions to be open when the log ends.
    # Nobody has a history, on another device neither: it would be missing from the log of the held-out sessions.
    log = sign_ups(800, 4, returning=False, seconds_apart=40.0).drop_columns(["user_id"])
    trained = train_sign_ups(log, journey=journey)
    plan = compile_plan(journey.table)
    with read_log(trained.log, plan, timeout_seconds=TIMEOUT) as read:
        encoded = read.whole()
        ends = find_ends(plan, encoded, journey, read.summary.last_at_us)
    split = forward_split(encoded, ends, horizon)
    assert np.isnan(ends.outcome[split.held_out]).any() == (horizon is not None)
    late = pa.array(encoded.session_ids[encoded.at_us[encoded.starts[:-1]] >= split.cut_us])
    pq.write_table(log.filter(pa.compute.is_in(log["session_id"], late)), tmp_path / "late.parquet")
    block: Any = evaluate_log(journey, tmp_path / "late.parquet", trained.result.model).evaluation
    assert block == trained.result.evaluation
    assert block["n_sessions"] == split.held_out.sum()
    # The same from the arrays, with nothing of what is tested but the rows and their labels.
    chosen = np.where(split.held_out, ends.usable, 0)
    cutoffs = after_every_event(encoded, chosen)
    labels = label(ends, cutoffs, horizon, int(encoded.at_us.max()))
    known = ~np.isnan(labels)
    risks = trained.result.model.predict(build(plan, encoded, cutoffs.take(known)))
    assert block["auc"] == pytest.approx(roc_auc_score(labels[known], risks))
    assert block["n_rows"] == known.sum()


def test_batches_make_no_difference(trained: "Trained", monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained.result.model
    whole: Any = evaluate_log(trained.journey, trained.log, model).evaluation
    monkeypatch.setattr("training.evaluate_log.read_log", partial(read_log, batch_events=5_000))
    parts: Any = evaluate_log(trained.journey, trained.log, model).evaluation
    for name in ("auc", "ap", "log_loss", "brier", "ece", "base_rate", "n_rows", "n_sessions"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-9), name
    assert parts["session_weighted"]["log_loss"] == pytest.approx(whole["session_weighted"]["log_loss"], rel=1e-9)


def test_a_log_whose_sessions_are_all_open_has_nothing_to_measure(trained: "Trained", tmp_path: Path) -> None:
    line = {"event_id": "e", "visitor_id": "v", "name": "page_view", "occurred_at": "2026-03-02T10:00:00Z"}
    (tmp_path / "log.jsonl").write_text(json.dumps(line) + "\n")
    block: Any = evaluate_log(trained.journey, tmp_path / "log.jsonl", trained.result.model).evaluation
    assert (block["n_rows"], block["auc"], block["by_stage"]) == (0, None, {})
    assert set(block["by_events"]["1"]) == BLOCK


def test_a_silent_session_counts_from_the_timeout_on(trained: "Trained", tmp_path: Path) -> None:
    def block(journey: Journey, seconds: int) -> Any:
        lines = [
            {"event_id": f"e{seconds_}", "visitor_id": f"v{seconds_}", "name": "page_view", "occurred_at": moment}
            for seconds_, moment in ((0, at(0) / 1e6), (seconds, at(seconds) / 1e6))
        ]
        (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return evaluate_log(journey, tmp_path / "log.jsonl", trained.result.model).evaluation

    timeout = int(trained.journey.session_timeout_seconds)
    assert block(trained.journey, timeout - 1)["n_sessions"] == 0
    assert block(trained.journey, timeout)["n_sessions"] == 1
