"""The split: forward in time, never sharing a person, with the outcome of every training session known at the cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.events import US_PER_SECOND, EncodedLog, IntArray, TextArray
from journeys.ends import SessionEnds
from training.labels import settled_until

HELD_OUT_SHARE = 0.25
TUNING_SHARE = 0.2

BoolArray = NDArray[np.bool_]


class TooFewSessions(ValueError):
    """The log is too small to train and to hold out; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """The moments (microseconds) by which sessions are split, whichever log they are in.

    Held-out sessions begin at ``cut_us`` or later, training ones by ``settled_us``; of these the tuning ones begin at
    ``tuning_us`` or later, the fitting ones by ``tuning_settled_us``.
    """

    cut_us: int
    settled_us: int
    tuning_us: int
    tuning_settled_us: int


@dataclass(frozen=True, slots=True)
class Split:
    """Which sessions (S,) serve what; ``tuning`` are the latest of ``training``.

    ``fitting`` are those of ``training`` that had ended when the first of ``tuning`` began, so that what is fitted on
    them meets the tuning sessions as the final model meets the held-out ones.
    """

    training: BoolArray
    fitting: BoolArray
    tuning: BoolArray
    held_out: BoolArray
    cuts: Cuts

    @property
    def cut_us(self) -> int:
        """Return the moment at which the held-out sessions begin."""
        return self.cuts.cut_us


def persons(log: EncodedLog) -> IntArray:
    """Return a number per session (S,) that visitors share when any user of the log ever connected them.

    Wider than a person as of a moment, so that no session is split from one that may be in its history.
    """
    if log.person_ids is not None:
        return number_texts(log.person_ids)
    return merge_persons(log.visitor_ids, log.user_ids)


def merge_persons(visitor_ids: TextArray, user_ids: TextArray) -> IntArray:
    """Return a number per session (S,) that visitors share when any user connects them, of a log nobody has read."""
    visitors = number_texts(visitor_ids)
    known = np.array([user is not None for user in user_ids], np.bool_)
    users = visitors.max(initial=-1) + 1 + number_texts(user_ids[known])
    size = int(max(visitors.max(initial=-1), users.max(initial=-1))) + 1
    edges = coo_array((np.ones(len(users)), (visitors[known], users)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    found: IntArray = component[visitors].astype(np.int64)
    return found


def forward_split(
    log: EncodedLog,
    ends: SessionEnds,
    horizon_seconds: float | None = None,
    held_out_share: float = HELD_OUT_SHARE,
) -> Split:
    """Hold out the latest sessions by start; train on those of other people that had ended by then.

    Where silence ends sessions, those that began too late for silence to be known by then do not train, whatever came
    of them: a goal is known at once, and would be too common among them. With a horizon, sessions that are still open
    are held out too: their early prefixes have labels. Raises :class:`TooFewSessions`.
    """
    cuts = find_cuts(log, ends, horizon_seconds, held_out_share)
    split = split_by(cuts, log, ends, horizon_seconds)
    if not split.tuning.any() or not split.fitting.any():
        raise TooFewSessions(
            "no training sessions are left to tune on that are of other people and begin when earlier ones have ended; "
            "the log must span a longer time, or hold more people"
        )
    return split


def find_cuts(
    log: EncodedLog,
    ends: SessionEnds,
    horizon_seconds: float | None = None,
    held_out_share: float = HELD_OUT_SHARE,
) -> Cuts:
    """Return where :func:`forward_split` cuts; raises :class:`TooFewSessions`."""
    starts_us, usable = log.at_us[log.starts[:-1]], _usable(log, ends, horizon_seconds)
    if usable.sum() < 20:
        raise TooFewSessions(
            f"only {int(usable.sum())} sessions have a known end and an event before it; a log needs at least 20"
        )
    cut_us = _cut(starts_us[usable], 1 - held_out_share)
    settled_us = settled_until(log, ends, cut_us)
    training, held_out = _sides(log, ends, usable, cut_us, settled_us)
    if not training.any() or not held_out.any():
        raise TooFewSessions(
            "no session of other people ends before the held-out ones begin; the log must span a longer time, "
            "or hold more people"
        )
    tuning_us = _cut(starts_us[training], 1 - TUNING_SHARE)
    return Cuts(cut_us, settled_us, tuning_us, settled_until(log, ends, tuning_us))


def split_by(cuts: Cuts, log: EncodedLog, ends: SessionEnds, horizon_seconds: float | None = None) -> Split:
    """Return the split of whole persons' sessions, be they all or some of those that the cuts were found on."""
    starts_us, person = log.at_us[log.starts[:-1]], persons(log)
    usable = _usable(log, ends, horizon_seconds)
    training, held_out = _sides(log, ends, usable, cuts.cut_us, cuts.settled_us)
    tuning = training & (starts_us >= cuts.tuning_us)
    tuning &= ~np.isin(person, person[training & ~tuning])
    fitting = training & ~tuning & (ends.end_us < cuts.tuning_us) & (starts_us <= cuts.tuning_settled_us)
    return Split(training, fitting, tuning, held_out, cuts)


def _usable(log: EncodedLog, ends: SessionEnds, horizon_seconds: float | None) -> BoolArray:
    labelled = ~np.isnan(ends.outcome)
    if horizon_seconds is not None:
        labelled |= log.at_us[log.starts[:-1]] + int(horizon_seconds * US_PER_SECOND) <= ends.end_us
    usable: BoolArray = labelled & (ends.usable > 0)
    return usable


def _sides(
    log: EncodedLog, ends: SessionEnds, usable: BoolArray, cut_us: int, settled_us: int
) -> tuple[BoolArray, BoolArray]:
    """Return which sessions train, and which are held out."""
    starts_us, person = log.at_us[log.starts[:-1]], persons(log)
    held_out: BoolArray = usable & (starts_us >= cut_us)
    training = usable & (ends.end_us < cut_us) & (starts_us <= settled_us) & ~np.isin(person, person[held_out])
    return training, held_out


def _cut(starts_us: IntArray, share: float) -> int:
    return int(np.quantile(starts_us, share, method="higher"))


def number_texts(texts: TextArray) -> IntArray:
    """Return a number per text, the same for equal ones."""
    if not len(texts):
        return np.array([], np.int64)
    _, numbers = np.unique(texts.astype(str), return_inverse=True)
    found: IntArray = numbers.astype(np.int64)
    return found
