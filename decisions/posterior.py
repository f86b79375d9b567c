"""What has been learnt of a journey's interventions: a normal posterior over the terms of the effect model.

The evidence is kept apart from the prior, in information form: each batch of decisions adds the second-order expansion
of its log-likelihood around the posterior's mode (Laplace's approximation; one batch at a time it is assumed density
filtering). Sums do not mind the order of the batches, so the order enters by the points of expansion alone.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from decisions.effect_terms import Declared, Terms
from decisions.hierarchy import (
    Belief,
    believe,
    learn_spreads,
    nothing_works,
    prior_mean,
    prior_precision,
    starting_spreads,
)
from decisions.intervention import Intervention
from decisions.logged import LoggedDecisions
from decisions.policy import PolicySettings
from features.events import FloatArray, IntArray

FORMAT = 1
MOST_STEPS = 50
SMALL_STEP = 1e-6
"""Log-odds; Newton's method has arrived when no number moves by more."""
ROUNDS = 6
"""Most times that mode and spreads are found by turns for one batch."""


class PosteriorUnreadable(ValueError):
    """A text is no posterior; one sentence that says what is off."""


@dataclass(frozen=True)
class Posterior:
    """What is believed of the effects after ``decisions`` decisions, of which ``goals`` reached the goal.

    ``precision`` (D, D) and ``shift`` (D,) are the evidence without the prior; ``spreads`` those of the groups of
    numbers. With a half-life, evidence counts half for every ``half_life_seconds`` that it is older than the newest
    decision, ``as_of_us``. Decisions of one session in one batch count as one together: their outcome is the same.
    """

    terms: Terms
    low_risk: float
    spreads: FloatArray
    precision: FloatArray
    shift: FloatArray
    decisions: int = 0
    goals: int = 0
    as_of_us: int = 0
    half_life_seconds: float | None = None

    @staticmethod
    def start(
        interventions: Sequence[Intervention],
        settings: PolicySettings,
        stages: Sequence[str],
        frictions: Sequence[str],
        *,
        half_life_seconds: float | None = None,
    ) -> "Posterior":
        """Return what a journey's declarations alone say."""
        if half_life_seconds is not None and not half_life_seconds > 0:
            raise ValueError(f"half_life_seconds={half_life_seconds!r} must be positive, or None to forget nothing")
        terms = Terms.of(interventions, settings, stages, frictions)
        return Posterior(
            terms,
            settings.low_risk,
            starting_spreads(),
            np.zeros((terms.size, terms.size)),
            np.zeros(terms.size),
            half_life_seconds=half_life_seconds,
        )

    @cached_property
    def belief(self) -> Belief:
        """The normal distribution of the D numbers."""
        return believe(self.terms, self.spreads, self.precision, self.shift)

    @property
    def mean(self) -> FloatArray:
        """(D,) the posterior's mean, which is also its mode."""
        return self.belief.mean

    @cached_property
    def nothing_works(self) -> float:
        """The probability that no intervention does anything to anybody."""
        return nothing_works(self.terms, self.spreads, self.belief)

    def draws(self, standard: FloatArray) -> FloatArray:
        """Return draws (D, M) of the numbers made of independent standard normal ones (D, M)."""
        belief = self.belief
        found: FloatArray = belief.mean[:, None] + np.linalg.solve(belief.root.T, standard)
        return found

    def margins(self, logged: LoggedDecisions) -> FloatArray:
        """Return the expected log-odds (N, A) of the goal with each option, eligible or not."""
        situations, offset = self.terms.situations(logged)
        places = self.terms.places_of(logged.options)
        tau = situations @ self.terms.coefficients(self.mean[:, None])[:, :, 0].T
        tau[:, 1:] += tau[:, :1]
        return offset[:, None] + tau[:, places]

    def learn(self, logged: LoggedDecisions) -> "Posterior":
        """Return what is believed after further decisions.

        Where the risk was low and nothing could be chosen, there is nothing to learn about when to act; at unknown odds
        the choice may have gone by what the model does not see: both are passed over. Raises ValueError for decisions
        of interventions, stages or frictions that are not declared.
        """
        choosable = (logged.risk >= self.low_risk) | (logged.eligible.sum(axis=1) > 1)
        chosen = np.flatnonzero(choosable & ~np.isnan(logged.propensities).any(axis=1))
        if not len(chosen):
            return self
        taught = logged.take(chosen)
        as_of_us = max(self.as_of_us, int(taught.at_us.max()))
        batch = _Batch.of(self.terms, taught, _once_a_session(taught) * self._fading(taught.at_us, as_of_us))
        fading = self._fading(np.array([self.as_of_us]), as_of_us)[0] if self.decisions else 1.0
        precision, shift = self.precision * fading, self.shift * fading
        spreads, mode = self.spreads, self.mean
        for _ in range(ROUNDS):
            mode = batch.mode(self.terms, spreads, precision, shift, mode)
            more_precision, more_shift = batch.expansion(mode)
            before = spreads
            spreads = learn_spreads(self.terms, before, precision + more_precision, shift + more_shift)
            if np.allclose(before, spreads, rtol=0.02, atol=0.0):
                break
        mode = batch.mode(self.terms, spreads, precision, shift, mode)
        more_precision, more_shift = batch.expansion(mode)
        return replace(
            self,
            spreads=spreads,
            precision=precision + more_precision,
            shift=shift + more_shift,
            decisions=self.decisions + len(taught),
            goals=self.goals + int(taught.converted.sum()),
            as_of_us=as_of_us,
        )

    def _fading(self, at_us: IntArray, as_of_us: int) -> FloatArray:
        if self.half_life_seconds is None:
            return np.ones(len(at_us))
        found: FloatArray = 0.5 ** ((as_of_us - at_us) / 1e6 / self.half_life_seconds)
        return found

    def to_json(self) -> str:
        """Return all of it as a text of bounded size, from which :meth:`from_json` makes the same numbers."""
        lower = np.tril_indices(self.terms.size)
        return json.dumps(
            {
                "format": FORMAT,
                "interventions": [asdict(intervention) for intervention in self.terms.interventions],
                "stages": self.terms.stages,
                "frictions": self.terms.frictions,
                "usual": self.terms.usual,
                "low_risk": self.low_risk,
                "spreads": self.spreads.tolist(),
                "precision": _packed(self.precision[lower]),
                "shift": _packed(self.shift),
                "decisions": self.decisions,
                "goals": self.goals,
                "as_of_us": self.as_of_us,
                "half_life_seconds": self.half_life_seconds,
            }
        )

    @staticmethod
    def from_json(text: str) -> "Posterior":
        """Return the posterior that :meth:`to_json` wrote; raises :class:`PosteriorUnreadable`."""
        try:
            kept = json.loads(text)
            if kept["format"] != FORMAT:
                raise PosteriorUnreadable(f"the posterior has format {kept['format']!r}; this version reads {FORMAT}")
            return _unpacked(kept)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            if isinstance(error, PosteriorUnreadable):
                raise
            raise PosteriorUnreadable(f"the text is no posterior of effects: {error!r}") from error


