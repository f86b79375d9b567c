"""The terms of the effect model: which numbers are learnt, and what a situation has of each.

A situation is Q numbers s = (1, how its margin differs from the usual, one per stage, one per friction). That of a
friction is the root of the confidence in it: most confidences are small, and differ by their order of magnitude. With o
the risk model's log-odds of the goal and a the option,

    logit P(goal | s, a) = o + s . base + [a is an intervention] (s . acting + rho d_a(s) + s . own_a)

where d_a(s) is what the journey declares of the intervention: the rise of the log-odds, times the root of the
confidence in what it treats. ``acting`` is common to all interventions, ``own`` is where one differs, and rho how far
the declarations hold.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.policy import NOTHING, PolicySettings, Situation
from features.events import FloatArray, IntArray

WIDEST_MARGIN = 7.0
"""Log-odds beyond this are no evidence of the risk model's; some 1 in 1,000."""
GROUPS = ("base", "acting", "declared", "overall", "treated", "untreated", "stage", "margin")
"""What the learnt numbers belong to: those of one group are alike, and how far they spread is learnt too."""
BASE, ACTING, DECLARED, OVERALL, TREATED, UNTREATED, STAGE, MARGIN = range(len(GROUPS))


@dataclass(frozen=True, slots=True)
class Declared:
    """What of an intervention matters to its terms, so that it can be kept with what was learnt."""

    name: str
    stages: tuple[str, ...]
    treats: tuple[str, ...]
    effect: float
    deviation: float


