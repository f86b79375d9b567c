"""Whether experiments are honest: false alarms and power under optional stopping, ratio checks, and what CUPED spares.

    python -m benchmarks experiments

Counts of people are drawn and handed to the functions that analyse real tables, many experiments at once.
"""

import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from benchmarks.policies import train_model
from benchmarks.report import Figure, Report
from decisions.risk import RiskModel
from decisions.sequences import radii, tune
from features.events import FloatArray
from insights.experiments.compare import Compared, compare
from insights.experiments.effects import measure_arms
from insights.experiments.moments import Moments
from insights.experiments.people import People
from insights.experiments.question import Measure
from insights.experiments.ratio import OVERALL, name_slices, p_values
from insights.experiments.sizing import MetricKind
from journeys.load import load_journey
from training.simulator.deciding import draw_points

ALPHA = 0.05
RATE, RISE = 0.05, 0.2
LOOK_EVERY, PER_ARM = 200, 20_000
DAYS, PLANNED = 14, 100_000
LOST = 0.03
_DEVICES = {"mobile": 0.5, "desktop": 0.4, "tablet": 0.1}
_KINDS = {"new": 0.6, "returning": 0.4}
_PLAIN_Z = 1.959964
_GOAL_DRAWS, _SHOPS = 100, 4


@dataclass(frozen=True, slots=True)
class Stopped:
    """Of many experiments, the shares that ever called a difference, and the mean people per arm at the stop."""

    plain: float
    plain_first_half: float
    always_valid: float
    fixed: float
    mean_per_arm: float


def run(runs: int = 2_000, ratio_runs: int = 20_000, sessions: int = 20_000, seed: int = 1) -> Report:
    """Measure all of it."""
    console = Console()
    figures = [*_stopping(runs, seed), *_ratios(ratio_runs, seed)]
    for figure in figures:
        console.print(f"{figure.what}: {figure.value}")
    figures += _spared(sessions, seed)
    return Report("Experiments that stay honest", "python -m benchmarks experiments", figures)


