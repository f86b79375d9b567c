"""A simulated log beside what can be known of it: rows to train on, and held-out prefixes with their true risk.

Labels are coins; the filter that knows the world's rules says how each of them was loaded. Figures against the true
risk are means over all ways in which the sessions could have ended, and so vary far less than figures against ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from features.build import build
from features.events import Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import Plan, compile_plan
from features.read_log import read_log
from features.vocabulary import Vocabulary
from journeys.ends import find_ends
from journeys.journey import Journey
from journeys.load import load_journey
from training.cutoffs import after_every_event, training_cutoffs
from training.fit import Rows
from training.labels import label
from training.simulator import simulate
from training.simulator.ceiling import true_probabilities
from training.simulator.simulate import draw, world_of
from training.split import BoolArray, forward_split, persons

Place = Callable[[Journey, Plan, EncodedLog, IntArray, int], Cutoffs]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Training rows (R,) with their sessions and persons, and held-out prefixes (H,) with their true risk."""

    rows: Rows
    sessions: IntArray
    persons: IntArray
    fitting: BoolArray
    tuning: BoolArray
    held_out: FloatArray
    after: IntArray
    risk: FloatArray
    vocabulary: Vocabulary


def place_as_in_training(journey: Journey, plan: Plan, log: EncodedLog, usable: IntArray, end_us: int) -> Cutoffs:
    """Return the cutoffs that ``dropoff train`` learns from."""
    return training_cutoffs(plan, log, usable, journey.idle_ticks_seconds, end_us)


def prepare(
    folder: Path, *, name: str = "ecommerce", sessions: int, seed: int, place: Place = place_as_in_training
) -> Prepared:
    """Simulate a log into a folder, unless it is there, and build its rows."""
    journey = load_journey(name)
    plan = compile_plan(journey.table)
    if not (folder / "events").exists():
        simulate(name, sessions=sessions, seed=seed, out=folder)
    with read_log(folder / "events", plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log, end_us = read.whole(), read.summary.last_at_us
    ends = find_ends(plan, log, journey, end_us)
    split = forward_split(log, ends)
    cutoffs = place(journey, plan, log, np.where(split.training, ends.usable, 0), end_us)
    rows = Rows(build(plan, log, cutoffs), label(ends, cutoffs, None, end_us), cutoffs.after)
    held_out = after_every_event(log, np.where(split.held_out, ends.usable, 0))
    return Prepared(
        rows=rows,
        sessions=cutoffs.session,
        persons=persons(log)[cutoffs.session],
        fitting=split.fitting[cutoffs.session],
        tuning=split.tuning[cutoffs.session],
        held_out=build(plan, log, held_out),
        after=held_out.after,
        risk=true_risk(log, held_out, name=name, sessions=sessions, seed=seed),
        vocabulary=Vocabulary.learn(journey.table, rows.features),
    )


def true_risk(log: EncodedLog, cutoffs: Cutoffs, *, name: str, sessions: int, seed: int) -> FloatArray:
    """Return the filter's risk (R,) at each cutoff right after an event, matched by the event's id."""
    world = world_of(name)
    known: dict[str, FloatArray] = {}
    for chunk in draw(world, sessions=sessions, seed=seed):
        odds, starts = true_probabilities(world, chunk), chunk.walks.starts
        for s in range(chunk.visits.session_count):
            known[f"s{chunk.first_session + s:09}"] = odds[starts[s] : starts[s + 1]]
    last = log.starts[cutoffs.session] + cutoffs.after - 1
    places = (event_id.split("-") for event_id in log.event_ids[last])
    return np.array([1.0 - known[session][int(place)] for session, place in places])


def auc_share(risk: FloatArray, truth: FloatArray) -> float:
    """Return (AUC - .5) of a risk (R,) as a share of the true risk's own, in the mean over all ends of the rows."""
    labels = np.repeat([1.0, 0.0], len(truth))
    weights = np.concatenate((truth, 1.0 - truth))

    def above_chance(scores: FloatArray) -> float:
        return float(roc_auc_score(labels, np.tile(scores, 2), sample_weight=weights)) - 0.5

    return above_chance(risk) / above_chance(truth)


def skill_share(risk: FloatArray, truth: FloatArray) -> float:
    """Return the Brier skill of a risk (R,) as a share of the true risk's own.

    With outcomes drawn from ``truth``, the skill is 1 - E[(risk - outcome)^2] / (base rate (1 - base rate)), so that
    what cannot be known cancels: 1 - mean squared gap to the truth / variance of the truth.
    """
    return float(1.0 - np.mean((risk - truth) ** 2) / np.var(truth))


def excess_loss(risk: FloatArray, truth: FloatArray) -> float:
    """Return by how much the log loss exceeds the true risk's own, in thousandths: the mean divergence."""
    inside = np.clip(truth, 1e-12, 1 - 1e-12)
    gap = truth * np.log(inside / risk) + (1 - truth) * np.log((1 - inside) / (1 - risk))
    return float(1_000 * np.mean(gap))
