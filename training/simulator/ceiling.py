"""The best that can be known from what is visible: the posterior over the latent draws, weighted by importance.

The draws come from the prior: every blocker and kind of visitor with every node of the intent. A draw's weight is its
prior times the true probability of all that the visitor did so far, earlier visits included; the answer is the mean of
the draws' true probabilities to reach the goal. No model that sees the same events can do better on average.
"""

from typing import TYPE_CHECKING

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
    probabilities: FloatArray = filter_goal(
        compile_world(world), visits.setting, chunk.walks, visits.visitor, visits.blocker_prior, kinds, intent_nodes()
    )
    return probabilities


@numba.njit(cache=True)
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
    blockers, kinds, grid = rules.exits.shape[0], len(kind_prior), len(nodes)
    stages = len(rules.advance)
    answer = np.empty(len(walks.code))
    known = np.empty((kinds, grid))
    log_weight = np.empty((blockers, kinds, grid))
    leave = np.empty((blockers, kinds, grid, stages, 3))
    advance = np.empty((blockers, kinds, grid, stages, 3))
    value = np.empty((blockers, kinds, grid, stages + 1, 3))
    log_emission, log_marks = np.log(rules.emission + 1e-300), np.log(rules.marks + 1e-300)
    for s in range(len(visitor)):
        if s == 0 or visitor[s] != visitor[s - 1]:
            for c in range(kinds):
                known[c, :] = np.log(kind_prior[c] + 1e-300) - 0.5 * nodes * nodes
        changed, shown = setting.changed[s], 0
        for b in range(blockers):
            log_weight[b] = known + np.log(blocker_prior[s, b])
        _tables(rules, setting, s, shown, nodes, leave, advance, value)
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
                        same += log_emission[changed, stage, b, c, event]
                    if gap > 0 and move in (STAY, ONWARD, BACK, ATTEMPT, SUCCESS, FAILURE):
                        answered = move in (SUCCESS, FAILURE)
                        same += log_pause_odds(rules, after, b, c, answered, (gap - 1_000) / 1e6)
                    if move == FAILURE:
                        same += np.log(failure_odds(rules, b, shown))
                    if move == SUCCESS:
                        same += np.log(1.0 - failure_odds(rules, b, shown))
                    for i in range(grid):
                        more = same
                        if move in (STAY, BACK):
                            rest = 1.0 - leave[b, c, i, stage, level] - advance[b, c, i, stage, level]
                            more += np.log(rest * (rules.back[stage] if move == BACK else 1.0 - rules.back[stage]))
                        elif move in (ONWARD, ATTEMPT):
                            more += np.log(advance[b, c, i, stage, level])
                        log_weight[b, c, i] += more
            # What is shown on entering a stage was not there yet when the visitor decided to enter it.
            if walks.remedy[n] != shown:
                shown = walks.remedy[n]
                _tables(rules, setting, s, shown, nodes, leave, advance, value)
            if move not in (START, SHOWN):
                stage, level = after, walks.level[n]
            pending = move == ATTEMPT
            answer[n] = 1.0 if move == SUCCESS else _mean(log_weight, value, stages if pending else stage, level)
        if walks.converted[s] == 0:
            for b in range(blockers):
                for c in range(kinds):
                    for i in range(grid):
                        log_weight[b, c, i] += np.log(leave[b, c, i, stage, level])
        top = log_weight.max()
        for c in range(kinds):
            for i in range(grid):
                total = 0.0
                for b in range(blockers):
                    total += np.exp(log_weight[b, c, i] - top)
                known[c, i] = np.log(total + 1e-300)
    return answer


@numba.njit(cache=True)
def _tables(
    rules: Rules,
    setting: Setting,
    s: int,
    shown: int,
    nodes: FloatArray,
    leave: FloatArray,
    advance: FloatArray,
    value: FloatArray,
) -> None:
    for b in range(leave.shape[0]):
        for c in range(leave.shape[1]):
            for i in range(len(nodes)):
                away, onward, _own = step_odds(
                    rules, setting.changed[s], setting.leave[s], setting.advance[s], nodes[i], b, c, shown
                )
                leave[b, c, i], advance[b, c, i] = away, onward
                value[b, c, i] = reach_goal(rules, setting.changed[s], away, onward, b, c, shown)


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