def stop_early(runs: int, rise: float, seed: int) -> Stopped:
    """Run experiments that are looked at after every :data:`LOOK_EVERY` people, and stopped when they are clear."""
    rng = np.random.default_rng(seed)
    looks = 2 * PER_ARM // LOOK_EVERY
    treated = rng.binomial(LOOK_EVERY, 0.5, (runs, looks))
    people = np.stack([LOOK_EVERY - treated, treated], axis=-1)
    rates = np.array([RATE, RATE * (1 + rise)])
    found = _compare(np.cumsum(people, axis=1), np.cumsum(rng.binomial(people, rates), axis=1))
    errors = np.sqrt(found.variance)
    smaller = np.minimum(found.control_people, found.treated_people)
    both = found.control_people + found.treated_people
    wide = radii(errors, smaller, both, tune(PER_ARM), ALPHA)
    difference = found.difference if rise else np.abs(found.difference)
    with np.errstate(invalid="ignore"):
        clear, plain = difference > wide, np.abs(found.difference) > _PLAIN_Z * errors
    ever = clear.any(axis=1)
    at_stop = np.where(ever, (1 + clear.argmax(axis=1)) * LOOK_EVERY / 2, PER_ARM)
    return Stopped(
        float(plain.any(axis=1).mean()),
        float(plain[:, : looks // 2].any(axis=1).mean()),
        float(ever.mean()),
        float(plain[:, -1].mean()),
        float(at_stop.mean()),
    )


def _compare(people: FloatArray, hits: FloatArray) -> Compared:
    """Return the comparison of two arms from counts shaped (runs, looks, 2): what a person's row adds up to."""
    people, hits = people.astype(np.float64), hits.astype(np.float64)
    first = np.stack(
        [np.stack(row, -1) for row in ((people, hits, people), (hits, hits, hits), (people, hits, people))], -2
    )
    moments = Moments(people, first, first, 0.0)
    return compare(moments.of_arm(0), moments.of_arm(1))


def _stopping(runs: int, seed: int) -> list[Figure]:
    began = time.monotonic()
    nothing, rise = stop_early(runs, 0.0, seed), stop_early(runs, RISE, seed + 1)
    seconds = time.monotonic() - began
    looked = f"looked at every {LOOK_EVERY} visitors"
    return [
        Figure(
            f"A/A, {runs:,} runs of a {RATE:.0%} base, {looked}: always valid, false alarms by {PER_ARM:,} per arm",
            f"{nothing.always_valid:.1%}",
            "<= 5%",
        ),
        Figure(
            f"the same by a plain z-test: by {PER_ARM // 2:,} per arm (100 looks), by {PER_ARM:,} (200 looks)",
            f"{nothing.plain_first_half:.1%}, {nothing.plain:.1%}",
            "about 37% at 100 looks",
        ),
        Figure(f"+{RISE:.0%}, always valid: found by {PER_ARM:,} per arm", f"{rise.always_valid:.1%}", ">= 93%"),
        Figure("the same, looked at once, in the end", f"{rise.fixed:.1%}"),
        Figure("the same, always valid: people per arm at the stop, on average", f"{rise.mean_per_arm:,.0f}"),
        Figure("seconds for both", f"{seconds:.1f}", "120"),
    ]


@dataclass(frozen=True, slots=True)
class Checked:
    """Of many experiments, the shares with any alarm, and with the slice that lost people named first."""

    alarmed: float
    named_first: float


def check_ratios(runs: int, seed: int, *, lost: float = 0.0, within: str | None = None) -> Checked:
    """Draw experiments of :data:`PLANNED` people in which one arm loses a part of its people, or all in one device."""
    rng = np.random.default_rng(seed)
    device, kind = np.array(list(_DEVICES.values())), np.array(list(_KINDS.values()))
    cells = np.einsum("d,v,k->dvk", np.full(DAYS, 1 / DAYS), device, kind)
    missing = np.full(cells.shape, lost)
    if within is not None:
        place = list(_DEVICES).index(within)
        missing[:] = 0.0
        missing[:, place] = lost / device[place]
    arms = np.stack([cells / 2, cells / 2 * (1 - missing)], -1)
    everybody = rng.multinomial(PLANNED, np.append(arms.ravel(), 1 - arms.sum()), runs)[:, :-1]
    counts = everybody.reshape(runs, *arms.shape).astype(np.float64)
    overall = _p(counts.sum(axis=(1, 2, 3)))
    # What is dropped is not seen, so that chance alone decides about the rest.
    slices = [counts.sum(axis=(2, 3)), counts.sum(axis=(1, 3)), counts.sum(axis=(1, 2))]
    names = [*(f"day {day}" for day in range(DAYS)), *_DEVICES, *_KINDS]
    found = np.concatenate([_p(one.reshape(-1, 2)).reshape(runs, -1) for one in slices], axis=1)
    alarmed = named = 0
    for p_value, of_slices in zip(overall.tolist(), found.tolist(), strict=True):
        named_slices = name_slices(p_value, of_slices)
        alarms = [alarm for _, alarm in named_slices]
        alarmed += p_value < OVERALL or any(alarms)
        least = min(range(len(names)), key=lambda place: of_slices[place])
        named += alarms[least] and names[least] == within
    return Checked(alarmed / runs, named / runs)


def _p(observed: FloatArray) -> FloatArray:
    total = observed.sum(axis=1)
    return p_values(observed, np.stack([total / 2, total / 2], -1), total[:, None, None] / 4, 0.5)


def _ratios(runs: int, seed: int) -> list[Figure]:
    began = time.monotonic()
    fine = check_ratios(runs, seed)
    everywhere = check_ratios(runs // 10, seed + 1, lost=LOST)
    mobile = check_ratios(runs // 10, seed + 2, lost=LOST, within="mobile")
    tablet = check_ratios(runs // 10, seed + 3, lost=LOST, within="tablet")
    seconds = time.monotonic() - began
    slices = DAYS + len(_DEVICES) + len(_KINDS)
    return [
        Figure(
            f"ratio check, {PLANNED:,} people, {runs:,} runs: false alarms, overall and in {slices} slices together",
            f"{fine.alarmed:.2%}",
            "<= .2%",
        ),
        Figure(f"one arm loses {LOST:.0%} of its people: detected", f"{everywhere.alarmed:.1%}", ">= 90%"),
        Figure("all of them on mobile (half of all people): detected", f"{mobile.alarmed:.1%}", ">= 90%"),
        Figure("and mobile is named first", f"{mobile.named_first:.1%}", ""),
        Figure("all of them on tablets (a tenth): detected", f"{tablet.alarmed:.1%}", ">= 90%"),
        Figure("and tablets are named first", f"{tablet.named_first:.1%}", ""),
        Figure("seconds for all of them", f"{seconds:.1f}", "120"),
    ]


def _spared(sessions: int, seed: int) -> list[Figure]:
    began = time.monotonic()
    known = spare_known(200_000, seed)
    model = train_model()
    shop = np.mean([spare_shop(model, sessions, seed + place) for place in range(_SHOPS)], axis=0)
    return [
        Figure(
            "CUPED, generator with known moments: attainable, removed, its share",
            f"{known[0]:.1%}, {known[1]:.1%}, {known[1] / known[0]:.2f}",
            ">= .8 (reach .95)",
        ),
        Figure(
            f"CUPED, people's first decisions in {_SHOPS} x {sessions:,} simulated sessions, by risk and history: "
            "attainable, removed, its share",
            f"{shop[0]:.1%}, {shop[1]:.1%}, {shop[1] / shop[0]:.2f}",
            ">= .8 (reach .95)",
        ),
        Figure("seconds for both, training included", f"{time.monotonic() - began:.0f}", "120"),
    ]


def spare_known(people: int, seed: int) -> tuple[float, float]:
    """Return the share of variance that can be removed, by its formula, and the share that is.

    A person's pace has a gamma distribution (shape 2, mean 1, variance 1/2); orders are Poisson with that mean, earlier
    ones with three times it. Given the earlier ones x, orders are expected to be (2 + x) / (2 + 3), which is linear, so
    that cov^2 / (var x var) = (3/2)^2 / ((3 + 9/2) (1 + 1/2)) = 1/5 is attainable.
    """
    rng = np.random.default_rng(seed)
    pace = rng.gamma(2, 0.5, people)
    orders, earlier = rng.poisson(pace).astype(np.float64), rng.poisson(3 * pace).astype(np.float64)
    return 0.2, _removed(Measure("orders", MetricKind.MEAN), orders, {"earlier": earlier}, rng)


def spare_shop(model: RiskModel, sessions: int, seed: int) -> tuple[float, float]:
    """Return the same for people of the simulated shop, where nothing is shown.

    Attainable is what the best that can be known from what is visible, the world's own filter, explains.
    """
    points = draw_points(load_journey("ecommerce"), model, sessions=sessions, seed=seed)
    first = np.unique(points.situations.units, return_index=True)[1]
    points = points.take(np.sort(first))
    rng = np.random.default_rng(seed)
    chance, known = points.true_goal[:, 0], points.known_goal[:, 0]
    rows = points.situations.rows
    if rows is None:
        raise ValueError("the decision points were read without their features")
    names = model.table.names
    covariates = {"risk": points.situations.risk}
    covariates |= {name: np.nan_to_num(rows[:, names.index(name)]) for name in ("visits", "earlier_purchases")}
    # Of E[Y | visible], the covariance with the truth: what is known may be off for some and still explains as much.
    attainable = float(np.cov(known, chance)[0, 1] ** 2 / known.var() / (chance.mean() * (1 - chance.mean())))
    # Goals are drawn again and again for the same people: one draw of some thousand rare goals says little.
    drawn = [(rng.random(len(points)) < chance).astype(np.float64) for _ in range(_GOAL_DRAWS)]
    return attainable, float(np.mean([_removed(Measure("goal"), goal, covariates, rng) for goal in drawn]))


def _removed(
    measure: Measure, outcome: FloatArray, covariates: dict[str, FloatArray], rng: np.random.Generator
) -> float:
    arm = rng.integers(0, 2, len(outcome))
    people = People(("control", "treatment"), arm, None, {measure.outcome: outcome}, covariates=covariates)
    measured = measure_arms(people, measure, tuple(covariates))
    return float(measured.against_control(1).removed[0])
