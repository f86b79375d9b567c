"""Credit by rules that look at one path at a time: first, last, linear, position-based, time-decay.

Each returns the credit of the K channels for conversions that are worth ``reward`` (C,) each.
"""

import numpy as np

from features.events import US_PER_SECOND, FloatArray, IntArray
from insights.channels.paths import Paths

FIRST_SHARE = LAST_SHARE = 0.4


def first_touch(paths: Paths, reward: FloatArray) -> FloatArray:
    """All to the channel that came first."""
    return _credit(paths, reward, (_places(paths) == 0).astype(np.float64))


def last_touch(paths: Paths, reward: FloatArray) -> FloatArray:
    """All to the channel that came last."""
    return _credit(paths, reward, (_places(paths) == _lengths(paths) - 1).astype(np.float64))


def linear(paths: Paths, reward: FloatArray) -> FloatArray:
    """The same to every touch."""
    return _credit(paths, reward, np.reciprocal(_lengths(paths), dtype=np.float64))


def position_based(paths: Paths, reward: FloatArray) -> FloatArray:
    """40 % to the first touch, 40 % to the last, 20 % evenly to those between; of two touches each has half."""
    place, length = _places(paths), _lengths(paths).astype(np.float64)
    middle = (1.0 - FIRST_SHARE - LAST_SHARE) / np.maximum(length - 2, 1)
    ends = np.where(place == 0, FIRST_SHARE, np.where(place == length - 1, LAST_SHARE, middle))
    return _credit(paths, reward, np.where(length > 2, ends, 1.0 / length))


def time_decay(paths: Paths, reward: FloatArray, *, half_life_seconds: float) -> FloatArray:
    """A touch weighs half as much as one that is a half-life younger."""
    count = len(reward)
    owner = paths.owner[: paths.starts[count]]
    age: FloatArray = paths.age_us[: len(owner)].astype(np.float64)
    # Against the youngest touch, so that not all weights vanish where all touches are old.
    youngest = age[paths.starts[owner + 1] - 1]
    weight = np.exp2(-(age - youngest) / (half_life_seconds * US_PER_SECOND))
    return _credit(paths, reward, weight / np.bincount(owner, weight, count)[owner])


def _credit(paths: Paths, reward: FloatArray, share: FloatArray) -> FloatArray:
    """Return the sum for each channel; ``share`` is one for each touch of the paths that converted."""
    owner = paths.owner[: len(share)]
    found = np.bincount(paths.channel[: len(share)], share * reward[owner], len(paths.names))
    return found.astype(np.float64)


def _places(paths: Paths) -> IntArray:
    """The place of each touch in its path, of paths that converted."""
    touches = int(paths.starts[len(paths.value)])
    return np.arange(touches) - paths.starts[paths.owner[:touches]]


def _lengths(paths: Paths) -> IntArray:
    touches = int(paths.starts[len(paths.value)])
    return paths.lengths[paths.owner[:touches]]
