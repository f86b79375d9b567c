"""Evaluate a model: every prefix, after each number of events, by stage and by cohort, against the base rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from decisions.risk import RiskModel
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray, TextArray
from features.plan import Plan
from journeys.journey import Journey
from training.blocks import MeasuredBlock, Partition, measure_parts, part_by_number, part_by_text, settle
from training.intervals import RESAMPLES
from training.metrics import session_weights
from training.split import persons
from training.tally import Tally, join_tallies

EVENT_COUNTS = (1, 2, 3, 5, 8, 10, 13, 21)
BEFORE_THE_FIRST_STAGE = "before the first stage"
SMALLEST_COHORT = 0.01
SEED = 7

Evaluation = dict[str, object]


@dataclass(frozen=True, slots=True)
class Scored:
    """Labelled and scored prefixes (R,): what every figure is computed from."""

    labels: FloatArray
    risks: FloatArray
    sessions: IntArray
    persons: IntArray
    """Whose session it is; visitors that a user connects are one person."""
    after: IntArray
    stages: FloatArray
    cohorts: dict[str, TextArray]

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> "Scored":
        """Return the chosen prefixes."""
        return Scored(
            self.labels[rows],
            self.risks[rows],
            self.sessions[rows],
            self.persons[rows],
            self.after[rows],
            self.stages[rows],
            {name: values[rows] for name, values in self.cohorts.items()},
        )


def join_scored(parts: Sequence[Scored], sessions: Sequence[int]) -> Scored:
    """Return the prefixes of the parts of a log, of so many sessions each, of which no two share a person."""
    first = np.cumsum([0, *sessions[:-1]])
    columns = ("labels", "risks", "after", "stages")
    labels, risks, after, stages = (np.concatenate([getattr(part, name) for part in parts]) for name in columns)
    return Scored(
        labels,
        risks,
        np.concatenate([part.sessions + at for part, at in zip(parts, first, strict=True)]),
        # A part has no more persons than sessions.
        np.concatenate([part.persons + at for part, at in zip(parts, first, strict=True)]),
        after,
        stages,
        {name: np.concatenate([part.cohorts[name] for part in parts]) for name in parts[0].cohorts},
    )


def score_rows(
    plan: Plan, log: EncodedLog, cutoffs: Cutoffs, rows: FloatArray, labels: FloatArray, model: RiskModel
) -> Scored:
    """Return the rows (R, F) of a log's cutoffs with their risks, stages and cohorts."""
    return Scored(
        labels=labels,
        risks=model.predict(rows) if len(rows) else np.array([]),
        sessions=cutoffs.session,
        persons=persons(log)[cutoffs.session],
        after=cutoffs.after,
        stages=rows[:, plan.feature_names.index("stage_index")],
        cohorts={name: column[cutoffs.session] for name, column in cohorts_of(log).items()},
    )


def cohorts_of(log: EncodedLog) -> dict[str, TextArray]:
    """Return each session's cohorts (S,): device, source, and whether the log knows the visitor from before."""
    returning = np.zeros(log.session_count, np.bool_)
    returning[1:] = log.visitor_ids[1:] == log.visitor_ids[:-1]
    return {
        "device": log.context["device"],
        "source": log.context["source"],
        "visitor": np.where(returning, "returning", "new").astype(object),
    }


