"""The one kernel: the only code that turns events into features, for history and for the live session alike.

The state of one visitor is three arrays: ``cells`` (the scans' numbers), ``generations`` (which values of a distinct
scan still count) and ``seen`` (a hash table of those values, which :func:`with_room` replaces by a larger one in time).
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

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
    NEAR_FROM,
    NEAR_TO,
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
    STAGE_ENTERED,
    STEP_FROM,
    STEP_TO,
    TREATMENT_CODE,
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

# Counting references costs more than a step. So the loops unpack the plan once, what they call is inlined and takes
# arrays, and the innermost loop is compiled without Numba's run time, which is where the counting happens.
_inlined = numba.njit(cache=True, inline="always")
_Compiled = TypeVar("_Compiled", bound=Callable[..., object])
_uncounted: Callable[[_Compiled], _Compiled] = cast(Any, numba).njit(cache=True, _nrt=False)


@_inlined
def _reset(
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    initial: FloatArray,
    scope_starts: IntArray,
    distinct_scopes: IntArray,
    scope: int,
) -> None:
    for cell in range(scope_starts[scope], scope_starts[scope + 1]):
        cells[cell] = initial[cell]
    for slot in range(generations.shape[0]):
        if distinct_scopes[slot] == scope:
            seen[0, 1] += 1
            generations[slot] = seen[0, 1]


@_inlined
def _bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


@_inlined
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
    row = (_hash(bits, slot, generation) & (size - 1)) + 1
    while seen[row, 2] != 0:
        if seen[row, 0] == bits and seen[row, 1] == slot and seen[row, 2] == generation:
            return False
        row = (row & (size - 1)) + 1
    seen[row, 0] = bits
    seen[row, 1] = slot
    seen[row, 2] = generation
    seen[0, 0] += 1
    return True


@numba.njit(cache=True)
def with_room(seen: IntArray, generations: IntArray, events: int) -> IntArray:
    """Return a table of seen values with room for so many more events, at most half full.

    Row 0 holds the number of entries and the latest generation; the number of other rows is a power of two.
    Entries of an older generation are dropped.
    """
    size = seen.shape[0] - 1
    if (seen[0, 0] + events * generations.shape[0]) * 2 <= size:
        return seen
    alive = 0
    for row in range(1, size + 1):
        if seen[row, 2] != 0 and generations[seen[row, 1]] == seen[row, 2]:
            alive += 1
    # Twice what is needed now, so that the next sessions need no new table.
    while (alive + events * generations.shape[0]) * 4 > size:
        size *= 2
    roomy = np.zeros((size + 1, 3), np.int64)
    roomy[0, 1] = seen[0, 1]
    for row in range(1, seen.shape[0]):
        if seen[row, 2] != 0 and generations[seen[row, 1]] == seen[row, 2]:
            _place(roomy, seen[row, 0], seen[row, 1], seen[row, 2])
    return roomy


@_inlined
def _passes(
    steps: NDArray[np.int32],
    step_numbers: FloatArray,
    bounds: FloatArray,
    step: int,
    cells: FloatArray,
    at_us: int,
    values: FloatArray,
    event: int,
) -> bool:
    passes = True
    for bound in range(steps[step, BOUND_FROM], steps[step, BOUND_TO]):
        value = values[event, int(bounds[bound, 0])]
        # Written so that NaN fails.
        if not (value >= bounds[bound, 1] and value <= bounds[bound, 2]):
            passes = False
    near = steps[step, NEAR_CELL]
    if near >= 0 and not (at_us - cells[near] <= step_numbers[step, 1]):
        passes = False
    return passes


@_inlined
def _step(
    codes: NDArray[np.int32],
    steps: NDArray[np.int32],
    step_numbers: FloatArray,
    bounds: FloatArray,
    near_cells: NDArray[np.int32],
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: int,
    code: int,
    values: FloatArray,
    event: int,
    gap: float,
    absence: float,
    position: float,
) -> None:
    for step in range(codes[code, STEP_FROM], codes[code, STEP_TO]):
        operation = steps[step, OP]
        cell = steps[step, CELL]
        passes = _passes(steps, step_numbers, bounds, step, cells, at_us, values, event)
        if operation == STREAK:
            cells[cell] = cells[cell] + 1.0 if passes and steps[step, EXTRA] == 1 else 0.0
        elif passes:
            source = steps[step, SOURCE]
            if source == ONE:
                value = 1.0
            elif source == NUMBER or source == KEY:  # noqa: PLR1714, SIM109 -- the kernel compiles this, not a set
                value = values[event, steps[step, COLUMN]]
            elif source == GAP:
                value = gap
            elif source == ABSENCE:
                value = absence
            else:
                value = position
            if math.isnan(value):
                pass
            elif operation == COUNT:
                cells[cell] += 1.0
            elif operation == SINCE:
                cells[cell] = at_us
            elif operation == LAST:
                cells[cell] = value
            elif operation == TOTAL:
                cells[cell] += value
            elif operation == MEAN:
                cells[cell] += value
                cells[cell + 1] += 1.0
            elif operation == SINCE_FIRST:
                if math.isnan(cells[cell]):
                    cells[cell] = at_us
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
                    cells[cell] *= math.exp(-elapsed * step_numbers[step, 0])
                cells[cell] += value
                cells[cell + 1] = at_us
            elif operation == DISTINCT:
                slot = steps[step, EXTRA]
                # Adding zero makes -0.0 the same value as 0.0.
                if _place(seen, _bits(value + 0.0), slot, generations[slot]):
                    cells[cell] += 1.0
            elif operation == DROPS:
                if value < cells[cell + 1]:
                    cells[cell] += 1.0
                cells[cell + 1] = value
    for entry in range(codes[code, NEAR_FROM], codes[code, NEAR_TO]):
        cells[near_cells[entry]] = at_us


@_inlined
def _advance(
    codes: NDArray[np.int32],
    steps: NDArray[np.int32],
    step_numbers: FloatArray,
    bounds: FloatArray,
    near_cells: NDArray[np.int32],
    initial: FloatArray,
    scope_starts: IntArray,
    distinct_scopes: IntArray,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: int,
    code: int,
    values: FloatArray,
    event: int,
    opens_session: bool,
) -> None:
    visitor_previous = scope_starts[VISITOR_SCOPE]
    gap = math.nan
    heard = code != TREATMENT_CODE
    if opens_session:
        _reset(cells, generations, seen, initial, scope_starts, distinct_scopes, SESSION_SCOPE)
        _reset(cells, generations, seen, initial, scope_starts, distinct_scopes, STAGE_SCOPE)
    else:
        gap = (at_us - cells[PREVIOUS_AT]) / US
    entered = codes[code, STAGE_ENTERED]
    if entered > cells[STAGE]:
        cells[STAGE] = entered
        _reset(cells, generations, seen, initial, scope_starts, distinct_scopes, STAGE_SCOPE)
    # The start of a session is a moment of its own, before its first event: the loop runs twice then.
    for moment in range(0 if opens_session else 1, 2 if heard else 1):
        starts_session = moment == 0
        _step(
            codes,
            steps,
            step_numbers,
            bounds,
            near_cells,
            cells,
            generations,
            seen,
            at_us,
            SESSION_START_CODE if starts_session else code,
            values,
            event,
            math.nan if starts_session else gap,
            (at_us - cells[visitor_previous]) / US if starts_session else math.nan,
            math.nan if starts_session or entered < 0 else float(entered),
        )
    if heard:
        cells[PREVIOUS_AT] = at_us
        cells[visitor_previous] = at_us


@_inlined
def _evaluate(
    readings: NDArray[np.int32],
    reading_rates: FloatArray,
    clock: IntArray,
    cells: FloatArray,
    at_us: int,
    registers: FloatArray,
) -> None:
    for reading in range(readings.shape[0]):
        operation = readings[reading, 0]
        a = readings[reading, 2]
        if operation == MEAN:
            value = cells[a] / cells[a + 1] if cells[a + 1] > 0.0 else math.nan
        elif operation == SINCE or operation == SINCE_FIRST:  # noqa: PLR1714, SIM109 -- as above
            value = (at_us - cells[a]) / US
        elif operation == RECENT:
            value = cells[a]
            if value != 0.0:
                value *= math.exp(-(at_us - cells[a + 1]) / US * reading_rates[reading])
        elif operation == READ_DIFFERENCE:
            value = registers[a] - registers[readings[reading, 3]]
        elif operation == READ_RATIO:
            divisor = registers[readings[reading, 3]]
            value = registers[a] / divisor if divisor != 0.0 else math.nan
        elif operation == READ_HOUR:
            value = float(_local_us(clock, at_us) // HOUR_US % 24)
        elif operation == READ_WEEKDAY:
            value = float((_local_us(clock, at_us) // DAY_US + 3) % 7)
        elif operation == READ_STAGE:
            value = cells[STAGE] if cells[STAGE] >= 0.0 else math.nan
        else:
            value = cells[a]
        registers[readings[reading, 1]] = value


@numba.njit(cache=True)
def _local_us(clock: IntArray, at_us: int) -> int:
    low, high = 0, clock.shape[0]
    while high - low > 1:
        middle = (low + high) // 2
        if clock[middle, 0] <= at_us:
            low = middle
        else:
            high = middle
    return int(at_us + clock[low, 1])


@numba.njit(cache=True)
def advance(
    plan: PlanArrays,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: int,
    code: int,
    values: FloatArray,
    event: int,
    opens_session: bool,
) -> None:
    """Step the state of one visitor forward by one event; ``seen`` must have room for it.

    ``values[event]`` is the event's row of the plan's columns; ``opens_session`` marks a session's first event.
    """
    codes, steps, step_numbers, bounds, near_cells, initial, scope_starts, distinct_scopes, _, _, _ = plan
    _advance(
        codes,
        steps,
        step_numbers,
        bounds,
        near_cells,
        initial,
        scope_starts,
        distinct_scopes,
        cells,
        generations,
        seen,
        at_us,
        code,
        values,
        event,
        opens_session,
    )


@numba.njit(cache=True)
def evaluate(plan: PlanArrays, cells: FloatArray, at_us: int, registers: FloatArray) -> None:
    """Read the features at a moment into ``registers``, whose first F numbers they are; the state stays as it is."""
    _evaluate(plan.readings, plan.reading_rates, plan.clock, cells, at_us, registers)


@numba.njit(cache=True)
def open_visitor(plan: PlanArrays, cells: FloatArray, generations: IntArray, seen: IntArray) -> None:
    """Forget everything: the next event is the first of a visitor."""
    cells[:] = plan.initial
    _reset(cells, generations, seen, plan.initial, plan.scope_starts, plan.distinct_scopes, VISITOR_SCOPE)


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
    seen = with_room(seen, generations, starts[last] - starts[first])
    following = starts[first:last].copy()
    previous_at = np.empty(last - first, np.float64)
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
            cells[PREVIOUS_AT] = previous_at[chosen - first]
        advance(plan, cells, generations, seen, at_us[event], codes[event], values, event, opens)
        previous_at[chosen - first] = cells[PREVIOUS_AT]
        following[chosen - first] += 1


@_uncounted
def _replay_session(
    table: NDArray[np.int32],
    steps: NDArray[np.int32],
    step_numbers: FloatArray,
    bounds: FloatArray,
    near_cells: NDArray[np.int32],
    initial: FloatArray,
    scope_starts: IntArray,
    distinct_scopes: IntArray,
    readings: NDArray[np.int32],
    rates: FloatArray,
    clock: IntArray,
    cells: FloatArray,
    generations: IntArray,
    seen: IntArray,
    at_us: IntArray,
    codes: CodeArray,
    values: FloatArray,
    begin: int,
    end: int,
    cut_after: IntArray,
    cut_at_us: IntArray,
    cut: int,
    cut_end: int,
    registers: FloatArray,
    out: FloatArray,
) -> None:
    for event in range(begin, end):
        _advance(
            table,
            steps,
            step_numbers,
            bounds,
            near_cells,
            initial,
            scope_starts,
            distinct_scopes,
            cells,
            generations,
            seen,
            at_us[event],
            codes[event],
            values,
            event,
            event == begin,
        )
        while cut < cut_end and cut_after[cut] == event - begin + 1:
            _evaluate(readings, rates, clock, cells, cut_at_us[cut], registers)
            for feature in range(out.shape[1]):
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
    """Replay one session on a visitor's carried state, which it changes, and write the row of each cutoff."""
    table, steps, step_numbers, bounds, near_cells, initial, scope_starts, distinct_scopes, readings, rates, clock = (
        plan
    )
    _replay_session(
        table,
        steps,
        step_numbers,
        bounds,
        near_cells,
        initial,
        scope_starts,
        distinct_scopes,
        readings,
        rates,
        clock,
        cells,
        generations,
        seen,
        at_us,
        codes,
        values,
        0,
        cut_after[-1],
        cut_after,
        cut_at_us,
        0,
        cut_after.shape[0],
        registers,
        out,
    )


