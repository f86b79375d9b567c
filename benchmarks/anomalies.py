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


def run(periods: int = 50, times: int = 40) -> Report:
    """Measure false alarms over periods in which nothing changes, and delays of planted changes."""
    world = World()
    learnt = watch_rates(draw_counts(world, LEARNT_DAYS + 1, np.random.default_rng(20)))
    thresholds = learnt.thresholds
    watched = int(np.isfinite(thresholds).any(axis=0).sum())
    figures = []
    for name, one in (
        ("hours stray a little (rho .0002)", world),
        ("a trend of 1 % a day", World(trend=0.01)),
        ("hours stray more (rho .003)", World(rho=0.003)),
    ):
        own = thresholds
        if one.rho != world.rho:
            own = watch_rates(draw_counts(one, LEARNT_DAYS + 1, np.random.default_rng(20))).thresholds
        counted = false_alarms(one, periods, 1, own)
        figures.append(
            Figure(
                f"false alarms in 28 days over {watched} cells, {name}: mean of {periods} periods",
                _mean(counted),
                "1",
            )
        )
    thresholds = watch_rates(draw_counts(world, MONTH_DAYS + 1, np.random.default_rng(20)), MONTH).thresholds
    for stage in STAGES:
        index = list(STAGES).index(stage)
        daytime = plant(world, stage, 1.3, times, 2, thresholds, hours=tuple(range(8, 18)))
        anytime = plant(world, stage, 1.3, times, 3, thresholds)
        figures.append(
            Figure(
                f"{stage}: exits rise by 30 % between 8 and 18 h, hours until the alarm (p50, p90); within 8 h",
                f"{_quantiles(daytime.delays)}; {np.mean(daytime.delays <= BAR_HOURS):.0%}",
                "8 h",
            )
        )
        figures.append(
            Figure(
                f"{stage}: the same at any hour of day and night; first alarm at the right stage",
                f"{_quantiles(anytime.delays)}; {np.mean(anytime.delays <= BAR_HOURS):.0%}; "
                f"{np.mean(np.concatenate((daytime.right, anytime.right))):.0%}",
            )
        )
        figures.append(
            Figure(
                f"{stage}: the same at any hour, found within 8 h by a test that knows hour and size of the change",
                f"{np.mean(anytime.told >= thresholds[0, index]):.0%} (from 8 to 18 h "
                f"{np.mean(daytime.told >= thresholds[0, index]):.0%})",
            )
        )
    figures += _others(world, times, thresholds)
    return Report("Alarms about exit rates", "python -m benchmarks anomalies", figures)


def _others(world: World, times: int, thresholds: FloatArray) -> Iterator[Figure]:
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
