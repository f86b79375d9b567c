"""Learn who leaves soon: rows after events and at ever longer silences, whether or not the session has ended yet.

A session that is still open at the cut counts up to there, as one at risk that has not left. Were only ended sessions
taken, the latest of them would be the short ones.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np

from decisions.hazard import Hazard, baseline_margins, with_idle
from features.build import build
from features.events import US_PER_SECOND, Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import Plan
from features.vocabulary import Vocabulary
from journeys.ends import SessionEnds, label_leaving, silence_seconds
from journeys.journey import Journey
from training.calibrate import calibrate
from training.cutoffs import training_cutoffs
from training.fit import EARLY_STOPPING_TREES, Settings
from training.split import BoolArray, Split, persons

MAX_ROWS = 400_000
"""More rows are sampled, by whole sessions: a small model needs no more."""
MAX_TREES = 80
SETTINGS = Settings(
    learning_rate=0.1, num_leaves=8, max_depth=4, min_data_in_leaf=200, feature_fraction=0.5, lambda_l2=10.0
)
"""Small, for it is asked together with the risk of every request."""
FIRST_TICK_SHARE = 0.25
"""The first silence looked at is this share of how far ahead the hazard looks; each later one is twice as long."""


@dataclass(frozen=True, slots=True)
class AtRisk:
    """What the hazard learns from: raw features (R, F), whether somebody left soon, and for how long they had idled."""

    features: FloatArray
    labels: FloatArray
    sessions: IntArray
    idle_seconds: FloatArray
    fitting: BoolArray
    """Of earlier sessions than the tuning ones, and known when those began."""
    tuning: BoolArray

    def take(self, rows: BoolArray) -> "AtRisk":
        """Return the chosen rows."""
        return AtRisk(*(getattr(self, name)[rows] for name in AtRisk.__dataclass_fields__))


def idle_ticks(journey: Journey) -> tuple[float, ...]:
    """Return the silences (seconds) after an event at which the hazard looks again, all shorter than the timeout."""
    ticks = []
    tick = FIRST_TICK_SHARE * journey.leaving_soon_within_seconds
    while tick < journey.session_timeout_seconds:
        ticks.append(tick)
        tick *= 2
    return tuple(ticks)


def idle_after(log: EncodedLog, cutoffs: Cutoffs) -> FloatArray:
    """Return how long it had been since the latest event (seconds), at each cutoff (R,)."""
    idle: FloatArray = (cutoffs.at_us - log.at_us[log.starts[cutoffs.session] + cutoffs.after - 1]) / US_PER_SECOND
    return idle


def held_out_sessions(log: EncodedLog, ends: SessionEnds, split: Split) -> BoolArray:
    """Return the sessions (S,) to measure the hazard on: those that start after the cut, ended or not."""
    person = persons(log)
    late = (log.at_us[log.starts[:-1]] >= split.cut_us) & (ends.usable > 0)
    chosen: BoolArray = split.held_out | (late & ~np.isin(person, person[_at_risk(log, ends, split)]))
    return chosen


def fit_hazard(journey: Journey, rows: AtRisk, vocabulary: Vocabulary, *, seed: int, threads: int) -> Hazard | None:
    """Return the hazard learnt from all that was known at the cut; None where only one outcome occurs."""
    fitting, watched = rows.take(rows.fitting), rows.take(rows.tuning)
    if not all(0 < part.labels.sum() < len(part.labels) for part in (fitting, watched)):
        return None
    baseline = _baseline(fitting)
    early = _fit(fitting, baseline, vocabulary, seed, threads, watched=watched)
    trees = max(1, early.best_iteration)
    margins = np.asarray(early.predict(_numbered(watched, vocabulary), raw_score=True, num_iteration=trees))
    margins = margins + baseline_margins(baseline, watched.idle_seconds)
    calibrator, _ = calibrate(margins, watched.labels, watched.sessions, np.ones(len(margins)))
    baseline = _baseline(rows)
    booster = _fit(rows, baseline, vocabulary, seed, threads, trees=trees)
    return Hazard(journey.leaving_soon_within_seconds, booster, calibrator, baseline, float(rows.labels.mean()))


def rows_at_risk(
    journey: Journey, plan: Plan, log: EncodedLog, ends: SessionEnds, split: Split, *, seed: int
) -> AtRisk:
    """Return rows of all sessions that had begun at the cut, of people of whom none is held out."""
    chosen = _at_risk(log, ends, split)
    cutoffs = training_cutoffs(plan, log, np.where(chosen, ends.usable, 0), idle_ticks(journey), split.cut_us)
    within, silence = journey.leaving_soon_within_seconds, silence_seconds(journey)
    labels = label_leaving(ends, cutoffs, within, silence, split.cut_us)
    known = ~np.isnan(labels)
    if known.sum() > MAX_ROWS:
        drawn = np.random.default_rng(seed).random(log.session_count) < MAX_ROWS / known.sum()
        known &= drawn[cutoffs.session]
    cutoffs, labels = cutoffs.take(known), labels[known]
    tuning_us = int(log.at_us[log.starts[:-1]][split.tuning].min())
    tuning = _tuning(log, chosen, tuning_us)[cutoffs.session]
    fitting = ~tuning & ~np.isnan(label_leaving(ends, cutoffs, within, silence, tuning_us))
    rows = build(plan, log, cutoffs)
    return AtRisk(rows, labels, cutoffs.session, idle_after(log, cutoffs), fitting, tuning)


def _numbered(rows: AtRisk, vocabulary: Vocabulary) -> FloatArray:
    """Return what the hazard sees of rows (R, F + 1), the idle time last."""
    return with_idle(vocabulary.apply(rows.features), rows.idle_seconds)


def _at_risk(log: EncodedLog, ends: SessionEnds, split: Split) -> BoolArray:
    """Return the sessions (S,) that had begun by the cut, of people who have none that is held out."""
    person = persons(log)
    begun: BoolArray = (log.at_us[log.starts[:-1]] < split.cut_us) & (ends.usable > 0)
    return begun & ~np.isin(person, person[split.held_out])


def _tuning(log: EncodedLog, chosen: BoolArray, tuning_us: int) -> BoolArray:
    """Return the sessions (S,) that begin no earlier than the tuning ones, of people who have none among the others."""
    person = persons(log)
    late: BoolArray = chosen & (log.at_us[log.starts[:-1]] >= tuning_us)
    return late & ~np.isin(person, person[chosen & ~late])


def _baseline(rows: AtRisk) -> tuple[tuple[float, float], ...]:
    """Return each idle time of the rows with the log-odds to leave soon, one half added to both counts."""
    times, place, counts = np.unique(rows.idle_seconds, return_inverse=True, return_counts=True)
    left = np.bincount(place, rows.labels)
    odds = np.log((left + 0.5) / (counts - left + 0.5))
    return tuple(zip(times.tolist(), odds.tolist(), strict=True))


def _fit(
    rows: AtRisk,
    baseline: tuple[tuple[float, float], ...],
    vocabulary: Vocabulary,
    seed: int,
    threads: int,
    watched: AtRisk | None = None,
    trees: int = MAX_TREES,
) -> lightgbm.Booster:
    def dataset(of: AtRisk, reference: lightgbm.Dataset | None = None) -> lightgbm.Dataset:
        return lightgbm.Dataset(
            _numbered(of, vocabulary),
            of.labels,
            init_score=baseline_margins(baseline, of.idle_seconds),
            categorical_feature=list(vocabulary.category_columns),
            reference=reference,
            params={"verbose": -1},
        )

    data = dataset(rows)
    return lightgbm.train(
        SETTINGS.parameters(seed, threads),
        data,
        trees,
        valid_sets=[] if watched is None else [dataset(watched, data)],
        callbacks=[] if watched is None else [lightgbm.early_stopping(EARLY_STOPPING_TREES, verbose=False)],
    )
