"""How well we predict where others have published figures, beside a logistic regression and LightGBM as it comes.

    python -m benchmarks quality

Two data sets: the Online Shoppers (a table of sessions; with and without ``page_values``, in random folds and forward
in time) and the loan log of the BPI Challenge 2012 (every prefix, forward in time, by stage and by number of events).
Settings, trees and calibration are chosen inside the training part; the held-out part is used once.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from benchmarks import loan, shoppers
from benchmarks.baselines import logistic_regression, untuned_lightgbm
from benchmarks.report import Figure, Report
from benchmarks.shoppers import FORWARD_FROM_MONTH, PAGE_VALUES, TUNING_FROM_MONTH, Shoppers, read_shoppers
from features.build import build
from features.events import FloatArray
from features.plan import compile_plan
from features.read_log import read_log
from features.sources.loan_log import LOAN_LOG
from journeys.ends import find_ends
from journeys.load import load_journey
from training.cutoffs import after_every_event, training_cutoffs
from training.evaluate import EVENT_COUNTS
from training.fit import Rows
from training.learn import learn
from training.metrics import calibration_error
from training.sample import MAX_SESSIONS, draw_sessions
from training.split import forward_split

BoolArray = NDArray[np.bool_]
Measured = tuple[float, float, float]
"""AUC, AP and ECE."""

MODELS = ("ours", "logistic regression", "LightGBM untuned")
TUNING_SHARE = 0.2
PUBLISHED = {
    "page values, 5-fold": ".935, .754, .016; PMC10121810: .937, .754",
    "no page values, 5-fold": ".788, .378",
    "page values, forward": ".839",
    "no page values, forward": ".699",
}
BARS = {"page values, 5-fold": ".935, .755", "no page values, 5-fold": ".79"}
LOAN_PUBLISHED = {"3": ".695", "5": ".63", "8": ".62"}


def run(
    shoppers_path: Path = shoppers.DEFAULT_PATH,
    loan_path: Path = loan.DEFAULT_PATH,
    *,
    trials: int = 10,
    folds: int = 5,
    seed: int = 7,
) -> Report:
    """Measure both data sets; random folds are averaged."""
    figures = [*compare_shoppers(read_shoppers(shoppers_path), trials=trials, folds=folds, seed=seed)]
    figures += compare_loan(loan_path, seed=seed)
    return Report("Beside published figures", "python -m benchmarks quality", figures)


def compare_shoppers(data: Shoppers, *, trials: int, folds: int, seed: int) -> Iterator[Figure]:
    """Yield the figures of who buys: every variant and split, every model."""
    for variant, chosen in (("page values", data), ("no page values", data.without(PAGE_VALUES))):
        later = data.months >= FORWARD_FROM_MONTH
        splits = {
            f"{folds}-fold": list(_random_folds(chosen.rows.labels, folds, seed)),
            "forward": [(later, data.months[~later] >= TUNING_FROM_MONTH)],
        }
        for split, parts in splits.items():
            measured = [_shoppers_once(chosen, *part, trials=trials, seed=seed) for part in parts]
            means = np.mean(measured, axis=0)
            name = f"{variant}, {split}"
            for model, mean in zip(MODELS, means, strict=True):
                bar = BARS.get(name, "") if model == "ours" else ""
                yield Figure(f"shoppers, {name}, {model}: AUC, AP, ECE", _show(mean), bar)
            yield Figure(f"shoppers, {name}, published", PUBLISHED.get(name, ""))


def _random_folds(labels: FloatArray, folds: int, seed: int) -> Iterator[tuple[BoolArray, BoolArray]]:
    rng = np.random.default_rng(seed)
    for _, places in StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels):
        held_out = np.zeros(len(labels), np.bool_)
        held_out[places] = True
        yield held_out, rng.random(int((~held_out).sum())) < TUNING_SHARE


def _shoppers_once(
    data: Shoppers, held_out: BoolArray, tuning: BoolArray, *, trials: int, seed: int
) -> tuple[Measured, ...]:
    """Learn from the rows that are not held out, of which ``tuning`` tune and calibrate; measure the held-out once."""
    rows, unseen = data.rows.take(~held_out), data.rows.take(held_out)
    learnt = learn(
        data.table,
        rows,
        sessions=np.arange(len(rows)),
        persons=None,
        fitting=~tuning,
        tuning=tuning,
        calibration=rows.take(tuning),
        calibration_sessions=np.arange(int(tuning.sum())),
        trials=trials,
        seed=seed,
        threads=1,
    )
    margins = learnt.booster.predict(learnt.vocabulary.apply(unseen.features), raw_score=True)
    risks = (
        learnt.calibrator.apply(np.asarray(margins, np.float64)),
        logistic_regression(data.table, rows, unseen.features),
        untuned_lightgbm(data.table, rows, unseen.features, seed=seed),
    )
    return tuple(_measure(unseen.labels, risk) for risk in risks)


def compare_loan(path: Path, *, seed: int) -> Iterator[Figure]:
    """Yield the figures of who abandons an application: all prefixes, by stage and by number of events."""
    journey = load_journey("loan_application")
    evaluation: Any = loan.train_once(path, seed=seed).evaluation
    plan = compile_plan(journey.table)
    with (
        tempfile.TemporaryDirectory(prefix="dropoff-") as name,
        read_log(
            path,
            plan,
            timeout_seconds=journey.session_timeout_seconds,
            source=LOAN_LOG,
            quarantine=Path(name) / "quarantine.jsonl",
        ) as read,
    ):
        log, _ = draw_sessions(read, MAX_SESSIONS, seed)
        end_us = read.summary.last_at_us
    ends = find_ends(plan, log, journey, end_us)
    split = forward_split(log, ends)
    known = training_cutoffs(plan, log, np.where(split.training, ends.usable, 0), journey.idle_ticks_seconds, end_us)
    rows = Rows(build(plan, log, known), ends.outcome[known.session], known.after)
    cutoffs = after_every_event(log, np.where(split.held_out, ends.usable, 0))
    unseen, labels = build(plan, log, cutoffs), ends.outcome[cutoffs.session]
    others = (
        logistic_regression(journey.table, rows, unseen),
        untuned_lightgbm(journey.table, rows, unseen, seed=seed),
    )
    ours = (evaluation["auc"], evaluation["ap"], evaluation["ece"])
    yield Figure("loan, ours: AUC, AP, ECE", _show(ours), ".75, .48, .03")
    for model, risks in zip(MODELS[1:], others, strict=True):
        yield Figure(f"loan, {model}: AUC, AP, ECE", _show(_measure(labels, risks)))
    yield Figure("loan, reference", ".741, .466")
    stages = np.nan_to_num(unseen[:, plan.feature_names.index("stage_index")], nan=-1.0)
    parts = {f"after {count} events": ("by_events", str(count), cutoffs.after == count) for count in EVENT_COUNTS}
    for place, stage in enumerate(journey.stages):
        parts[f"at {stage.name}"] = ("by_stage", stage.name, stages == place)
    for name, (group, key, chosen) in parts.items():
        block = evaluation[group].get(key)
        if block is None or block["auc"] is None:
            continue
        told = [f"{block['auc']:.3f}", *(f"{roc_auc_score(labels[chosen], risk[chosen]):.3f}" for risk in others)]
        base = f"{labels[chosen].mean():.3f}"
        reference = LOAN_PUBLISHED.get(key, "") if group == "by_events" else ""
        yield Figure(
            f"loan, {name}: AUC of ours, {', '.join(MODELS[1:])}{', reference' if reference else ''}; base rate",
            f"{', '.join([*told, *([reference] if reference else [])])}; {base}",
        )


def _measure(labels: FloatArray, risks: FloatArray) -> Measured:
    return (
        float(roc_auc_score(labels, risks)),
        float(average_precision_score(labels, risks)),
        calibration_error(labels, risks, np.ones(len(labels))),
    )


def _show(measured: Iterable[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in measured)
