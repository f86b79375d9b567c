"""Credit by Shapley values: what a channel adds to the others, on average over all orders in which they could join.

Which channels a path has touched is all that counts, not how often nor in which order. Two games are played:

* *conversions*: a coalition is worth what was reached by paths that touched none but its channels. Nothing is ever
  lost by joining, so no credit is negative. Zhao, Mahboobi and Bagheri (2018), Shapley value methods for attribution
  modeling in online advertising.
* *rates*: of each path only the channels of the coalition are left, and it is worth what paths with exactly those
  channels reached on average, those without a conversion included. Credit is negative for a channel whose paths
  reach less than the same paths without it. Dalessandro, Perlich, Stitelman and Provost (2012), Causally motivated
  attribution for online advertising, has the same game for each path.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np

from features.events import FloatArray, IntArray
from insights.channels.paths import Paths

MOST_EXACT = 12
"""Rates are exact for paths with so many channels; for more, orders are drawn."""
MOST_VALUES = 4_000_000
"""Coalitions that are looked at one by one, over all sets of channels; sets beyond that are drawn, too."""
DRAWN_ORDERS = 400


@dataclass(frozen=True, slots=True)
class Sets:
    """Which sets of channels paths have touched; the empty one is left out."""

    members: tuple[tuple[int, ...], ...]
    """Of each set, in ascending order."""
    paths: IntArray
    reward: FloatArray
    """What the paths of each set have reached."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Credits of the channels (K,), and the standard errors of those that rest on drawn orders; 0 where exact."""

    credit: FloatArray
    error: FloatArray


def find_sets(paths: Paths, reward: FloatArray) -> Sets:
    """Return the sets of channels that the paths have touched, with what they reached."""
    count, size = len(paths.starts) - 1, len(paths.names) + 1
    worth = np.concatenate((reward, np.zeros(count - len(reward))))
    pairs = np.unique(paths.owner * size + paths.channel)
    owner, channel = pairs // size, pairs % size
    owners, starts = np.unique(owner, return_index=True)
    lengths = np.diff(np.append(starts, len(owner)))
    number = np.zeros(len(owners), np.int64)
    for place in range(int(lengths.max(initial=0))):
        # Sets are numbered anew by what they are so far, which stays exact for any number of channels.
        longer = np.flatnonzero(lengths > place)
        _, number[longer] = np.unique(number[longer] * size + channel[starts[longer] + place], return_inverse=True)
    _, example, of_path = np.unique(number * size + lengths, return_index=True, return_inverse=True)
    return Sets(
        tuple(tuple(channel[starts[one] : starts[one] + lengths[one]].tolist()) for one in example.tolist()),
        np.bincount(of_path, minlength=len(example)),
        np.bincount(of_path, worth[owners], len(example)).astype(np.float64),
    )


def shapley(paths: Paths, reward: FloatArray) -> FloatArray:
    """Return the Shapley values of the game of conversions, exactly, for any number of channels.

    The game is a sum of one for each set that was touched, in which only all of the set together earn; of such a game
    each member has the same share.
    """
    sets, credit = find_sets(paths, reward), np.zeros(len(paths.names))
    for members, reached in zip(sets.members, sets.reward.tolist(), strict=True):
        credit[list(members)] += reached / len(members)
    return credit


def shapley_of_rates(paths: Paths, reward: FloatArray, *, seed: int = 0, most_exact: int = MOST_EXACT) -> Drawn:
    """Return the Shapley values of the game of rates; the credits of all channels add up to what was reached.

    Where no path has exactly the channels of a coalition, it counts with the rate of all paths that have some of them
    and no other; with 0 where there is none. Exact for sets of up to ``most_exact`` channels, as long as not too many
    coalitions come together; else over drawn orders.
    """
    sets = find_sets(paths, reward)
    known = {members: (int(n), float(r)) for members, n, r in zip(sets.members, sets.paths, sets.reward, strict=True)}
    credit, variance = np.zeros(len(paths.names)), np.zeros(len(paths.names))
    rng, values = np.random.default_rng(seed), 0
    for members in sorted(sets.members, key=lambda one: (len(one), one)):
        weight, places = known[members][0], list(members)
        values += 1 << min(len(members), 40)
        if len(members) <= most_exact and values <= MOST_VALUES:
            credit[places] += weight * shapley_values(_rates(members, known))
        else:
            marginal = _draw_marginals(members, known, rng)
            credit[places] += weight * marginal.mean(axis=0)
            variance[places] += weight**2 * marginal.var(axis=0, ddof=1) / len(marginal)
    return Drawn(credit, np.sqrt(variance))


def shapley_values(values: FloatArray) -> FloatArray:
    """Return the Shapley values (n,) of a game; ``values`` (2^n,) is what each coalition is worth, by its bits.

    >>> shapley_values(np.array([0.0, 0.0, 0.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    count = len(values).bit_length() - 1
    coalitions = np.arange(len(values))
    weights = _weights(count)[np.bitwise_count(coalitions)]
    result = np.empty(count)
    for member in range(count):
        without = coalitions[coalitions >> member & 1 == 0]
        result[member] = weights[without] @ (values[without | 1 << member] - values[without])
    return result


@cache
def _weights(count: int) -> FloatArray:
    """How probable it is that exactly a coalition of each size has joined before some member does."""
    found = [factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)]
    return np.array([*found, 0.0])


def _rates(members: tuple[int, ...], known: Mapping[tuple[int, ...], tuple[int, float]]) -> FloatArray:
    """Return what each coalition of the members is worth (2^n,), by its bits."""
    size = 1 << len(members)
    counts, reached = np.zeros(size), np.zeros(size)
    for coalition in range(1, size):
        inside = tuple(member for bit, member in enumerate(members) if coalition >> bit & 1)
        counts[coalition], reached[coalition] = known.get(inside, (0, 0.0))
    some, got = counts.copy(), reached.copy()
    for bit in range(len(members)):
        # Each step adds what the coalitions without this member have to those with it.
        for whole in (some, got):
            halves = whole.reshape(-1, 2, 1 << bit)
            halves[:, 1] += halves[:, 0]
    exact = np.divide(reached, counts, out=np.zeros(size), where=counts > 0)
    pooled = np.divide(got, some, out=np.zeros(size), where=some > 0)
    return np.where(counts > 0, exact, pooled)


def _draw_marginals(
    members: tuple[int, ...], known: Mapping[tuple[int, ...], tuple[int, float]], rng: np.random.Generator
) -> FloatArray:
    """Return what each member adds in so many drawn orders (orders, n); each order adds up to the whole."""
    inside = set(members)
    below = [(set(one), n, reached) for one, (n, reached) in known.items() if inside.issuperset(one)]

    @cache
    def rate(coalition: frozenset[int]) -> float:
        exact = known.get(tuple(sorted(coalition)))
        parts = [exact] if exact else [(n, reached) for one, n, reached in below if one <= coalition]
        paths = sum(n for n, _ in parts)
        return sum(reached for _, reached in parts) / paths if paths else 0.0

    marginal = np.empty((DRAWN_ORDERS, len(members)))
    for order in range(DRAWN_ORDERS):
        joined: frozenset[int] = frozenset()
        worth = 0.0
        for place in rng.permutation(len(members)).tolist():
            joined |= {members[place]}
            marginal[order, place] = rate(joined) - worth
            worth = rate(joined)
    return marginal
