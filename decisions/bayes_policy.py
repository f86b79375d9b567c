"""The policy that learns: Thompson sampling on the posterior of the effects, with propensities that are exact."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions, costs
from decisions.policy import Assessment, Option, PolicySettings, Situation
from decisions.posterior import Posterior
from features.events import FloatArray, IntArray

DRAWS = 256
"""Draws of the posterior; a propensity before the floor is a multiple of 1/256."""
CAREFUL = 0.5
"""How wide the draws that decide spread, in standard deviations of the posterior: half as far as it doubts."""
_MOST_KEPT = 64
"""So many sets of eligible interventions keep their coefficients at hand: stages, caps and cooldowns make few."""
_CHUNK = 1_024
"""Situations worked on at once: N x A x DRAWS numbers are held."""


@dataclass(frozen=True)
class BayesPolicy:
    """Chooses by what ``posterior`` knows, as sure as it is.

    The draws belong to ``version``: the same version has the same ones, so that an option's share of draws in which it
    has the highest net value is its exact probability of being chosen, before the exploration that ``choose`` adds.
    They spread ``width`` standard deviations of the posterior; 1 is what it knows.
    """

    posterior: Posterior
    interventions: tuple[Intervention, ...]
    settings: PolicySettings
    version: str
    width: float = CAREFUL

    def __post_init__(self) -> None:
        names = tuple(intervention.name for intervention in self.interventions)
        if names != self.posterior.terms.options[1:]:
            raise ValueError(
                f"the posterior is of the interventions {', '.join(self.posterior.terms.options[1:])}, not of "
                f"{', '.join(names)}"
            )

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        """Return what each eligible intervention is worth in a situation, and how likely each option is the best."""
        seen, offset = self.posterior.terms.situation(situation)
        coefficients, places = self._coefficients_of(tuple(intervention.name for intervention in eligible))
        margins = (seen @ coefficients).reshape(1 + len(eligible), DRAWS)
        margins[0] += offset
        margins[1:] += margins[0]
        goal = _sigmoid(margins)
        values = self._values(places, goal)
        works = 1.0 - self.posterior.nothing_works
        expected = goal.sum(axis=1) / DRAWS
        idle = self._values(places, np.full((len(places), 1), expected[0]))[:, 0]
        means = works * (values.sum(axis=1) / DRAWS) + (1.0 - works) * idle
        squares = works * (np.einsum("am,am->a", values, values) / DRAWS) + (1.0 - works) * idle**2
        deviations = np.sqrt(np.maximum(squares - means**2, 0.0)).tolist()
        uplifts = (works * (expected - expected[0])).tolist()
        options = tuple(
            Option(intervention.name, uplift, mean, deviation)
            for intervention, uplift, mean, deviation in zip(
                eligible, uplifts[1:], means.tolist()[1:], deviations[1:], strict=True
            )
        )
        best = np.bincount(values.argmax(axis=0), minlength=len(values)) * (works / DRAWS)
        best[0] += 1.0 - works
        return Assessment(options, np.asarray(best, np.float64))

    def net_values(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected net value of each option (N, A), 0 for doing nothing, -inf for what was not eligible."""
        found = np.zeros(logged.propensities.shape)
        works = 1.0 - self.posterior.nothing_works
        places = self.posterior.terms.places_of(logged.options)
        for rows, values, untreated in self._drawn(logged):
            same = np.repeat(untreated.mean(axis=1)[:, None], len(places), axis=1)
            found[rows] = works * values.mean(axis=2) + (1.0 - works) * self._values(places, same[:, :, None])[:, :, 0]
        return found

    def best(self, logged: LoggedDecisions) -> FloatArray:
        """Return the probability that each option is the best one (N, A); zero for what was not eligible."""
        found = np.zeros(logged.propensities.shape)
        for rows, values, _ in self._drawn(logged):
            first = values.argmax(axis=1)
            for option in range(len(logged.options)):
                found[rows, option] = (first == option).mean(axis=1)
        works = 1.0 - self.posterior.nothing_works
        found *= works
        found[:, 0] += 1.0 - works
        return found

    def drawn_effects(self, logged: LoggedDecisions) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Yield some decisions after the other, each draw by itself, as things are if anything works at all.

        Net value and uplift of every intervention (n, A - 1, DRAWS), -inf where it was not eligible, and the goal's
        probability with nothing shown (n, DRAWS).
        """
        shown, if_converted = (cost[self.posterior.terms.places_of(logged.options)] for cost in self._costs)
        for _, values, untreated in self._drawn(logged):
            spent = shown[1:, None] + if_converted[1:, None] * untreated[:, None, :]
            uplifts = (values[:, 1:] + spent) / (self.settings.goal_value - if_converted[1:, None])
            yield values[:, 1:], uplifts, untreated

    def _drawn(self, logged: LoggedDecisions) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
        """Yield net values (n, A, DRAWS) of some decisions after the other, and the odds with nothing (n, DRAWS)."""
        situations, offset = self.posterior.terms.situations(logged)
        eligible = logged.eligible
        places = self.posterior.terms.places_of(logged.options)
        for start in range(0, len(logged), _CHUNK):
            rows = slice(start, start + _CHUNK)
            base = offset[rows, None] + situations[rows] @ self._coefficients[0]
            untreated = _sigmoid(base)
            goal = np.repeat(untreated[:, None, :], len(places), axis=1)
            for column, option in enumerate(places.tolist()[1:], start=1):
                goal[:, column] = _sigmoid(base + situations[rows] @ self._coefficients[option])
            values = self._values(places, goal)
            values[~eligible[rows]] = -np.inf
            yield rows, values, untreated

    def margins(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected log-odds (N, A) of the goal with each option, eligible or not."""
        return self.posterior.margins(logged)

    def drawn_margins(self, situation: Situation) -> FloatArray:
        """Return draws of the log-odds (A, DRAWS) of the goal with each option in a situation."""
        seen, offset = self.posterior.terms.situation(situation)
        return _with_base(seen @ self._coefficients, offset)

    def drawn_logged_margins(self, logged: LoggedDecisions) -> FloatArray:
        """Return draws of the log-odds (N, A, DRAWS) of the goal with each option; for some thousands at once."""
        situations, offset = self.posterior.terms.situations(logged)
        coefficients = self._coefficients[self.posterior.terms.places_of(logged.options)]
        return _with_base(np.swapaxes(situations @ coefficients, 0, 1), offset[:, None, None])

    def _values(self, places: IntArray, goal: FloatArray) -> FloatArray:
        """Return net values (..., A, M) of options by the goal's probability with each, doing nothing first."""
        shown, if_converted = (cost[places][:, None] for cost in self._costs)
        gained = goal * (self.settings.goal_value - if_converted)
        return np.asarray(gained - (goal[..., :1, :] * self.settings.goal_value + shown))

    def _coefficients_of(self, names: tuple[str, ...]) -> tuple[FloatArray, IntArray]:
        """Return the coefficients (Q, (1 + n) x DRAWS) of doing nothing and n interventions, and their places."""
        if names not in self._by_eligible:
            terms = self.posterior.terms
            places = np.array([0, *(self._places[name] for name in names)])
            stacked = self._coefficients[places].transpose(1, 0, 2).reshape(terms.width, -1)
            if len(self._by_eligible) >= _MOST_KEPT:
                self._by_eligible.clear()
            self._by_eligible[names] = np.ascontiguousarray(stacked), places
        return self._by_eligible[names]

    @cached_property
    def _by_eligible(self) -> dict[tuple[str, ...], tuple[FloatArray, IntArray]]:
        return {}

    @cached_property
    def draws(self) -> FloatArray:
        """(D, DRAWS) the numbers as drawn, in pairs that mirror each other, so that their mean is the posterior's."""
        seed = int.from_bytes(hashlib.sha256(self.version.encode()).digest()[:8], "big")
        half = np.random.default_rng(seed).standard_normal((self.posterior.terms.size, DRAWS // 2))
        return self.posterior.draws(self.width * np.column_stack([half, -half]))

    @cached_property
    def _coefficients(self) -> FloatArray:
        return self.posterior.terms.coefficients(self.draws)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self.posterior.terms.options)}

    @cached_property
    def _costs(self) -> tuple[FloatArray, FloatArray]:
        return costs(self.posterior.terms.options, self.interventions, self.settings)


def _with_base(margins: FloatArray, offset: FloatArray | float) -> FloatArray:
    """Return log-odds (..., A, DRAWS) from what each option adds, doing nothing first, to what nothing comes to."""
    found: FloatArray = margins + offset
    found[..., 1:, :] += margins[..., :1, :]
    return found


def _sigmoid(margin: FloatArray) -> FloatArray:
    found: FloatArray = np.exp(-margin)
    found += 1.0
    return np.reciprocal(found, out=found)
