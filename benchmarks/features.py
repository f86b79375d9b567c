"""The feature engine: events a second in the kernel, beside DuckDB's windows, and one live event.

Run: ``python -m benchmarks.features [--events N]``.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.report import Figure, Report
from features import kernel
from features.build import build, every_event
from features.encode import EncodedEvent
from features.engine import Here
from features.events import EncodedLog
from features.live import LiveSession
from features.plan import FIRST_NAME_CODE, Plan, compile_plan
from features.read_log import read_log
from features.scan import Scan, ScanKind, ValueKind
from features.table import Feature, FeatureTable
from journeys.load import load_journey
from training.simulator import simulate

ROW_EVERY = 5
WINDOWS = {
    ScanKind.COUNT: "count(*) FILTER ({on}) OVER w",
    ScanKind.TOTAL: "coalesce(sum({value}) FILTER ({on}) OVER w, 0)",
    ScanKind.MEAN: "avg({value}) FILTER ({on}) OVER w",
    ScanKind.PEAK: "max({value}) FILTER ({on}) OVER w",
    ScanKind.LOW: "min({value}) FILTER ({on}) OVER w",
    ScanKind.LAST: "last_value(CASE WHEN {on} THEN {value} END IGNORE NULLS) OVER w",
    ScanKind.FIRST: "first_value(CASE WHEN {on} THEN {value} END IGNORE NULLS) OVER w",
    ScanKind.SINCE: "(at_us - max(at_us) FILTER ({on}) OVER w) / 1e6",
    ScanKind.SINCE_FIRST: "(at_us - min(at_us) FILTER ({on}) OVER w) / 1e6",
}


def synthetic_log(plan: Plan, events: int, seed: int = 1) -> EncodedLog:
    """A log of that many events: about ten a session, two sessions a visitor, ties, and sparse values."""
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(0.1, events // 5)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    starts = starts[: int(np.searchsorted(starts, events)) + 1]
    starts[-1] = events
    sessions = len(starts) - 1
    # No feature hears what was shown to people, and DuckDB's windows would.
    heard = np.array([code for code in plan.codes.values() if code >= FIRST_NAME_CODE], np.int32)
    popularity = 1 / np.arange(1, len(heard) + 1)
    codes = rng.choice(heard, events, p=popularity / popularity.sum())
    values = rng.integers(0, 6, (events, len(plan.columns))).astype(np.float64)
    values[rng.random(values.shape) < 0.7] = np.nan
    return EncodedLog(
        np.arange(sessions).astype(str).astype(object),
        (np.arange(sessions) // 2).astype(str).astype(object),
        np.full(sessions, None, object),
        starts.astype(np.int64),
        1_700_000_000_000_000 + np.cumsum(rng.integers(0, 20, events)) * 1_000_000,
        codes,
        values,
        np.array([], object),
    )


def best_of(times: int, work: Callable[[], object]) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def measure_kernel(plan: Plan, log: EncodedLog) -> dict[str, float]:
    """Events a second of the whole table, one core, a row at every fifth event into a warm buffer."""
    cutoffs = every_event(log, ROW_EVERY)
    out = np.ones((len(cutoffs), len(plan.feature_names)))
    build(plan, log, cutoffs, out)
    seconds = best_of(5, lambda: build(plan, log, cutoffs, out))
    return {"features": len(plan.feature_names), "events": log.event_count, "events_per_s": log.event_count / seconds}


def running_table(table: FeatureTable) -> FeatureTable:
    """The features that a window query can say too: single scans of a session without `within`."""

    def sayable(feature: Feature) -> bool:
        scan = feature.expression
        if not isinstance(scan, Scan) or scan.kind not in WINDOWS:
            return False
        return (
            scan.per == "session"
            and scan.on.near is None
            and not scan.on.starts_session
            and scan.value.kind in (ValueKind.ONE, ValueKind.NUMBER, ValueKind.KEY)
        )

    return FeatureTable(table.events, table.stages, tuple(filter(sayable, table.features)), table.timezone)


def window_query(plan: Plan) -> str:
    """The same columns as DuckDB windows over the table `log`."""
    columns = []
    for feature in plan.table.features:
        scan = feature.expression
        assert isinstance(scan, Scan)
        conditions = (
            [f"code IN ({', '.join(str(plan.codes[name]) for name in scan.on.names)})"] if scan.on.names else []
        )
        conditions += [
            f"p{[value.name for value in plan.columns].index(name)} BETWEEN {low} AND {high}".replace("inf", "1e308")
            for name, low, high in scan.on.bounds
        ]
        value = f"p{plan.columns.index(scan.value)}" if scan.value in plan.columns else "1"
        window = WINDOWS[scan.kind].format(value=value, on=f"WHERE {' AND '.join(conditions) or 'true'}")
        columns.append(window.replace("CASE WHEN WHERE", "CASE WHEN") + f" AS {feature.name}")
    return f"""CREATE OR REPLACE TEMP TABLE rows AS SELECT * FROM (
        SELECT session, row_number() OVER w AS nth, {", ".join(columns)} FROM log
        WINDOW w AS (PARTITION BY session ORDER BY at_us, id ROWS UNBOUNDED PRECEDING)
    ) WHERE nth % {ROW_EVERY} = 0"""


def measure_duckdb(table: FeatureTable, events: int) -> dict[str, float]:
    """The same running columns in the kernel on one core and in DuckDB on two threads, and their ratio."""
    plan = compile_plan(running_table(table))
    log = synthetic_log(plan, events)
    kernel_rate = measure_kernel(plan, log)["events_per_s"]
    connection = duckdb.connect(config={"threads": 2})
    session = np.repeat(np.arange(log.session_count), np.diff(log.starts))
    columns = {"session": session, "id": np.arange(events), "at_us": log.at_us, "code": log.codes}
    arrow = pa.table(
        columns | {f"p{index}": pa.array(log.values[:, index], from_pandas=True) for index in range(len(plan.columns))}
    )
    connection.register("arrow_log", arrow)
    connection.execute("CREATE TABLE log AS SELECT * FROM arrow_log")
    seconds = best_of(2, lambda: connection.execute(window_query(plan)))
    named = ", ".join(plan.feature_names)
    theirs = connection.execute(f"SELECT {named} FROM rows ORDER BY session, nth").fetchnumpy()
    ours = build(plan, log, every_event(log, ROW_EVERY))
    for index, name in enumerate(plan.feature_names):
        column = np.ma.filled(np.ma.asarray(theirs[name]).astype(float), np.nan)
        np.testing.assert_allclose(ours[:, index], column, rtol=1e-9, err_msg=name)
    return {
        "columns": len(plan.feature_names),
        "kernel_events_per_s": kernel_rate,
        "duckdb_events_per_s": events / seconds,
        "ratio": kernel_rate * seconds / events,
    }


def measure_live(plan: Plan) -> dict[str, float]:
    """Microseconds of one event through the kernel and one reading, on a state at hand, and of a whole replay."""
    log = synthetic_log(plan, 20_000)
    cells, generations = plan.arrays.initial.copy(), np.zeros(len(plan.arrays.distinct_scopes), np.int64)
    seen = kernel.with_room(np.zeros((kernel.EMPTY_SEEN_ROWS, 3), np.int64), generations, log.event_count)
    kernel.open_visitor(plan.arrays, cells, generations, seen)
    registers = np.empty(plan.register_count)

    def each_event() -> None:
        for event in range(log.event_count):
            at_us = int(log.at_us[event])
            code = int(log.codes[event])
            kernel.advance(plan.arrays, cells, generations, seen, at_us, code, log.values, event, event == 0)
            kernel.evaluate(plan.arrays, cells, at_us, registers)

    each_event()
    one_event_us = best_of(3, each_event) / log.event_count * 1e6
    live = LiveSession(plan, "s", "v")
    for event in range(30):
        live.append(EncodedEvent(f"{event:03d}", int(log.at_us[event]), int(log.codes[event]), log.values[event]))
    moment = live.last_at_us
    live.row(moment)
    replay_us = best_of(3, lambda: [live.row(moment) for _ in range(2_000)]) / 2_000 * 1e6
    return {"one_event_and_reading_us": one_event_us, "replay_of_30_events_us": replay_us}


def measure_reading(sessions: int) -> float:
    """Events a second from Parquet files to feature rows in memory, one thread, checks and duplicates included."""
    journey = load_journey("ecommerce")
    plan = compile_plan(journey.table)
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        simulate("ecommerce", sessions=sessions, seed=1, out=Path(name))
        started = time.perf_counter()
        events = 0
        with read_log(
            Path(name) / "events", plan, timeout_seconds=journey.session_timeout_seconds, engine=Here(1)
        ) as read:
            for log in read.batches():
                build(plan, log, every_event(log, ROW_EVERY))
                events += log.event_count
        return events / (time.perf_counter() - started)


def run(events: int = 5_000_000) -> Report:
    """Measure all of it."""
    table = load_journey("ecommerce").table
    plan = compile_plan(table)
    whole = measure_kernel(plan, synthetic_log(plan, events))
    beside = measure_duckdb(table, min(events, 2_000_000))
    live = measure_live(plan)
    return Report(
        "The feature engine",
        f"python -m benchmarks.features --events {events}",
        [
            Figure(
                f"events a second, {whole['features']:.0f} features of ecommerce, a row at every fifth event, one core",
                f"{whole['events_per_s']:,.0f}",
                "4,000,000",
            ),
            Figure("the same with reading the log from Parquet", f"{measure_reading(max(events // 50, 1_000)):,.0f}"),
            Figure(
                f"{beside['columns']:.0f} running columns: kernel on one core, DuckDB windows on two",
                f"{beside['kernel_events_per_s']:,.0f}, {beside['duckdb_events_per_s']:,.0f}",
            ),
            Figure("kernel / DuckDB", f"{beside['ratio']:.1f} x", "10 x"),
            Figure("one live event and one reading", f"{live['one_event_and_reading_us']:.2f} us", "10 us"),
            Figure("a live session of 30 events replayed and read", f"{live['replay_of_30_events_us']:.1f} us"),
        ],
    )


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    Console().print(as_table(run(parser.parse_args().events)))
