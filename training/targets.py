"""What a row is taught: how its session ended, mixed with what a first model makes of the session's next rows.

How a session ends is a coin that is tossed long after an early row. What happened next says more about that row than
the toss does, so a part of its target is the risk that a model, fitted without this person, sees at the next row:
temporal-difference learning (Sutton 1988, "Learning to predict by the methods of temporal differences", TD(lambda)).
"""

from dataclasses import replace

import numba
import numpy as np

from features.events import FloatArray, IntArray
from features.table import FeatureTable
from features.vocabulary import Vocabulary
from training.fit import Rows, Settings, fit, predict_numbered

TRACE_DECAY = 0.7
"""Sutton's lambda: the part of a target that is passed on from later rows, and so in the end from the outcome."""
FOLDS = 2
FIRST_MODEL = Settings(learning_rate=0.1)
FIRST_MODEL_TREES = 60


def teach(
    table: FeatureTable,
    vocabulary: Vocabulary,
    rows: Rows,
    sessions: IntArray,
    persons: IntArray,
    *,
    seed: int,
    threads: int,
    decay: float = TRACE_DECAY,
) -> Rows:
    """Return the rows with targets between 0 and 1 for labels.

    ``sessions`` and ``persons`` (R,) say whose rows they are; a session's rows stand together in order of time. The
    first model's risks are cross-fitted in two folds of whole persons.
    """
    known, place = np.unique(persons, return_inverse=True)
    if len(known) < FOLDS:
        return rows
    fold = (np.random.default_rng(seed).permutation(len(known)) % FOLDS)[place]
    expected = np.empty(len(rows))
    for out in range(FOLDS):
        inside = fold != out
        first = fit(
            table, vocabulary, rows.take(inside), FIRST_MODEL, seed=seed, threads=threads, trees=FIRST_MODEL_TREES
        )
        expected[~inside] = predict_numbered(first, vocabulary, rows.features[~inside], threads=threads)
    return replace(rows, labels=mix(sessions, rows.after, rows.labels, expected, decay))


@numba.njit(cache=True)
def mix(sessions: IntArray, after: IntArray, labels: FloatArray, expected: FloatArray, decay: float) -> FloatArray:
    """Return the targets (R,): the label at a session's last event, and before it, event by event backwards,

        target = (1 - decay) * expected at the next event + decay * target of the next event

    The rows of silence after an event are taught what the row of the event is. With ``decay`` 1 targets are labels.
    """
    targets = labels.copy()
    for row in range(len(labels) - 2, -1, -1):
        following = row + 1
        if sessions[row] == sessions[following]:
            if after[row] == after[following]:
                targets[row] = targets[following]
            else:
                targets[row] = (1.0 - decay) * expected[following] + decay * targets[following]
    return targets
