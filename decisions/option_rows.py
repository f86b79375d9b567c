"""Rows of a situation with an option: what a model of outcomes under treatment reads, in training as live.

One row is about one option: the option, how much of what stands in the way it treats, the uplift that is declared for
that, the stage, the log-odds of going on, the confidence in every friction and the share of it that a diagnosis would
list, then the raw features, where they are used. Nothing that came after the decision is in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.off_policy.priors import listed_shares
from decisions.policy import NOTHING, Situation
from features.events import FloatArray, IntArray
from features.table import FeatureTable
from features.vocabulary import Vocabulary

OPTION, TREATED, DECLARED, STAGE, GOING_ON = range(5)
"""The first columns; confidences, listed shares and raw features follow."""
OWN_COLUMNS = ("option", "treated", "declared_uplift", "stage", "going_on_log_odds")
_SUREST = 1e-6


class RowsMissing(ValueError):
    """The policy reads raw features and was given none; the text says where they come from."""


@dataclass(frozen=True)
class OptionRows:
    """Writes rows about options; ``options`` begin with doing nothing.

    ``treats`` (A, K) is 1 where an option treats a friction, ``declared`` (A,) the effects that the journey declares.
    ``features`` are the names of the raw features, none where they are not used.
    """

    options: tuple[str, ...]
    stages: tuple[str, ...]
    frictions: tuple[str, ...]
    treats: FloatArray
    declared: FloatArray
    features: tuple[str, ...]
    vocabulary: Vocabulary

    @classmethod
    def of(
        cls,
        interventions: Sequence[Intervention],
        stages: Sequence[str],
        frictions: Sequence[str],
        table: FeatureTable | None,
        vocabulary: Vocabulary,
    ) -> "OptionRows":
        """Return what writes the rows of a journey's interventions; without a table no raw features are used."""
        treats = [[0.0] * len(frictions)]
        for intervention in interventions:
            treated = {friction.name for friction in intervention.treats}
            treats.append([float(friction in treated) for friction in frictions])
        return cls(
            options=(NOTHING, *(intervention.name for intervention in interventions)),
            stages=tuple(stages),
            frictions=tuple(frictions),
            treats=np.array(treats),
            declared=np.array([0.0, *(intervention.prior_effect for intervention in interventions)]),
            features=() if table is None else table.names,
            vocabulary=vocabulary,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        frictions = self.frictions
        return (
            *OWN_COLUMNS,
            *(f"confidence_{name}" for name in frictions),
            *(f"share_{name}" for name in frictions),
            *self.features,
        )

    @property
    def category_columns(self) -> tuple[int, ...]:
        """The columns that hold categories: the option, and those of the raw features."""
        first = len(OWN_COLUMNS) + 2 * len(self.frictions)
        return (OPTION, *(first + column for column in self.vocabulary.category_columns))

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each option."""
        return {name: place for place, name in enumerate(self.options)}

    @cached_property
    def stage_places(self) -> Mapping[str | None, int]:
        """The place of each stage, -1 before the first."""
        return {None: -1, **{name: place for place, name in enumerate(self.stages)}}

    def of_logged(self, logged: LoggedDecisions) -> FloatArray:
        """Return the rows (N, D) of decisions as if nothing was done; :meth:`put` writes another option into them."""
        self.places_of(logged)
        return self._rows(logged.stage, logged.risk, logged.confidence, logged.rows)

    def put(self, rows: FloatArray, option: IntArray) -> None:
        """Write options (N,) into rows (N, D)."""
        first, count = len(OWN_COLUMNS), len(self.frictions)
        treats = self.treats[option]
        listed = (treats * rows[:, first + count : first + 2 * count]).sum(axis=1)
        risk = 1.0 / (1.0 + np.exp(rows[:, GOING_ON]))
        rows[:, OPTION] = option
        rows[:, TREATED] = (treats * rows[:, first : first + count]).sum(axis=1)
        # As the declared effects count in decisions.policy.PriorPolicy.
        rows[:, DECLARED] = np.minimum(self.declared[option] * listed, risk)

    def of_situation(self, situation: Situation, option: IntArray) -> FloatArray:
        """Return the rows (A, D) of one situation with options (A,)."""
        one = self._rows(
            np.array([self.stage_places.get(situation.stage, -1)]),
            np.array([situation.risk]),
            np.array([[situation.confidence.get(name, 0.0) for name in self.frictions]]),
            None if situation.row is None else situation.row[None],
        )
        rows = np.repeat(one, len(option), axis=0)
        self.put(rows, option)
        return rows

    def places_of(self, logged: LoggedDecisions) -> IntArray:
        """Return where among the known options those of logged decisions (A,) are.

        Raises ValueError for others, and where stages or frictions differ.
        """
        for what in ("stages", "frictions"):
            if getattr(self, what) != getattr(logged, what):
                raise ValueError(
                    f"the policy knows the {what} {', '.join(getattr(self, what))}, and the decisions are among "
                    f"{', '.join(getattr(logged, what))}; train another policy"
                )
        unknown = [name for name in logged.options if name not in self.places]
        if unknown:
            raise ValueError(
                f"the policy does not know the option {unknown[0]}, only {', '.join(self.options)}; train another"
            )
        return np.array([self.places[name] for name in logged.options], np.int64)

    def _rows(self, stage: IntArray, risk: FloatArray, confidence: FloatArray, raw: FloatArray | None) -> FloatArray:
        first, count = len(OWN_COLUMNS), len(self.frictions)
        own = first + 2 * count
        rows = np.zeros((len(risk), own + len(self.features)))
        rows[:, STAGE] = stage
        rows[:, GOING_ON] = going_on_log_odds(risk)
        rows[:, first : first + count] = confidence
        if count:
            rows[:, first + count : own] = listed_shares(confidence)
        if self.features:
            if raw is None:
                raise RowsMissing("the policy reads raw features, and these decisions have none; give the log too")
            rows[:, own:] = self.vocabulary.apply(raw)
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {
            "options": list(self.options),
            "stages": list(self.stages),
            "frictions": list(self.frictions),
            "treats": self.treats.tolist(),
            "declared": self.declared.tolist(),
            "features": list(self.features),
            "vocabulary": self.vocabulary.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "OptionRows":
        """Return what :meth:`to_json` described."""
        return cls(
            options=tuple(data["options"]),
            stages=tuple(data["stages"]),
            frictions=tuple(data["frictions"]),
            treats=np.array(data["treats"], np.float64).reshape(len(data["options"]), len(data["frictions"])),
            declared=np.array(data["declared"], np.float64),
            features=tuple(data["features"]),
            vocabulary=Vocabulary.from_json(data["vocabulary"]),
        )


def going_on_log_odds(risk: FloatArray) -> FloatArray:
    """Return the log-odds (N,) of the goal, as the risk model sees them when nothing is done."""
    bounded = np.clip(risk, _SUREST, 1.0 - _SUREST)
    found: FloatArray = np.log1p(-bounded) - np.log(bounded)
    return found
