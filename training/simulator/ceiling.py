"""The best that can be known from what is visible: the posterior over the latent draws, weighted by importance.

The draws come from the prior: every blocker and kind of visitor with every node of the intent. A draw's weight is its
prior times the true probability of all that the visitor did so far, earlier visits included; the answer is the mean of
the draws' true probabilities to reach the goal. No model that sees the same events can do better on average.
"""

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from features.events import FloatArray, IntArray
from training.simulator.dynamics import failure_odds, reach_goal, step_odds
from training.simulator.pauses import log_pause_odds
from training.simulator.rules import Rules, compile_world
from training.simulator.walk import ATTEMPT, BACK, FAILURE, ONWARD, SHOWN, START, STAY, SUCCESS, Setting, Walks
from training.simulator.world import World

if TYPE_CHECKING:
    from training.simulator.simulate import Chunk

NODES = 24
WIDEST_INTENT = 5.0


class Odds(NamedTuple):
    """What a step's odds are in each of C visible contexts, with each of T things shown, for each latent draw.

    Filled when first asked for; (C, T, B, K, I, S, LEVELS) by blocker, kind and node of the intent, ``goal`` as
    :func:`training.simulator.dynamics.reach_goal` returns it.
    """

    filled: IntArray
    log_leave: FloatArray
    log_advance: FloatArray
    log_rest: FloatArray
    goal: FloatArray


def intent_nodes(count: int = NODES) -> FloatArray:
    """Return evenly spaced intents, (count,), from one to another beyond which nobody is.

    Evenly, because the trapezoidal rule is then exact to many digits for smooth densities; quantiles of the normal
    distribution leave gaps where its tails are, and a few events are enough to send a visitor there.
    """
    return np.linspace(-WIDEST_INTENT, WIDEST_INTENT, count)


def true_probabilities(world: World, chunk: "Chunk") -> FloatArray:
    """Return the probability to reach the goal after each event (N,) of a chunk, as :func:`filter_goal` knows it."""
    kinds = np.array([kind.share for kind in world.kinds])
    visits = chunk.visits
    return filter_goal(
        compile_world(world), visits.setting, chunk.walks, visits.visitor, visits.blocker_prior, kinds, intent_nodes()
    )


def filter_goal(
    rules: Rules,
    setting: Setting,
    walks: Walks,
    visitor: IntArray,
    blocker_prior: FloatArray,
    kind_prior: FloatArray,
    nodes: FloatArray,
) -> FloatArray:
    """Return the probability to reach the goal after each event (N,), given all of the visitor's events until then.

    The sessions of a ``visitor`` (S,) stand together in order of time; ``blocker_prior`` is (S, B), ``nodes`` are as
    :func:`intent_nodes` gives them.
    """
    never = np.full(len(visitor), -1)
    context, odds = _contexts(rules, setting, kind_prior, nodes)
    answer: FloatArray = _filter(
        rules, setting, walks, visitor, blocker_prior, kind_prior, nodes, never, context, odds, True
    )[0]
    return answer


def filter_remedies(world: World, chunk: "Chunk", decided: IntArray) -> FloatArray:
    """Return the probability to reach the goal with each remedy shown (S, T), nothing first, as a filter knows it.

    Asked at the event with the place ``decided`` (S,) in each session, before anything was shown; -1 for never, and
    then the answer is NaN. No choice that goes by the same events can do better on average than by these.
    """
    rules, visits = compile_world(world), chunk.visits
    kinds, nodes = np.array([kind.share for kind in world.kinds]), intent_nodes()
    context, odds = _contexts(rules, visits.setting, kinds, nodes)
    answer: FloatArray = _filter(
        rules,
        visits.setting,
        chunk.walks,
        visits.visitor,
        visits.blocker_prior,
        kinds,
        nodes,
        decided,
        context,
        odds,
        False,
    )[1]
    return answer


def _contexts(rules: Rules, setting: Setting, kind_prior: FloatArray, nodes: FloatArray) -> tuple[IntArray, Odds]:
    visible = np.stack((setting.changed.astype(np.float64), setting.leave, setting.advance), axis=1)
    different, context = np.unique(visible, axis=0, return_inverse=True)
    latent = (len(rules.exits), len(kind_prior), len(nodes))
    each = (len(different), len(rules.relief), *latent)
    stages, levels = len(rules.advance), len(rules.upset)
    step = (*each, stages, levels)
    return context.reshape(-1), Odds(
        np.zeros(each[:2], np.int64),
        np.empty(step),
        np.empty(step),
        np.empty(step),
        np.empty((*each, stages + 1, levels)),
    )


