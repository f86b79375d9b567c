"""Score every prefix of a log, batch by batch, with rows of a sample of persons where there are too many for memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from decisions.risk import RiskModel
from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray
from features.plan import compile_plan
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from training.cutoffs import after_every_event
from training.evaluate import Scored, Tallies, join_scored, score_rows
from training.hazard import held_out_sessions
from training.importance import SAMPLE_ROWS, Sample, draw_share, join_samples
from training.labels import label
from training.leaving import LeavingTallies, foresee, tally_leaving
from training.losses import Losses
from training.row_profile import RowProfile
from training.sample import ALL_PERSONS, digest_person
from training.split import BoolArray, Cuts, split_by
from training.tally import Tally, join_tallies

MOST_ROWS = 4_000_000
"""Of more prefixes those of a sample of persons are kept as rows; all others are only counted."""


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """What is kept of a batch of sessions: rows of the sample of persons, and of all what has a bounded size.

    ``tallies`` are None where all rows are kept. ``sample`` are some rows with all their features.
    """

    scored: Scored
    session_count: int
    sample: Sample
    tallies: Tallies | None
    leaving: LeavingTallies
    profile: RowProfile
    losses: Losses | None


@dataclass(frozen=True, slots=True)
class ScorePrefixes:
    """Scores the labelled prefixes of the sessions of a batch whose end is known, or of the held-out ones of ``cuts``.

    Persons whose digests are below ``rows_below`` keep their rows. With a ``champion``, its log loss on the same
    prefixes is told too.
    """

    journey: Journey
    model: RiskModel
    end_us: int
    rows_below: int
    explained_share: float
    cuts: Cuts | None = None
    champion: RiskModel | None = None
    seed: int = 7

    @classmethod
    def of_about(
        cls, row_count: float, journey: Journey, model: RiskModel, end_us: int, **options: Any
    ) -> "ScorePrefixes":
        """Return the work where so many prefixes are expected: it keeps the rows of as many persons as fit."""
        share = min(1.0, MOST_ROWS / max(1.0, row_count))
        explained = SAMPLE_ROWS / max(1.0, share * row_count)
        return cls(journey, model, end_us, round(share * ALL_PERSONS), explained, **options)

    def __call__(self, log: EncodedLog) -> ScoredBatch:
        """Return what is kept of a batch."""
        return self.score(log, find_ends(compile_plan(self.journey.table), log, self.journey, self.end_us))

    def score(self, log: EncodedLog, ends: SessionEnds, standing_for: FloatArray | None = None) -> ScoredBatch:
        """Return what is kept of a batch whose sessions end so, and each stand for so many (S,)."""
        journey, plan = self.journey, compile_plan(self.journey.table)
        if self.cuts is None:
            chosen = ~np.isnan(ends.outcome) | (journey.horizon_seconds is not None)
            foreseen: BoolArray = ends.usable > 0
        else:
            split = split_by(self.cuts, log, ends, journey.horizon_seconds)
            chosen, foreseen = split.held_out, held_out_sessions(log, ends, split)
        cutoffs, labels = labelled_prefixes(journey, log, ends, chosen, self.end_us)
        rows = build(plan, log, cutoffs)
        every = score_rows(plan, log, cutoffs, rows, labels, self.model)
        kept = self._keeps(log)[cutoffs.session]
        leaving: LeavingTallies = {}
        # Only what a training holds out becomes a data set.
        noted = slice(0 if self.cuts is None else None)
        profile = RowProfile.of(journey.table, rows[noted], labels[noted], len(np.unique(cutoffs.session)))
        losses = None
        if self.champion is not None:
            weights = None if standing_for is None else standing_for[cutoffs.session]
            losses = Losses.of(labels, every.risks, self.champion.predict(rows), weights)
        rng = np.random.default_rng([self.seed, digest_person(str(log.session_ids[0]), self.seed)])
        sample = draw_share(rows[kept], self.explained_share, rng)
        del rows
        if self.model.hazard is not None:
            of = (journey, plan, log, ends, foreseen, self.end_us, self.model.vocabulary, self.model.hazard)
            leaving = tally_leaving(self.model.hazard, foresee(*of))
        return ScoredBatch(
            every.take(kept),
            log.session_count,
            sample,
            None if self.rows_below >= ALL_PERSONS or not len(labels) else Tallies.of(journey, every),
            leaving,
            profile,
            losses,
        )

    def _keeps(self, log: EncodedLog) -> BoolArray:
        """Return which sessions (S,) keep their rows."""
        if self.rows_below >= ALL_PERSONS:
            return np.ones(log.session_count, np.bool_)
        return np.array([digest_person(name, self.seed) < self.rows_below for name in log.persons], np.bool_)


@dataclass(frozen=True, slots=True)
class ScoredLog:
    """The scored prefixes of a log: rows of all, or of a sample of persons with the ``tallies`` of all."""

    scored: Scored
    sample: Sample
    tallies: Tallies | None
    leaving: LeavingTallies
    profile: RowProfile
    losses: Losses | None

    @classmethod
    def join(cls, batches: Iterable[ScoredBatch]) -> "ScoredLog":
        """Return all batches as one, taking each in as it comes."""
        scored, sessions, samples = list[Scored](), list[int](), list[Sample]()
        tallies, profiles, losses = list[Tallies](), list[RowProfile](), list[Losses]()
        leaving = dict[tuple[str, float], Tally]()
        for batch in batches:
            scored.append(batch.scored)
            sessions.append(batch.session_count)
            samples.append(batch.sample)
            leaving = join_tallies((leaving, batch.leaving))
            if batch.tallies is not None:
                tallies = [Tallies.join([*tallies, batch.tallies])]
            profiles = [RowProfile.join([*profiles, batch.profile])]
            if batch.losses is not None:
                losses = [Losses.join([*losses, batch.losses])]
        return cls(
            join_scored(scored, sessions),
            join_samples(samples, [len(part.labels) for part in scored]),
            tallies[0] if tallies else None,
            leaving,
            profiles[0],
            losses[0] if losses else None,
        )


def labelled_prefixes(
    journey: Journey, log: EncodedLog, ends: SessionEnds, sessions: BoolArray, end_us: int
) -> tuple[Cutoffs, FloatArray]:
    """Return every labelled prefix of the chosen sessions (S,), with its label (R,)."""
    cutoffs = after_every_event(log, np.where(sessions, ends.usable, 0))
    labels = label(ends, cutoffs, journey.horizon_seconds, end_us)
    known = ~np.isnan(labels)
    return cutoffs.take(known), labels[known]
