"""The test that a tactic is due for: what it would show, how many people it takes, and how long."""

from statistics import NormalDist

from decisions.experiment_size import ExperimentSize, minimum_detectable, size_experiment
from insights.intervals import LEVEL, Estimate
from insights.playbook.names import say_audience, stage_name_today
from insights.playbook.standing import US_PER_DAY, Standing
from insights.playbook.words import say_metric, say_rise
from insights.proposal import MOST_WEEKS, say_obstacle
from journeys.journey import Journey
from storage.playbook import Draft, Tactic

SAFEGUARD = 0.6
"""The level of the interval whose lower end a re-test is sized for."""


def draft_retest(journey: Journey, tactic: Tactic, standing: Standing, now_us: int) -> Draft:
    """Return the proposed re-test: the latest experiment again, sized for the least that its evidence leaves likely.

    What was found when it first shipped is probably too much, since little would not have shipped; so the rise looked
    for is the lower end of the 60 % interval (safeguard power: Perugini, Gallucci and Costantini 2014, Perspectives on
    Psychological Science 9), or the estimate where that end is no rise. The traffic is that of the latest experiment.
    """
    latest, rise = standing.latest, safe_rise(standing.measured.effect)
    per_day = latest.people / max(1.0, (latest.to_us - latest.from_us) / US_PER_DAY)
    share, metric = latest.baseline is not None, say_metric(latest.metric)
    size, reason = None, f"{metric} is no share: size it as the experiment {latest.experiment} was"
    if latest.baseline is not None:
        size, reason = _size(latest.baseline, rise, per_day)
    return Draft(
        hypothesis=(
            f"{metric[:1].upper()}{metric[1:]} is still higher with "
            f"“{_title(journey, tactic.intervention)}” for {say_audience(tactic.audience)} in whom {tactic.blocker} is "
            f"named{_where(journey, tactic.stage)}: by {say_rise(rise, share=share).removeprefix('+')} or more."
        ),
        metric=latest.metric,
        per_arm=size.per_arm if size else None,
        people=size.total if size else None,
        days=size.days if size else None,
        reason=reason,
        drafted_us=now_us,
    )


def safe_rise(effect: Estimate) -> float:
    """Return the lower end of the 60 % interval of a rise, or its estimate where that end is not above nothing."""
    shrunk = NormalDist().inv_cdf((1 + SAFEGUARD) / 2) / NormalDist().inv_cdf((1 + LEVEL) / 2)
    low = effect.value - shrunk * (effect.value - effect.low)
    return low if low > 0 else effect.value


def _size(baseline: float, rise: float, per_day: float) -> tuple[ExperimentSize | None, str]:
    size = detectable = None
    if per_day > 0 and 0 <= baseline < 1:
        detectable = minimum_detectable(baseline, visitors_per_day=per_day, days=7 * MOST_WEEKS)
        if rise > 0:
            size = size_experiment(baseline, min(1.0, baseline + rise), visitors_per_day=per_day)
    return size, say_obstacle(size, detectable, per_day, baseline)


def _title(journey: Journey, intervention: str) -> str:
    return next((one.title for one in journey.interventions if one.name == intervention), intervention)


def _where(journey: Journey, stage: str) -> str:
    return f" at {stage_name_today(journey, stage)}" if stage else ""
