"""Somebody who knows what is shown, and which numbers add up to which, and wonders about those that are hidden."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp


def could_be(known: Mapping[str, int], sums: Sequence[tuple[Sequence[str], str]], asked: str) -> tuple[float, float]:
    """The least and the most that a number can be for somebody who knows some and which are sums of which."""
    names = sorted({name for parts, total in sums for name in (*parts, total)})
    rows = np.zeros((len(sums), len(names)))
    for row, (parts, total) in enumerate(sums):
        for part in parts:
            rows[row, names.index(part)] += 1
        rows[row, names.index(total)] -= 1
    low = np.array([known.get(name, 0) for name in names], float)
    high = np.array([known.get(name, np.inf) for name in names], float)
    wanted = np.array([name == asked for name in names], float)
    ends = []
    for sign in (1, -1):
        found = milp(
            sign * wanted,
            integrality=np.ones(len(names)),
            bounds=Bounds(low, high),
            constraints=LinearConstraint(rows, 0, 0),
        )
        ends.append(np.inf if found.x is None else float(found.x[names.index(asked)]))
    return ends[0], ends[1]
