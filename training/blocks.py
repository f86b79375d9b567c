"""Blocks of figures: the parts into which rows fall, each measured, with intervals over persons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.events import FloatArray, IntArray, TextArray
from training.intervals import intervals, recentre
from training.metrics import FIGURES, measure
from training.resampling import Clustered, number_persons, resample
from training.tally import Tally

MeasuredBlock = dict[str, object]
"""What ``measure`` returns, with ``n_visitors`` and ``intervals``."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A way to part rows: the blocks' names, and in which of them each row (R,) is, or -1."""

    names: tuple[str, ...]
    places: IntArray


def part_by_number(numbers: FloatArray | IntArray, names: dict[float, str]) -> Partition:
    """Part rows by a number; those of other numbers are in no block."""
    places = np.full(len(numbers), -1)
    for place, number in enumerate(names):
        places[numbers == number] = place
    return Partition(tuple(names.values()), places)


def part_by_text(prefix: str, texts: TextArray, smallest: float) -> Partition:
    """Part rows by a text, in alphabetical order; texts of fewer than this share of the rows are left out."""
    places, names = np.full(len(texts), -1), list[str]()
    for text in sorted({text for text in texts if text is not None}):
        rows = texts == text
        if rows.mean() >= smallest:
            places[rows] = len(names)
            names.append(f"{prefix}{text}")
    return Partition(tuple(names), places)


def measure_parts(
    labels: FloatArray,
    risks: FloatArray,
    sessions: IntArray,
    persons: IntArray,
    partitions: Sequence[Partition],
    *,
    weights: FloatArray | None = None,
    resamples: int,
    seed: int,
    population: int | None = None,
) -> list[dict[str, MeasuredBlock]]:
    """Return the blocks of each partition of rows (R,) by name.

    With a ``population`` the rows are those of a sample of so many persons, and the intervals those of its figures.
    """
    numbered = _number(partitions)
    members = np.column_stack([np.where(part.places < 0, -1, part.places + first) for first, part in numbered])
    count = sum(len(part.names) for part in partitions)
    rows = Clustered(labels, risks, persons, members.astype(np.int16), count, weights)
    resampled = resample(rows, resamples, seed, population=population)
    person = number_persons(persons)

    def block(first: int, part: Partition, place: int) -> MeasuredBlock:
        chosen = part.places == place
        figures = measure(labels[chosen], risks[chosen], sessions[chosen], None if weights is None else weights[chosen])
        of_either = [_distinct(person[chosen & (labels == outcome)]) for outcome in (1, 0)]
        return {
            **figures,
            "n_visitors": _distinct(person[chosen]),
            "intervals": intervals(figures, resampled[:, first + place], (of_either[0], of_either[1])),
        }

    return [{name: block(first, part, place) for place, name in enumerate(part.names)} for first, part in numbered]


def settle(sample: MeasuredBlock | None, tally: Tally) -> MeasuredBlock:
    """Return the block of tallied rows, with the intervals of those of a sample of their persons moved to it."""
    figures = tally.measure()
    bounds: Any = dict.fromkeys(FIGURES) if sample is None else sample["intervals"]
    of_sample: Any = figures if sample is None else sample
    return {**figures, "n_visitors": tally.person_count, "intervals": recentre(bounds, of_sample, figures)}


def _number(partitions: Iterable[Partition]) -> list[tuple[int, Partition]]:
    first, numbered = 0, list[tuple[int, Partition]]()
    for part in partitions:
        numbered.append((first, part))
        first += len(part.names)
    return numbered


def _distinct(numbers: IntArray) -> int:
    return int((np.bincount(numbers) > 0).sum())
