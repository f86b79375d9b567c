"""Files of decisions whose numbers cannot be are refused, with the decision that is at fault."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from decisions.logged_files import DecisionsUnreadable, read_decisions

GOOD: dict[str, Any] = {
    "session_id": "s",
    "unit": "u",
    "stage": "cart",
    "risk": 0.7,
    "confidence": '{"price": 0.4}',
    "chosen": "discount",
    "propensities": '{"nothing": 0.5, "discount": 0.5}',
    "converted": True,
}


def read(folder: Path, *changes: dict[str, Any]) -> Any:
    rows = [
        GOOD | {"decision_id": f"d{place}", "at": 1_000_000 + place} | change for place, change in enumerate(changes)
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    at = pa.array(columns.pop("at")).cast(pa.timestamp("us", tz="UTC"))
    path = folder / "decisions.parquet"
    pq.write_table(pa.table({**columns, "at": at}), path)
    return read_decisions(path, options=["discount"], stages=["cart"], frictions=["price"])


def test_possible_numbers_are_read_and_odds_may_be_missing(tmp_path: Path) -> None:
    found = read(tmp_path, {}, {"propensities": None})
    assert found.decision_ids.tolist() == ["d0", "d1"]
    assert found.propensities[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decision_id": "d0"}, "'d0' is there twice"),
        ({"propensities": '{"nothing": 0.5, "discount": 0.6}'}, "'d1' has propensities that do not sum to one"),
        ({"propensities": '{"nothing": -0.5, "discount": 1.5}'}, "'d1' has propensities that do not sum to one"),
        ({"propensities": json.dumps({"nothing": 1.0})}, "'d1' chose what had no probability"),
        ({"propensities": json.dumps({"nothing": {}})}, "is no object of numbers"),
        ({"risk": 1.2}, "'d1' has no risk from 0 to 1"),
        ({"risk": None}, "'d1' has no risk from 0 to 1"),
        ({"confidence": '{"price": -0.1}'}, "'d1' has a confidence that is not from 0 to 1"),
        ({"converted": None}, "'d1' has no outcome that is true or false"),
    ],
)
def test_impossible_numbers_name_the_decision_at_fault(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DecisionsUnreadable, match=said):
        read(tmp_path, {}, change)
