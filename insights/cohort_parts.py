"""What stands in a cohort's row by stage and by what else is known of its exits, with small cells hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from insights.cohort_sums import Key, Pair, Value
from insights.intervals import Estimate, estimate_share
from insights.sums import Sums
from insights.suppression import hide_cells, hide_parts
from journeys.journey import Journey


@dataclass(frozen=True, slots=True)
class CohortStage:
    """A stage as a cohort went through it; all is None where fewer visitors than are shown reached it.

    ``reached`` are its sessions whose stay there is over, ``exits`` those abandoned there, None also where they would
    tell how few reached the next stage. ``dwell`` is the median of seconds of those that did not skip it.
    """

    stage: str
    reached: int | None
    exits: int | None
    exit_rate: Estimate | None
    dwell: Estimate | None


@dataclass(frozen=True, slots=True)
class Mix:
    """How often something occurs among a cohort's exits: a stage, a device. None where too few to be shown."""

    kind: str
    label: str
    share: Estimate | None


def find_shown_stages(
    journey: Journey,
    values: Sequence[Value],
    shown: Sequence[Value],
    sums: Mapping[Key, Mapping[Value, Pair]],
    least: int,
) -> set[tuple[int, Value]]:
    """Return at which stages how many of a cohort came there may be shown: no stage's total may tell of few."""
    found: set[tuple[int, Value]] = set()
    for stage in range(len(journey.stages)):
        reached = sums.get(("exit", str(stage)), {})
        visitors = [reached[value].own.people if value in reached else 0 for value in values]
        hidden = hide_parts(visitors, sum(visitors), least).tolist()
        found |= {
            (stage, value) for value, is_hidden in zip(values, hidden, strict=False) if not is_hidden and value in shown
        }
    return found


def tell_stages(
    journey: Journey,
    value: Value,
    sums: Mapping[Key, Mapping[Value, Pair]],
    medians: Mapping[tuple[int, Value], Estimate],
    shown: set[tuple[int, Value]],
) -> tuple[CohortStage, ...]:
    """Return each stage of the journey as a cohort went through it; ``shown`` are the stages that may be told."""
    found = []
    for index, stage in enumerate(journey.stages):
        pair = sums.get(("exit", str(index)), {}).get(value)
        if (index, value) not in shown:
            found.append(CohortStage(stage.name, None, None, None, None))
        elif pair is None:
            found.append(CohortStage(stage.name, 0, 0, None, None))
        else:
            # Who reached this stage and did not leave reached the next.
            tells = index + 1 < len(journey.stages) and (index + 1, value) not in shown
            exits, rate = (None, None) if tells else (pair.own.hits, share_of(pair.own))
            found.append(CohortStage(stage.name, pair.own.count, exits, rate, medians.get((index, value))))
    return tuple(found)


def tell_mixes(
    journey: Journey,
    values: Sequence[Value],
    shown: Sequence[Value],
    sums: Mapping[Key, Mapping[Value, Pair]],
    least: int,
) -> dict[Value, tuple[Mix, ...]]:
    """Return how often each stage, device, ... occurs among the exits of each cohort that is shown."""
    found: dict[Value, list[Mix]] = {value: [] for value in shown}
    stages = {stage.name: place for place, stage in enumerate(journey.stages)}
    for kind in dict.fromkeys(kind for kind, _ in sums):
        order = stages if kind == "stage" else {}
        labels = sorted(
            (label for other, label in sums if other == kind), key=lambda label: (order.get(label, 0), label)
        )
        visitors = np.array([[sums[kind, label][value].hit for label in labels] for value in values], np.int64)
        hidden, _, _ = hide_cells(visitors, least)
        for row, value in enumerate(values):
            if value in found:
                found[value] += [
                    Mix(kind, label, None if hidden[row, column] else share_of(sums[kind, label][value].own))
                    for column, label in enumerate(labels)
                ]
    return {value: tuple(mix) for value, mix in found.items()}


def share_of(sums: Sums) -> Estimate:
    """Return the share of sessions in which it was so; there has to be one."""
    found = estimate_share(sums.hits, sums.count, design=sums.design)
    if found is None:
        raise ValueError("a cohort without sessions has no share")
    return found
