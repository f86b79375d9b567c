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
WIDTH = 1.0
"""How wide the draws spread, in standard deviations of the posterior."""
_CHUNK = 2_048
"""Situations worked on at once: N x A x DRAWS numbers are held."""


@dataclass(frozen=True)
class BayesPolicy:
    """Chooses by what ``posterior`` knows, as sure as it is.

    The draws belong to ``version``: the same version has the same ones, so that an option's share of draws in which it
    has the highest net value is its exact probability of being chosen, before the exploration that ``choose`` adds.
    """

    posterior: Posterior
    interventions: tuple[Intervention, ...]
    settings: PolicySettings
    version: str

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
        base = offset + seen @ self._coefficients[0]
        untreated = _sigmoid(base)
        values = np.zeros((1 + len(eligible), DRAWS))
        uplifts = np.empty((len(eligible), DRAWS))
        idle = np.empty(len(eligible))
        expected = float(untreated.mean())
        for row, intervention in enumerate(eligible):
            option = self._places[intervention.name]
            treated = _sigmoid(base + seen @ self._coefficients[option])
            uplifts[row] = treated - untreated
            values[1 + row] = self._value(option, uplifts[row], treated)
            idle[row] = self._value(option, 0.0, expected)
        works = 1.0 - self.posterior.nothing_works
        means = works * values[1:].mean(axis=1) + (1.0 - works) * idle
        squares = works * (values[1:] ** 2).mean(axis=1) + (1.0 - works) * idle**2
        options = tuple(
            Option(intervention.name, uplift, mean, deviation)
            for intervention, uplift, mean, deviation in zip(
                eligible,
                (works * uplifts.mean(axis=1)).tolist(),
                means.tolist(),
                np.sqrt(np.maximum(squares - means**2, 0.0)).tolist(),
                strict=True,
            )
        )
        best = works * np.bincount(values.argmax(axis=0), minlength=len(values)) / DRAWS
        best[0] += 1.0 - works
        return Assessment(options, best)

    def net_values(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected net value of each option (N, A), 0 for doing nothing, -inf for what was not eligible."""
        found = np.zeros(logged.propensities.shape)
        works = 1.0 - self.posterior.nothing_works
        places = self.posterior.terms.places_of(logged.options)
        for rows, values, untreated in self._drawn(logged):
            idle = self._value(places, 0.0, untreated.mean(axis=1)[:, None])
            idle[:, 0] = 0.0
            found[rows] = works * values.mean(axis=2) + (1.0 - works) * idle
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
        places = self.posterior.terms.places_of(logged.options).tolist()
        for start in range(0, len(logged), _CHUNK):
            rows = slice(start, start + _CHUNK)
            base = offset[rows, None] + situations[rows] @ self._coefficients[0]
            untreated = _sigmoid(base)
            values = np.full((len(base), len(places), DRAWS), -np.inf)
            values[:, 0] = 0.0
            for column, option in enumerate(places[1:], start=1):
                mine = np.flatnonzero(eligible[rows, column])
                treated = _sigmoid(base[mine] + situations[rows][mine] @ self._coefficients[option])
                values[mine, column] = self._value(option, treated - untreated[mine], treated)
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

    def _value(self, option: int | IntArray, uplift: FloatArray | float, treated: FloatArray | float) -> FloatArray:
        shown, if_converted = self._costs
        return np.asarray(uplift * self.settings.goal_value - shown[option] - if_converted[option] * treated)

    @cached_property
    def draws(self) -> FloatArray:
        """(D, DRAWS) the numbers as drawn, in pairs that mirror each other, so that their mean is the posterior's."""
        seed = int.from_bytes(hashlib.sha256(self.version.encode()).digest()[:8], "big")
        half = np.random.default_rng(seed).standard_normal((self.posterior.terms.size, DRAWS // 2))
        return self.posterior.draws(WIDTH * np.column_stack([half, -half]))

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
    found: FloatArray = 1.0 / (1.0 + np.exp(-margin))
    return found
