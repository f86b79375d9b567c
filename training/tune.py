"""Search settings with Optuna: seeded TPE, hopeless trials pruned, each trial handed on as it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import optuna
from lightgbm.callback import CallbackEnv

from features.table import FeatureTable
from features.vocabulary import Vocabulary
from training.fit import Rows, Settings, fit

PRUNE_EVERY_TREES = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of the search; ``log_loss`` is None for a pruned one."""

    number: int
    settings: Settings
    log_loss: float | None
    trees: int


def tune(
    table: FeatureTable,
    vocabulary: Vocabulary,
    rows: Rows,
    tuning: Rows,
    *,
    trials: int,
    seed: int,
    threads: int,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
) -> tuple[Settings, list[Trial]]:
    """Return the settings with the lowest log loss on the tuning rows, the defaults among them, and all trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    done: list[Trial] = []

    def objective(trial: optuna.Trial) -> float:
        settings = _suggest(trial)
        try:
            booster = fit(
                table,
                vocabulary,
                rows,
                settings,
                seed=seed,
                threads=threads,
                tuning=tuning,
                callbacks=[_pruning(trial)],
            )
        except optuna.TrialPruned:
            done.append(Trial(trial.number, settings, None, 0))
            on_trial(done[-1])
            raise
        loss = _tuning_loss(booster)
        done.append(Trial(trial.number, settings, loss, booster.best_iteration))
        on_trial(done[-1])
        return loss

    study = optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=PRUNE_EVERY_TREES),
    )
    defaults = Settings()
    study.enqueue_trial(
        {
            name: getattr(defaults, name)
            for name in (
                "learning_rate",
                "num_leaves",
                "max_depth",
                "min_data_in_leaf",
                "feature_fraction",
                "lambda_l2",
            )
        }
    )
    study.optimize(objective, n_trials=trials)
    best = min((trial for trial in done if trial.log_loss is not None), key=lambda trial: trial.log_loss or 0.0)
    return best.settings, done


def _suggest(trial: optuna.Trial) -> Settings:
    return Settings(
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
        num_leaves=trial.suggest_int("num_leaves", 6, 31),
        max_depth=trial.suggest_int("max_depth", 3, 6),
        min_data_in_leaf=trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
        feature_fraction=trial.suggest_float("feature_fraction", 0.3, 1.0),
        lambda_l2=trial.suggest_float("lambda_l2", 0.1, 100.0, log=True),
    )


def _pruning(trial: optuna.Trial) -> Callable[[CallbackEnv], None]:
    def report(environment: CallbackEnv) -> None:
        if environment.iteration % PRUNE_EVERY_TREES == 0 and environment.evaluation_result_list:
            trial.report(float(environment.evaluation_result_list[0][2]), environment.iteration)
            if trial.should_prune():
                raise optuna.TrialPruned

    return report


def _tuning_loss(booster: lightgbm.Booster) -> float:
    scores: Any = booster.best_score
    return float(scores["valid_0"]["binary_logloss"])
