"""Compile a feature table into the flat arrays that the kernel runs on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from features.events import US_PER_SECOND, FloatArray, IntArray
from features.scan import (
    SCOPES,
    Clock,
    Combination,
    Expression,
    Per,
    Scan,
    ScanKind,
    Value,
    ValueKind,
    scans,
)
from features.table import CONTEXT_COLUMNS, TREATMENT_PREFIX, FeatureTable

UNKNOWN_CODE = 0
"""The event code of every name that the journey does not declare."""
SESSION_START_CODE = 1
"""The event code of the moment before a session's first event."""
TREATMENT_CODE = 2
"""The event code of what was shown to people (``intervention_*``): it has no steps, not even those of any event."""
FIRST_NAME_CODE = 3

# Cells that the kernel itself keeps, before those of the scans.
PREVIOUS_AT, STAGE, VISITOR_PREVIOUS_AT = 0, 1, 0

# Reading codes continue where the scans' own end.
READ_DIFFERENCE, READ_RATIO, READ_HOUR, READ_WEEKDAY, READ_STAGE = 100, 101, 102, 103, 104

# Columns of `steps`.
OP, CELL, SOURCE, COLUMN, BOUND_FROM, BOUND_TO, NEAR_CELL, EXTRA = range(8)
# Columns of `codes`.
STEP_FROM, STEP_TO, NEAR_FROM, NEAR_TO, STAGE_ENTERED = range(5)

_NAN = float("nan")
_INITIAL_CELLS: dict[ScanKind, tuple[float, ...]] = {
    ScanKind.COUNT: (0.0,),
    ScanKind.TOTAL: (0.0,),
    ScanKind.MEAN: (0.0, 0.0),
    ScanKind.LAST: (_NAN,),
    ScanKind.FIRST: (_NAN,),
    ScanKind.PEAK: (_NAN,),
    ScanKind.LOW: (_NAN,),
    ScanKind.SINCE: (_NAN,),
    ScanKind.SINCE_FIRST: (_NAN,),
    ScanKind.RECENT: (0.0, _NAN),
    ScanKind.STREAK: (0.0,),
    ScanKind.DISTINCT: (0.0,),
    ScanKind.DROPS: (0.0, _NAN),
}


class PlanArrays(NamedTuple):
    """What the kernel reads; every member is an array, so that one compiled kernel serves every plan."""

    codes: NDArray[np.int32]
    """(C, 5) per event code: its steps from/to, its `within` cells from/to, the stage that it enters or -1."""
    steps: NDArray[np.int32]
    """(K, 8) operation, cell, value source, value column, bounds from/to, cell of `within` or -1, extra."""
    step_numbers: FloatArray
    """(K, 2) decay per second, microseconds of `within`."""
    bounds: FloatArray
    """(B, 3) value column, lowest and highest number let through."""
    near_cells: NDArray[np.int32]
    """Cells of latest times, for `within`."""
    initial: FloatArray
    """(M,) cells at the start of a visitor: session scope, then stage scope, then visitor scope."""
    scope_starts: IntArray
    """(4,) offsets of the three scopes in the cells."""
    distinct_scopes: IntArray
    """(D,) scope of each distinct scan."""
    readings: NDArray[np.int32]
    """(Q, 4) operation, target register, operand or cell a, operand b; operands before their users."""
    reading_rates: FloatArray
    """(Q,) decay per second."""
    clock: IntArray
    """(Z, 2) moments in microseconds at which the time zone's offset changes, and the offset from then on."""


@dataclass(frozen=True)
class Plan:
    """A compiled feature table: what to read off an event, and what the kernel does with it."""

    table: FeatureTable
    columns: tuple[Value, ...]
    codes: dict[str, int]
    arrays: PlanArrays
    register_count: int
    fingerprint: str

    def code_of(self, name: str) -> int:
        """Return the code of an event name: its own, that of undeclared names, or that of what was shown."""
        undeclared = TREATMENT_CODE if name.startswith(TREATMENT_PREFIX) else UNKNOWN_CODE
        return self.codes.get(name, undeclared)

    @cached_property
    def no_values(self) -> FloatArray:
        """(P,) the columns of an event that has none of them; shared, so copy before filling."""
        return np.full(len(self.columns), _NAN)

    @cached_property
    def property_columns(self) -> dict[str, tuple[tuple[int, ValueKind], ...]]:
        """Per property, which columns are read off it, and as what."""
        return _columns_by_name((place, column) for place, column in enumerate(self.columns) if not _is_context(column))

    @cached_property
    def context_columns(self) -> dict[str, tuple[tuple[int, ValueKind], ...]]:
        """Per member of an event that is no property, which columns are read off it, and as what."""
        return _columns_by_name((place, column) for place, column in enumerate(self.columns) if _is_context(column))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Feature names in column order."""
        return self.table.names

    @cached_property
    def fresh_state(self) -> tuple[FloatArray, IntArray, IntArray]:
        """Cells, generations and seen values of a visitor without earlier sessions; shared, so copy before stepping."""
        # The kernel is written in terms of plans, so a plan cannot import it any earlier.
        from features import kernel

        cells = self.arrays.initial.copy()
        generations = np.zeros(len(self.arrays.distinct_scopes), np.int64)
        seen = np.zeros((kernel.EMPTY_SEEN_ROWS, 3), np.int64)
        kernel.open_visitor(self.arrays, cells, generations, seen)
        return cells, generations, seen

    @cached_property
    def uses_visitor_history(self) -> bool:
        """Whether any feature looks at the visitor's earlier sessions."""
        return any(
            scan.per == "visitor" or scan.value.kind is ValueKind.ABSENCE
            for feature in self.table.features
            for scan in scans(feature.expression)
        )


