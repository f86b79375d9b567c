"""Search settings with Optuna: seeded TPE, hopeless trials pruned, each trial handed on as it ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
import optuna
from lightgbm.callback import CallbackEnv

from features.table import FeatureTable
from features.vocabulary import Vocabulary
from training.fit import Rows, Settings, fit, predict_numbered, row_weights
from training.metrics import FIGURES, Block, measure

PRUNE_EVERY_TREES = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial of the search; ``log_loss`` is None for a pruned one, and ``figures`` are empty.

    ``curve`` is the log loss after so many trees, as far as the trial came. Times are milliseconds since 1970.
    """

    number: int
    settings: Settings
    log_loss: float | None
    trees: int
    figures: Block = field(default_factory=dict)
    curve: tuple[tuple[int, float], ...] = ()
    started_at_ms: int = field(default=0, compare=False)
    ended_at_ms: int = field(default=0, compare=False)

    @property
    def state(self) -> str:
        """Whether it was run to its end: ``complete`` or ``pruned``."""
        return "pruned" if self.log_loss is None else "complete"


def tuning_figures(booster: lightgbm.Booster, vocabulary: Vocabulary, tuning: Rows, settings: Settings) -> Block:
    """Return the figures of the tuning rows, weighted as the fit weighs rows, before calibration."""
    risks = predict_numbered(booster, vocabulary, tuning.features)
    weights = row_weights(tuning.after, settings.prefix_weighting)
    block = measure(tuning.labels, risks, np.arange(len(tuning)), weights)
    return {name: block[name] for name in FIGURES}


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

    def record(trial: Trial) -> None:
        done.append(trial)
        on_trial(trial)

    def objective(trial: optuna.Trial) -> float:
        settings, started = _suggest(trial), _now_ms()
        curve: list[tuple[int, float]] = []
        try:
            booster = fit(
                table,
                vocabulary,
                rows,
                settings,
                seed=seed,
                threads=threads,
                tuning=tuning,
                callbacks=[_pruning(trial, curve)],
            )
        except optuna.TrialPruned:
            record(Trial(trial.number, settings, None, 0, {}, tuple(curve), started, _now_ms()))
            raise
        loss, figures = _tuning_loss(booster), tuning_figures(booster, vocabulary, tuning, settings)
        record(Trial(trial.number, settings, loss, booster.best_iteration, figures, tuple(curve), started, _now_ms()))
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


def _pruning(trial: optuna.Trial, curve: list[tuple[int, float]]) -> Callable[[CallbackEnv], None]:
    def report(environment: CallbackEnv) -> None:
        if environment.iteration % PRUNE_EVERY_TREES == 0 and environment.evaluation_result_list:
            loss = float(environment.evaluation_result_list[0][2])
            curve.append((environment.iteration + 1, loss))
            trial.report(loss, environment.iteration)
            if trial.should_prune():
                raise optuna.TrialPruned

    return report


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _tuning_loss(booster: lightgbm.Booster) -> float:
    scores: Any = booster.best_score
    return float(scores["valid_0"]["binary_logloss"])
