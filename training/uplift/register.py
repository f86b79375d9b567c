"""Register a policy: an MLflow run that an analyst can compare, a registry version, and the published folder."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.off_policy.estimators import Estimator, score
from decisions.off_policy.evaluate import nothing
from decisions.off_policy.outcomes import learn_outcomes
from decisions.off_policy.payoff import net_values
from decisions.policy_files import save_policy
from journeys.journey import Journey
from storage.models import CHALLENGER
from storage.policies import POLICIES, publish_policy
from training.pictures.policies import draw_gain, draw_values
from training.register import register_version
from training.tracking import choose_experiment, connect, mlflow_name
from training.trained import as_date
from training.uplift.candidates import BAYES
from training.uplift.choice import greedy
from training.uplift.curve import GainCurve, gain_curve
from training.uplift.train_policy import LearntPolicy

COMPARISON = "comparison.json"


def policy_name(journey: str) -> str:
    """Return what a journey's experiment of policies and registered policy are called."""
    return mlflow_name(f"policy-{journey}")


def register_policy(
    journey: Journey, learnt: LearntPolicy, *, home: Path, mlruns: Path, about: Mapping[str, object] | None = None
) -> LearntPolicy:
    """Log the run, register a version, publish it, and return the policy with its version; it does not go live.

    ``about`` is what else the published policy's card is to say.
    """
    mlflow = connect(mlruns)
    name = policy_name(journey.name)
    choose_experiment(mlflow, name, mlruns)
    with mlflow.start_run(run_name=f"{journey.name} policy") as run, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "pictures").mkdir()
        curve = gain_of(journey, learnt)
        mlflow.log_params(_parameters(learnt))
        mlflow.log_metrics(_figures(learnt, curve))
        mlflow.set_tags(_tags(journey, learnt))
        (folder / COMPARISON).write_text(json.dumps(learnt.to_json(), indent=1) + "\n", encoding="utf-8")
        _draw(journey, learnt, curve, folder / "pictures")
        mlflow.log_artifacts(str(folder))
        client = mlflow.MlflowClient()
        source = f"{run.info.artifact_uri}/policy"
        version = register_version(client, name, source, run.info.run_id)
        # A home may hold versions of another store, a live one among them; they are never written over.
        while POLICIES.is_taken(home, journey.name, version):
            client.delete_model_version(name, version)
            version = register_version(client, name, source, run.info.run_id)
        registered = replace(learnt, policy=replace(learnt.policy, version=version))
        card = {
            "run_id": run.info.run_id,
            "registered_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "decisions": len(learnt.decisions),
            "note": describe(learnt),
            # From there on a policy that goes live goes on learning.
            "learnt_through": learnt.decisions.learnt_through,
            **(about or {}),
        }
        published = publish_policy(
            home, journey.name, version, lambda prepared: save_policy(prepared, registered.policy, card)
        )
        mlflow.log_artifacts(str(published), "policy")
        client.set_registered_model_alias(name, CHALLENGER, version)
        mlflow.set_tags(
            {"dropoff.policy_version": version, "mlflow.note.content": f"Version {version}. {describe(learnt)}"}
        )
        client.update_model_version(name, version, description=describe(learnt))
    return registered


def describe(learnt: LearntPolicy) -> str:
    """Return a sentence about what the policy is, and what it would have brought on people held out."""
    if learnt.choice is None or learnt.evaluation is None:
        return f"The {BAYES}, learnt from {len(learnt.decisions):,} decisions that left a choice."
    value = learnt.evaluation.by(Estimator.DR).over_nothing
    return (
        f"{chosen_name(learnt)}, learnt from {len(learnt.decisions):,} decisions that left a choice: "
        f"{value.value:+.3f} a decision above doing nothing (95 % interval {value.low:+.3f} to {value.high:+.3f}), "
        "doubly robust, on people held out."
    )


def chosen_name(learnt: LearntPolicy) -> str:
    """Return what the chosen way to decide is called."""
    choice = learnt.choice
    if choice is None or choice.recipe is None:
        return f"The {BAYES}"
    return f"The {choice.recipe.name}, counting {choice.weight:.0%} beside the {choice.recipe.base}"


def gain_of(journey: Journey, learnt: LearntPolicy) -> GainCurve | None:
    """Return the gain curve of the best intervention for each, on people held out."""
    if learnt.values is None:
        return None
    decided, values = learnt.decisions, learnt.values.copy()
    values[:, 0] = -np.inf
    payoff = net_values(decided.options, journey.interventions, journey.policy)
    outcomes = learn_outcomes(decided)
    acting, idle = (
        score(Estimator.DR, decided, target, payoff, outcomes).values for target in (greedy(values), nothing(decided))
    )
    return gain_curve(values.max(axis=1), acting - idle)


def _parameters(learnt: LearntPolicy) -> dict[str, object]:
    found: dict[str, object] = {"seed": learnt.seed, "decisions": len(learnt.decisions)}
    if learnt.choice is None or learnt.choice.recipe is None:
        return found | {"learner": BAYES}
    return found | {
        "learner": str(learnt.choice.recipe.learner),
        "raw_features": learnt.choice.recipe.raw,
        "weight": learnt.choice.weight,
        **asdict(learnt.bag),
    }


def _figures(learnt: LearntPolicy, curve: GainCurve | None) -> dict[str, float]:
    found = {"goals": float(learnt.decisions.converted.sum())}
    if learnt.evaluation is None:
        return found
    for estimated in learnt.evaluation.net_value:
        name = str(estimated.estimator).lower().replace("-", "_")
        for what, interval in (("value", estimated.value), ("over_nothing", estimated.over_nothing)):
            for end in ("value", "low", "high"):
                label = f"{name}_{what}" if end == "value" else f"{name}_{what}_{end}"
                found[label] = float(getattr(interval, end))
    overlap = learnt.evaluation.overlap
    found |= {
        "effective_decisions": overlap.effective,
        "largest_weight": overlap.largest_weight,
        "unsupported_share": overlap.unsupported,
    }
    if curve is not None:
        found["qini"] = curve.qini
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _tags(journey: Journey, learnt: LearntPolicy) -> dict[str, str]:
    found: dict[str, Any] = {
        "dropoff.kind": "policy",
        "dropoff.journey": journey.name,
        "dropoff.policy_kind": "bayes" if isinstance(learnt.policy, BayesPolicy) else "uplift",
        "dropoff.supported": str(learnt.evaluation is not None and learnt.evaluation.supported).lower(),
    }
    if len(learnt.decisions):
        found["dropoff.data_from"] = as_date(int(learnt.decisions.at_us[0]))
        found["dropoff.data_until"] = as_date(int(learnt.decisions.at_us[-1]))
    return found


def _draw(journey: Journey, learnt: LearntPolicy, curve: GainCurve | None, folder: Path) -> None:
    if learnt.choice is None or curve is None or learnt.values is None:
        return
    decisions = len(learnt.decisions)
    draw_values(learnt.choice, chosen_name(learnt), journey.name, decisions, folder / "value_by_policy.png")
    acted = float((learnt.values.argmax(axis=1) > 0).mean())
    draw_gain(curve, journey.name, acted, folder / "gain_curve.png")
