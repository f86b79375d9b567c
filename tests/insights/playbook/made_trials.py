"""Experiments of the shop as the database keeps them, with what an analysis found."""

from collections.abc import Mapping
from typing import Any

from made_facts import SHOP
from made_tactics import DAY_US, NOW_US
from sqlalchemy import Engine

from decisions.experiments import NOTHING, ExperimentPlan, Metric, Population, StoppingRule, Variant, show, to_json
from insights.experiments.result import ArmValue, Effect, Role, plain
from insights.experiments.sizing import MetricKind
from insights.intervals import Estimate
from storage.database import writing
from storage.experiment_store import ExperimentStore

KEY = ("payment", "payment", "", "other_payment")


def plan(name: str = "pay_later", **changes: Any) -> ExperimentPlan:
    """Return the plan of an experiment on another way to pay, among those in whom payment is named at the payment."""
    declared: dict[str, Any] = {
        "hypothesis": "More pay.",
        "variants": (Variant("control", NOTHING), Variant("offered", show("other_payment"))),
        "population": Population(stages=("payment",), blockers=("payment",)),
        "primary_metric": Metric.GOAL.value,
        "minimum_effect": 0.2,
        "planned_duration": "28d",
        "owner": "Ann",
        "stopping_rule": StoppingRule.FIXED,
    }
    return ExperimentPlan(name=name, **declared | changes)


def result(verdict: str = "ship", **changes: Any) -> dict[str, Any]:
    """Return what an analysis found: by default two points with a standard error of a half, by both rules."""
    effect: dict[str, Any] = {
        "measure": "goal",
        "kind": MetricKind.PROPORTION,
        "role": Role.PRIMARY,
        "variant": "offered",
        "more_is_better": True,
        "control": ArmValue("control", 2_800, 0.05),
        "treated": ArmValue("offered", 2_900, 0.07),
        "difference": Estimate(0.02, 0.01, 0.03),
        "always_valid": Estimate(0.02, 0.004, 0.036),
        "relative": None,
        "relative_always_valid": None,
        "unadjusted": Estimate(0.02, 0.01, 0.03),
        "standard_error": 0.005,
        "p_fixed": 0.001,
        "p_always_valid": 0.01,
        "adjusted_p_fixed": None,
        "adjusted_p_always_valid": 0.01,
        "variance_removed": 0.0,
        "covariates": (),
        "bayes": None,
    }
    whole = {name: changes.pop(name) for name in ("rule", "alpha", "decision") if name in changes}
    return {
        "decision": {"verdict": verdict},
        "by_variant": {"offered": {"verdict": verdict}},
        "rule": "fixed",
        "alpha": 0.05,
        "began_us": NOW_US - 30 * DAY_US,
        "ended_us": NOW_US - 2 * DAY_US,
        "primary": [plain(Effect(**effect | changes))],
        **whole,
    }


def run(
    engine: Engine, declared: ExperimentPlan, found: Mapping[str, Any] | None = None, *, stop: bool = False
) -> None:
    """Declare and start an experiment of the shop, and where ``stop``, end it with what was found."""
    store = ExperimentStore(engine, SHOP.name)
    with writing(engine) as connection:
        store.write_draft(connection, to_json(declared), layer=declared.layer, actor="ann", now_us=1)
        store.start(connection, declared.name, ((0, 10),), actor="ann", now_us=NOW_US - 31 * DAY_US)
        if stop:
            store.stop(connection, declared.name, "planned", actor="ann", now_us=NOW_US - DAY_US)
        if found is not None:
            store.keep_result(connection, declared.name, {"analysis": found})
