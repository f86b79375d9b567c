"""Measure a funnel on a log: people's best attempts, counted, timed, broken down and laid out over days."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from features.events import IntArray
from features.source import CANONICAL, Source
from features.staging import Progress
from insights.days import day_edges_us, day_of, day_start_us
from insights.funnel.arrange import part_by_value
from insights.funnel.declare import NO_LIMIT_US, Attribution, Funnel, Order
from insights.funnel.events import FunnelEvents, read_events
from insights.funnel.kernel import NOWHERE, PlaceArray
from insights.funnel.result import Day, FunnelResult, Group, StepCount
from insights.funnel.search import Attempts, find_attempts
from insights.funnel.times import Durations, measure_durations
from insights.funnel.touch import first_values, last_values
from insights.intervals import Estimate, estimate_share


def measure_funnel(
    funnel: Funnel,
    log: Path | Iterable[pa.RecordBatch],
    *,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    threads: int = 2,
    memory_gb: float = 3.0,
    progress: Progress = lambda _phase, _fraction: None,
    now: datetime | None = None,
) -> FunnelResult:
    """Return the figures of a funnel on a log: a path, or batches as ``storage.event_log.EventLog.batches`` streams.

    Raises ``features.log_files.LogError`` and ``insights.funnel.steps.FunnelError``.
    """
    events = read_events(
        funnel,
        log,
        source=source,
        quarantine=quarantine,
        threads=threads,
        memory_gb=memory_gb,
        progress=progress,
        now=now,
    )
    progress("following people", 0.0)
    return count_funnel(funnel, events, threads)


def count_funnel(funnel: Funnel, events: FunnelEvents, threads: int = 2) -> FunnelResult:
    """Return the figures of a funnel on events that have been read for it."""
    period_us = _period_us(funnel)
    first_day, last_day = _days(funnel, events)
    edges = day_edges_us(first_day, last_day, funnel.timezone)
    attempts = find_attempts(funnel, events.starts, events.at_us, events.bits, period_us, edges, threads)
    days = tuple(
        Day(
            day=first_day + timedelta(days=number),
            hours=(edges[number + 1] - edges[number]) / 3.6e9,
            counts=tuple(int(count) for count in counts),
            conversion=estimate_share(int(counts[funnel.required[-1]]), int(counts[0])),
        )
        for number, counts in enumerate(attempts.daily)
    )
    kept = attempts.places[~attempts.excluded]
    return FunnelResult(
        funnel=funnel,
        steps=_count_steps(funnel, kept, events.at_us),
        excluded=int(attempts.excluded.sum()),
        time=_whole_time(funnel, kept, events.at_us),
        groups=tuple(_break_down(funnel, events, attempts, period_us, threads)) if funnel.by else (),
        days=days,
        summary=events.summary,
    )


def _period_us(funnel: Funnel) -> tuple[int, int]:
    begins = day_start_us(funnel.since, funnel.timezone) if funnel.since else -NO_LIMIT_US
    ends = day_start_us(funnel.until + timedelta(days=1), funnel.timezone) if funnel.until else NO_LIMIT_US
    return begins, ends


def _days(funnel: Funnel, events: FunnelEvents) -> tuple[date, date]:
    """The days that are counted: those of the period that the log reaches, at least one."""
    first = day_of(events.summary.first_at_us, funnel.timezone)
    last = day_of(events.summary.last_at_us, funnel.timezone)
    since, until = max(first, funnel.since or first), min(last, funnel.until or last)
    return (since, until) if since <= until else (since, since)


def _count_steps(funnel: Funnel, places: PlaceArray, at_us: IntArray) -> tuple[StepCount, ...]:
    taken = places != NOWHERE
    counts = taken.sum(axis=0)
    steps = []
    before = 0
    for step, declared in enumerate(funnel.steps):
        is_first = step == 0
        share = None if is_first else estimate_share(int(counts[step]), int(counts[before]))
        steps.append(
            StepCount(
                name=declared.text,
                count=int(counts[step]),
                optional=declared.optional,
                conversion=estimate_share(int(counts[step]), int(counts[0])),
                step_conversion=share,
                drop_off=share and Estimate(1 - share.value, 1 - share.high, 1 - share.low),
                dropped=None if is_first else int(counts[before] - counts[step]),
                time=None if is_first else _step_time(funnel, places, at_us, step),
            )
        )
        before = before if declared.optional else step
    return tuple(steps)


def _step_time(funnel: Funnel, places: PlaceArray, at_us: IntArray, step: int) -> Durations | None:
    rows = places[places[:, step] != NOWHERE]
    if funnel.order is Order.UNORDERED:
        begun = _first_place(rows)
    elif funnel.steps[step].optional:
        begun = rows[:, :step].max(axis=1, initial=NOWHERE)
    else:
        begun = rows[:, max(place for place in funnel.required if place < step)]
    return measure_durations(at_us[rows[:, step]] - at_us[begun])


def _whole_time(funnel: Funnel, places: PlaceArray, at_us: IntArray) -> Durations | None:
    if len(funnel.required) < 2:
        return None
    required = places[:, list(funnel.required)]
    through = required[(required != NOWHERE).all(axis=1)]
    return measure_durations(at_us[through.max(axis=1, initial=NOWHERE)] - at_us[_first_place(through)])


def _first_place(places: PlaceArray) -> PlaceArray:
    highest = np.iinfo(np.int32).max
    first: PlaceArray = np.where(places == NOWHERE, highest, places).min(axis=1, initial=highest)
    return first


def _break_down(
    funnel: Funnel, events: FunnelEvents, attempts: Attempts, period_us: tuple[int, int], threads: int
) -> Iterator[Group]:
    """Yield the groups, the largest first and those without a value last among equals."""
    places, at_us = attempts.places[~attempts.excluded], events.at_us
    match funnel.attribution:
        case Attribution.ALL:
            starts, at_us, bits, values = part_by_value(events.starts, events.at_us, events.bits, events.values)
            no_days = np.array([-NO_LIMIT_US, NO_LIMIT_US], np.int64)
            alike = find_attempts(funnel, starts, at_us, bits, period_us, no_days, threads)
            places = alike.places[~alike.excluded]
            owned = values[starts[alike.person[~alike.excluded]]]
        case Attribution.FIRST | Attribution.LAST:
            touched = first_values if funnel.attribution is Attribution.FIRST else last_values
            lows = events.starts[attempts.person[~attempts.excluded]]
            owned = touched(lows, places, events.values, events.bits, (1 << len(funnel.steps)) - 1)
        case Attribution.STEP if funnel.attribution_step is not None:
            places = places[places[:, funnel.attribution_step] != NOWHERE]
            owned = events.values[places[:, funnel.attribution_step]]
        case Attribution.STEP:
            yield from _each_step_its_own(funnel, places, events)
            return
    # Sorted once, so that many groups cost no more than few.
    order = np.argsort(owned, kind="stable")
    codes, begins = np.unique(owned[order], return_index=True)
    parts = np.split(places[order], begins[1:])
    groups = [
        Group(_text(events, int(code)), _count_steps(funnel, part, at_us))
        for code, part in zip(codes, parts, strict=False)
    ]
    yield from sorted(groups, key=_rank)


def _each_step_its_own(funnel: Funnel, places: PlaceArray, events: FunnelEvents) -> Iterator[Group]:
    counts = np.zeros((len(events.value_texts) + 1, len(funnel.steps)), np.int64)
    for step in range(len(funnel.steps)):
        taken = places[:, step][places[:, step] != NOWHERE]
        # Code -1 stands at the end.
        np.add.at(counts[:, step], events.values[taken], 1)
    groups = [
        Group(
            None if code == len(events.value_texts) else events.value_texts[code],
            tuple(
                StepCount(step.text, int(count), step.optional, None, None, None, None, None)
                for step, count in zip(funnel.steps, counts[code], strict=True)
            ),
        )
        for code in np.flatnonzero(counts.any(axis=1))
    ]
    yield from sorted(groups, key=_rank)


def _rank(group: Group) -> tuple[list[int], bool, str]:
    return [-step.count for step in group.steps], group.value is None, group.value or ""


def _text(events: FunnelEvents, code: int) -> str | None:
    return events.value_texts[code] if code >= 0 else None
