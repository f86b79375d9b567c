"""Two tests of whether something gives the end away, each against sessions that stand at the same place.

A place is a stage and a number of events, so that what is merely late in a journey does not look like a leak.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import beta, rankdata

from features.events import FloatArray, IntArray
from training.split import BoolArray

ONE_SIDED = 0.99
"""Confidence of every bound."""
_NORMAL_QUANTILE = 2.3263
"""The standard normal's quantile at ``ONE_SIDED``."""
MIN_PEERS = 20
"""Fewer at a place are replaced by all sessions."""
MIN_OF_A_KIND = 20
"""An AUC needs so many sessions of either outcome."""
POSITIONS = (1, 2, 3, 5, 8, 13, 21)
"""After so many events a feature's AUC is looked at; each session has one row there."""
_DENSE, _SPACING = 10, 1.25


@dataclass(frozen=True)
class Walks:
    """Rows (R,) right after every event of S sessions, a session's rows together and in order."""

    session: IntArray
    """0 to S - 1."""
    after: IntArray
    stage: IntArray
    """0 for no stage."""
    abandoned: FloatArray
    """(R,) the session's outcome, 1 or 0."""

    @cached_property
    def opens(self) -> BoolArray:
        """Whether a row is its session's first."""
        return np.asarray(self.after == 1, np.bool_)

    @cached_property
    def before(self) -> IntArray:
        """The place at which a session stood before each row: a number for stage and length, 0 before its first."""
        later = np.log(np.maximum(self.after, _DENSE) / _DENSE) / np.log(_SPACING)
        length = np.where(self.after <= _DENSE, self.after, _DENSE + np.ceil(later)).astype(np.int64)
        place = self.stage * (int(length.max()) + 1) + length
        return np.where(self.opens, 0, np.append(0, place[:-1]))

    def until(self, holds: BoolArray) -> BoolArray:
        """Return which rows (R,) come before the first of their session at which something holds."""
        known = np.flatnonzero(holds)
        first = np.full(int(self.session[-1]) + 1, len(self.session))
        np.minimum.at(first, self.session[known], known)
        return np.asarray(np.arange(len(self.session)) < first[self.session], np.bool_)

    def take(self, rows: BoolArray) -> "Walks":
        """Return the chosen rows; of each session some first ones, or none."""
        session = np.unique(self.session[rows], return_inverse=True)[1].astype(np.int64)
        return Walks(session, self.after[rows], self.stage[rows], self.abandoned[rows])


@dataclass(frozen=True, slots=True)
class Purity:
    """How sessions end once something has occurred.

    ``exceptions`` of the ``sessions`` do not end as most of them do; ``expected`` is how many would not if they ended
    as sessions do that stood where these stood one event before, and went on otherwise.
    """

    sessions: int
    abandons: bool
    exceptions: int
    expected: float

    @property
    def most_exceptions(self) -> float:
        """Return the one-sided upper bound of the number of exceptions (Clopper and Pearson 1934)."""
        n, k = self.sessions, self.exceptions
        return float(n) if k == n else n * float(beta.ppf(ONE_SIDED, k + 1, n - k))


def purity(walks: Walks, holds: BoolArray) -> Purity | None:
    """Return how sessions end from the first row on at which something holds (R,); None where it never does."""
    known = np.flatnonzero(holds)
    if not len(known):
        return None
    of = walks.session[known]
    first = np.append(True, of[1:] != of[:-1])
    sessions, fires = of[first], known[first]
    fired_at = np.full(int(walks.session[-1]) + 1, len(walks.session))
    fired_at[sessions] = fires
    rows = np.arange(len(walks.session))
    # Peers stood at the same place and went on with something else; those who stopped there tell how it is to stop.
    goes_on = rows < fired_at[walks.session]
    before, size = walks.before, int(walks.before.max()) + 1
    peers = np.bincount(before[goes_on], minlength=size)
    left = np.bincount(before[goes_on], walks.abandoned[goes_on], size)
    overall = float(walks.abandoned[walks.opens].mean())
    share = np.where(peers >= MIN_PEERS, left / np.maximum(peers, 1), overall)[before[fires]]
    abandoned = walks.abandoned[fires]
    abandons = bool(abandoned.mean() >= 0.5)
    exceptions = int((abandoned == 0).sum() if abandons else (abandoned == 1).sum())
    expected = float((1 - share).sum() if abandons else share.sum())
    return Purity(len(fires), abandons, exceptions, expected)


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one feature alone sorts sessions after so many events, within stages; ``least`` is the lower bound."""

    events: int
    auc: float
    least: float
    sessions: int


def separation(walks: Walks, values: FloatArray, positions: tuple[int, ...] = POSITIONS) -> Separation | None:
    """Return the position at which a feature (R,) separates best by its lower bound; None where too few have it.

    Missing values are left out, and in a second look are the smallest.
    """
    found = None
    for events in positions:
        here = np.flatnonzero(walks.after == events)
        known = here[~np.isnan(values[here])]
        looks = [(known, values[known])]
        if 0 < len(known) < len(here):
            looks.append((here, np.where(np.isnan(values[here]), -np.inf, values[here])))
        for rows, numbers in looks:
            seen = _stratified_auc(walks.stage[rows], walks.abandoned[rows], numbers, events)
            if seen is not None and (found is None or seen.least > found.least):
                found = seen
    return found


def as_rates(walks: Walks, values: FloatArray) -> FloatArray:
    """Return for each category (R,) its share abandoned among the other half of the sessions; NaN where missing."""
    rates = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    half = walks.session % 2 == 1
    for mine in (half, ~half):
        categories, place = np.unique(values[known & ~mine], return_inverse=True)
        counts = np.bincount(place, minlength=len(categories))
        left = np.bincount(place, walks.abandoned[known & ~mine], len(categories))
        usual = float(walks.abandoned.mean())
        rate = (left + 5 * usual) / (counts + 5)
        rows = np.flatnonzero(known & mine)
        at = np.minimum(np.searchsorted(categories, values[rows]), max(len(categories) - 1, 0))
        found = categories[at] == values[rows] if len(categories) else np.zeros(len(rows), np.bool_)
        rates[rows] = np.where(found, rate[at] if len(categories) else usual, usual)
    return rates


def _stratified_auc(stage: IntArray, abandoned: FloatArray, numbers: FloatArray, events: int) -> Separation | None:
    pairs = wins = variance = 0.0
    ones = zeros = 0
    for place in np.unique(stage):
        of = stage == place
        one = abandoned[of] == 1
        n1, n0 = int(one.sum()), int((~one).sum())
        if not n1 or not n0:
            continue
        won = float(rankdata(numbers[of])[one].sum()) - n1 * (n1 + 1) / 2
        pairs, wins, ones, zeros = pairs + n1 * n0, wins + won, ones + n1, zeros + n0
        variance += (n1 * n0) ** 2 * _variance(won / (n1 * n0), n1, n0)
    if min(ones, zeros) < MIN_OF_A_KIND:
        return None
    auc = wins / pairs
    auc = max(auc, 1 - auc)
    return Separation(events, auc, auc - _NORMAL_QUANTILE * variance**0.5 / pairs, ones + zeros)


def _variance(auc: float, n1: int, n0: int) -> float:
    """Return the variance of an AUC (Hanley and McNeil 1982); one half a pair off 0 and 1, where theirs is zero."""
    a = min(max(auc, 0.5 / (n1 * n0)), 1 - 0.5 / (n1 * n0))
    a = max(a, 1 - a)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    return (a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / (n1 * n0)
