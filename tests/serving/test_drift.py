"""What is scored live is compared with the training at the same stages, over a window that forgets."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decisions.bins import Bins
from decisions.exposure import EXPOSURES, cells
from decisions.risk import RiskModel
from decisions.snapshot import Snapshot
from features.events import FloatArray
from features.table import FeatureTable
from journeys.journey import Journey
from serving.drift import SEGMENTS, DriftWindow
from serving.shared_drift import counts_of_others, publish_counts

if TYPE_CHECKING:
    from conftest import Clock, OpenClient

HOUR_US = 3_600_000_000
DAY_SECONDS = 86_400.0


def made_rows(table: FeatureTable, count: int, seed: int, late: float = 0.5) -> FloatArray:
    """Return rows of two stages; pages are slower at the later one, where the share ``late`` of them is."""
    rng = np.random.default_rng(seed)
    rows = np.full((count, len(table.features)), np.nan)
    stage = (rng.random(count) < late).astype(float)
    rows[:, table.names.index("stage_index")] = stage
    rows[:, table.names.index("events_seen")] = rng.integers(1, 40, count)
    rows[:, table.names.index("load_seconds")] = rng.exponential(1 + stage)
    return rows


def snapshot_of(table: FeatureTable, rows: FloatArray, risk: float = 0.7) -> Snapshot:
    blank = Snapshot.empty(table, Bins.of(table, rows))
    cell = cells(table, rows)
    blank.bins.add(blank.counts, rows, cell)
    blank.risk_sums[:] = np.bincount(cell, minlength=len(blank.risk_sums)) * risk
    blank.clusters[-1] = (len(rows), len(rows))
    return blank


@pytest.fixture(scope="module")
def snapshot(shop: Journey) -> Snapshot:
    return snapshot_of(shop.table, made_rows(shop.table, 5_000, 1))


def window_with(shop: Journey, snapshot: Snapshot, rows: FloatArray) -> DriftWindow:
    window = DriftWindow(shop.table, snapshot, DAY_SECONDS)
    for row in rows:
        window.add(row, 0.6, HOUR_US)
    return window


def test_more_of_the_same_is_no_drift(shop: Journey, snapshot: Snapshot) -> None:
    found = window_with(shop, snapshot, made_rows(shop.table, 2_000, 2)).measure(HOUR_US)
    assert found.rows == 2_000
    assert found.psi.max() < 0.02
    assert (found.mean_risk, found.usual_risk) == (pytest.approx(0.6), pytest.approx(0.7))


def test_an_app_that_asks_at_one_stage_only_is_compared_with_that_stage(shop: Journey, snapshot: Snapshot) -> None:
    found = window_with(shop, snapshot, made_rows(shop.table, 2_000, 2, late=1.0)).measure(HOUR_US)
    assert found.psi.max() < 0.02


def test_what_is_no_longer_sent_shows_as_missing_and_moves_that_feature_alone(
    shop: Journey, snapshot: Snapshot
) -> None:
    rows = made_rows(shop.table, 500, 2)
    rows[:, shop.table.names.index("load_seconds")] = np.nan
    found = window_with(shop, snapshot, rows).measure(HOUR_US)
    column = shop.table.names.index("load_seconds")
    assert found.missing[column] == 1.0
    assert found.psi[column] > 2
    assert np.delete(found.psi, column).max() < 0.05


def test_few_rows_of_the_same_are_no_drift_either(shop: Journey, snapshot: Snapshot) -> None:
    sizes = [
        window_with(shop, snapshot, made_rows(shop.table, 40, seed)).measure(HOUR_US).psi.max() for seed in range(20)
    ]
    assert np.median(sizes) < 0.2


def test_the_window_forgets_what_is_older(shop: Journey, snapshot: Snapshot) -> None:
    window = DriftWindow(shop.table, snapshot, DAY_SECONDS)
    rows = made_rows(shop.table, 24, 3)
    for hour, row in enumerate(rows):
        window.add(row, 0.5, hour * HOUR_US)
    assert window.measure(23 * HOUR_US).rows == SEGMENTS
    assert window.measure(24 * HOUR_US).rows == SEGMENTS - 1
    assert window.measure(35 * HOUR_US).rows == SEGMENTS - 12
    # A clock that goes back loses nothing and gains nothing.
    assert window.measure(30 * HOUR_US).rows == SEGMENTS - 12
    assert window.measure(900 * HOUR_US).rows == 0


@settings(deadline=None)
@given(st.one_of(st.just(np.nan), st.integers(0, 5).map(float)), st.integers(0, 300))
def test_a_row_is_counted_in_the_cell_of_its_stage_and_length(shop: Journey, stage: float, events: int) -> None:
    row = np.full(len(shop.table.features), np.nan)
    row[shop.table.names.index("stage_index")] = stage
    row[shop.table.names.index("events_seen")] = events
    snapshot = Snapshot.empty(shop.table, Bins.of(shop.table, row[None]))
    window = DriftWindow(shop.table, snapshot, DAY_SECONDS)
    assert window._cell_of(row) == cells(shop.table, row[None])[0] < (len(shop.stages) + 1) * EXPOSURES


def test_the_metrics_show_it_for_a_model_with_a_snapshot_only(
    open_client: "OpenClient", shop: Journey, shop_model: RiskModel, snapshot: Snapshot, clock: "Clock"
) -> None:
    client, runtime = open_client()
    assert "dropoff_drift_rows 0.0" in client.get("/metrics").text
    assert "dropoff_drift_psi{feature=" not in client.get("/metrics").text
    runtime.replace_model(replace(shop_model, version="8", snapshot=snapshot))
    call = {"type": "track", "anonymousId": "v", "event": "page_view", "context": {"sessionId": "s"}}
    client.post("/v1/track", {**call, "messageId": "m1", "timestamp": "2026-03-01T12:29:00Z"})
    client.post("/v1/score", {"session_id": "s"})
    client.post("/v1/recommend", {"session_id": "s"})
    shown = client.get("/metrics").text
    assert "dropoff_drift_rows 2.0" in shown
    series = [line for line in shown.splitlines() if line.startswith("dropoff_drift_psi{")]
    named = {line.split('"')[1] for line in series}
    assert named == {feature.name for feature in shop.features if feature.name not in ("hour", "weekday")}
    assert 'dropoff_drift_missing_share{feature="load_seconds"} 1.0' in shown
    assert "dropoff_drift_psi_max" in shown
    # What follows the end of a session is none of what the model has learnt from.
    client.post("/v1/track", {**call, "event": "purchase", "messageId": "m2", "timestamp": "2026-03-01T12:29:30Z"})
    client.post("/v1/score", {"session_id": "s"})
    client.post("/v1/recommend", {"session_id": "s"})
    assert "dropoff_drift_rows 2.0" in client.get("/metrics").text
    clock.advance(DAY_SECONDS)
    assert "dropoff_drift_rows 0.0" in client.get("/metrics").text


def test_a_window_of_no_seconds_is_none(open_client: "OpenClient", shop_model: RiskModel, snapshot: Snapshot) -> None:
    _, runtime = open_client(drift_window_seconds=0.0)
    runtime.replace_model(replace(shop_model, snapshot=snapshot))
    assert runtime.drift is None


def _as_of(folder: Path, process: int) -> None:
    """Let what this process has published be another's."""
    for file in folder.glob(f"drift_{os.getpid()}_*"):
        file.rename(folder / file.name.replace(str(os.getpid()), str(process)))