@dataclass(frozen=True)
class _Batch:
    """Decisions by option: which of the D numbers bear on them, their design, offset, outcome and weight."""

    parts: tuple[tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray], ...]

    @staticmethod
    def of(terms: Terms, logged: LoggedDecisions, weights: FloatArray) -> "_Batch":
        situations, offset = terms.situations(logged)
        parts = []
        chosen = terms.places_of(logged.options)[logged.chosen]
        for option in np.unique(chosen).tolist():
            mine = chosen == option
            design = terms.design(option, situations[mine])
            parts.append((terms.columns_of(option), design, offset[mine], logged.converted[mine], weights[mine]))
        return _Batch(tuple(parts))

    def expansion(self, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return precision and shift of the log-likelihood's second-order expansion around numbers (D,)."""
        precision, shift = np.zeros((len(at), len(at))), np.zeros(len(at))
        for columns, design, offset, converted, weights in self.parts:
            odds = _sigmoid(offset + design @ at[columns])
            information = (design.T * (weights * odds * (1.0 - odds))) @ design
            precision[np.ix_(columns, columns)] += information
            shift[columns] += information @ at[columns] + design.T @ (weights * (converted - odds))
        # Rounding leaves a product of matrices not quite symmetric, and one half of it is what is kept.
        return (precision + precision.T) / 2, shift

    def log_likelihood(self, at: FloatArray) -> float:
        total = 0.0
        for columns, design, offset, converted, weights in self.parts:
            margin = offset + design @ at[columns]
            total += float(weights @ (converted * margin - np.logaddexp(0.0, margin)))
        return total

    def mode(
        self, terms: Terms, spreads: FloatArray, precision: FloatArray, shift: FloatArray, start: FloatArray
    ) -> FloatArray:
        """Return the mode of prior, earlier evidence and this batch by Newton's method; a step too far is halved."""
        before, centre = prior_precision(terms, spreads), prior_mean(terms)

        def objective(at: FloatArray) -> float:
            away = at - centre
            return float(self.log_likelihood(at) + shift @ at - at @ precision @ at / 2 - before @ away**2 / 2)

        at, value = start, objective(start)
        for _ in range(MOST_STEPS):
            more_precision, more_shift = self.expansion(at)
            total = precision + more_precision + np.diag(before)
            step = np.linalg.solve(total, shift + more_shift + before * centre) - at
            reached = objective(at + step)
            while reached < value - 1e-9 * abs(value) and np.abs(step).max() > SMALL_STEP:
                step = step / 2
                reached = objective(at + step)
            at, value = at + step, reached
            if np.abs(step).max() <= SMALL_STEP:
                break
        return at


def _once_a_session(logged: LoggedDecisions) -> FloatArray:
    _, place, count = np.unique(logged.session_ids.astype(str), return_inverse=True, return_counts=True)
    found: FloatArray = 1.0 / count[place]
    return found


def _sigmoid(margin: FloatArray) -> FloatArray:
    found: FloatArray = 1.0 / (1.0 + np.exp(-margin))
    return found


def _packed(values: FloatArray) -> str:
    return base64.b64encode(zlib.compress(values.astype("<f8").tobytes())).decode("ascii")


def _floats(text: str) -> FloatArray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f8").astype(np.float64)


def _unpacked(kept: Mapping[str, Any]) -> Posterior:
    interventions = tuple(
        Declared(**{**one, "stages": tuple(one["stages"]), "treats": tuple(one["treats"])})
        for one in kept["interventions"]
    )
    terms = Terms(interventions, tuple(kept["stages"]), tuple(kept["frictions"]), kept["usual"])
    precision = np.zeros((terms.size, terms.size))
    precision[np.tril_indices(terms.size)] = _floats(kept["precision"])
    precision = precision + np.tril(precision, -1).T
    return Posterior(
        terms,
        kept["low_risk"],
        np.array(kept["spreads"]),
        precision,
        _floats(kept["shift"]),
        kept["decisions"],
        kept["goals"],
        kept["as_of_us"],
        kept["half_life_seconds"],
    )
