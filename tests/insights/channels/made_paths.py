"""Paths as people write them down, ``"ads > email"``, for tests of credit."""

from collections.abc import Sequence

import numpy as np

from insights.channels.paths import Conversions, Paths, Touches, build_paths

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


def paths_of(converted: Sequence[str], others: Sequence[str] = (), *, value: Sequence[float] = ()) -> Paths:
    """Return paths with an hour between touches; those that convert do so with the last touch."""
    written = [[name for name in path.split(" > ") if name] for path in (*converted, *others)]
    names = tuple(sorted({name for path in written for name in path}))
    person = [number for number, path in enumerate(written) for _ in path]
    at = [place * HOUR_US for path in written for place in range(len(path))]
    touches = Touches(
        names, np.array(person, np.int64), np.array(at, np.int64),
        np.array([names.index(name) for path in written for name in path], np.int64),
    )  # fmt: skip
    count = len(converted)
    ends = np.array([max(0, len(path) - 1) * HOUR_US for path in written[:count]], np.int64)
    worth = np.array(value or [1.0] * count, np.float64)
    return build_paths(touches, Conversions(np.arange(count), ends, worth), lookback_us=30 * DAY_US)


def ones(paths: Paths) -> np.ndarray:
    return np.ones(len(paths.value))


def named(paths: Paths, credit: np.ndarray) -> dict[str, float]:
    return dict(zip(paths.names, credit.tolist(), strict=True))
