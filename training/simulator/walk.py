"""Sessions drawn step by step from the rules of a world."""

from typing import NamedTuple

import numba
import numpy as np

from features.events import FloatArray, IntArray
from training.simulator.dynamics import failure_odds, step_odds
from training.simulator.pauses import draw_pause
from training.simulator.properties import Real, Whole
from training.simulator.rules import Rules
from training.simulator.world import LEVELS

MAX_EVENTS = 150
"""A session that has so many events ends at its next step; few would go on."""
AT_ONCE = 8
"""More events than one step can bring."""
STAY, ONWARD, BACK, FOLLOW_UP, SUCCESS, FAILURE, ATTEMPT, SHOWN, START = range(9)
"""How an event came about; a follow-up and an intervention shown tell nothing about the visitor."""


class Setting(NamedTuple):
    """What is given about each of S sessions before it starts."""

    intent: FloatArray
    kind: IntArray
    blocker: IntArray
    changed: IntArray
    """1 after the policy change."""
    leave: FloatArray
    """Log-odds that the visible context adds to leaving."""
    advance: FloatArray
    openings: IntArray
    """(S, O) codes of the events that the session starts with, -1 for none; O is less than ``AT_ONCE``."""


class Walks(NamedTuple):
    """N events of S sessions; session ``s`` owns ``starts[s]:starts[s + 1]``."""

    starts: IntArray
    code: Whole
    gap_us: IntArray
    """(N,) microseconds since the event before, 0 for a tie."""
    move: Whole
    stage: Whole
    """(N,) where the visitor is after the event."""
    level: Whole
    mark: Whole
    noise: Real
    """(N,) a uniform number for what the property's value is made of."""
    product: Whole
    price: Real
    basket: Real
    items: Whole
    remedy: Whole
    """(N,) the intervention that has been shown so far, 0 for none."""
    propensity: Real
    caused_exit: IntArray
    """(S,) 1 where the planted blocker made the visitor leave."""
    converted: IntArray
    """(S,)"""


class Begin(NamedTuple):
    """Where S sessions stand when they are walked on from: at their start, or right after an event."""

    stage: IntArray
    level: IntArray
    remedy: IntArray
    """The intervention that is shown right away, 0 for none."""
    propensity: FloatArray
    product: IntArray
    price: FloatArray
    basket: FloatArray
    items: IntArray
    seen: IntArray
    """How many events there were before."""


def at_start(sessions: int) -> Begin:
    """Return where sessions stand before anything has happened."""
    whole, real = np.zeros(sessions, np.int64), np.zeros(sessions)
    return Begin(whole, whole, whole, np.ones(sessions), np.full(sessions, -1), real, real, whole, whole)


def walk(rules: Rules, setting: Setting, ties: float, rng: np.random.Generator) -> Walks:
    """Draw S sessions; ``ties`` is the share of steps that have the time of the event before."""
    walks: Walks = walk_on(rules, setting, at_start(len(setting.intent)), ties, rng)
    return walks


@numba.njit(cache=True)
def draw(probabilities: FloatArray, rng: np.random.Generator) -> int:
    """Return an index drawn from probabilities that sum to one."""
    point, total = rng.random(), 0.0
    for index in range(len(probabilities)):
        total += probabilities[index]
        if point < total:
            return index
    return len(probabilities) - 1


@numba.njit(cache=True)
def _show(rules: Rules, queue: IntArray, how: IntArray, waiting: int, rng: np.random.Generator) -> int:
    """Queue that an intervention is shown, and perhaps taken up or closed; return how many events wait."""
    queue[waiting], how[waiting] = len(rules.level) - 3, SHOWN
    waiting += 1
    answer = rng.random()
    if answer < 0.45:
        queue[waiting], how[waiting] = len(rules.level) - (2 if answer < 0.15 else 1), SHOWN
        waiting += 1
    return waiting


