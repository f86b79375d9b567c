"""Compare two versions of a model on one log: by how much they differ, and whether that is more than chance."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from decisions.risk import RiskModel
from features.build import build
from features.events import FloatArray, IntArray
from features.log_files import LogError
from features.plan import compile_plan
from features.read_log import ReadSummary, read_log
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.ends import find_ends
from journeys.journey import Journey
from training.blocks import Partition, part_by_number
from training.evaluate import EVENT_COUNTS, Scored, join_scored, score_rows, stage_names
from training.intervals import RESAMPLES
from training.metrics import session_weights
from training.paired import DifferenceBlock, compare_parts
from training.prefixes import labelled_prefixes
from training.trained import digest_files
from training.verdict import judge

SEED = 7


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """How many of the compared sessions a version was trained on, or may have been, and the time these lie in."""

    version: str
    sessions: int
    is_same_log: bool
    from_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Second minus first, on all prefixes, with each session weighing one, after so many events, and by stage."""

    first: str
    second: str
    verdict: str
    better: str | None
    trained_on: tuple[TrainedOn, ...]
    overall: DifferenceBlock
    session_weighted: DifferenceBlock
    by_events: Mapping[str, DifferenceBlock]
    by_stage: Mapping[str, DifferenceBlock]

    def to_json(self) -> dict[str, object]:
        """Return what ``dropoff compare --json`` writes."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Read:
    """Every labelled prefix with the first model's risks, the second's (R,), and when sessions (S,) began and ended."""

    scored: Scored
    second: FloatArray
    began_us: IntArray
    ended_us: IntArray
    summary: ReadSummary

    def take(self, sessions: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> "_Read":
        """Return the prefixes of the chosen sessions (S,)."""
        rows = sessions[self.scored.sessions]
        return replace(self, scored=self.scored.take(rows), second=self.second[rows])


def compare_models(
    journey: Journey,
    path: Path,
    first: RiskModel,
    second: RiskModel,
    *,
    unseen: bool = False,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[Comparison, ReadSummary]:
    """Compare two models on every prefix of the sessions of a log whose end is known.

    ``unseen`` leaves out the sessions in the time that either was trained on. Raises ``features.log_files.LogError``
    where no session is left.
    """
    read = _read(journey, path, first, second, source, quarantine, progress)
    digest = digest_files(path)
    seen = [_trained_on(model, read, digest) for model in (first, second)]
    if unseen:
        read = read.take(~np.logical_or(*(sessions for _, sessions in seen)))
    scored = read.scored
    if not len(scored.labels):
        told = " outside the time that the versions were trained on" if unseen else ""
        raise LogError(f"no session of {path}{told} has a known end after its first event, so nothing can be compared")
    progress("resampling visitors", 0.0)
    everything = Partition(("all",), np.zeros(len(scored.labels), np.int64))
    stages = np.where(np.isnan(scored.stages), -1, scored.stages)
    names = {float(place - 1): name for place, name in enumerate(stage_names(journey))}
    present = {place: name for place, name in names.items() if (stages == place).any()}
    counts = {float(count): str(count) for count in EVENT_COUNTS if (scored.after == count).any()}
    partitions = [everything, part_by_number(scored.after, counts), part_by_number(stages, present)]
    whole, by_events, by_stage = compare_parts(scored, read.second, partitions, resamples=resamples, seed=seed)
    progress("resampling visitors", 0.5)
    [once] = compare_parts(
        scored,
        read.second,
        [everything],
        weights=session_weights(scored.sessions),
        resamples=resamples,
        seed=seed,
    )
    verdict, better = judge(first.version, second.version, whole["all"], resampled=resamples > 0)
    trained_on = () if unseen else tuple(told for told, _ in seen if told.sessions)
    comparison = Comparison(
        first.version, second.version, verdict, better, trained_on, whole["all"], once["all"], by_events, by_stage
    )
    return comparison, read.summary


def _read(
    journey: Journey,
    path: Path,
    first: RiskModel,
    second: RiskModel,
    source: Source,
    quarantine: Path | None,
    progress: Progress,
) -> _Read:
    plan = compile_plan(journey.table)
    with read_log(
        path,
        plan,
        timeout_seconds=journey.session_timeout_seconds,
        source=source,
        quarantine=quarantine,
        progress=progress,
    ) as read:
        end_us = read.summary.last_at_us
        parts, others, began, ended = list[Scored](), list[FloatArray](), list[IntArray](), list[IntArray]()
        for batch in read.batches():
            ends = find_ends(plan, batch, journey, end_us)
            known = ~np.isnan(ends.outcome) | (journey.horizon_seconds is not None)
            cutoffs, labels = labelled_prefixes(journey, batch, ends, known, end_us)
            rows = build(plan, batch, cutoffs)
            parts.append(score_rows(plan, batch, cutoffs, rows, labels, first))
            others.append(second.predict(rows) if len(rows) else np.array([]))
            began.append(batch.at_us[batch.starts[:-1]])
            ended.append(ends.end_us)
    scored = join_scored(parts, [len(of_part) for of_part in began])
    return _Read(scored, np.concatenate(others), np.concatenate(began), np.concatenate(ended), read.summary)


def _trained_on(
    model: RiskModel, read: _Read, digest: str
) -> tuple[TrainedOn, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return which sessions (S,) began and ended in the time that a model was trained on.

    A card of a model that was registered before it held where the held-out sessions begin counts the whole log.
    """
    data = model.card.get("data", {})
    from_us = int(data.get("first_at_us", 0))
    until_us = int(data.get("held_out_from_us", data.get("last_at_us", 0)))
    within = (read.began_us >= from_us) & (read.ended_us < until_us)
    compared = np.unique(read.scored.sessions)
    count = int(within[compared].sum())
    return TrainedOn(model.version, count, data.get("digest") == digest, from_us, until_us), within
