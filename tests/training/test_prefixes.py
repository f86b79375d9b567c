"""Scoring prefixes batch by batch: too many for memory, on workers elsewhere, and against a champion."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_logs import sign_ups, signup

from features.engine import HERE
from features.plan import compile_plan
from features.read_log import read_log
from training.evaluate_log import evaluate_log
from training.metrics import FIGURES, measure
from training.prefixes import ScoredLog, ScorePrefixes
from training.sample import ALL_PERSONS, draw_sessions

if TYPE_CHECKING:
    from conftest import Train, Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


class Elsewhere:
    """Works on parts as workers in other processes do: on copies of the work and of the parts."""

    workers = 1
    threads = 1

    def map(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> Iterator[Any]:
        for part in parts:
            there, its = ForkingPickler.loads(ForkingPickler.dumps((work, part)))
            yield ForkingPickler.loads(ForkingPickler.dumps(there(its)))

    def require_seen(self, path: Path) -> None:
        assert path.exists()

    def scratch(self) -> AbstractContextManager[Path]:
        return HERE.scratch()


def test_of_too_many_prefixes_the_figures_are_those_of_all(trained: "Trained", monkeypatch: pytest.MonkeyPatch) -> None:
    whole: Any = evaluate_log(trained.journey, trained.log, trained.result.model)
    monkeypatch.setattr("training.prefixes.MOST_ROWS", 10_000)
    monkeypatch.setattr("training.evaluate_log.read_log", partial(read_log, batch_events=10_000))
    some: Any = evaluate_log(trained.journey, trained.log, trained.result.model)
    assert 0.1 < len(some.scored.labels) / len(whole.scored.labels) < 0.6
    exact, told = whole.evaluation, some.evaluation
    assert list(told["by_stage"]) == list(exact["by_stage"])
    assert list(told["by_cohort"]) == list(exact["by_cohort"])
    parted = [("by_stage", name) for name in exact["by_stage"]] + [("by_cohort", name) for name in exact["by_cohort"]]
    blocks = [(told, exact), *((told[by][name], exact[by][name]) for by, name in (*parted, ("by_events", "5")))]
    for ours, theirs in (*blocks, (told["session_weighted"], exact["session_weighted"])):
        assert all(ours[name] == theirs[name] for name in ("n_rows", "n_sessions", "n_visitors"))
        for name in FIGURES:
            assert ours[name] == pytest.approx(
                theirs[name], abs=2e-3 if name == "ece" else 1e-3 if name == "ap" else 2e-5
            ), name
    low, high = told["intervals"]["auc"]
    exact_low, exact_high = exact["intervals"]["auc"]
    # As wide as those of all persons, not as those of the sample.
    assert high - low == pytest.approx(exact_high - exact_low, rel=0.5)
    assert low < exact["auc"] < high


def test_a_model_and_its_figures_are_the_same_wherever_the_work_is_done(train_sign_ups: "Train") -> None:
    here, there = (train_sign_ups(engine=engine, sessions=1_000).result for engine in (HERE, Elsewhere()))
    for ours, theirs in ((one.model.booster, one.model.hazard) for one in (here, there)):
        assert ours is not None
        assert theirs is not None
    assert here.model.booster.model_to_string() == there.model.booster.model_to_string()
    assert here.model.hazard is not None
    assert there.model.hazard is not None
    assert here.model.hazard.booster.model_to_string() == there.model.hazard.booster.model_to_string()
    assert here.model.calibrator == there.model.calibrator
    assert here.model.vocabulary.to_json() == there.model.vocabulary.to_json()
    assert here.evaluation == there.evaluation


def test_samples_depend_on_no_batch_and_larger_ones_hold_the_smaller(sign_up_log: Path) -> None:
    plan, drawn = compile_plan(signup().table), {}
    everything: set[str] = set()
    for batch_events in (1_000, 1_000_000):
        with read_log(sign_up_log, plan, timeout_seconds=1_800, batch_events=batch_events) as read:
            everything = {*read.whole().session_ids.tolist()}
            for most in (100, 300, 5_000):
                log, share = draw_sessions(read, most, 7)
                drawn[batch_events, most] = ({*log.session_ids.tolist()}, share)
                assert most - 20 <= log.session_count <= most or share == 1.0
    for most in (100, 300, 5_000):
        assert drawn[1_000, most] == drawn[1_000_000, most]
    assert drawn[1_000, 100][0] < drawn[1_000, 300][0] < drawn[1_000, 5_000][0] == everything
    assert drawn[1_000, 5_000][1] == 1.0


def test_a_sample_is_filled_where_every_session_names_several_visitors(tmp_path: Path) -> None:
    log = sign_ups(400, 3, returning=False).drop_columns(["user_id"])
    names = pa.array([f"{name}-{place}" for place, name in enumerate(log["visitor_id"].to_pylist())])
    log = log.set_column(log.column_names.index("visitor_id"), "visitor_id", names)
    pq.write_table(log, tmp_path / "log.parquet")
    with read_log(tmp_path / "log.parquet", compile_plan(signup().table), timeout_seconds=1_800) as read:
        assert read.summary.visitors > 4 * 400
        drawn, _ = draw_sessions(read, 200, 7)
    assert drawn.session_count == 200


def test_a_champion_is_measured_on_the_prefixes_of_the_challenger(trained: "Trained") -> None:
    journey, model = trained.journey, trained.result.model
    worse = replace(model, calibrator=replace(model.calibrator, shifts=(1.0,) * (len(journey.stages) + 1)))
    with read_log(trained.log, compile_plan(journey.table), timeout_seconds=journey.session_timeout_seconds) as read:
        work = ScorePrefixes(journey, model, read.summary.last_at_us, ALL_PERSONS, 0.0, champion=worse)
        known = ScoredLog.join(read.map(work))
        theirs = ScoredLog.join(read.map(replace(work, model=worse, champion=None))).scored
    assert known.losses is not None
    expected = [measure(one.labels, one.risks, one.sessions)["log_loss"] for one in (known.scored, theirs)]
    np.testing.assert_allclose(known.losses.means, np.array(expected, float), rtol=1e-9)
    assert known.losses.means[0] < known.losses.means[1]
