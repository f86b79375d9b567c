"""The service killed by force, its disk full, its database stopped: what was acknowledged is there, exactly once.

`python -m benchmarks.faults` runs the same for longer.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import model_home, shop, shop_model

from benchmarks.faults import fill_disk, kill_service, stop_postgres

__all__ = ["model_home", "shop", "shop_model"]  # fixtures

pytestmark = pytest.mark.slow


def test_killing_the_whole_service_under_load_loses_and_repeats_nothing(model_home: Path, tmp_path: Path) -> None:
    survived = kill_service(model_home, tmp_path, times=3)
    assert survived.is_whole
    assert len(survived.sent.acknowledged) >= 800


def test_a_full_disk_is_answered_with_503_and_all_goes_on_once_there_is_room(model_home: Path, tmp_path: Path) -> None:
    survived, said = fill_disk(model_home, tmp_path)
    assert survived.is_whole
    assert survived.sent.answers.keys() == {"200", "503"}
    assert "it may be full" in said


def test_postgresql_stopped_and_crashed_under_load_is_waited_for(model_home: Path, tmp_path: Path) -> None:
    survived = stop_postgres(model_home, tmp_path, times=2)
    assert survived.is_whole
    assert survived.sent.answers["503"] >= 2
