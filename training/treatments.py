"""What was done to sessions while they were open, and how their rows count towards the risk if nothing is done.

A session that was treated tells what happens with a treatment; how it would have ended without, nobody has seen. So it
is left out. What remains is no fair sample, since the policy chooses whom to treat, and since who leaves early is never
treated. So an untreated session stands for as many as the inverse of the probability that it would stay untreated until
its end (inverse probability of censoring weights, Robins and Finkelstein 2000).
"""

from dataclasses import dataclass, replace

import numpy as np

from features.events import EncodedLog, FloatArray, IntArray
from features.plan import TREATMENT_CODE
from journeys.ends import SessionEnds
from training.split import BoolArray

NEVER_US = np.iinfo(np.int64).max
MOST_WEIGHT = 20.0
"""A session weighs at most so much: a few that were spared against the odds must not decide alone."""


@dataclass(frozen=True, slots=True)
class Treatments:
    """The decisions about the S sessions of a log.

    A visitor is in the ``holdout`` share with that probability, and then never treated. Apart from that, nothing was
    done at decision d of session ``session[d]`` at ``at_us[d]`` with probability ``nothing[d]``, (D,) each.
    """

    treated_us: IntArray
    """(S,) when a session was first treated; ``NEVER_US`` where it was not."""
    session: IntArray
    at_us: IntArray
    nothing: FloatArray
    holdout: float = 0.0

    def censor(self, ends: SessionEnds) -> SessionEnds:
        """Return the ends with the sessions left out that were treated before they ended: no event of them counts."""
        treated = self.treated_before(ends)
        return replace(ends, outcome=np.where(treated, np.nan, ends.outcome), usable=np.where(treated, 0, ends.usable))

    def treated_before(self, ends: SessionEnds) -> BoolArray:
        """Return which sessions (S,) were treated before their end was known."""
        treated: BoolArray = self.treated_us < ends.end_us
        return treated

    def weights(self, ends: SessionEnds) -> FloatArray:
        """Return for how many sessions each untreated one stands (S,): 1 / P(untreated until its end), at most 20."""
        before = self.at_us <= ends.end_us[self.session]
        spared = np.ones(len(self.treated_us))
        np.multiply.at(spared, self.session[before], self.nothing[before])
        odds = self.holdout + (1 - self.holdout) * spared
        weights: FloatArray = 1 / np.maximum(odds, 1 / MOST_WEIGHT)
        return weights


def shown_in_log(log: EncodedLog) -> IntArray:
    """Return when the first event of a session that records a treatment came (S,); ``NEVER_US`` where none did."""
    places = np.append(np.flatnonzero(log.codes == TREATMENT_CODE), log.event_count)
    found = places[np.searchsorted(places, log.starts[:-1])]
    inside = found < log.starts[1:]
    times = np.append(log.at_us, NEVER_US)
    return np.where(inside, times[found], NEVER_US)
