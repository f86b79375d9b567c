"""The uplift policy: boosted models of what each option brings in a situation, alone or beside the Bayesian policy.

Several models, each learnt from other draws of persons, are walked together. Paired with the draws of the Bayesian
posterior, where it takes part, they are the policy's draws: their mean is what is expected, and the share of them in
which an option is the best is the probability that it is. All belong to the version, so that propensities are exact
and can be computed again.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from decisions.bayes_policy import BayesPolicy
from decisions.forest import Forest
from decisions.intervention import Intervention
from decisions.logged import BoolArray, LoggedDecisions, costs
from decisions.option_rows import DECLARED, GOING_ON, OPTION, TREATED, OptionRows
from decisions.policy import Assessment, Option, Policy, PolicySettings, Situation
from features.events import FloatArray, IntArray

_SETTINGS = "uplift.json"
_MEMBER = "member-{:02d}.txt"
_CHUNK = 2_048
_LEAST = 1e-6


class Target(StrEnum):
    """What the models' margins are."""

    LOG_ODDS = "log-odds of the goal"
    """Added to those that the risk stands for."""
    OVER_DECLARED = "correction of the log-odds by the declared effects"
    OVER_BAYES = "correction of the Bayesian policy's log-odds"
    UPLIFT = "rise of the goal's probability"


ALONE = (Target.LOG_ODDS, Target.UPLIFT)
"""Targets that need nothing else to decide by."""


