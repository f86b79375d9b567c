"""Learn from labelled rows: tune, fit, calibrate on what the fit has not seen, and fit again on everything."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from decisions.calibration import Calibrator
from features.events import IntArray
from features.staging import Progress
from features.table import FeatureTable
from features.vocabulary import Vocabulary
from training.calibrate import calibrate
from training.fit import Rows, Settings, fit, predict_numbered
from training.metrics import Block
from training.targets import teach
from training.tune import Trial, tune, tuning_figures

MIN_TREES = 20


@dataclass(frozen=True, slots=True)
class Learnt:
    """A fitted booster with its calibrator, and how they were chosen.

    ``tuning`` are the figures of the settings on the tuning rows, ``calibration_losses`` those of each calibrator.
    """

    booster: lightgbm.Booster
    calibrator: Calibrator
    vocabulary: Vocabulary
    settings: Settings
    trials: list[Trial]
    tuning: Block
    calibration_losses: dict[str, float]


def learn(
    table: FeatureTable,
    rows: Rows,
    *,
    sessions: IntArray,
    persons: IntArray | None,
    fitting: NDArray[np.bool_],
    tuning: NDArray[np.bool_],
    calibration: Rows,
    calibration_sessions: IntArray,
    trials: int,
    seed: int,
    threads: int,
    progress: Progress = lambda _phase, _fraction: None,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
) -> Learnt:
    """Return what the rows (R,) teach, without a log: rows of any feature table will do.

    Rows are taught the risk at the next row of their ``sessions`` (R,) too, as a model sees it that does not know their
    ``persons`` (R,); without persons, their labels alone. What is fitted on the ``fitting`` rows chooses settings and
    the number of trees on the ``tuning`` rows, and is calibrated on the ``calibration`` rows (C,) of
    ``calibration_sessions`` (C,), which it must not have seen; then all rows are fitted.
    """
    vocabulary = Vocabulary.learn(table, rows.features)

    def taught(chosen: NDArray[np.bool_]) -> Rows:
        if persons is None:
            return rows.take(chosen)
        return teach(
            table, vocabulary, rows.take(chosen), sessions[chosen], persons[chosen], seed=seed, threads=threads
        )

    progress("fitting a first model", 0.0)
    # The first model must not know the sessions that tune and calibrate what is fitted to its targets.
    known, watched = taught(fitting), rows.take(tuning)
    settings, done = Settings(), list[Trial]()
    if trials:
        progress("searching settings", 0.0)
        settings, done = tune(
            table, vocabulary, known, watched, trials=trials, seed=seed, threads=threads, on_trial=on_trial
        )
    progress("fitting", 0.0)
    early = fit(table, vocabulary, known, settings, seed=seed, threads=threads, tuning=watched)
    progress("calibrating", 0.5)
    trees = max(MIN_TREES, early.best_iteration)
    if early.best_iteration < trees:
        # What calibrates must have as many trees as what is calibrated.
        early = fit(table, vocabulary, known, settings, seed=seed, threads=threads, trees=trees)
    calibrator, losses = calibrate(
        predict_numbered(early, vocabulary, calibration.features, raw_score=True),
        calibration.labels,
        calibration_sessions,
        np.ones(len(calibration)) if calibration.weights is None else calibration.weights,
    )
    figures = tuning_figures(early, vocabulary, watched, settings)
    # They are copies, as large as what they were taken from.
    del known, watched, early
    progress("fitting on all training sessions", 0.6)
    everything = taught(np.ones(len(rows), np.bool_))
    return Learnt(
        booster=fit(table, vocabulary, everything, settings, seed=seed, threads=threads, trees=trees),
        calibrator=calibrator,
        vocabulary=vocabulary,
        settings=settings,
        trials=done,
        tuning=figures,
        calibration_losses=losses,
    )
