"""The result of an explanation trial as a run in the journey's MLflow experiment, beside the models it is about."""

from pathlib import Path

from insights.experiments.live import LiveAnalysis
from insights.intervals import Estimate
from journeys.journey import Journey
from training.tracking import choose_experiment, connect, mlflow_name

KIND = "explanation trial"


def record_trial(journey: Journey, found: LiveAnalysis, mlruns: Path) -> str:
    """Log what an explanation trial has found so far, and return the id of its run.

    The metrics are the gap and the effects of both arms against nothing, each with the ends of its interval; the tags
    name the models that people were diagnosed by. Raises ValueError for another experiment.
    """
    trial = found.trial
    if trial is None:
        raise ValueError(f"{found.plan.name} is no explanation trial")
    metrics = {f"people_{name}": float(count) for name, count in trial.people.items()}
    metrics |= _ends("gap", trial.gap) | _ends("plain_gap", trial.plain_gap)
    for name, effect in (("named", trial.named), ("other", trial.other)):
        metrics |= _ends(name, effect.difference if effect else None)
    mlflow = connect(mlruns)
    choose_experiment(mlflow, mlflow_name(journey.name), mlruns)
    with mlflow.start_run(run_name=found.plan.name) as run:
        mlflow.log_metrics(metrics)
        mlflow.set_tags(
            {
                "dropoff.kind": KIND,
                "dropoff.journey": journey.name,
                "dropoff.experiment": found.plan.name,
                "dropoff.model_version": ", ".join(found.models),
                "dropoff.verdict": found.analysis.decision.verdict.value,
            }
        )
        mlflow.log_dict(found.to_json(), "trial.json")
        run_id: str = run.info.run_id
    return run_id


def _ends(name: str, estimate: Estimate | None) -> dict[str, float]:
    if estimate is None:
        return {}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
