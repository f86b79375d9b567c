"""Alarms about exit rates: how soon, at which stage, and how many in vain: ``python -m benchmarks anomalies``.

Hourly counts are drawn from the simulated shop's rates at 20,000 sessions a day, with a pattern of weekdays and hours
and with hours that stray together; of 120 cells those with enough sessions are watched. A delay runs from the moment of
the change to the moment at which an alarm can be known: the end of its last hour, and fifty minutes until what became
of that hour's sessions is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.made_counts import SETTLE_US, STAGES, Change, World, draw_counts, of
from benchmarks.report import Figure, Report
from features.events import FloatArray
from insights.anomalies import Watched, watch_rates
from insights.change_point import log_likelihood
from insights.episodes import Direction
from insights.watching import Watching

LEARNT_DAYS = 15
"""Two weeks, and the day before the one that is watched: the least history that anything is watched with."""
MONTH = Watching(least_history_days=28)
MONTH_DAYS = 29
PERIOD_DAYS = 28
BAR_HOURS = 8.0
MOST_DAYS = 4
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Hits:
    """What became of planted changes: delays (R,) in hours, infinite where none was found, and where alarms lay."""

    delays: FloatArray
    right: FloatArray
    """(R,) whether the first alarm after the change was at the stage, and whole."""
    covered: FloatArray
    """(R,) whether the interval of the change point holds the hour of the change; NaN where none was found."""
    told: FloatArray
    """(R,) evidence within the bar's hours of one who knows hour and size of the change."""


def false_alarms(world: World, periods: int, seed: int, thresholds: FloatArray) -> list[int]:
    """Return the alarms in each of some periods of 28 days in which nothing changes."""
    return [
        len(watch_rates(draw_counts(world, LEARNT_DAYS + PERIOD_DAYS, rng), thresholds=thresholds).found)
        for rng in _sources(seed, periods)
    ]


def plant(
    world: World,
    stage: str,
    ratio: float,
    times: int,
    seed: int,
    thresholds: FloatArray,
    *,
    cohort: tuple[str, str] | None = None,
    hours: tuple[int, ...] = tuple(range(24)),
) -> Hits:
    """Return what is found of a change of a stage's exits, which begins at one of the hours of a day."""
    found = np.full((4, times), np.nan)
    for turn, rng in enumerate(_sources(seed, times)):
        since = 24 * (MONTH_DAYS + 1 + turn % 7) + int(rng.choice(hours))
        counts = draw_counts(world, MONTH_DAYS + 8 + MOST_DAYS, rng, (Change(stage, since, ratio, cohort),))
        watched = watch_rates(counts, MONTH, thresholds)
        cell = of(counts, stage, cohort)
        wanted = Direction.RISE if ratio > 1 else Direction.FALL
        later = [one for one in watched.found if one.detected >= since]
        mine = [one for one in later if one.cell == cell and one.direction is wanted]
        found[0, turn] = np.inf
        found[1, turn] = bool(later) and later[0].cell == cell
        if mine:
            change = mine[0].change
            found[0, turn] = mine[0].detected + 1 - since + SETTLE_US / _HOUR_US
            found[2, turn] = change.earliest <= since <= change.latest
        found[3, turn] = _told(watched, cell, since, ratio)
    return Hits(*found)


def _told(watched: Watched, cell: int, since: int, ratio: float) -> float:
    counts = watched.counts
    span = slice(since, since + int(BAR_HOURS - SETTLE_US / _HOUR_US))
    n, x = (values[cell, span].astype(np.float64) for values in (counts.entered, counts.exited))
    return float(log_likelihood(n, x, watched.rates[cell, span], watched.scale[cell, span], ratio).sum())


def _sources(seed: int, times: int) -> Iterator[np.random.Generator]:
    yield from (np.random.default_rng([seed, turn]) for turn in range(times))


def run(periods: int = 40, times: int = 24) -> Report:
    """Measure false alarms over periods in which nothing changes, and delays of planted changes."""
    figures = [
        *count_false_alarms("hours stray a little (rho .0002)", World(), periods),
        *count_false_alarms("a trend of 1 % a day", World(trend=0.01), periods),
        *count_false_alarms("hours stray more (rho .003)", World(rho=0.003), periods),
        *(figure for stage in STAGES for figure in measure_stage(stage, times)),
        *measure_others(times),
    ]
    return Report("Alarms about exit rates", "python -m benchmarks anomalies", figures)


def count_false_alarms(name: str, world: World, periods: int) -> Iterator[Figure]:
    """Yield how many alarms a world raises in which nothing changes."""
    learnt = watch_rates(draw_counts(world, LEARNT_DAYS + 1, np.random.default_rng(20)))
    counted = false_alarms(world, periods, 1, learnt.thresholds)
    watched = int(np.isfinite(learnt.thresholds).any(axis=0).sum())
    yield Figure(
        f"false alarms in 28 days over {watched} cells, {name}: mean of {periods} periods, 95 % interval",
        _mean(counted),
        "1",
    )


def measure_stage(stage: str, times: int) -> Iterator[Figure]:
    """Yield what becomes of a rise of a stage's exits by 30 %, and what at most could."""
    thresholds = _month_thresholds()
    limit = thresholds[0, list(STAGES).index(stage)]
    for name, hours, seed in (("8 to 18 h", tuple(range(8, 18)), 2), ("any hour", tuple(range(24)), 3)):
        hits = plant(World(), stage, 1.3, times, seed, thresholds, hours=hours)
        yield Figure(
            f"{stage}, +30 % from {name} on: hours until the alarm (p50, p90); within 8 h; at the right stage; "
            "within 8 h by a test that knows hour and size",
            f"{_quantiles(hits.delays)}; {np.mean(hits.delays <= BAR_HOURS):.0%}; {np.mean(hits.right):.0%}; "
            f"{np.mean(hits.told >= limit):.0%}",
            "8 h",
        )


def _month_thresholds() -> FloatArray:
    return watch_rates(draw_counts(World(), MONTH_DAYS + 1, np.random.default_rng(20)), MONTH).thresholds


def measure_others(times: int) -> Iterator[Figure]:
    """Yield what becomes of a fall, of a change of one cohort, and how often intervals hold the hour."""
    world, thresholds = World(), _month_thresholds()
    fall = plant(world, "payment", 1 / 1.3, times, 4, thresholds, hours=tuple(range(8, 18)))
    yield Figure(
        "payment: exits fall by a factor of 1.3 between 8 and 18 h, hours until the alarm (p50, p90)",
        _quantiles(fall.delays),
    )
    cohort = plant(world, "cart", 1.3, times, 5, thresholds, cohort=("device", "mobile"), hours=tuple(range(8, 18)))
    yield Figure(
        "cart: exits of mobile devices only rise by 30 %, hours (p50, p90); first alarm names just them",
        f"{_quantiles(cohort.delays)}; {np.mean(cohort.right):.0%}",
    )
    known = np.concatenate([fall.covered, cohort.covered])
    yield Figure("share of 95 % intervals of the change's hour that hold it", f"{np.nanmean(known):.0%}")


def _mean(counted: list[int]) -> str:
    mean = float(np.mean(counted))
    wide = 1.96 * float(np.sqrt(max(mean, 1e-9) / len(counted)))
    return f"{mean:.2f} ± {wide:.2f}"


def _quantiles(delays: FloatArray) -> str:
    return ", ".join(
        "not found" if np.isinf(q) else f"{q:.1f}" for q in np.quantile(delays, (0.5, 0.9), method="higher")
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    Console(width=170).print(as_table(run()))
