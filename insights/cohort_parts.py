"""What stands in a cohort's row by stage and by what else is known of its exits, with small cells hidden."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.events import IntArray
from insights.cohort_sums import Key, Pair, Value
from insights.intervals import Estimate, estimate_share
from insights.sums import Sums
from insights.suppression import BoolArray, hide_cells, hide_parts
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
        pairs = [sums.get(("exit", str(stage)), {}).get(value) for value in values]
        visitors = np.array([pair.own.people if pair else 0 for pair in pairs], np.int64)
        exits = np.array([pair.own.hits if pair else 0 for pair in pairs], np.int64)
        hidden = _hide_stage(visitors, exits, least)
        found |= {
            (stage, value)
            for value, is_hidden in zip(values, hidden.tolist(), strict=True)
            if not is_hidden and value in shown
        }
    return found


def _hide_stage(visitors: IntArray, exits: IntArray, least: int) -> BoolArray:
    """Return in which cohorts it is hidden how many reached a stage.

    The stages before and after, or the goals, bound how many it were. So each small cohort needs another hidden one in
    which fewer may have reached it, since some left there; where there is none, all are hidden.
    """
    hidden = hide_parts(visitors.tolist(), int(visitors.sum()), least)[:-1]
    small = (visitors > 0) & (visitors < least)
    while small.any():
        can_give = hidden & (exits > 0)
        if all((can_give & (np.arange(len(visitors)) != place)).any() for place in np.flatnonzero(small)):
            break
        spare = np.flatnonzero(~hidden & (exits > 0))
        if not len(spare):
            return np.ones(len(visitors), np.bool_)
        hidden[spare[np.argmin(visitors[spare])]] = True
    return hidden


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