def test_two_windows_measure_as_one_that_saw_the_rows_of_both(
    shop: Journey, snapshot: Snapshot, tmp_path: Path
) -> None:
    rows = made_rows(shop.table, 400, 5)
    here, there, both = (window_with(shop, snapshot, part) for part in (rows[:150], rows[150:], rows))
    publish_counts(tmp_path, "7", there.count(HOUR_US))
    assert list(counts_of_others(tmp_path, "7")) == []
    _as_of(tmp_path, os.getppid())
    found = here.measure(HOUR_US, list(counts_of_others(tmp_path, "7")))
    expected = both.measure(HOUR_US)
    assert found.rows == expected.rows == 400
    np.testing.assert_allclose(found.psi, expected.psi)
    np.testing.assert_allclose([found.mean_risk, found.usual_risk], [expected.mean_risk, expected.usual_risk])


def test_counts_of_the_dead_and_of_another_model_do_not_count(
    shop: Journey, snapshot: Snapshot, tmp_path: Path
) -> None:
    counts = window_with(shop, snapshot, made_rows(shop.table, 10, 5)).count(HOUR_US)
    publish_counts(tmp_path, "7", counts)
    publish_counts(tmp_path, "8", counts)
    assert len(list(tmp_path.iterdir())) == 1
    _as_of(tmp_path, os.getppid())
    assert list(counts_of_others(tmp_path, "7")) == []
    assert len(list(counts_of_others(tmp_path, "8"))) == 1
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    publish_counts(tmp_path, "8", counts)
    _as_of(tmp_path, ended.pid)
    assert len(list(counts_of_others(tmp_path, "8"))) == 1
    assert len(list(tmp_path.iterdir())) == 1
