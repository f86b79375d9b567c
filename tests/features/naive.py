"""The oracle: every scan computed from its definition over the list of events, with no state carried along."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from features.scan import Clock, ClockKind, Combination, EventFilter, Expression, Scan, ScanKind, ValueKind
from features.table import TREATMENT_PREFIX, FeatureTable

NAN = math.nan


@dataclass(frozen=True)
class Seen:
    """One event as the definitions see it; `opens` marks a session's first."""

    session: int
    at_us: int
    name: str
    properties: dict[str, float]
    opens: bool


def treatment(event: Seen) -> bool:
    return event.name.startswith(TREATMENT_PREFIX)


def naive_row(table: FeatureTable, events: Sequence[Seen], session: int, now_us: int) -> list[float]:
    """Features of `session` at `now_us`; `events` are the visitor's, in order, up to the cutoff."""
    return [_value(table, feature.expression, events, session, now_us) for feature in table.features]


def _value(table: FeatureTable, expression: Expression, events: Sequence[Seen], session: int, now_us: int) -> float:
    match expression:
        case Combination(operator="-", left=left, right=right):
            return _value(table, left, events, session, now_us) - _value(table, right, events, session, now_us)
        case Combination(left=left, right=right):
            divisor = _value(table, right, events, session, now_us)
            return _value(table, left, events, session, now_us) / divisor if divisor != 0 else NAN
        case Clock(kind=ClockKind.STAGE):
            reached = max((_stage(table, event) for event in events if event.session == session), default=-1)
            return float(reached) if reached >= 0 else NAN
        case Clock(kind=kind):
            local = datetime.fromtimestamp(now_us // 1_000_000, UTC).astimezone(ZoneInfo(table.timezone))
            return float(local.hour if kind is ClockKind.HOUR else local.weekday())
        case Scan() as scan:
            return _scan(table, scan, events, session, now_us)
    raise AssertionError(expression)


def _stage(table: FeatureTable, event: Seen) -> int:
    return max((index for index, stage in enumerate(table.stages) if event.name in stage.filter.names), default=-1)


def _scope(table: FeatureTable, scan: Scan, events: Sequence[Seen], session: int) -> list[Seen]:
    if scan.per == "visitor":
        return list(events)
    own = [event for event in events if event.session == session]
    if scan.per == "session":
        return own
    reached, start = -1, 0
    for index, event in enumerate(own):
        if _stage(table, event) > reached:
            reached, start = _stage(table, event), index
    return own[start:]


def _passes(on: EventFilter, scope: Sequence[Seen], index: int) -> bool:
    event = scope[index]
    if on.starts_session:
        return event.opens
    if treatment(event):
        return False
    if on.names and event.name not in on.names:
        return False
    for name, low, high in on.bounds:
        if not low <= event.properties.get(name, NAN) <= high:
            return False
    if on.near is not None:
        seconds, names = on.near
        before = [other.at_us for other in scope[:index] if other.name in names]
        return bool(before) and event.at_us - before[-1] <= seconds * 1e6
    return True


def _reading(table: FeatureTable, scan: Scan, events: Sequence[Seen], event: Seen) -> float:
    place = next(index for index, other in enumerate(events) if other is event)
    heard = [other for other in events[:place] if not treatment(other)]
    earlier = [other for other in heard if other.session == event.session]
    match scan.value.kind:
        case ValueKind.ONE:
            return 1.0
        case ValueKind.NUMBER | ValueKind.KEY:
            return event.properties.get(scan.value.name, NAN)
        case ValueKind.GAP:
            return NAN if scan.on.starts_session or not earlier else (event.at_us - earlier[-1].at_us) / 1e6
        case ValueKind.ABSENCE:
            return (event.at_us - heard[-1].at_us) / 1e6 if heard and scan.on.starts_session else NAN
        case ValueKind.POSITION:
            index = _stage(table, event)
            return float(index) if index >= 0 and not scan.on.starts_session else NAN


def _scan(table: FeatureTable, scan: Scan, events: Sequence[Seen], session: int, now_us: int) -> float:
    scope = _scope(table, scan, events, session)
    if scan.kind is ScanKind.STREAK:
        names = scan.among.names if scan.among else ()
        heard = [
            index for index, event in enumerate(scope) if not treatment(event) and (not names or event.name in names)
        ]
        run = 0
        for index in heard:
            run = run + 1 if _passes(scan.on, scope, index) else 0
        return float(run)
    passing = [event for index, event in enumerate(scope) if _passes(scan.on, scope, index)]
    pairs = [(event, _reading(table, scan, events, event)) for event in passing]
    pairs = [(event, value) for event, value in pairs if not math.isnan(value)]
    values = [value for _, value in pairs]
    times = [event.at_us for event, _ in pairs]
    match scan.kind:
        case ScanKind.COUNT:
            return float(len(passing))
        case ScanKind.TOTAL:
            return float(sum(values))
        case ScanKind.MEAN:
            return sum(values) / len(values) if values else NAN
        case ScanKind.LAST:
            return values[-1] if values else NAN
        case ScanKind.FIRST:
            return values[0] if values else NAN
        case ScanKind.PEAK:
            return max(values, default=NAN)
        case ScanKind.LOW:
            return min(values, default=NAN)
        case ScanKind.SINCE:
            return (now_us - times[-1]) / 1e6 if times else NAN
        case ScanKind.SINCE_FIRST:
            return (now_us - times[0]) / 1e6 if times else NAN
        case ScanKind.RECENT:
            weights = [2.0 ** (-(now_us - at_us) / 1e6 / scan.half_life) for at_us in times]
            return float(sum(value * weight for value, weight in zip(values, weights, strict=True)))
        case ScanKind.DISTINCT:
            return float(len(set(values)))
        case ScanKind.DROPS:
            return float(sum(later < earlier for earlier, later in itertools.pairwise(values)))
    raise AssertionError(scan)