@numba.njit(cache=True)
def walk_on(rules: Rules, setting: Setting, begin: Begin, ties: float, rng: np.random.Generator) -> Walks:
    """Draw how S sessions go on from where they stand; those that begin in the middle need no openings."""
    sessions = len(setting.intent)
    most = sessions * (MAX_EVENTS + AT_ONCE)
    starts = np.zeros(sessions + 1, np.int64)
    code, move, stage_after = np.empty(most, np.int16), np.empty(most, np.int8), np.empty(most, np.int8)
    gap_us, level_after, mark = np.empty(most, np.int64), np.empty(most, np.int8), np.empty(most, np.int8)
    noise, price, basket = np.empty(most, np.float32), np.empty(most, np.float32), np.empty(most, np.float32)
    product, items, remedy = np.empty(most, np.int32), np.empty(most, np.int16), np.empty(most, np.int8)
    propensity = np.empty(most, np.float32)
    caused, converted = np.zeros(sessions, np.int64), np.zeros(sessions, np.int64)
    stages, view, add, remove = len(rules.advance), rules.basket[0], rules.basket[1], rules.basket[2]
    n = 0
    for s in range(sessions):
        b, c, changed = setting.blocker[s], setting.kind[s], setting.changed[s]
        stage, level, shown, odds_of = begin.stage[s], begin.level[s], begin.remedy[s], begin.propensity[s]
        leave, advance, own = step_odds(
            rules, changed, setting.leave[s], setting.advance[s], setting.intent[s], b, c, shown
        )
        at_product, at_price = begin.product[s], begin.price[s]
        in_basket, in_items = begin.basket[s], begin.items[s]
        pending, start_of, seen = False, n, begin.seen[s]
        queue = np.full(AT_ONCE, -1, np.int64)
        how = np.zeros(AT_ONCE, np.int64)
        waiting = 0
        for opening in setting.openings[s]:
            if opening >= 0:
                queue[waiting], how[waiting] = opening, START
                waiting += 1
        if shown > 0:
            waiting = _show(rules, queue, how, waiting, rng)
        going = True
        while going or waiting > 0:
            if waiting > 0:
                event, moved = queue[0], how[0]
                for place in range(waiting - 1):
                    queue[place], how[place] = queue[place + 1], how[place + 1]
                waiting -= 1
            elif pending:
                pending = False
                if rng.random() < failure_odds(rules, b, shown):
                    event, moved, level = rules.goal[2], FAILURE, LEVELS - 1
                else:
                    event, moved, going = rules.goal[1], SUCCESS, False
                    converted[s] = 1
            else:
                point = rng.random()
                if point < leave[stage, level] or n - start_of + seen >= MAX_EVENTS:
                    caused[s] = 1 if point >= own[stage, level] and point < leave[stage, level] else 0
                    break
                if point < leave[stage, level] + advance[stage, level]:
                    level = 0
                    if stage == stages - 1:
                        event, moved, pending = rules.goal[0], ATTEMPT, True
                    else:
                        stage += 1
                        event, moved = rules.entry[stage, 0], ONWARD
                        if rules.entry[stage, 1] >= 0:
                            queue[waiting], how[waiting] = rules.entry[stage, 1], FOLLOW_UP
                            waiting += 1
                        if shown == 0 and rng.random() < rules.decide[stage]:
                            odds = np.append(1.0, rules.options[stage, 1:].astype(np.float64))
                            odds /= odds.sum()
                            chosen = draw(odds, rng)
                            if chosen > 0:
                                shown, odds_of = chosen, odds[chosen]
                                waiting = _show(rules, queue, how, waiting, rng)
                                leave, advance, own = step_odds(
                                    rules, changed, setting.leave[s], setting.advance[s], setting.intent[s], b, c, shown
                                )
                elif rng.random() < rules.back[stage]:
                    stage, level = stage - 1, 0
                    event, moved = rules.back_event[stage + 1], BACK
                else:
                    event, moved = draw(rules.emission[changed, stage, b, c], rng), STAY
                    level = rules.level[event]
            # Properties.
            if event == view:
                at_product = int(rng.integers(0, len(rules.prices)))
                at_price = rules.prices[at_product]
            elif event == add:
                if at_product < 0:
                    at_product = int(rng.integers(0, len(rules.prices)))
                    at_price = rules.prices[at_product]
                in_basket += at_price
                in_items += 1
            elif event == remove and in_items > 0:
                in_basket *= (in_items - 1) / in_items
                in_items -= 1
            code[n], move[n], stage_after[n], level_after[n] = event, moved, stage, level
            mark[n] = draw(rules.marks[event, b], rng) if rules.has_marks[event] else 0
            noise[n], product[n], price[n] = rng.random(), at_product, at_price
            basket[n], items[n] = in_basket, in_items
            remedy[n], propensity[n] = shown, odds_of
            if n == start_of and seen == 0:
                gap_us[n] = 0
            elif moved in (FOLLOW_UP, SHOWN, START):
                gap_us[n] = 0 if rng.random() < ties * 8.0 else int(1e3 * (80.0 + 1400.0 * rng.random()))
            elif rng.random() < ties:
                gap_us[n] = 0
            else:
                seconds = draw_pause(rules, stage, b, c, moved in (SUCCESS, FAILURE), rng)
                gap_us[n] = int(1e3 * np.round(1e3 * seconds)) + 1_000
            n += 1
        starts[s + 1] = n
    return Walks(
        starts, code[:n], gap_us[:n], move[:n], stage_after[:n], level_after[:n], mark[:n], noise[:n], product[:n],
        price[:n], basket[:n], items[:n], remedy[:n], propensity[:n], caused, converted,
    )  # fmt: skip
