"""The windows of several workers are compared with the training as one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from test_drift import HOUR_US, made_rows, snapshot, snapshot_of, window_with

from decisions.snapshot import Snapshot
from journeys.journey import Journey
from serving.shared_drift import counts_of_others, publish_counts

__all__ = ["snapshot", "snapshot_of"]  # a fixture, and what it is made by


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
