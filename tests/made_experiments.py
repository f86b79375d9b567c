"""Small experiments to analyse: exposures and outcomes as arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from insights.experiments.people import ExposureTable, OutcomeTable

START_US = 1_772_323_200_000_000
"""1 March 2026."""
DAY_US = 86_400_000_000


def texts(values: Sequence[Any]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = [str(value) for value in values]
    return found


def exposed(variants: Sequence[str], **more: Any) -> ExposureTable:
    """Exposures of u0, u1, ... to these variants, a minute apart."""
    count = len(variants)
    options: dict[str, Any] = {"at_us": START_US + np.arange(count) * 60_000_000}
    return ExposureTable(texts([f"u{place}" for place in range(count)]), texts(variants), **options | more)


def happened(values: Mapping[str, Sequence[float]], units: Sequence[str] | None = None, **more: Any) -> OutcomeTable:
    """One outcome of each of u0, u1, ..., a second after the last exposure of at most a million."""
    columns = {name: np.asarray(column, np.float64) for name, column in values.items()}
    count = len(next(iter(columns.values())))
    found = texts([f"u{place}" for place in range(count)] if units is None else units)
    options: dict[str, Any] = {"at_us": START_US + np.full(count, count * 60_000_000 + 1_000_000)}
    return OutcomeTable(found, columns, **options | more)


def rates(people: int, *rates: float, seed: int = 1, exact: bool = True) -> tuple[list[str], np.ndarray]:
    """Variants control, b, c ... in turn, and goals: exactly this share of each arm, or drawn."""
    names = ["control", "b", "c", "d"][: len(rates)]
    variants = [names[place % len(rates)] for place in range(people * len(rates))]
    arm = np.arange(people * len(rates)) % len(rates)
    draws = np.random.default_rng(seed)
    goals = np.zeros(len(arm))
    for place, rate in enumerate(rates):
        own = np.flatnonzero(arm == place)
        goals[own] = draws.random(people) < rate
        if exact:
            goals[own] = 0
            goals[draws.choice(own, round(rate * people), replace=False)] = 1
    return variants, goals