@dataclass(frozen=True)
class UpliftPolicy:
    """Maximises expected net value as M boosted models see it; ``learner`` says how they were learnt.

    They count by ``weight``, from 0 to 1: corrections are multiplied by it, and beside the net values of ``bayes`` it
    is the models' part of the average.
    """

    version: str
    settings: PolicySettings
    interventions: tuple[Intervention, ...]
    rows: OptionRows
    target: Target
    boosters: tuple[lightgbm.Booster, ...]
    learner: str = ""
    bayes: BayesPolicy | None = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        goes_with_bayes = self.target is Target.OVER_BAYES or (self.target in ALONE and self.weight != 1.0)
        if self.bayes is None and goes_with_bayes:
            raise ValueError("a part or a correction needs the Bayesian policy that it goes with")
        if not 0.0 <= self.weight <= 1.0:
            raise ValueError(f"weight={self.weight!r} must be from 0 to 1")

    @cached_property
    def _forest(self) -> Forest:
        return Forest.of(self.boosters)

    @cached_property
    def _costs(self) -> tuple[FloatArray, FloatArray]:
        return costs(self.rows.options, self.interventions, self.settings)

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        """Return what each eligible intervention is worth in a situation, and how likely each option is the best."""
        option = np.array([0, *(self.rows.places[intervention.name] for intervention in eligible)])
        rows = self.rows.of_situation(situation, option)
        believed = None
        if self.bayes is not None:
            believed = self.bayes.drawn_margins(situation)[option][None]
        states = self._states(rows, option[None], believed)
        uplift = mixed((odds, uplift.mean(axis=2)) for odds, uplift, _ in states)[0]
        worth = mixed((odds, value.mean(axis=2)) for odds, _, value in states)[0]
        squares = mixed((odds, (value**2).mean(axis=2)) for odds, _, value in states)[0]
        deviation = np.sqrt(np.maximum(squares - worth**2, 0.0))
        options = tuple(
            Option(intervention.name, float(uplift[place]), float(worth[place]), float(deviation[place]))
            for place, intervention in enumerate(eligible, start=1)
        )
        return Assessment(options, mixed((odds, share_best(value)) for odds, _, value in states)[0])

    def net_values(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected net value of each option (N, A), 0 for doing nothing, -inf for what was not eligible."""
        parts = (mixed((odds, value.mean(axis=2)) for odds, value in states) for states in self._each(logged))
        return np.concatenate([np.empty((0, len(logged.options))), *parts])

    def best(self, logged: LoggedDecisions) -> FloatArray:
        """Return the probability that each option is the best one (N, A); zero for what was not eligible."""
        parts = (mixed((odds, share_best(value)) for odds, value in states) for states in self._each(logged))
        return np.concatenate([np.empty((0, len(logged.options))), *parts])

    def probabilities(self, logged: LoggedDecisions) -> FloatArray:
        """Return the goal's probability with each option (N, A), eligible or not, as the models see it by themselves.

        Raises ValueError where they learnt differences to nothing, or to the Bayesian policy.
        """
        if self.target is not Target.LOG_ODDS:
            raise ValueError(f"a model of the {self.target} has no probabilities of its own")
        found = np.empty((len(logged), len(logged.options)))
        rows = self.rows.of_logged(logged)
        for column, option in enumerate(self.rows.places_of(logged).tolist()):
            self.rows.put(rows, np.full(len(logged), option))
            found[:, column] = sigmoid(rows[:, GOING_ON] + self._forest.margins(rows)).mean(axis=0)
        return found

    def _each(self, logged: LoggedDecisions) -> Iterator[list[tuple[float, FloatArray]]]:
        """Yield net values (n, A, draws) of some decisions after the other, -inf for what was not eligible.

        With the probability that they hold: as if interventions work, and as if nothing does.
        """
        every = self.rows.places_of(logged)
        for start in range(0, len(logged), _CHUNK):
            part = logged.take(np.arange(start, min(start + _CHUNK, len(logged))))
            asked = np.flatnonzero(part.eligible.any(axis=0) | (every == 0))
            option = np.repeat(every[None, asked], len(part), axis=0)
            rows = np.repeat(self.rows.of_logged(part), len(asked), axis=0)
            self.rows.put(rows, option.ravel())
            believed = None if self.bayes is None else self.bayes.drawn_logged_margins(part)[:, asked]
            yield [
                (odds, _placed(values, asked, part.eligible))
                for odds, _, values in self._states(rows, option, believed)
            ]

    def _states(
        self, rows: FloatArray, option: IntArray, believed: FloatArray | None
    ) -> list[tuple[float, FloatArray, FloatArray]]:
        """Return the probability of each state of the world with uplift and net value (n, A, draws) in it.

        The Bayesian policy knows how likely it is that nothing works at all: then all options are as doing nothing.
        """
        idle = 0.0 if self.bayes is None else self.bayes.posterior.nothing_works
        walked = self._forest.margins(rows, option.shape[1], (OPTION, TREATED, DECLARED))
        margins = np.moveaxis(walked.reshape(len(self.boosters), *option.shape), 0, -1)
        found = [(1.0 - idle, *self._draws(rows, option, margins, believed))] if idle < 1.0 else []
        if believed is not None and idle > 0.0:
            resting = np.broadcast_to(believed[:, :1], believed.shape)
            found.append((idle, *self._draws(rows, option, margins, resting, works=False)))
        return found

    def _draws(
        self,
        rows: FloatArray,
        option: IntArray,
        margins: FloatArray,
        believed: FloatArray | None,
        *,
        works: bool = True,
    ) -> tuple[FloatArray, FloatArray]:
        """Return uplift and net value (n, A, draws) of rows (n x A, D) about options (n, A), doing nothing first.

        ``margins`` (n, A, M) are the models'. ``believed`` (n, A, draws) is the log-odds of the goal as the Bayesian
        policy draws it; each draw goes with one of the models, in turn.
        """
        going_on = rows[:, GOING_ON].reshape(*option.shape, 1)
        if believed is not None:
            margins = margins[..., np.arange(believed.shape[-1]) % len(self.boosters)]
        if self.target is Target.OVER_BAYES and believed is not None:
            return self._worth(option, *_apart(believed + self.weight * margins if works else believed))
        if self.target is Target.OVER_DECLARED:
            start = declared_log_odds(rows).reshape(*option.shape, 1)
            return self._worth(option, *_apart(start + self.weight * margins))
        if self.target is Target.UPLIFT:
            untreated = sigmoid(going_on)
            uplift = np.clip(margins, -untreated, 1.0 - untreated)
            # Of doing nothing the models were never told anything.
            uplift[:, 0] = 0.0
            found = self._worth(option, uplift, untreated + uplift)
        else:
            found = self._worth(option, *_apart(going_on + margins))
        if believed is None:
            return found
        other = self._worth(option, *_apart(believed))
        share = self.weight
        return share * found[0] + (1.0 - share) * other[0], share * found[1] + (1.0 - share) * other[1]

    def _worth(self, option: IntArray, uplift: FloatArray, converting: FloatArray) -> tuple[FloatArray, FloatArray]:
        shown, if_converted = (cost[option][..., None] for cost in self._costs)
        return uplift, uplift * self.settings.goal_value - shown - if_converted * converting

    def save(self, folder: Path) -> None:
        """Write the models into an existing folder; what was learnt by the Bayesian policy is not written."""
        for place, booster in enumerate(self.boosters):
            booster.save_model(str(folder / _MEMBER.format(place)))
        content = {
            "learner": self.learner,
            "target": self.target.name,
            "weight": self.weight,
            "members": len(self.boosters),
            "rows": self.rows.to_json(),
        }
        (folder / _SETTINGS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(
        cls,
        folder: Path,
        settings: PolicySettings,
        interventions: Sequence[Intervention],
        features: Sequence[str],
        bayes: BayesPolicy | None,
    ) -> "UpliftPolicy":
        """Read the models for a journey's interventions and names of features; the version is the folder's name.

        Raises ValueError, a sentence that says what is off.
        """
        path = folder / _SETTINGS
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            rows = OptionRows.from_json(content["rows"])
            boosters = tuple(
                lightgbm.Booster(model_file=str(folder / _MEMBER.format(place))) for place in range(content["members"])
            )
            loaded = cls(
                version=folder.name,
                settings=settings,
                interventions=tuple(interventions),
                rows=rows,
                target=Target[content["target"]],
                boosters=boosters,
                learner=content["learner"],
                bayes=bayes,
                weight=content["weight"],
            )
        except (OSError, LookupError, TypeError, ValueError, lightgbm.basic.LightGBMError) as error:
            raise ValueError(f"the models in {folder} cannot be read ({error}); train another policy") from error
        if rows.options[1:] != tuple(intervention.name for intervention in interventions):
            raise ValueError(
                f"the policy in {folder} chooses among {', '.join(rows.options[1:])}, which are not the journey's "
                "interventions; train another"
            )
        if rows.features not in ((), tuple(features)):
            raise ValueError(f"the policy in {folder} was trained on other features than the journey's; train another")
        if not boosters or any(booster.num_feature() != len(rows.names) for booster in boosters):
            raise ValueError(f"the models in {folder} do not read the rows that {path.name} describes; train another")
        return loaded


def reads_features(policy: Policy) -> bool:
    """Whether a policy goes by raw features, which the ledger does not keep."""
    return isinstance(policy, UpliftPolicy) and bool(policy.rows.features)


def mixed(states: Iterable[tuple[float, FloatArray]]) -> FloatArray:
    """Return the mean of numbers (n, A) over states of the world with these probabilities."""
    found: FloatArray = np.sum([odds * values for odds, values in states], axis=0)
    return found


def _placed(values: FloatArray, columns: IntArray, eligible: BoolArray) -> FloatArray:
    """Return values (n, a, draws) of some options among all (n, A, draws), -inf for what was not eligible."""
    found = np.full((*eligible.shape, values.shape[2]), -np.inf)
    found[:, columns] = values
    found[~eligible] = -np.inf
    return found


def share_best(values: FloatArray) -> FloatArray:
    """Return the share (n, A) of draws (n, A, draws) in which each option has the highest value; nothing wins ties."""
    best = np.argmax(values, axis=1)
    found: FloatArray = (best[:, None] == np.arange(values.shape[1])[:, None]).mean(axis=2)
    return found


def _apart(log_odds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the uplift over doing nothing and the goal's probability (n, A, draws) of log-odds."""
    converting = sigmoid(log_odds)
    return converting - converting[:, :1], converting


def declared_log_odds(rows: FloatArray) -> FloatArray:
    """Return the log-odds (R,) of the goal that the risk and the declared effect make of rows (R, D) about options."""
    reached = np.clip(sigmoid(rows[:, GOING_ON]) + rows[:, DECLARED], _LEAST, 1.0 - _LEAST)
    found: FloatArray = np.log(reached) - np.log1p(-reached)
    return found


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Return probabilities of log-odds."""
    with np.errstate(over="ignore"):
        found: FloatArray = 1.0 / (1.0 + np.exp(-log_odds))
    return found