def _is_context(column: Value) -> bool:
    return column.name in CONTEXT_COLUMNS


def _columns_by_name(columns: Iterable[tuple[int, Value]]) -> dict[str, tuple[tuple[int, ValueKind], ...]]:
    found: dict[str, tuple[tuple[int, ValueKind], ...]] = {}
    for place, column in columns:
        found[column.name] = (*found.get(column.name, ()), (place, column.kind))
    return found


def compile_plan(table: FeatureTable) -> Plan:
    """Return the plan of a feature table; equal scans share their state."""
    return _Compilation(table).finish()


class _Cells:
    """Allocates cells per scope; addresses are final only once every scope's size is known."""

    def __init__(self) -> None:
        self.initial: dict[Per, list[float]] = {"session": [_NAN, -1.0], "stage": [], "visitor": [_NAN]}

    def take(self, scope: Per, values: tuple[float, ...]) -> tuple[Per, int]:
        start = len(self.initial[scope])
        self.initial[scope].extend(values)
        return scope, start

    def starts(self) -> list[int]:
        offsets = [0]
        for scope in SCOPES:
            offsets.append(offsets[-1] + len(self.initial[scope]))
        return offsets


class _Compilation:
    def __init__(self, table: FeatureTable) -> None:
        self.table = table
        heard = [name for name in table.events if not name.startswith(TREATMENT_PREFIX)]
        self.codes = {name: FIRST_NAME_CODE + index for index, name in enumerate(heard)}
        self.treatments = {name: TREATMENT_CODE for name in table.events if name not in self.codes}
        self.all_scans = list(dict.fromkeys(scan for feature in table.features for scan in scans(feature.expression)))
        self.columns = self._find_columns()
        self.cells = _Cells()
        self.slots = {scan: self.cells.take(scan.per, _INITIAL_CELLS[scan.kind]) for scan in self.all_scans}
        self.near = self._allocate_near()
        self.distinct = [scan for scan in self.all_scans if scan.kind is ScanKind.DISTINCT]
        self.starts = self.cells.starts()

    def finish(self) -> Plan:
        readings, register_count = self._readings()
        step_starts, steps, step_numbers, bounds = self._steps()
        near_starts, near_cells = self._near_updates()
        arrays = PlanArrays(
            codes=np.column_stack(
                (step_starts[:-1], step_starts[1:], near_starts[:-1], near_starts[1:], self._stage_entered())
            ).astype(np.int32),
            steps=steps,
            step_numbers=step_numbers,
            bounds=np.array(bounds, np.float64).reshape(-1, 3),
            near_cells=near_cells,
            initial=np.array([value for scope in SCOPES for value in self.cells.initial[scope]], np.float64),
            scope_starts=np.array(self.starts, np.int64),
            distinct_scopes=np.array([SCOPES.index(scan.per) for scan in self.distinct], np.int64),
            readings=np.array([reading[:4] for reading in readings], np.int32).reshape(-1, 4),
            reading_rates=np.array([reading[4] for reading in readings], np.float64),
            clock=offsets_of(self.table.timezone),
        )
        return Plan(
            self.table, self.columns, self.codes | self.treatments, arrays, register_count, self.table.fingerprint
        )

    def _find_columns(self) -> tuple[Value, ...]:
        wanted: dict[Value, None] = {}
        for scan in self.all_scans:
            if scan.value.kind in (ValueKind.NUMBER, ValueKind.KEY):
                wanted[scan.value] = None
            for name, _, _ in scan.on.bounds:
                wanted[Value(ValueKind.NUMBER, name)] = None
        return tuple(wanted)

    def _allocate_near(self) -> dict[tuple[tuple[str, ...], Per], tuple[Per, int]]:
        near: dict[tuple[tuple[str, ...], Per], tuple[Per, int]] = {}
        for scan in self.all_scans:
            if scan.on.near is not None:
                wanted = (scan.on.near[1], scan.per)
                if wanted not in near:
                    near[wanted] = self.cells.take(scan.per, (_NAN,))
        return near

    def _address(self, place: tuple[Per, int]) -> int:
        return self.starts[SCOPES.index(place[0])] + place[1]

    def _by_code(self, listens: Callable[[int], list[Any]]) -> tuple[IntArray, list[Any]]:
        starts, entries = [0], []
        for code in range(FIRST_NAME_CODE + len(self.codes)):
            entries += listens(code)
            starts.append(len(entries))
        return np.array(starts, np.int64), entries

    def _codes_of(self, names: tuple[str, ...]) -> set[int]:
        if not names:
            return {UNKNOWN_CODE, *self.codes.values()}
        return {self.codes[name] for name in names}

    def _listened(self, scan: Scan) -> set[int]:
        if scan.on.starts_session:
            return {SESSION_START_CODE}
        return self._codes_of((scan.among or scan.on).names)

    def _steps(
        self,
    ) -> tuple[IntArray, NDArray[np.int32], FloatArray, list[tuple[int, float, float]]]:
        bounds: list[tuple[int, float, float]] = []
        ranges: dict[Scan, tuple[int, int]] = {}
        for scan in self.all_scans:
            start = len(bounds)
            bounds += [
                (self.columns.index(Value(ValueKind.NUMBER, name)), low, high) for name, low, high in scan.on.bounds
            ]
            ranges[scan] = (start, len(bounds))
        listened = {scan: self._listened(scan) for scan in self.all_scans}
        starts, entries = self._by_code(
            lambda code: [(code, scan) for scan in self.all_scans if code in listened[scan]]
        )
        steps = np.zeros((len(entries), 8), np.int32)
        for row, (code, scan) in enumerate(entries):
            column = self.columns.index(scan.value) if scan.value in self.columns else 0
            near = -1 if scan.on.near is None else self._address(self.near[scan.on.near[1], scan.per])
            steps[row] = (
                scan.kind,
                self._address(self.slots[scan]),
                scan.value.kind,
                column,
                *ranges[scan],
                near,
                self._extra(scan, code),
            )
        numbers = [(_rate(scan), (scan.on.near or (0.0,))[0] * US_PER_SECOND) for _, scan in entries]
        return starts, steps, np.array(numbers, np.float64).reshape(-1, 2), bounds

    def _extra(self, scan: Scan, code: int) -> int:
        if scan.kind is ScanKind.DISTINCT:
            return self.distinct.index(scan)
        # A streak also hears the events that break it: 1 marks those that may extend it.
        return int(code in self._codes_of(scan.on.names)) if scan.kind is ScanKind.STREAK else 0

    def _near_updates(self) -> tuple[IntArray, NDArray[np.int32]]:
        starts, cells = self._by_code(
            lambda code: [
                self._address(place) for (names, _), place in self.near.items() if code in self._codes_of(names)
            ]
        )
        return starts, np.array(cells, np.int32)

    def _stage_entered(self) -> NDArray[np.int32]:
        entered = np.full(FIRST_NAME_CODE + len(self.codes), -1, np.int32)
        for index, stage in enumerate(self.table.stages):
            for name in stage.filter.names:
                entered[self.codes[name]] = index
        return entered

    def _readings(self) -> tuple[list[tuple[int, int, int, int, float]], int]:
        registers: dict[Expression, int] = {}
        readings: list[tuple[int, int, int, int, float]] = []
        spare = len(self.table.features)

        def read(expression: Expression, target: int) -> None:
            nonlocal spare
            match expression:
                case Combination(operator=operator, left=left, right=right):
                    for operand in (left, right):
                        if operand not in registers:
                            spare += 1
                            read(operand, spare - 1)
                    operation = READ_DIFFERENCE if operator == "-" else READ_RATIO
                    readings.append((operation, target, registers[left], registers[right], 0.0))
                case Scan() as scan:
                    readings.append((scan.kind, target, self._address(self.slots[scan]), 0, _rate(scan)))
                case Clock(kind=kind):
                    readings.append((READ_HOUR + kind, target, 0, 0, 0.0))
            registers.setdefault(expression, target)

        for target, feature in enumerate(self.table.features):
            read(feature.expression, target)
        return readings, spare


def _rate(scan: Scan) -> float:
    return float(np.log(2.0) / scan.half_life) if scan.kind is ScanKind.RECENT else 0.0


@lru_cache
def offsets_of(timezone: str) -> IntArray:
    """Return when a time zone's offset changes and the offset from then on, both in microseconds, (Z, 2).

    Covers 1995 to 2060; before and after, the nearest offset holds.
    """
    zone = ZoneInfo(timezone)

    def offset_at(moment: datetime) -> int:
        offset = moment.astimezone(zone).utcoffset()
        return int((offset or timedelta()) / timedelta(microseconds=1))

    moment, end = datetime(1995, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
    changes, offsets = [0], [offset_at(moment)]
    while moment < end:
        following = moment + timedelta(days=7)
        if offset_at(following) != offsets[-1]:
            low, high = moment, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (low, middle) if offset_at(middle) != offsets[-1] else (middle, high)
            changes.append(int(high.timestamp()) * US_PER_SECOND)
            offsets.append(offset_at(high))
        moment = following
    return np.column_stack((np.array(changes, np.int64), np.array(offsets, np.int64)))