@dataclass(frozen=True)
class Terms:
    """The learnt numbers (D,) of one journey, in a fixed order; ``usual`` is the usual margin of a decision."""

    interventions: tuple[Declared, ...]
    stages: tuple[str, ...]
    frictions: tuple[str, ...]
    usual: float

    @staticmethod
    def of(
        interventions: Sequence[Intervention],
        settings: PolicySettings,
        stages: Sequence[str],
        frictions: Sequence[str],
    ) -> "Terms":
        """Return the terms of a journey's declarations.

        Decisions are made where the goal's probability is between 0 and 1 - ``low_risk``; half of that is the usual.
        """
        usual = min(max((1.0 - settings.low_risk) / 2, 0.02), 0.5)
        declared = tuple(
            Declared(
                intervention.name,
                intervention.stages,
                tuple(friction.name for friction in intervention.treats),
                intervention.prior_effect,
                intervention.deviation,
            )
            for intervention in interventions
        )
        return Terms(declared, tuple(stages), tuple(frictions), float(logit(np.array(usual))))

    @property
    def options(self) -> tuple[str, ...]:
        """Doing nothing, and the interventions in order: A names."""
        return (NOTHING, *(intervention.name for intervention in self.interventions))

    @property
    def width(self) -> int:
        """Q, the numbers of a situation."""
        return 2 + len(self.stages) + len(self.frictions)

    @cached_property
    def size(self) -> int:
        """D, the learnt numbers."""
        return 2 * self.width + 1 + sum(len(columns) for columns in self.own_columns)

    @cached_property
    def own_columns(self) -> tuple[IntArray, ...]:
        """Which of a situation's numbers each intervention has a term for: those of its own stages only."""
        return tuple(
            np.array(
                [
                    0,
                    1,
                    *(2 + place for place, stage in enumerate(self.stages) if stage in intervention.stages),
                    *range(2 + len(self.stages), self.width),
                ],
                np.int64,
            )
            for intervention in self.interventions
        )

    @cached_property
    def own_places(self) -> tuple[slice, ...]:
        """Where among the D numbers the terms of each intervention are."""
        ends = 2 * self.width + 1 + np.cumsum([len(columns) for columns in self.own_columns], dtype=np.int64)
        return tuple(
            slice(int(end) - len(columns), int(end)) for end, columns in zip(ends, self.own_columns, strict=True)
        )

    @cached_property
    def group(self) -> IntArray:
        """(D,) the group of each number, a place in :data:`GROUPS`."""
        found = np.full(self.size, BASE)
        found[self.width : 2 * self.width] = ACTING
        found[2 * self.width] = DECLARED
        by_column = np.array([OVERALL, MARGIN, *[STAGE] * len(self.stages), *[UNTREATED] * len(self.frictions)])
        for intervention, columns, places in zip(self.interventions, self.own_columns, self.own_places, strict=True):
            mine = by_column[columns]
            for place, friction in enumerate(self.frictions):
                if friction in intervention.treats:
                    mine[columns == 2 + len(self.stages) + place] = TREATED
            found[places] = mine
        return found

    @cached_property
    def declared(self) -> FloatArray:
        """(A, Q) the declared rise of the log-odds for each number of a situation, zero for doing nothing."""
        found = np.zeros((len(self.options), self.width))
        for place, intervention in enumerate(self.interventions, start=1):
            for column, friction in enumerate(self.frictions, start=2 + len(self.stages)):
                if friction in intervention.treats:
                    found[place, column] = self.in_log_odds(intervention.effect)
        return found

    def in_log_odds(self, rise: float) -> float:
        """Return what a rise of the goal's probability is in log-odds, from the usual margin."""
        usual = 1.0 / (1.0 + np.exp(-self.usual))
        return float(logit(np.array(min(usual + rise, 0.99))) - self.usual)

    def places_of(self, options: Sequence[str]) -> IntArray:
        """Return the place among A of each option of a log; raises ValueError for one that is not declared."""
        return _places(options, self.options, "options")

    def situations(self, logged: LoggedDecisions) -> tuple[FloatArray, FloatArray]:
        """Return logged situations (N, Q) and the risk model's log-odds of the goal (N,).

        Raises ValueError for decisions of stages or frictions that are not declared.
        """
        offset = margin_of(logged.risk)
        found = np.zeros((len(logged), self.width))
        found[:, 0] = 1.0
        found[:, 1] = offset - self.usual
        stages = 2 + _places(logged.stages, self.stages, "stages")
        known = np.flatnonzero(logged.stage >= 0)
        found[known, stages[logged.stage[known]]] = 1.0
        frictions = 2 + len(self.stages) + _places(logged.frictions, self.frictions, "frictions")
        found[:, frictions] = np.sqrt(logged.confidence)
        return found, offset

    def situation(self, seen: Situation) -> tuple[FloatArray, float]:
        """Return one situation (Q,) and the risk model's log-odds of the goal."""
        offset = -WIDEST_MARGIN if seen.risk >= 1.0 else WIDEST_MARGIN if seen.risk <= 0.0 else _margin(seen.risk)
        found = np.zeros(self.width)
        found[0] = 1.0
        found[1] = offset - self.usual
        place = self._stage_places.get(seen.stage)
        if place is not None:
            found[place] = 1.0
        found[2 + len(self.stages) :] = [math.sqrt(seen.confidence.get(friction, 0.0)) for friction in self.frictions]
        return found, offset

    @cached_property
    def _stage_places(self) -> Mapping[str | None, int]:
        return {stage: place for place, stage in enumerate(self.stages, start=2)}

    def columns_of(self, option: int) -> IntArray:
        """Return which of the D numbers bear on an option, in the order of :meth:`design`'s columns."""
        if option == 0:
            return np.arange(self.width)
        places = self.own_places[option - 1]
        return np.concatenate([np.arange(2 * self.width + 1), np.arange(places.start, places.stop)])

    def design(self, option: int, situations: FloatArray) -> FloatArray:
        """Return the design (N, C) of situations (N, Q) in which an option was chosen."""
        if option == 0:
            return situations
        declared = situations @ self.declared[option]
        return np.column_stack(
            [situations, situations, declared, situations[:, self.own_columns[option - 1]]],
        )

    def coefficients(self, numbers: FloatArray) -> FloatArray:
        """Return (A, Q, M) what the learnt numbers (D, M) make of a situation: its base, then each intervention's tau.

        The margin of doing nothing is o + s . coefficients[0]; an intervention adds s . coefficients[a].
        """
        width = self.width
        found = np.zeros((len(self.options), width, numbers.shape[1]))
        found[0] = numbers[:width]
        found[1:] = numbers[width : 2 * width] + self.declared[1:, :, None] * numbers[2 * width]
        for place, (columns, places) in enumerate(zip(self.own_columns, self.own_places, strict=True), start=1):
            found[place, columns] += numbers[places]
        return found


def _margin(risk: float) -> float:
    return min(max(math.log1p(-risk) - math.log(risk), -WIDEST_MARGIN), WIDEST_MARGIN)


def _places(names: Sequence[str], known: Sequence[str], what: str) -> IntArray:
    strange = [name for name in names if name not in known]
    if strange:
        raise ValueError(f"the decisions have {what} that nothing is learnt of: {', '.join(strange)}")
    return np.array([known.index(name) for name in names], np.int64)


def logit(probability: FloatArray) -> FloatArray:
    """Return log-odds."""
    found: FloatArray = np.log(probability) - np.log1p(-probability)
    return found


def margin_of(risk: FloatArray) -> FloatArray:
    """Return the log-odds of the goal that a risk leaves, within :data:`WIDEST_MARGIN`."""
    with np.errstate(divide="ignore"):
        return np.clip(-logit(risk), -WIDEST_MARGIN, WIDEST_MARGIN)
