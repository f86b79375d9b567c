"""Learning from rows without a log: what is chosen on which rows, and what the last fit has seen."""

import numpy as np
import pytest
from made_rows import rows, table

from decisions.calibration import Calibrator
from features.events import FloatArray, IntArray
from features.vocabulary import Vocabulary
from training.fit import Rows, Settings, fit
from training.learn import MIN_TREES, Learnt, learn
from training.targets import teach

TABLE = table()
ROWS = rows(3_000, 1)
TUNING = np.arange(3_000) >= 2_000
FITTING = np.arange(3_000) < 1_900
ALONE = np.arange(3_000)


def learn_from(
    given: Rows = ROWS, *, trials: int = 0, persons: IntArray | None = None, sessions: IntArray = ALONE
) -> Learnt:
    return learn(
        TABLE,
        given,
        sessions=sessions,
        persons=persons,
        fitting=FITTING,
        tuning=TUNING,
        calibration=given.take(TUNING),
        calibration_sessions=np.arange(int(TUNING.sum())),
        trials=trials,
        seed=3,
        threads=1,
    )


def margins(learnt: Learnt, of: Rows = ROWS) -> FloatArray:
    return np.asarray(learnt.booster.predict(learnt.vocabulary.apply(of.features), raw_score=True))


def relabelled(labels: FloatArray) -> Rows:
    return Rows(ROWS.features, labels, ROWS.after)


def test_the_trees_are_counted_on_the_tuning_rows_and_fitted_on_all() -> None:
    learnt = learn_from()
    vocabulary = Vocabulary.learn(TABLE, ROWS.features)
    fitted = ROWS.take(FITTING)
    early = fit(TABLE, vocabulary, fitted, Settings(), seed=3, threads=1, tuning=ROWS.take(TUNING))
    assert learnt.booster.num_trees() == early.best_iteration > MIN_TREES
    everything = fit(TABLE, vocabulary, ROWS, Settings(), seed=3, threads=1, trees=early.best_iteration)
    assert np.array_equal(margins(learnt), everything.predict(vocabulary.apply(ROWS.features), raw_score=True))
    assert learnt.settings == Settings()
    assert learnt.trials == []


def test_a_model_has_a_few_trees_even_where_they_do_not_help() -> None:
    # What is learnt from the fitting rows is wrong about every tuning row.
    learnt = learn_from(relabelled(np.where(TUNING, 1 - ROWS.labels, ROWS.labels)))
    assert learnt.booster.num_trees() == MIN_TREES


def test_calibration_follows_rows_that_the_fit_has_not_seen() -> None:
    # Among the tuning rows every second abandonment is missing, which only they know.
    rare = ROWS.labels * np.where(TUNING, np.arange(3_000) % 2, 1)
    given = relabelled(rare)
    learnt, trees = learn_from(given), learn_from(given).booster.num_trees()
    unseen = fit(TABLE, learnt.vocabulary, given.take(FITTING), Settings(), seed=3, threads=1, trees=trees)
    before = np.asarray(unseen.predict(learnt.vocabulary.apply(ROWS.features[TUNING]), raw_score=True))
    assert Calibrator().apply(before).mean() > 1.5 * rare[TUNING].mean()
    assert learnt.calibrator.apply(before).mean() == pytest.approx(rare[TUNING].mean(), abs=0.005)


def test_the_search_chooses_the_settings_of_the_last_fit() -> None:
    learnt = learn_from(trials=4)
    best = min((trial for trial in learnt.trials if trial.log_loss is not None), key=lambda trial: trial.log_loss or 0)
    assert learnt.settings == best.settings
    assert learnt.booster.num_trees() == max(MIN_TREES, best.trees)


def test_rows_of_known_persons_are_taught_their_next_row_too() -> None:
    sessions = ALONE // 3
    given = Rows(ROWS.features, ROWS.labels, ALONE % 3 + 1)
    learnt = learn_from(given, persons=sessions, sessions=sessions)
    vocabulary = Vocabulary.learn(TABLE, given.features)
    targets = teach(TABLE, vocabulary, given, sessions, sessions, seed=3, threads=1)
    trees = learnt.booster.num_trees()
    wanted = fit(TABLE, vocabulary, targets, Settings(), seed=3, threads=1, trees=trees)
    assert np.array_equal(margins(learnt, given), wanted.predict(vocabulary.apply(given.features), raw_score=True))
    assert not np.array_equal(margins(learn_from(given), given), margins(learnt, given))
