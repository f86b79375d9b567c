"""Facts that are kept fresh: newer ones take the place of older ones at once."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_facts import MadeSession, write_facts

from insights.current import (
    MAKING,
    current_building,
    current_facts,
    facts_home,
    forget_facts,
    publish_building,
)
from insights.facts import FactsError


def publish(home: Path, sessions: int, position: int) -> Path:
    built = write_facts(facts_home(home, "shop") / f"{MAKING}{position}" / "facts", [MadeSession()] * sessions)
    return publish_building(home, "shop", built.folder, position, 1.5).folder


def test_before_the_first_making_there_are_none(tmp_path: Path) -> None:
    assert current_facts(tmp_path, "shop") is None
    assert current_building(tmp_path, "shop") is None


def test_the_latest_making_is_the_current_one_and_a_reader_of_the_former_goes_on_reading(tmp_path: Path) -> None:
    former = publish(tmp_path, 2, 10)
    reading = current_facts(tmp_path, "shop")
    assert reading is not None
    publish(tmp_path, 3, 20)
    now, building = current_facts(tmp_path, "shop"), current_building(tmp_path, "shop")
    assert now is not None
    assert building is not None
    assert (now.sessions, building.position, building.seconds, building.model_version) == (3, 20, 1.5, "1")
    with reading.connect() as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchall() == [(2,)]
    assert former.is_dir()


def test_a_making_that_nobody_can_be_reading_any_more_is_cleared_away(tmp_path: Path) -> None:
    former = publish(tmp_path, 1, 10)
    long_ago = time.time() - 3_600
    os.utime(former, (long_ago, long_ago))
    publish(tmp_path, 1, 20)
    assert not former.exists()


def test_after_an_erasure_nothing_is_left_of_what_was_made_or_is_being_made(tmp_path: Path) -> None:
    publish(tmp_path, 1, 10)
    (facts_home(tmp_path, "shop") / f"{MAKING}30" / "log.parquet").mkdir(parents=True)
    forget_facts(tmp_path, "shop")
    assert current_facts(tmp_path, "shop") is None
    assert not any(path for path in facts_home(tmp_path, "shop").glob("*") if path.is_dir() and any(path.iterdir()))
    forget_facts(tmp_path / "nothing", "shop")


def test_a_damaged_pointer_is_named(tmp_path: Path) -> None:
    publish(tmp_path, 1, 10)
    (facts_home(tmp_path, "shop") / "current.json").write_text("{")
    with pytest.raises(FactsError, match=r"current\.json cannot be read"):
        current_facts(tmp_path, "shop")
