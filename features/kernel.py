"""The one kernel: the only code that turns events into features, for history and for the live session alike.

The state of one visitor is three arrays: ``cells`` (the scans' numbers), ``generations`` (which values of a distinct
scan still count) and ``seen`` (a hash table of those values, which :func:`advance` may replace by a larger one).
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

from features.events import CodeArray, FloatArray, IntArray
from features.plan import (
    BOUND_FROM,
    BOUND_TO,
    CELL,
    COLUMN,
    EXTRA,
    NEAR_CELL,
    OP,
    PREVIOUS_AT,
    READ_DIFFERENCE,
    READ_HOUR,
    READ_RATIO,
    READ_STAGE,
    READ_WEEKDAY,
    SESSION_START_CODE,
    SOURCE,
    STAGE,
    PlanArrays,
)
from features.scan import ScanKind, ValueKind

COUNT, TOTAL, MEAN, LAST, FIRST = (
    int(ScanKind.COUNT),
    int(ScanKind.TOTAL),
    int(ScanKind.MEAN),
    int(ScanKind.LAST),
    int(ScanKind.FIRST),
)
PEAK, LOW, SINCE, SINCE_FIRST = int(ScanKind.PEAK), int(ScanKind.LOW), int(ScanKind.SINCE), int(ScanKind.SINCE_FIRST)
RECENT, STREAK, DISTINCT, DROPS = (
    int(ScanKind.RECENT),
    int(ScanKind.STREAK),
    int(ScanKind.DISTINCT),
    int(ScanKind.DROPS),
)
ONE, NUMBER, KEY = int(ValueKind.ONE), int(ValueKind.NUMBER), int(ValueKind.KEY)
GAP, ABSENCE, POSITION = int(ValueKind.GAP), int(ValueKind.ABSENCE), int(ValueKind.POSITION)

US = 1e6
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000
EMPTY_SEEN_ROWS = 65
SESSION_SCOPE, STAGE_SCOPE, VISITOR_SCOPE = 0, 1, 2


@numba.njit(cache=True)
def open_visitor(plan: PlanArrays, cells: FloatArray, generations: IntArray, seen: IntArray) -> None:
    """Forget everything: the next event is the first of a visitor."""
    cells[:] = plan.initial
    for slot in range(generations.shape[0]):
        seen[0, 1] += 1
        generations[slot] = seen[0, 1]


@numba.njit(cache=True)
def _reset(plan: PlanArrays, cells: FloatArray, generations: IntArray, seen: IntArray, scope: int) -> None:
    for cell in range(plan.scope_starts[scope], plan.scope_starts[scope + 1]):
        cells[cell] = plan.initial[cell]
    for slot in range(generations.shape[0]):
        if plan.distinct_scopes[slot] == scope:
            seen[0, 1] += 1
            generations[slot] = seen[0, 1]


@numba.njit(cache=True)
def _bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


@numba.njit(cache=True)
def _hash(bits: int, slot: int, generation: int) -> int:
    # splitmix64's finaliser (Steele, Lea and Flood 2014) over the three parts.
    mixed = np.uint64(bits) ^ (np.uint64(slot) * np.uint64(0x9E3779B97F4A7C15))
    mixed ^= np.uint64(generation) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((mixed ^ (mixed >> np.uint64(31))) & np.uint64(0x7FFFFFFFFFFFFFFF))


@numba.njit(cache=True)
def _place(seen: IntArray, bits: int, slot: int, generation: int) -> bool:
    size = seen.shape[0] - 1
    row = _hash(bits, slot, generation) % size + 1
    while seen[row, 2] != 0:
        if seen[row, 0] == bits and seen[row, 1] == slot and seen[row, 2] == generation:
            return False
        row = row % size + 1
    seen[row, 0] = bits
    seen[row, 1] = slot
    seen[row, 2] = generation
    seen[0, 0] += 1
    return True


@numba.njit(cache=True)
def _make_room(seen: IntArray, generations: IntArray) -> IntArray:
    # Row 0 holds the number of entries and the latest generation; at half full, the dead entries are dropped.
    if seen[0, 0] * 2 < seen.shape[0]:
        return seen
    alive = 0
    for row in range(1, seen.shape[0]):
        if seen[row, 2] != 0 and generations[seen[row, 1]] == seen[row, 2]:
            alive += 1
    size = seen.shape[0] - 1
    roomy = np.zeros((size * 2 + 1 if alive * 4 > size else size + 1, 3), np.int64)
    roomy[0, 1] = seen[0, 1]
    for row in range(1, seen.shape[0]):
        if seen[row, 2] != 0 and generations[seen[row, 1]] == seen[row, 2]:
            _place(roomy, seen[row, 0], seen[row, 1], seen[row, 2])
    return roomy


@numba.njit(cache=True)
def _passes(plan: PlanArrays, step: int, cells: FloatArray, at_us: int, values: FloatArray) -> bool:
    for bound in range(plan.steps[step, BOUND_FROM], plan.steps[step, BOUND_TO]):
        value = values[plan.bound_columns[bound]]
        # Written so that NaN fails.
        if not (value >= plan.bound_lows[bound] and value <= plan.bound_highs[bound]):
            return False
    near = plan.steps[step, NEAR_CELL]
    return bool(near < 0 or at_us - cells[near] <= plan.step_near_us[step])


@numba.njit(cache=True)
def _step(
    plan: PlanArrays,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: int,
    code: int,
    values: FloatArray,
    gap: float,
    absence: float,
    position: float,
) -> IntArray:
    for step in range(plan.step_starts[code], plan.step_starts[code + 1]):
        operation = plan.steps[step, OP]
        cell = plan.steps[step, CELL]
        passes = _passes(plan, step, cells, at_us, values)
        if operation == STREAK:
            cells[cell] = cells[cell] + 1.0 if passes and plan.steps[step, EXTRA] == 1 else 0.0
            continue
        if not passes:
            continue
        if operation == COUNT:
            cells[cell] += 1.0
            continue
        if operation == SINCE:
            cells[cell] = at_us
            continue
        if operation == SINCE_FIRST:
            if math.isnan(cells[cell]):
                cells[cell] = at_us
            continue
        source = plan.steps[step, SOURCE]
        if source in (NUMBER, KEY):
            value = values[plan.steps[step, COLUMN]]
        elif source == ONE:
            value = 1.0
        elif source == GAP:
            value = gap
        elif source == ABSENCE:
            value = absence
        else:
            value = position
        if math.isnan(value):
            continue
        if operation == TOTAL:
            cells[cell] += value
        elif operation == MEAN:
            cells[cell] += value
            cells[cell + 1] += 1.0
        elif operation == LAST:
            cells[cell] = value
        elif operation == FIRST:
            if math.isnan(cells[cell]):
                cells[cell] = value
        elif operation == PEAK:
            if not (cells[cell] >= value):
                cells[cell] = value
        elif operation == LOW:
            if not (cells[cell] <= value):
                cells[cell] = value
        elif operation == RECENT:
            if cells[cell] != 0.0:
                elapsed = (at_us - cells[cell + 1]) / US
                cells[cell] = cells[cell] * math.exp(-elapsed * plan.step_rates[step]) + value
            else:
                cells[cell] = value
            cells[cell + 1] = at_us
        elif operation == DISTINCT:
            slot = plan.steps[step, EXTRA]
            seen = _make_room(seen, generations)
            # Adding zero makes -0.0 the same value as 0.0.
            if _place(seen, _bits(value + 0.0), slot, generations[slot]):
                cells[cell] += 1.0
        elif operation == DROPS:
            if value < cells[cell + 1]:
                cells[cell] += 1.0
            cells[cell + 1] = value
    for entry in range(plan.near_starts[code], plan.near_starts[code + 1]):
        cells[plan.near_cells[entry]] = at_us
    return seen


@numba.njit(cache=True)
def advance(
    plan: PlanArrays,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: int,
    code: int,
    values: FloatArray,
    opens_session: bool,
) -> IntArray:
    """Step the state of one visitor forward by one event, and return the table of seen values.

    ``values`` is the event's row of the plan's columns; ``opens_session`` marks a session's first event.
    """
    visitor_previous = plan.scope_starts[VISITOR_SCOPE]
    gap = math.nan
    if opens_session:
        _reset(plan, cells, generations, seen, SESSION_SCOPE)
        _reset(plan, cells, generations, seen, STAGE_SCOPE)
        absence = (at_us - cells[visitor_previous]) / US
        seen = _step(plan, cells, generations, seen, at_us, SESSION_START_CODE, values, math.nan, absence, math.nan)
    else:
        gap = (at_us - cells[PREVIOUS_AT]) / US
    entered = plan.stage_entered[code]
    if entered > cells[STAGE]:
        cells[STAGE] = entered
        _reset(plan, cells, generations, seen, STAGE_SCOPE)
    position = float(entered) if entered >= 0 else math.nan
    seen = _step(plan, cells, generations, seen, at_us, code, values, gap, math.nan, position)
    cells[PREVIOUS_AT] = at_us
    cells[visitor_previous] = at_us
    return seen


@numba.njit(cache=True)
def _local_us(plan: PlanArrays, at_us: int) -> int:
    change = 0
    while change + 1 < plan.clock_at_us.shape[0] and plan.clock_at_us[change + 1] <= at_us:
        change += 1
    return int(at_us + plan.clock_offsets_us[change])


@numba.njit(cache=True)
def evaluate(plan: PlanArrays, cells: FloatArray, at_us: int, registers: FloatArray) -> None:
    """Read the features at a moment into ``registers``, whose first F numbers they are; the state stays as it is."""
    for reading in range(plan.readings.shape[0]):
        operation = plan.readings[reading, 0]
        target = plan.readings[reading, 1]
        a = plan.readings[reading, 2]
        if operation == MEAN:
            value = cells[a] / cells[a + 1] if cells[a + 1] > 0.0 else math.nan
        elif operation in (SINCE, SINCE_FIRST):
            value = (at_us - cells[a]) / US
        elif operation == RECENT:
            value = cells[a]
            if value != 0.0:
                value = value * math.exp(-(at_us - cells[a + 1]) / US * plan.reading_rates[reading])
        elif operation == READ_DIFFERENCE:
            value = registers[a] - registers[plan.readings[reading, 3]]
        elif operation == READ_RATIO:
            divisor = registers[plan.readings[reading, 3]]
            value = registers[a] / divisor if divisor != 0.0 else math.nan
        elif operation == READ_HOUR:
            value = float(_local_us(plan, at_us) // HOUR_US % 24)
        elif operation == READ_WEEKDAY:
            value = float((_local_us(plan, at_us) // DAY_US + 3) % 7)
        elif operation == READ_STAGE:
            value = cells[STAGE] if cells[STAGE] >= 0.0 else math.nan
        else:
            value = cells[a]
        registers[target] = value


@numba.njit(cache=True)
def carry(
    plan: PlanArrays,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: IntArray,
    codes: CodeArray,
    values: FloatArray,
    starts: IntArray,
    first: int,
    last: int,
    before_us: int,
) -> IntArray:
    """Bring a visitor's state to the moment before a session opens, from sessions ``first`` to ``last - 1``.

    Only events before ``before_us`` count, in the order of their time and, where equal, of their sessions; so
    sessions that overlap never tell a later one what had not happened yet.
    """
    open_visitor(plan, cells, generations, seen)
    following = starts[first:last].copy()
    while True:
        chosen = -1
        for session in range(first, last):
            event = following[session - first]
            waits = event < starts[session + 1] and at_us[event] < before_us
            if waits and (chosen < 0 or at_us[event] < at_us[following[chosen - first]]):
                chosen = session
        if chosen < 0:
            return seen
        event = following[chosen - first]
        opens = event == starts[chosen]
        if not opens:
            cells[PREVIOUS_AT] = at_us[event - 1]
        seen = advance(plan, cells, generations, seen, at_us[event], codes[event], values[event], opens)
        following[chosen - first] += 1


@numba.njit(cache=True)
def replay(
    plan: PlanArrays,
    at_us: IntArray,
    codes: CodeArray,
    values: FloatArray,
    starts: IntArray,
    opens_visitor: NDArray[np.bool_],
    cut_session: IntArray,
    cut_after: IntArray,
    cut_at_us: IntArray,
    register_count: int,
    out: FloatArray,
) -> None:
    """Loop :func:`advance` and :func:`evaluate` over whole visitors and write the row of each cutoff into ``out``."""
    cells = plan.initial.copy()
    generations = np.zeros(plan.distinct_scopes.shape[0], np.int64)
    seen = np.zeros((EMPTY_SEEN_ROWS, 3), np.int64)
    registers = np.empty(register_count, np.float64)
    features = out.shape[1]
    cut = 0
    first_of_visitor = 0
    latest_us = np.int64(0)
    tangled = False
    for session in range(starts.shape[0] - 1):
        begin = starts[session]
        if opens_visitor[session]:
            open_visitor(plan, cells, generations, seen)
            first_of_visitor = session
            tangled = False
            latest_us = at_us[starts[session + 1] - 1]
        else:
            overlaps = at_us[begin] <= latest_us
            if overlaps or tangled:
                seen = carry(
                    plan,
                    cells,
                    generations,
                    seen,
                    at_us,
                    codes,
                    values,
                    starts,
                    first_of_visitor,
                    session,
                    at_us[begin],
                )
            tangled = overlaps
            latest_us = max(latest_us, at_us[starts[session + 1] - 1])
        for event in range(begin, starts[session + 1]):
            seen = advance(plan, cells, generations, seen, at_us[event], codes[event], values[event], event == begin)
            while cut < cut_session.shape[0] and cut_session[cut] == session and cut_after[cut] == event - begin + 1:
                evaluate(plan, cells, cut_at_us[cut], registers)
                for feature in range(features):
                    out[cut, feature] = registers[feature]
                cut += 1


@numba.njit(cache=True)
def replay_session(
    plan: PlanArrays,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: IntArray,
    codes: CodeArray,
    values: FloatArray,
    cut_after: IntArray,
    cut_at_us: IntArray,
    registers: FloatArray,
    out: FloatArray,
) -> None:
    """Replay one session on a visitor's carried state, which it changes, and write the rows of its cutoffs."""
    event = 0
    for cut in range(cut_after.shape[0]):
        while event < cut_after[cut]:
            seen = advance(plan, cells, generations, seen, at_us[event], codes[event], values[event], event == 0)
            event += 1
        evaluate(plan, cells, cut_at_us[cut], registers)
        out[cut, :] = registers[: out.shape[1]]