@numba.njit(cache=True)
def _filter(
    rules: Rules,
    setting: Setting,
    walks: Walks,
    visitor: IntArray,
    blocker_prior: FloatArray,
    kind_prior: FloatArray,
    nodes: FloatArray,
    decided: IntArray,
    context: IntArray,
    odds: Odds,
    every_event: bool,
) -> tuple[FloatArray, FloatArray]:
    blockers, kinds, grid, remedies = rules.exits.shape[0], len(kind_prior), len(nodes), len(rules.relief)
    stages = len(rules.advance)
    answer, chosen = np.full(len(walks.code), np.nan), np.full((len(visitor), remedies), np.nan)
    known = np.empty((kinds, grid))
    log_weight = np.empty((blockers, kinds, grid))
    log_emission, log_marks = np.log(rules.emission + 1e-300), np.log(rules.marks + 1e-300)
    log_back, log_stay = np.log(rules.back + 1e-300), np.log(1.0 - rules.back)
    for s in range(len(visitor)):
        if s == 0 or visitor[s] != visitor[s - 1]:
            for c in range(kinds):
                known[c, :] = np.log(kind_prior[c] + 1e-300) - 0.5 * nodes * nodes
        changed, shown, at = setting.changed[s], 0, context[s]
        for b in range(blockers):
            log_weight[b] = known + np.log(blocker_prior[s, b])
        _fill(rules, setting, s, shown, nodes, odds, at)
        stage, level = 0, 0
        for n in range(walks.starts[s], walks.starts[s + 1]):
            move, event, gap = walks.move[n], walks.code[n], walks.gap_us[n]
            after = walks.stage[n]
            for b in range(blockers):
                for c in range(kinds):
                    same = 0.0
                    if rules.has_marks[event]:
                        same += log_marks[event, b, walks.mark[n]]
                    if move == STAY:
                        same += log_emission[changed, stage, b, c, event] + log_stay[stage]
                    if move == BACK:
                        same += log_back[stage]
                    if gap >= 1_000 and move in (STAY, ONWARD, BACK, ATTEMPT, SUCCESS, FAILURE):
                        answered = move in (SUCCESS, FAILURE)
                        same += log_pause_odds(rules, after, b, c, answered, (gap - 1_000) / 1e6)
                    if move == FAILURE:
                        same += np.log(failure_odds(rules, b, shown))
                    if move == SUCCESS:
                        same += np.log(1.0 - failure_odds(rules, b, shown))
                    for i in range(grid):
                        more = same
                        if move in (STAY, BACK):
                            more += odds.log_rest[at, shown, b, c, i, stage, level]
                        elif move in (ONWARD, ATTEMPT):
                            more += odds.log_advance[at, shown, b, c, i, stage, level]
                        log_weight[b, c, i] += more
            # What is shown on entering a stage was not there yet when the visitor decided to enter it.
            if walks.remedy[n] != shown:
                shown = walks.remedy[n]
                _fill(rules, setting, s, shown, nodes, odds, at)
            if move not in (START, SHOWN):
                stage, level = after, walks.level[n]
            place = stages if move == ATTEMPT else stage
            if every_event:
                answer[n] = 1.0 if move == SUCCESS else _mean(log_weight, odds.goal[at, shown], place, level)
            if n - walks.starts[s] == decided[s]:
                for t in range(remedies):
                    _fill(rules, setting, s, t, nodes, odds, at)
                    chosen[s, t] = _mean(log_weight, odds.goal[at, t], place, level)
        if walks.converted[s] == 0:
            for b in range(blockers):
                for c in range(kinds):
                    for i in range(grid):
                        log_weight[b, c, i] += odds.log_leave[at, shown, b, c, i, stage, level]
        top = log_weight.max()
        for c in range(kinds):
            for i in range(grid):
                total = 0.0
                for b in range(blockers):
                    total += np.exp(log_weight[b, c, i] - top)
                known[c, i] = np.log(total + 1e-300)
    return answer, chosen


@numba.njit(cache=True)
def _fill(rules: Rules, setting: Setting, s: int, shown: int, nodes: FloatArray, odds: Odds, at: int) -> None:
    if odds.filled[at, shown]:
        return
    odds.filled[at, shown] = 1
    for b in range(odds.goal.shape[2]):
        for c in range(odds.goal.shape[3]):
            for i in range(len(nodes)):
                away, onward, _own = step_odds(
                    rules, setting.changed[s], setting.leave[s], setting.advance[s], nodes[i], b, c, shown
                )
                odds.log_leave[at, shown, b, c, i] = np.log(away)
                odds.log_advance[at, shown, b, c, i] = np.log(onward)
                odds.log_rest[at, shown, b, c, i] = np.log(1.0 - away - onward)
                odds.goal[at, shown, b, c, i] = reach_goal(rules, setting.changed[s], away, onward, b, c, shown)


@numba.njit(cache=True)
def _mean(log_weight: FloatArray, value: FloatArray, stage: int, level: int) -> float:
    top, total, weighted = log_weight.max(), 0.0, 0.0
    for b in range(log_weight.shape[0]):
        for c in range(log_weight.shape[1]):
            for i in range(log_weight.shape[2]):
                weight = np.exp(log_weight[b, c, i] - top)
                total += weight
                weighted += weight * value[b, c, i, stage, level]
    return weighted / total
