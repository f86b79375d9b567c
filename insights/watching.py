"""How exit rates are watched, and the thresholds that keep to the false alarms that are allowed."""

from dataclasses import dataclass

import numpy as np

from features.events import FloatArray
from insights.baseline import Baseline
from insights.calendar import Step
from insights.counts import Counts
from insights.cusum import find_thresholds, increments

WEEKS_PER_PERIOD = 4
_EVIDENCE_TO_SHOW = 9.0


@dataclass(frozen=True, slots=True)
class Watching:
    """How rates are watched.

    ``ratio`` is the rise that is to be found soonest, a fall being one by the same factor. ``alarms`` is how many false
    alarms all cells together may raise in 28 days; ``of_stages`` is the part of them that whole stages get. A cohort is
    watched where a change would show within ``show_days``, a stage where it would within ``stage_show_days``: of fewer
    sessions, what seems to move is chance.
    """

    ratio: float = 1.3
    alarms: float = 0.35
    of_stages: float = 0.7
    history_days: int = 28
    least_history_days: int = 14
    gap_days: int = 1
    look_back_days: int = 7
    show_days: float = 7.0
    stage_show_days: float = 28.0
    settle_days: int = 14
    fit_every_days: int = 1

    @staticmethod
    def by(step: Step) -> "Watching":
        """Return the usual settings for steps of a length: a journey of weeks needs more days to learn from."""
        if step is Step.HOUR:
            return Watching()
        return Watching(
            history_days=84, least_history_days=42, gap_days=2, look_back_days=28, settle_days=42, fit_every_days=7,
            show_days=28.0, stage_show_days=84.0,
        )  # fmt: skip


def calibrate(counts: Counts, settings: Watching, baseline: Baseline, day: int) -> FloatArray:
    """Return the thresholds (2, C) of rises and falls that keep to the false alarms of all cells together."""
    steps = np.flatnonzero((counts.calendar.day < day) & (counts.calendar.day >= day - settings.history_days))
    hourly = counts.calendar.step is Step.HOUR
    places = counts.calendar.weekday[steps] * (24 if hourly else 1) + counts.calendar.hour[steps]
    week = 168 if hourly else 7
    seen = np.maximum(np.bincount(places, minlength=week), 1)
    usual = np.stack([np.bincount(places, row, minlength=week) / seen for row in counts.entered[:, steps]])
    first = np.array(
        [steps[np.argmax(places == place)] if (places == place).any() else steps[0] for place in range(week)]
    )
    rates, errors = baseline.rates(counts.calendar, first), baseline.errors(day)
    is_stage = counts.parent < 0
    told = -increments(usual, usual * rates, rates, baseline.rho, settings.ratio)
    shown = told.sum(axis=1) / 7 * settings.show_days
    cohorts = ~is_stage & (shown >= _EVIDENCE_TO_SHOW)
    stages = is_stage & (shown / settings.show_days * settings.stage_show_days >= _EVIDENCE_TO_SHOW)
    watched = stages | cohorts
    # Where many sessions pass, a stricter threshold costs minutes; where few do, it costs hours. Cohorts share alike.
    slowness = np.where(is_stage & watched, 1 / np.maximum(shown, 1e-9), 0.0)
    allowed = np.where(
        is_stage,
        settings.alarms * settings.of_stages / 2 * slowness / max(float(slowness.sum()), 1e-12),
        settings.alarms * (1 - settings.of_stages) / 2 / max(int(cohorts.sum()), 1),
    )
    found = np.full((2, len(is_stage)), np.inf)
    for place, ratio in enumerate((settings.ratio, 1 / settings.ratio)):
        found[place, watched] = find_thresholds(
            usual[watched],
            rates[watched],
            baseline.rho[watched],
            errors[watched],
            ratio,
            allowed[watched] / WEEKS_PER_PERIOD,
            1 if hourly else 8,
        )
    return found
