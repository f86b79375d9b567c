"""The search: seeded, never worse than the defaults, and it gives hopeless trials up."""

import dataclasses

import pytest
from made_rows import rows, table, vocabulary

from training.fit import Settings, fit
from training.tune import Trial, tune

TABLE = table()
TRAINING, TUNING = rows(1_500, 1), rows(800, 2)
VOCABULARY = vocabulary(TRAINING)
TRIALS = 10


def search(trials: int = TRIALS, seed: int = 6) -> tuple[Settings, list[Trial], list[Trial]]:
    told: list[Trial] = []
    settings, done = tune(
        TABLE, VOCABULARY, TRAINING, TUNING, trials=trials, seed=seed, threads=1, on_trial=told.append
    )
    return settings, done, told


@pytest.fixture(scope="module")
def searched() -> tuple[Settings, list[Trial], list[Trial]]:
    return search()


Searched = tuple[Settings, list[Trial], list[Trial]]


def test_the_defaults_are_the_first_trial(searched: Searched) -> None:
    assert searched[1][0].settings == Settings()
    assert search(trials=1)[0] == Settings()


def test_the_settings_of_the_lowest_loss_are_returned(searched: Searched) -> None:
    settings, trials, _ = searched
    losses = {trial.log_loss: trial.settings for trial in trials if trial.log_loss is not None}
    assert settings == losses[min(losses)]
    assert min(losses) < (trials[0].log_loss or 0)


def test_every_trial_is_handed_on_as_it_ends(searched: Searched) -> None:
    _, trials, told = searched
    assert told == trials
    assert [trial.number for trial in trials] == list(range(TRIALS))


def test_a_trial_that_falls_behind_is_pruned_and_has_no_loss(searched: Searched) -> None:
    _, trials, _ = searched
    pruned = [trial for trial in trials if trial.log_loss is None]
    assert 0 < len(pruned) < TRIALS
    # The median needs some trials to be of before it prunes.
    assert all(trial.number >= 3 and trial.trees == 0 for trial in pruned)
    assert all(trial.trees > 0 for trial in trials if trial.log_loss is not None)


def test_a_loss_is_what_fitting_with_these_settings_reaches(searched: Searched) -> None:
    settings, trials, _ = searched
    best = min((trial for trial in trials if trial.log_loss is not None), key=lambda trial: trial.log_loss or 0)
    booster = fit(TABLE, VOCABULARY, TRAINING, settings, seed=6, threads=1, tuning=TUNING)
    assert booster.best_score["valid_0"]["binary_logloss"] == best.log_loss
    assert booster.best_iteration == best.trees


def test_the_same_seed_searches_the_same_and_another_elsewhere(searched: Searched) -> None:
    assert search(trials=5)[1] == searched[1][:5]
    assert search(trials=3, seed=4)[1][1:] != searched[1][1:3]


def test_what_is_not_searched_stays_as_it_is(searched: Searched) -> None:
    varied = {
        field.name
        for field in dataclasses.fields(Settings)
        if len({getattr(trial.settings, field.name) for trial in searched[1]}) > 1
    }
    assert varied == {
        "learning_rate",
        "num_leaves",
        "max_depth",
        "min_data_in_leaf",
        "feature_fraction",
        "lambda_l2",
    }
    assert all(trial.settings.num_leaves <= 31 and trial.settings.max_depth <= 6 for trial in searched[1])
