"""A fresh log of the same world is no drift; what is broken in another is named, where it is."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from conftest import run
from made_logs import SECOND, TIMEOUT, Visit, at, encode, sign_ups, signup

from decisions.drift import Kind, Thresholds
from decisions.risk import RiskModel
from decisions.snapshot import Snapshot
from features.log_files import LogError
from features.plan import compile_plan
from journeys.ends import find_ends
from storage.models import model_folder
from training.drift import Drift, NoSnapshot, measure_drift
from training.labels import matured_until
from training.snapshot import take_snapshot

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]

Measure = Callable[..., Drift]


@pytest.fixture(scope="session")
def signed_up(sign_up_log: Path, mlruns: Path, tmp_path_factory: pytest.TempPathFactory) -> "Trained":
    return run(signup(), sign_up_log, tmp_path_factory.mktemp("home"), mlruns)


@pytest.fixture
def measure(signed_up: "Trained", tmp_path: Path) -> Measure:
    def measuring(log: pa.Table, **options: Any) -> Drift:
        pq.write_table(log, tmp_path / "log.parquet")
        return measure_drift(signed_up.journey, tmp_path / "log.parquet", signed_up.result.model, **options)[0]

    return measuring


def test_a_model_carries_the_snapshot_of_its_log_into_its_folder_and_back(signed_up: "Trained") -> None:
    version = signed_up.result.model.version
    loaded = RiskModel.load(model_folder(signed_up.home, "signup", version), signed_up.journey.table).snapshot
    assert loaded is not None
    assert loaded.sessions == 1_500
    assert loaded.to_json() == signed_up.result.model.snapshot.to_json()  # type: ignore[union-attr]
    assert loaded.counts.tolist() == signed_up.result.model.snapshot.counts.tolist()  # type: ignore[union-attr]
    assert (model_folder(signed_up.home, "signup", version) / "snapshot.json").stat().st_size < 100_000


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("sessions", [60, 300, 1_500])
def test_a_fresh_log_of_the_same_world_is_no_drift(measure: Measure, sessions: int, seed: int) -> None:
    assert [one.text for one in measure(sign_ups(sessions, seed)).moved] == []


def test_the_log_that_a_model_was_trained_on_is_at_no_distance_from_it(measure: Measure) -> None:
    found = measure(sign_ups(1_500, 1))
    assert found.comparisons
    assert max(one.size for one in found.comparisons) == pytest.approx(0, abs=1e-9)


def test_an_event_that_no_longer_arrives_comes_first_and_the_feature_that_heard_it_follows(measure: Measure) -> None:
    log = sign_ups(1_500, 2)
    found = measure(log.filter(pc.not_equal(log["name"], "form_error")))
    assert found.told[0].text.startswith("form_error no longer occurs; in training it did in ")
    assert (found.told[0].kind, found.told[0].now) == (Kind.EVENT, 0.0)
    assert next(one.name for one in found.told if one.kind is Kind.FEATURE) == "form_errors"
    assert "form_errors at form is above 0 in 0% of the rows" in found.told[1].text


def test_an_event_that_the_journey_does_not_declare_is_noticed(measure: Measure) -> None:
    log = sign_ups(1_500, 2)
    renamed = pc.if_else(pc.equal(log["name"], "page_view"), "pageview", log["name"])
    found = measure(log.set_column(log.column_names.index("name"), "name", renamed))
    assert found.told[0].text.startswith("page_view no longer occurs")
    assert any(one.name == "undeclared" and one.now == 1.0 for one in found.moved)


def test_where_people_leave_more_often_the_rate_and_the_calibration_of_that_stage_are_named(measure: Measure) -> None:
    # A third of those who signed up from the form now go silent instead.
    log = sign_ups(1_500, 2)
    signed = pc.equal(log["name"], "sign_up")
    ids = log.filter(signed)["session_id"].to_pylist()
    lost = np.random.default_rng(5).choice(ids, len(ids) // 3, replace=False)
    gone = pc.and_(signed, pc.is_in(log["session_id"], pa.array(lost)))
    found = measure(log.filter(pc.invert(gone)))
    kinds = {(one.kind, one.stage) for one in found.moved}
    assert {(Kind.BASE_RATE, None), (Kind.EXIT_RATE, "form"), (Kind.CALIBRATION, "form")} <= kinds
    assert not any(one.kind is Kind.FEATURE for one in found.moved)
    [exits] = [one for one in found.moved if one.kind is Kind.EXIT_RATE and one.stage == "form"]
    assert exits.now > exits.before
    assert "of the sessions that get to form leave there" in exits.text


def test_of_few_sessions_it_says_what_it_cannot_tell(measure: Measure) -> None:
    few = measure(sign_ups(120, 9), thresholds=Thresholds(psi=0.01, rate=0.01))
    assert few.unclear
    assert any("no more than chance could with so few sessions" in line for line in few.describe())
    assert measure(sign_ups(12, 9)).describe()[-1].startswith("Too few sessions to compare anything")


def test_thresholds_decide_what_is_told(measure: Measure) -> None:
    log = sign_ups(1_500, 2)
    broken = log.filter(pc.not_equal(log["name"], "edit_field"))
    strict, lax = measure(broken, thresholds=Thresholds(0.05, 0.01)), measure(broken, thresholds=Thresholds(3.0, 0.9))
    assert len(strict.moved) > len(lax.moved) > 0
    assert all(one.severity > 1 and one.size > one.by_chance for one in (*strict.moved, *lax.moved))


def test_what_is_written_as_json_is_plain_and_has_what_was_told(measure: Measure) -> None:
    log = sign_ups(1_500, 2)
    found = measure(log.filter(pc.not_equal(log["name"], "form_error")))
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert written["moved"] is True
    assert written["told"] == [one.text for one in found.told]
    assert {"kind", "name", "stage", "size", "by_chance", "severity", "moved", "before", "now", "text"} == set(
        written["comparisons"][0]
    )


def test_a_model_without_a_snapshot_and_a_log_without_rows_are_refused(signed_up: "Trained", tmp_path: Path) -> None:
    old = replace(signed_up.result.model, snapshot=None)
    with pytest.raises(NoSnapshot, match="trained before snapshots were kept; train again"):
        measure_drift(signed_up.journey, signed_up.log, old)
    ends = sign_ups(40, 1)
    pq.write_table(ends.filter(pc.equal(ends["name"], "sign_up")), tmp_path / "ends.parquet")
    with pytest.raises(LogError, match="has an event before its end"):
        measure_drift(signed_up.journey, tmp_path / "ends.parquet", signed_up.result.model)


def snapshot_of(signed_up: "Trained", visits: list[Visit], end_seconds: float) -> Snapshot:
    journey, plan = signed_up.journey, compile_plan(signed_up.journey.table)
    log, end_us = encode(journey, visits), at(end_seconds)
    mature_us = matured_until(log, find_ends(plan, log, journey, end_us), end_us)
    return take_snapshot(
        journey, plan, log, signed_up.result.model, log_end_us=end_us, mature_us=mature_us,
        bins=signed_up.result.model.snapshot.bins,  # type: ignore[union-attr]
    )  # fmt: skip


def test_how_sessions_ended_is_counted_by_the_furthest_stage_and_open_ones_are_censored(signed_up: "Trained") -> None:
    late = 10 * TIMEOUT
    found = snapshot_of(
        signed_up,
        [
            Visit([(0, "page_view")], "a"),
            Visit([(0, "page_view"), (5, "edit_field"), (9, "page_view"), (12, "leave")], "b"),
            Visit([(0, "page_view"), (5, "edit_field"), (9, "sign_up")], "c"),
            Visit([(1, "page_view"), (9, "refuse")], "c"),
            Visit([(late - 5, "page_view"), (late - 1, "sign_up")], "d"),
            Visit([(late - 5, "page_view")], "e"),
        ],
        late,
    )
    assert found.sessions == 6
    # The last two began too late: an abandonment among them could not be known by now.
    assert found.ends.tolist() == [2, 1, 1]
    assert found.reached.tolist() == [4, 4, 2]
    assert found.left.tolist() == [0, 1, 1]
    # Rows right after every event before the end: five visitors with 1, 3, 2 + 1, 1 and 1.
    assert found.clusters[-1].tolist() == [9, 1 + 9 + 9 + 1 + 1]
    assert found.session_clusters.tolist() == [6, 1 + 1 + 4 + 1 + 1]
    assert found.cell_rows.sum() == 9
    assert found.calibration[-1, 0] == 4
    assert found.last_at_us - found.first_at_us == (late - 1) * SECOND