@numba.njit(cache=True)
def replay(
    plan: PlanArrays,
    at_us: IntArray,
    codes: CodeArray,
    values: FloatArray,
    starts: IntArray,
    opens_visitor: NDArray[np.bool_],
    cut_starts: IntArray,
    cut_after: IntArray,
    cut_at_us: IntArray,
    register_count: int,
    out: FloatArray,
) -> None:
    """Replay whole visitors, and write the row of each cutoff into ``out``.

    ``cut_starts`` (S + 1,) are the offsets of each session's cutoffs.
    """
    table, steps, step_numbers, bounds, near_cells, initial, scope_starts, distinct_scopes, readings, rates, clock = (
        plan
    )
    cells = initial.copy()
    generations = np.zeros(distinct_scopes.shape[0], np.int64)
    seen = np.zeros((EMPTY_SEEN_ROWS, 3), np.int64)
    registers = np.empty(register_count, np.float64)
    first_of_visitor = 0
    latest_us = np.int64(0)
    tangled = False
    for session in range(starts.shape[0] - 1):
        begin, end = starts[session], starts[session + 1]
        if opens_visitor[session]:
            first_of_visitor = session
            tangled = False
            latest_us = at_us[end - 1]
            _reset(cells, generations, seen, initial, scope_starts, distinct_scopes, VISITOR_SCOPE)
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
            latest_us = max(latest_us, at_us[end - 1])
        seen = with_room(seen, generations, end - begin)
        _replay_session(
            table,
            steps,
            step_numbers,
            bounds,
            near_cells,
            initial,
            scope_starts,
            distinct_scopes,
            readings,
            rates,
            clock,
            cells,
            generations,
            seen,
            at_us,
            codes,
            values,
            begin,
            end,
            cut_after,
            cut_at_us,
            cut_starts[session],
            cut_starts[session + 1],
            registers,
            out,
        )