@dataclass(frozen=True, slots=True)
class Tallies:
    """The tallies of all prefixes of a log, for :func:`describe`: the blocks by the place of their partition and name.

    ``once`` is that of all with each session weighing one.
    """

    blocks: Mapping[tuple[int, str], Tally]
    once: Tally

    @classmethod
    def of(cls, journey: Journey, scored: Scored) -> "Tallies":
        """Return the tallies of a part of a log, which must hold whole sessions and persons.

        Cohorts much smaller than those that are told in the end are left out.
        """
        blocks = {}
        for place, part in enumerate(_partitions(journey, scored, SMALLEST_COHORT / 4)):
            for number, name in enumerate(part.names):
                chosen = scored.take(part.places == number)
                blocks[place, name] = Tally.of(chosen.labels, chosen.risks, chosen.sessions, chosen.persons)
        weights = session_weights(scored.sessions)
        return cls(blocks, Tally.of(scored.labels, scored.risks, scored.sessions, scored.persons, weights))

    @classmethod
    def join(cls, parts: Sequence["Tallies"]) -> "Tallies":
        """Return the tallies of all parts of a log."""
        blocks = join_tallies(part.blocks for part in parts)
        return cls(dict(sorted(blocks.items(), key=lambda item: item[0][0])), Tally.join(part.once for part in parts))


def describe(
    journey: Journey,
    scored: Scored,
    *,
    everything: Tallies | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Evaluation:
    """Return the block of figures of scored prefixes, with intervals from so many resamples of the persons.

    Cohorts smaller than 1 % of the rows are left out. With the tallies of ``everything``, the prefixes are those of a
    sample of its persons: figures are those of everything, and intervals are of as many persons as that has.
    """
    partitions = _partitions(journey, scored, SMALLEST_COHORT)

    def measured(parts: Sequence[Partition], weights: FloatArray | None = None) -> list[dict[str, MeasuredBlock]]:
        rows = (scored.labels, scored.risks, scored.sessions, scored.persons)
        population = None if everything is None else everything.once.person_count
        return measure_parts(*rows, parts, weights=weights, resamples=resamples, seed=seed, population=population)

    blocks = measured(partitions)
    [once] = measured(partitions[:1], session_weights(scored.sessions))
    if everything is not None:
        blocks = _settled(journey, blocks, everything)
        once = {"all": settle(once["all"], everything.once)}
    whole, by_events, by_stage, *by_cohort = blocks
    return {
        **whole["all"],
        "session_weighted": once["all"],
        "by_events": by_events,
        "by_stage": by_stage,
        "by_cohort": {name: block for cohort in by_cohort for name, block in cohort.items()},
    }


def _partitions(journey: Journey, scored: Scored, smallest: float) -> list[Partition]:
    return [
        Partition(("all",), np.zeros(len(scored.labels), np.int64)),
        part_by_number(scored.after, {count: str(count) for count in EVENT_COUNTS}),
        stage_partition(journey, scored),
        *(part_by_text(f"{cohort}=", values, smallest) for cohort, values in scored.cohorts.items()),
    ]


def _settled(
    journey: Journey, sampled: Sequence[Mapping[str, MeasuredBlock]], everything: Tallies
) -> list[dict[str, MeasuredBlock]]:
    """Return the blocks of everything, in the order of those of a sample of rows."""
    row_count = everything.once.row_count
    names = [list(blocks) for blocks in sampled]
    names[2] = [name for name in stage_names(journey) if (2, name) in everything.blocks]
    for place in range(3, len(sampled)):
        known = [(name, tally) for (at, name), tally in everything.blocks.items() if at == place]
        names[place] = sorted(name for name, tally in known if tally.row_count >= SMALLEST_COHORT * row_count)
    return [
        {name: settle(blocks.get(name), everything.blocks[place, name]) for name in names[place]}
        for place, blocks in enumerate(sampled)
    ]


def stage_names(journey: Journey) -> list[str]:
    """Return the stages' names, the first for sessions that have reached none."""
    return [BEFORE_THE_FIRST_STAGE, *(stage.name for stage in journey.stages)]


def stage_partition(journey: Journey, scored: Scored) -> Partition:
    """Part prefixes by the stage reached, in the journey's order; stages that none reached are left out."""
    stages = np.where(np.isnan(scored.stages), -1, scored.stages)
    names = {float(place - 1): name for place, name in enumerate(stage_names(journey)) if (stages == place - 1).any()}
    return part_by_number(stages, names)
