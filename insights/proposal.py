"""The experiment that would tell whether an intervention works against a blocker: hypothesis, size and duration.

It is randomised by visitor among those in whom the blocker is named at the stage and the intervention is expected to
pay (``insights.gain``), half of whom see it; the policy's holdout is left out. The primary metric is the next step,
which the intervention is nearest to, and at the last stage the goal; the goal and the value per session are watched
beside it. Rates are those of sessions.
"""

from dataclasses import dataclass

from decisions.experiment_size import ExperimentSize, minimum_detectable, size_experiment
from decisions.intervention import Intervention
from insights.affected import Affected
from insights.gain import Gain
from journeys.journey import Journey

MOST_WEEKS = 8
"""An experiment that takes longer is not proposed as it stands: seasons, prices and pages change meanwhile."""
_MOST_DAYS = 7 * MOST_WEEKS


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed experiment. ``size`` is None where nothing is expected to change, ``reason`` says what is in the way.

    ``detectable`` is the least rise of the primary metric that :data:`MOST_WEEKS` weeks of the traffic would find, None
    where there is no traffic or not even a rise to 1 would be found.
    """

    hypothesis: str
    metric: str
    watched: tuple[str, ...]
    visitors_per_day: float
    size: ExperimentSize | None
    detectable: float | None
    reason: str

    @property
    def feasible(self) -> bool:
        """Whether the traffic reaches the size within :data:`MOST_WEEKS` weeks."""
        return not self.reason


def propose(journey: Journey, affected: Affected, intervention: Intervention, gain: Gain, days: int) -> Proposal:
    """Return the experiment on an intervention for a blocker, sized by those it was meant for in so many days."""
    stages, target = journey.stages, gain.target
    last = affected.stage_index == len(stages) - 1
    metric = "reaches the goal" if last else f"goes on from {stages[affected.stage_index].name}"
    watched = ("value per session",) if last else ("reaches the goal", "value per session")
    per_day = target.visitors * (1 - journey.policy.holdout) / days
    baseline = (target.goals if last else target.advanced) / target.sessions if target.sessions else 0.0
    rise = _expected_rise(affected, gain, baseline, last)
    size = detectable = None
    if per_day > 0 and baseline < 1:
        detectable = minimum_detectable(baseline, visitors_per_day=per_day, days=_MOST_DAYS)
        if rise > 0:
            size = size_experiment(baseline, baseline + rise, visitors_per_day=per_day)
    return Proposal(
        hypothesis=_hypothesis(journey, affected, intervention, metric, baseline, rise),
        metric=metric,
        watched=watched,
        visitors_per_day=per_day,
        size=size,
        detectable=detectable,
        reason=say_obstacle(size, detectable, per_day, baseline),
    )


def _expected_rise(affected: Affected, gain: Gain, baseline: float, last: bool) -> float:
    """Return by how much the primary metric is expected to rise: at the last stage by the further goals.

    Before, the next step rises by what they come to if those who then go on reach the goal as often as all who went on
    from the stage. It can be no more than those who are stopped and did not go on; the stopped are taken to go on as
    often as the others of the target.
    """
    target, reached = gain.target, affected.reached
    if not target.sessions or (not last and not reached.goals):
        return 0.0
    goals = gain.goals.value / gain.shown
    rise = goals if last else goals * reached.advanced / reached.goals
    return min(rise, target.share_stopped * (1 - baseline))


def _hypothesis(
    journey: Journey, affected: Affected, intervention: Intervention, metric: str, baseline: float, rise: float
) -> str:
    stage = journey.stages[affected.stage_index].name
    where = "" if affected.cohort is None else f" ({affected.cohort[0].replace('_', ' ')} {affected.cohort[1]})"
    grows = f"from {baseline:.1%} to {baseline + rise:.1%}" if rise > 0 else f"above {baseline:.1%}"
    return (
        f"If visitors{where} in whom {affected.friction} is named at {stage} see “{intervention.title}”, "
        f"the share of them that {metric} rises {grows}."
    )


def say_obstacle(size: ExperimentSize | None, detectable: float | None, per_day: float, baseline: float) -> str:
    """Return what is in the way of an experiment on a rate, empty where its traffic reaches its size in time."""
    finds = (
        f"in {MOST_WEEKS} weeks it finds a rise of {100 * detectable:.1f} points or more"
        if detectable is not None
        else f"in {MOST_WEEKS} weeks it finds no rise at all"
    )
    if per_day == 0:
        return "there is nobody for whom it is expected to pay, so that there is no traffic for an experiment"
    if baseline >= 1:
        return "all whom it is meant for go on already"
    if size is None:
        return f"no rise is expected that an experiment could find; {finds}"
    if size.weeks is not None and size.weeks > MOST_WEEKS:
        return (
            f"the traffic, {per_day:,.0f} visitors a day, reaches its {size.total:,} visitors only after "
            f"{size.weeks:,} weeks; {finds}"
        )
    return ""
