"""How far a row is: the stage, and doublings of the events."""

import math

import numpy as np
import pytest
from small_shop import Trained

from decisions.exposure import EXPOSURES, cells, stage_rows


@pytest.mark.parametrize(
    ("stage", "events", "cell"),
    [(math.nan, 1, 0), (0.0, 1, 6), (0.0, 3, 7), (0.0, 4, 8), (1.0, 31, 16), (1.0, 32, 17), (1.0, 10_000, 17)],
)
def test_cells_are_stages_by_doublings_of_the_events(trained: Trained, stage: float, events: float, cell: int) -> None:
    row = np.array([[stage, events, np.nan, 0.0, 0.0, np.nan]])
    assert EXPOSURES == 6
    assert cells(trained.table, row)[0] == cell
    assert stage_rows(trained.table, row)[0] == cell // EXPOSURES
