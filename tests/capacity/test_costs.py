from pathlib import Path

import pytest
from made_costs import COSTS

from capacity.costs import BATCH, EVENT, KINDS, MEASURED, SCORE, CostsUnreadable, read_costs, write_costs


def test_costs_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    write_costs(COSTS, tmp_path / "costs.json")
    assert read_costs(tmp_path / "costs.json") == COSTS


def test_the_costs_that_ship_say_what_every_kind_takes() -> None:
    costs = read_costs(MEASURED)
    for kind in KINDS:
        one = costs.requests[kind]
        assert one.worker_ms > 0
        assert one.client_ms > 0
        assert one.request_bytes > 0
        assert one.writes == (kind != SCORE)
        assert min(one.spread) > 0
        assert one.turn_alone_ms >= one.turn_ms
    # A hundred events together take more than one, and less than a hundred alone.
    for part in ("worker_ms", "turn_ms", "postgres_ms"):
        alone, together = getattr(costs.requests[EVENT], part), getattr(costs.requests[BATCH], part)
        assert alone < together < 100 * alone
    assert costs.memory.worker_bytes > 0
    assert costs.history.features_seconds > 0


def test_a_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CostsUnreadable, match=r"absent.json: No such file.*python -m benchmarks"):
        read_costs(tmp_path / "absent.json")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"requests": 3}'])
def test_a_file_that_holds_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_bytes(content)
    with pytest.raises(CostsUnreadable, match="holds no measured costs"):
        read_costs(path)


def test_costs_without_a_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    write_costs(COSTS, path)
    path.write_text(path.read_text().replace('"score"', '"guess"'))
    with pytest.raises(CostsUnreadable, match="kind score"):
        read_costs(path)


@pytest.mark.parametrize(
    ("kept", "written"),
    [('"spread": [', '"spread": [], "was": ['), ('"turn_ms": 10', '"turn_ms": -10'), ('"events": 10,', '"events": 0,')],
)
def test_costs_that_cannot_be_are_refused_when_they_are_read(kept: str, written: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    write_costs(COSTS, path)
    assert kept in path.read_text()
    path.write_text(path.read_text().replace(kept, written))
    with pytest.raises(CostsUnreadable, match="holds no measured costs"):
        read_costs(path)


def test_less_than_one_event_is_no_request() -> None:
    with pytest.raises(ValueError, match="one event or more"):
        COSTS.of_events(0.5)
