"""Hourly entries and exits of a journey's stages and cohorts, drawn from rates: what the simulator would come to.

The rates, the hours of the day and the cohorts' shares are the simulated shop's, as its facts have them at some twenty
thousand sessions a day. A pattern of weekdays and hours, a trend and hours that stray together are laid over them.
"""

from dataclasses import dataclass, field

import numpy as np

from features.events import FloatArray
from insights.calendar import Step, make_calendar
from insights.counts import Cell, Counts

FIRST_DAY_US = 1_772_409_600_000_000
"""2 March 2026, a Monday."""
HOURS = np.array((1, 1, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 8, 8, 7, 7, 7, 8, 10, 12, 13, 12, 8, 4)) / 140
WEEKDAYS = np.array((1.02, 0.98, 0.96, 0.97, 1.0, 1.05, 1.02))
STAGES = {"browse": 0.32, "product": 0.53, "cart": 0.53, "checkout": 0.188, "address": 0.14, "payment": 0.385}
COHORTS = {
    "visitor_kind": {"new": 0.7, "returning": 0.3},
    "channel": {"on_site": 0.76, "ads": 0.14, "email": 0.1},
    "device": {"mobile": 0.5, "desktop": 0.41, "tablet": 0.09},
    "source": {"search": 0.34, "direct": 0.26, "ads": 0.14, "social": 0.12, "email": 0.1, "affiliate": 0.04},
    "country": {"DE": 0.6, "AT": 0.15, "CH": 0.1, "NL": 0.1, "FR": 0.05},
}
SETTLE_US = 50 * 60 * 1_000_000
"""The shop's timeout of half an hour, and the twenty minutes in which 99 of 100 sessions leave a stage."""


@dataclass(frozen=True, slots=True)
class Change:
    """Exits of a stage times ``ratio`` from the step ``since`` on, of one cohort or of everybody."""

    stage: str
    since: int
    ratio: float
    cohort: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What is drawn: sessions a day, how far hours stray, a trend of exits and the pattern of weekdays and hours."""

    sessions_a_day: float = 20_000.0
    rho: float = 2e-4
    trend: float = 0.0
    swing: float = 0.06
    stages: dict[str, float] = field(default_factory=lambda: dict(STAGES))


def draw_counts(world: World, days: int, rng: np.random.Generator, changes: tuple[Change, ...] = ()) -> Counts:
    """Return the counts of some days; one dimension's cohorts at a time divide the same sessions."""
    calendar = make_calendar(FIRST_DAY_US, FIRST_DAY_US + days * 86_400_000_000 - 1, Step.HOUR, "UTC")
    steps = len(calendar)
    names = list(world.stages)
    cohorts: list[tuple[str, str] | None] = [None]
    cohorts += [(dimension, value) for dimension, shares in COHORTS.items() for value in shares]
    cells = tuple(Cell(place, stage, cohort) for cohort in cohorts for place, stage in enumerate(names))
    entered, exited = np.zeros((2, len(cells), steps), np.int64)
    place_of = {cell: place for place, cell in enumerate(cells)}
    # A leaf is a combination of cohorts that sessions belong to; all dimensions are independent.
    leaves, shares = _leaves(rng)
    arrivals = world.sessions_a_day * HOURS[calendar.hour] * WEEKDAYS[calendar.weekday] / WEEKDAYS.mean()
    here = rng.poisson(arrivals[None, :] * shares[:, None])
    pattern = 1 + world.swing * np.cos(2 * np.pi * (calendar.hour - 4) / 24) + world.swing * (calendar.weekday >= 5)
    drift = np.exp(world.trend * (calendar.day - days / 2))
    for place, (stage, level) in enumerate(world.stages.items()):
        rates = np.tile(level * pattern * drift, (len(leaves), 1))
        for change in changes:
            if change.stage == stage:
                who = [change.cohort is None or change.cohort in leaf for leaf in leaves]
                rates[who, change.since :] *= change.ratio
        left = rng.binomial(here, np.clip(_stray(rates, world.rho, rng), 0, 0.999))
        for cohort in cohorts:
            mine = [cohort is None or cohort in leaf for leaf in leaves]
            cell = place_of[Cell(place, stage, cohort)]
            entered[cell], exited[cell] = here[mine].sum(axis=0), left[mine].sum(axis=0)
        here = here - left
    parent = np.array([-1 if cell.cohort is None else place_of[Cell(cell.stage_index, cell.stage)] for cell in cells])
    return Counts(cells, parent, calendar, entered, exited, steps, SETTLE_US)


def _stray(rates: FloatArray, rho: float, rng: np.random.Generator) -> FloatArray:
    """Return rates that all sessions of an hour share a part of: beta-distributed about their means."""
    if rho <= 0:
        return rates
    middle = rates.mean(axis=0)
    drawn = rng.beta(middle * (1 - rho) / rho, (1 - middle) * (1 - rho) / rho)
    return np.asarray(rates * (drawn / middle)[None, :])


def _leaves(rng: np.random.Generator) -> tuple[list[frozenset[tuple[str, str]]], FloatArray]:
    """Return the combinations of device, source, kind of visitor and country, and their shares."""
    del rng
    leaves, shares = [], []
    for source, by_source in COHORTS["source"].items():
        channel = source if source in ("ads", "email") else "on_site"
        for device, by_device in COHORTS["device"].items():
            for kind, by_kind in COHORTS["visitor_kind"].items():
                for country, by_country in COHORTS["country"].items():
                    leaves.append(
                        frozenset(
                            {
                                ("source", source),
                                ("channel", channel),
                                ("device", device),
                                ("visitor_kind", kind),
                                ("country", country),
                            }
                        )
                    )
                    shares.append(by_source * by_device * by_kind * by_country)
    return leaves, np.array(shares)


def of(counts: Counts, stage: str, cohort: tuple[str, str] | None = None) -> int:
    """Return the place of a cell."""
    return next(place for place, cell in enumerate(counts.cells) if (cell.stage, cell.cohort) == (stage, cohort))
