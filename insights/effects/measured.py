"""Measured effects in place of declared ones, where they are known better."""

from collections.abc import Mapping

from insights.effects.effects import STAGE, Effect, Effects, Match
from insights.effects.period import period_of
from insights.gain import MeasuredEffect
from insights.intervals import Estimate
from journeys.journey import Journey


def measured_effects(journey: Journey, kept: Mapping[str, Effects]) -> tuple[MeasuredEffect, ...]:
    """Return what is known better than the journey's declarations, of all stages and of single ones.

    A declared effect is of those whom the blocker really stops, a measured one of all for whom it was named; so the
    latter, with its interval, is divided by the mean confidence that it does. It counts where it is then known more
    closely than what is declared.
    """
    deviations = {one.name: one.deviation for one in journey.interventions}
    found = []
    for by in ("", STAGE):
        effects = kept.get(by)
        for one in effects.cells if effects else ():
            if one.match is Match.TREATS and one.belief.is_measured and one.intervention in deviations:
                effect = _of_those_stopped(one)
                if effect is not None and one.belief.deviation < deviations[one.intervention] * one.confidence:
                    source = f"decisions of {period_of(effects)}" if effects else ""
                    found.append(MeasuredEffect(one.blocker, one.intervention, effect, source, one.group or None))
    return tuple(found)


def _of_those_stopped(one: Effect) -> Estimate | None:
    if not one.confidence:
        return None
    interval = one.belief.interval
    value, low, high = (end / one.confidence for end in (interval.value, interval.low, interval.high))
    middle = min(1.0, max(-1.0, value))
    return Estimate(middle, max(-1.0, min(low, middle)), min(1.0, max(high, middle)))
