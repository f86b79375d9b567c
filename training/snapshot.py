"""Take the snapshot of a log: the same rows, whether the log trains a model or is compared with one."""

from dataclasses import dataclass

import numpy as np

from decisions.bins import Bins
from decisions.exposure import EXPOSURES, cells, stage_rows
from decisions.risk import RiskModel
from decisions.snapshot import Snapshot, event_names
from features.build import build
from features.encode import key
from features.events import EncodedLog, FloatArray, IntArray
from features.plan import UNKNOWN_CODE, Plan
from features.scan import scans
from journeys.ends import SessionEnds, find_ends
from journeys.journey import Journey
from training.cutoffs import after_every_event
from training.labels import label, matured_until
from training.sample import sample_persons
from training.split import BoolArray

MOST_SESSIONS = 20_000
"""So many sessions, of whole visitors, are enough: chance then moves a PSI by about .001."""


def take_snapshot(
    journey: Journey,
    plan: Plan,
    log: EncodedLog,
    model: RiskModel,
    *,
    log_end_us: int,
    mature_us: int,
    bins: Bins | None = None,
) -> Snapshot:
    """Return the snapshot of a log's sessions, of which those that began by ``mature_us`` are matured.

    A row stands right after every event before the one that ends the session. ``bins`` are by default of these rows.
    """
    ends = find_ends(plan, log, journey, log_end_us)
    cutoffs = after_every_event(log, ends.usable)
    rows = build(plan, log, cutoffs)
    bins = bins or Bins.of(journey.table, rows)
    blank = Snapshot.empty(journey.table, bins)
    if not len(rows):
        return blank
    cell, stage = cells(journey.table, rows), stage_rows(journey.table, rows)
    counts = blank.counts.copy()
    bins.add(counts, rows, cell)
    risks = model.predict(rows)
    visitor = np.unique(log.visitor_ids.astype(str), return_inverse=True)[1].astype(np.int64)
    # Of a later session, only a quick end would be known.
    matured = log.at_us[log.starts[:-1]] <= mature_us
    labels = label(ends, cutoffs, journey.horizon_seconds, log_end_us)
    labels[~matured[cutoffs.session]] = np.nan
    stages = len(journey.stages) + 1
    at_stage = [*(stage == place for place in range(stages)), np.ones(len(stage), np.bool_)]
    furthest = np.zeros(log.session_count, np.int64)
    np.maximum.at(furthest, cutoffs.session, stage)
    ended = matured & ~np.isnan(ends.outcome) & (ends.usable > 0)
    abandoned = ended & (ends.outcome == 1)
    ended_at = np.bincount(furthest[ended], minlength=stages)
    return Snapshot(
        bins=bins,
        counts=counts,
        risk_sums=np.bincount(cell, risks, stages * EXPOSURES).astype(np.float64),
        clusters=np.stack([_cluster(visitor[cutoffs.session[here]]) for here in at_stage]),
        session_clusters=_cluster(visitor),
        calibration=np.stack([_reliability(cutoffs.session[here], labels[here], risks[here]) for here in at_stage]),
        reached=np.cumsum(ended_at[::-1])[::-1],
        left=np.bincount(furthest[abandoned], minlength=stages),
        ends=np.array([abandoned.sum(), *_good_and_competing(plan, log, journey, ended & ~abandoned)], np.int64),
        events=_sessions_with(plan, log),
        sessions=log.session_count,
        first_at_us=int(log.at_us.min()),
        last_at_us=int(log.at_us.max()),
        value_names=_value_names(journey, log, bins),
    )


@dataclass(frozen=True, slots=True)
class SnapshotSample:
    """The sessions of a log that a snapshot is taken of, the share of its visitors, and what of the whole log matters.

    Sessions that began by ``mature_us`` had matured when the log ended, at ``log_end_us``.
    """

    log: EncodedLog
    share: float
    mature_us: int
    log_end_us: int


def sample_for_snapshot(log: EncodedLog, ends: SessionEnds, log_end_us: int, *, seed: int) -> SnapshotSample:
    """Return the log, or a sample of its visitors where it is large."""
    share = min(1.0, MOST_SESSIONS / max(1, log.session_count))
    return SnapshotSample(sample_persons(log, share, seed), share, matured_until(log, ends, log_end_us), log_end_us)


def take_snapshot_of(
    journey: Journey, plan: Plan, sample: SnapshotSample, model: RiskModel, bins: Bins | None = None
) -> Snapshot:
    """Return the snapshot of a sample."""
    return take_snapshot(
        journey, plan, sample.log, model, log_end_us=sample.log_end_us, mature_us=sample.mature_us, bins=bins
    )


def sampled_snapshot(
    journey: Journey,
    plan: Plan,
    log: EncodedLog,
    model: RiskModel,
    *,
    log_end_us: int,
    seed: int,
    bins: Bins | None = None,
) -> tuple[Snapshot, float]:
    """Return the snapshot of a log, or of a sample of its visitors where it is large, and the share that is in it.

    What counts as matured is found on the whole log.
    """
    sample = sample_for_snapshot(log, find_ends(plan, log, journey, log_end_us), log_end_us, seed=seed)
    return take_snapshot_of(journey, plan, sample, model, bins), sample.share


def _cluster(owner: IntArray) -> IntArray:
    sizes = np.unique(owner, return_counts=True)[1]
    return np.array([sizes.sum(), (sizes**2).sum()], np.int64)


def _reliability(session: IntArray, labels: FloatArray, risks: FloatArray) -> FloatArray:
    """Return how many sessions have a labelled row here, and the sums of their mean risk, label and squared gap."""
    known = ~np.isnan(labels)
    _, place, sizes = np.unique(session[known], return_inverse=True, return_counts=True)
    risk = np.bincount(place, risks[known], len(sizes)) / sizes
    came = np.bincount(place, labels[known], len(sizes)) / sizes
    return np.array([len(sizes), risk.sum(), came.sum(), ((came - risk) ** 2).sum()])


def _good_and_competing(plan: Plan, log: EncodedLog, journey: Journey, sessions: BoolArray) -> tuple[int, int]:
    """Count, among sessions that were not abandoned, those whose first end is a goal, and the others."""
    finishing = [plan.codes[name] for name in (*journey.ends.goal, *journey.ends.competing)]
    places = np.flatnonzero(np.isin(log.codes, finishing))
    first = log.codes[places[np.searchsorted(places, log.starts[:-1][sessions])]]
    goals = int(np.isin(first, [plan.codes[name] for name in journey.ends.goal]).sum())
    return goals, int(sessions.sum()) - goals


def _sessions_with(plan: Plan, log: EncodedLog) -> IntArray:
    session = np.repeat(np.arange(log.session_count), np.diff(log.starts))
    size = max(plan.codes.values()) + 1
    per_code = np.bincount(np.unique(session * size + log.codes) % size, minlength=size)
    codes = [UNKNOWN_CODE if name is None else plan.codes[name] for name in event_names(plan.table)]
    return per_code[codes]


def _value_names(journey: Journey, log: EncodedLog, bins: Bins) -> dict[str, list[str]]:
    """Return what the identities of categories stand for: texts of context columns; numbers are their own names."""
    found = {}
    for feature, points in zip(journey.table.features, bins.points, strict=True):
        if feature.is_category:
            scan = scans(feature.expression)
            texts = set(log.context[scan[0].value.name]) if scan and scan[0].value.name in log.context else set()
            known = {key(text): str(text) for text in texts if text is not None}
            found[feature.name] = [known.get(point, f"{point:g}" if point >= 0 else "") for point in points.tolist()]
    return found
