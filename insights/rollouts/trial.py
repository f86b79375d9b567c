"""The experiment of a rollout: sized by the ledger's traffic, started, and analysed."""

from decisions.experiments import ExperimentPlan, PlanError
from insights.experiments.life import draft, start
from insights.experiments.live import analyse_live
from insights.experiments.question import AnalysisError
from insights.experiments.result import Analysis
from insights.experiments.traffic import ledger_traffic, reach_of
from insights.rollouts.ground import Ground


def start_trial(ground: Ground, plan: ExperimentPlan) -> None:
    """Declare and start an experiment; raises :class:`PlanError` where the traffic does not reach its size."""
    draft(ground.engine, ground.journey, plan, actor=ground.actor, now_us=ground.now_us)
    with ground.engine.connect() as connection:
        traffic = ledger_traffic(connection, ground.journey, plan, ground.now_us)
    if traffic is None:
        raise PlanError(
            f"{plan.name} cannot be started: the ledger has hardly anybody whose {plan.window} are over; let the "
            "service decide for longer"
        )
    reach = reach_of(plan, traffic)
    start(ground.engine, ground.journey, plan, reach, actor=ground.actor, now_us=ground.now_us)


def analyse_trial(ground: Ground, name: str) -> Analysis | None:
    """Return what an experiment has come to by now; None while there is nobody to compare."""
    try:
        return analyse_live(ground.engine, ground.journey, name, ground.now_us).analysis
    except AnalysisError:
        return None
