"""Whether a diagnosis stays what it is: with other visitors, an event that says nothing, a feature told twice."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from decisions.diagnosis import NOTHING
from decisions.risk import RiskModel
from features.build import build
from features.events import US_PER_SECOND, Cutoffs, EncodedLog, FloatArray, IntArray
from features.plan import UNKNOWN_CODE, Plan
from features.table import Feature, FeatureTable
from journeys.ends import SessionEnds
from training.diagnosed import diagnose_rows, friction_scores, refit
from training.leavers import Learning
from training.moments import Read

IRRELEVANT_SECONDS = 1.0
"""How long after the latest event the one that says nothing comes."""
Tell = Callable[[float], None]


def resampled(learning: Learning, rng: np.random.Generator) -> Learning:
    """Return the rows of as many persons as there are, drawn with replacement."""
    order = np.argsort(learning.persons, kind="stable")
    _, starts, counts = np.unique(learning.persons[order], return_index=True, return_counts=True)
    drawn = rng.integers(len(starts), size=len(starts))
    lengths = counts[drawn]
    first = np.repeat(starts[drawn] - (np.cumsum(lengths) - lengths), lengths)
    return learning.take(order[first + np.arange(len(first))])


def top(scores: FloatArray) -> IntArray:
    """Return the place (R,) of the friction that speaks loudest, -1 where nothing speaks for any."""
    found: IntArray = np.where(scores.max(axis=1) > 0, scores.argmax(axis=1), NOTHING)
    return found


def refit_agreement(
    model: RiskModel, learning: Learning, read: Read, *, refits: int, seed: int, tell: Tell = lambda _done: None
) -> dict[str, float | int | None]:
    """Return how often two diagnoses name the same first friction, each learnt from resampled persons.

    ``agreement`` is over pairs of refits, ``agreement_with_model`` between the refits and the model itself.
    """
    own = top(friction_scores(model, read.rows))
    found = []
    for number in range(refits):
        sample = resampled(learning, np.random.default_rng([seed, number]))
        other = refit(model, model.table, sample, seed=seed)
        found.append(top(friction_scores(other, read.rows)))
        tell((number + 1) / refits)
    pairs = [float((found[i] == found[j]).mean()) for i in range(len(found)) for j in range(i)]
    return {
        "refits": refits,
        "n": len(read),
        "agreement": float(np.mean(pairs)) if pairs else None,
        "agreement_with_model": float(np.mean([(one == own).mean() for one in found])) if found else None,
    }


def irrelevant_event(
    model: RiskModel, plan: Plan, log: EncodedLog, ends: SessionEnds, read: Read
) -> dict[str, float | int | None]:
    """Return in what share of sessions an event that nothing listens to changes the first friction.

    It has a name that the journey does not declare, so only what counts any event hears it. ``read`` are sessions at
    their last usable event; ``answer_changes`` also counts a diagnosis that begins or ceases to abstain.
    """
    # Of each visitor one session, since the next one would hear of an event in the one before.
    last_of_visitor = np.append(log.visitor_ids[read.sessions[1:]] != log.visitor_ids[read.sessions[:-1]], True)
    read = read.take(last_of_visitor[: len(read)])
    if not len(read):
        return {"n": 0, "changes": None, "answer_changes": None}
    chosen = read.sessions
    place = log.starts[chosen] + ends.usable[chosen]
    before_us = log.at_us[place - 1]
    follows = place < log.starts[chosen + 1]
    later_us = before_us + int(IRRELEVANT_SECONDS * US_PER_SECOND)
    next_us = np.where(follows, log.at_us[np.minimum(place, log.event_count - 1)], later_us)
    longer = _with_events(log, chosen, place, np.minimum(later_us, next_us))
    after = ends.usable[chosen] + 1
    rows = build(plan, longer, Cutoffs(chosen, after, longer.at_us[longer.starts[chosen] + after - 1]))
    before, then = diagnose_rows(model, read.rows), diagnose_rows(model, rows)
    return {
        "n": len(read),
        "changes": float((top(before.scores) != top(then.scores)).mean()),
        "answer_changes": float((before.named != then.named).mean()),
    }


def duplicated_features(
    model: RiskModel,
    learning: Learning,
    read: Read,
    frictions: IntArray,
    *,
    seed: int,
    tell: Tell = lambda _done: None,
) -> dict[str, object]:
    """Return by how much a friction's sum changes when its weightiest feature is declared twice.

    ``frictions`` are the places of those to try. Both diagnoses are learnt from the same rows, the second from one
    column more. Differences are relative to the root mean square of the friction's sums; ``top1_changes`` is the share
    of sessions whose first friction becomes another.
    """
    table = model.table
    once = refit(model, table, learning, seed=seed)
    sums = friction_scores(once, read.rows)
    weightiest = _weightiest(once, frictions, sums, read.rows)
    found: dict[str, dict[str, str | float]] = {}
    for number, (friction, column) in enumerate(weightiest.items()):
        twice = _duplicated(table, column)
        again = refit(model, twice, replace(learning, rows=_twice(learning.rows, column)), seed=seed)
        others = friction_scores(again, _twice(read.rows, column))
        change = np.abs(others[:, friction] - sums[:, friction]) / np.sqrt((sums[:, friction] ** 2).mean())
        found[table.frictions[friction].name] = {
            "feature": table.features[column].name,
            "mean": float(change.mean()),
            "max": float(change.max()),
            "top1_changes": float((top(others) != top(sums)).mean()),
        }
        tell((number + 1) / len(weightiest))
    return {
        "n": len(read),
        **{figure: _largest(found, figure) for figure in ("mean", "max", "top1_changes")},
        "by_friction": found,
    }


def shuffled_labels(model: RiskModel, learning: Learning, *, seed: int) -> RiskModel:
    """Return the model with a diagnosis learnt from who left by the toss of a coin: it should name nothing."""
    leaves = np.random.default_rng(seed).permutation(learning.leaves)
    return refit(model, model.table, replace(learning, leaves=leaves), seed=seed)


def _with_events(log: EncodedLog, sessions: IntArray, places: IntArray, at_us: IntArray) -> EncodedLog:
    """Return the log with an undeclared event before the event at each place, at the end of the session's own."""
    added = np.zeros(log.session_count, np.int64)
    added[sessions] = 1
    return replace(
        log,
        starts=log.starts + np.append(0, np.cumsum(added)),
        at_us=np.insert(log.at_us, places, at_us),
        codes=np.insert(log.codes, places, UNKNOWN_CODE),
        values=np.insert(log.values, places, np.nan, axis=0),
        event_ids=np.insert(log.event_ids, places, "irrelevant"),
    )


def _largest(found: dict[str, dict[str, str | float]], figure: str) -> float | None:
    return max((float(block[figure]) for block in found.values()), default=None)


def _weightiest(model: RiskModel, frictions: IntArray, sums: FloatArray, rows: FloatArray) -> dict[int, int]:
    """Return for each friction the column whose absence would change its sums most, where any would."""
    found = {}
    for friction in frictions.tolist():
        columns = np.flatnonzero(model.table.belonging[:, friction]).tolist()
        changes = []
        for column in columns:
            without = rows.copy()
            without[:, column] = np.nan
            changes.append(float(np.abs(friction_scores(model, without)[:, friction] - sums[:, friction]).mean()))
        if max(changes) > 0:
            found[friction] = columns[int(np.argmax(changes))]
    return found


def _duplicated(table: FeatureTable, column: int) -> FeatureTable:
    feature = table.features[column]
    again = Feature(
        f"{feature.name}_again", feature.expression, feature.friction, feature.phrase, feature.less_is_worse
    )
    return replace(table, features=(*table.features, again))


def _twice(rows: FloatArray, column: int) -> FloatArray:
    return np.column_stack((rows, rows[:, column]))
