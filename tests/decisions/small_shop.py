"""A small journey with a real model, trained on sessions whose abandonment is known to depend on two frictions."""

from dataclasses import dataclass

import lightgbm
import numpy as np

from decisions.calibration import Calibrator
from decisions.intervention import Effort, Intervention
from decisions.risk import RiskModel
from features.friction import Friction
from features.scan import any_event, category, count, last, prop, stage
from features.table import Feature, FeatureTable, Stage
from features.vocabulary import Vocabulary
from training.blockers import fit_blockers

STAGES = (Stage("browse", "view"), Stage("pay", "pay_page"))


def offer(name: str, *treats: Friction, effect: float = 0.1, cost: float = 0.1, **options: object) -> Intervention:
    return Intervention(
        name=name,
        title=name.title(),
        message="Can we help?",
        channel="on_site",
        stages=("browse", "pay"),
        treats=treats,
        prior_effect=effect,
        cost=cost,
        effort=Effort.QUICK_WIN,
        owner="Shop",
        **options,  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Trained:
    table: FeatureTable
    rows: np.ndarray
    labels: np.ndarray
    model: RiskModel


def train_small() -> Trained:
    table = FeatureTable(
        ("view", "pay_page", "form_error", "payment_failed"),
        STAGES,
        (
            Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
            Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
            Feature("device", category("device"), Friction.NONE, "device"),
            Feature("form_errors", count("form_error"), Friction.FORM, "{:form error|form errors}"),
            Feature("payment_failures", count("payment_failed"), Friction.PAYMENT, "payment failed {:times}"),
            Feature("price", last(prop("price")), Friction.PRICE, "a price of {:.0f} euros"),
        ),
    )
    rng = np.random.default_rng(3)
    size = 6_000
    rows = np.column_stack(
        (
            rng.integers(0, 2, size).astype(float),
            rng.integers(1, 20, size).astype(float),
            rng.choice([-5.0, -9.0, np.nan], size),
            rng.poisson(0.7, size).astype(float),
            rng.poisson(0.4, size).astype(float),
            np.where(rng.random(size) < 0.5, np.nan, rng.integers(5, 100, size)),
        )
    )
    margin = -0.6 + 0.9 * rows[:, 3] + 1.3 * rows[:, 4] - 0.5 * rows[:, 0]
    labels = (rng.random(size) < 1 / (1 + np.exp(-margin))).astype(float)
    vocabulary = Vocabulary.learn(table, rows)
    data = lightgbm.Dataset(vocabulary.apply(rows), labels, categorical_feature=[2], params={"verbose": -1})
    parameters = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": 1}
    booster = lightgbm.train(parameters, data, 40)
    blockers = fit_blockers(table, rows, labels, seed=1)
    return Trained(
        table,
        rows,
        labels,
        RiskModel("shop", "1", table, booster, Calibrator(), vocabulary, blockers, {"note": "small"}),
    )
