"""Whoever works on the slices and buckets of a log, what is read of it is the same."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.events import EncodedLog
from features.export import export_features
from features.friction import Friction
from features.plan import Plan, compile_plan
from features.read_log import read_log
from features.scan import count, distinct, last, prop
from features.scan import key as key_value
from features.table import Feature, FeatureTable, Stage

TIMEOUT_SECONDS = 1_800.0
NAMES = ("view", "buy", "identify", "alias", "odd")


@dataclass(frozen=True)
class Elsewhere:
    """Works as a cluster does: on copies, twice as after the loss of a worker, and the last part first."""

    folder: Path
    workers: int = 3
    threads: int = 1

    def map(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> Iterator[Any]:
        sent = [pickle.dumps((work, part)) for part in parts]
        for packed in sent:
            function, part = pickle.loads(packed)  # noqa: S301 (packed right here)
            function(part)
        done = {}
        for place in reversed(range(len(sent))):
            function, part = pickle.loads(sent[place])  # noqa: S301 (the same)
            done[place] = pickle.dumps(function(part))
        return (pickle.loads(done[place]) for place in range(len(sent)))  # noqa: S301 (the same)

    def require_seen(self, path: Path) -> None:
        assert path.is_absolute()
        assert path.exists()

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        yield self.folder


@pytest.fixture(scope="module")
def plan() -> Plan:
    features = (
        Feature("price", last(prop("price")), Friction.PRICE, "{:.2f} euros"),
        Feature("products", distinct(key_value("product"), "view"), Friction.CHOICE, "{:.0f} products"),
        Feature("views_ever", count("view", per="visitor"), Friction.NONE, "{:.0f} views so far"),
    )
    return compile_plan(FeatureTable(NAMES[:-1], (Stage("browse", "view"),), features))


def _events(seed: int) -> list[dict[str, Any]]:
    """Events with duplicated ids, sessions of several visitors, users of several visitors, aliases and bad rows."""
    source = np.random.default_rng(seed)
    found = []
    for number in range(160):
        visitor = int(source.integers(40))
        user = visitor // 3 if source.random() < 0.9 else int(source.integers(13))
        name = NAMES[source.choice(len(NAMES), p=(0.5, 0.2, 0.2, 0.02, 0.08))]
        found.append(
            {
                "event_id": f"e{source.integers(150)}",
                "visitor_id": None if number % 50 == 7 else f"v{visitor}",
                "session_id": f"s{visitor - source.integers(2)}" if source.random() < 0.5 else None,
                "user_id": f"u{user}" if source.random() < 0.3 and number % 50 != 7 else None,
                "name": name,
                "occurred_at": 1_714_557_600_000_000 + int(source.integers(0, 6 * 3_600)) * 1_000_000,
                "received_at": 1_714_557_600_000_000 + number * 10**9 if source.random() < 0.7 else None,
                "properties": f'{{"price": {number}, "product": "p{number % 3}", "previous_id": "u{number % 5}"}}',
            }
        )
    return found


def _write(folder: Path, events: list[dict[str, Any]], files: int) -> Path:
    folder.mkdir()
    whole = pa.Table.from_pylist(events)
    for column in ("occurred_at", "received_at"):
        place = whole.column_names.index(column)
        whole = whole.set_column(place, column, whole[column].cast(pa.timestamp("us", tz="UTC")))
    bounds = np.linspace(0, len(whole), files + 1).astype(int)
    for number, (begin, end) in enumerate(pairwise(bounds)):
        part = whole.slice(begin, end - begin)
        # Not every file has every column.
        dropped = [name for name in ("user_id", "received_at") if part[name].null_count == len(part)]
        pq.write_table(part.drop_columns(dropped), folder / f"{number}.parquet")
    return folder


def _same(one: EncodedLog, other: EncodedLog) -> bool:
    assert one.histories is not None or other.histories is None
    return pickle.dumps(_plain(one)) == pickle.dumps(_plain(other))


def _plain(log: EncodedLog) -> list[Any]:
    columns = (log.session_ids, log.visitor_ids, log.user_ids, log.event_ids, log.persons, log.starts, log.at_us)
    plain = [column.tolist() for column in (*columns, log.codes)]
    return [*plain, log.values.tobytes(), repr(log.histories)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_workers_that_see_one_slice_each_read_what_one_process_reads(tmp_path: Path, plan: Plan, seed: int) -> None:
    folder = tmp_path
    log = _write(folder / "events", _events(seed), 7)
    read = []
    for name, options in (("here", {}), ("there", {"engine": Elsewhere(folder / "scratch")})):
        refused = folder / f"{name}.jsonl"
        with read_log(
            log, plan, timeout_seconds=TIMEOUT_SECONDS, batch_events=40, quarantine=refused, **options
        ) as found:
            read.append((found.summary, list(found.batches()), refused.read_text(), found.gathered.displaced.keys()))
    (summary, batches, refused_rows, displaced), (other, others, other_rows, other_displaced) = read
    assert summary == other
    assert summary.deduplicated > 0
    assert refused_rows == other_rows
    assert displaced == other_displaced
    assert len(batches) == len(others) > 1
    assert all(_same(one, two) for one, two in zip(batches, others, strict=True))


@pytest.mark.parametrize("name", ["it's mine", "day=3", "a[b]*c?"])
def test_the_scratch_folder_may_have_any_name(tmp_path: Path, plan: Plan, name: str) -> None:
    log = _write(tmp_path / "events", _events(1), 1)
    read = []
    for options in ({}, {"engine": Elsewhere(tmp_path / name / "scratch")}):
        with read_log(log, plan, timeout_seconds=TIMEOUT_SECONDS, batch_events=100, **options) as found:
            read.append(found.whole())
    assert _same(*read)


def test_a_folder_of_parts_holds_the_rows_of_the_single_file_in_their_order(tmp_path: Path, plan: Plan) -> None:
    log = _write(tmp_path / "events", _events(3), 4)
    options: dict[str, Any] = {"timeout_seconds": TIMEOUT_SECONDS, "batch_events": 40}
    rows, summary = export_features(plan, log, tmp_path / "one.parquet", **options)
    engine = Elsewhere(tmp_path / "scratch")
    assert export_features(plan, log, tmp_path / "many", engine=engine, **options) == (rows, summary)
    parts = sorted((tmp_path / "many").iterdir())
    assert [part.name for part in parts] == [f"part-{number:05}.parquet" for number in range(len(parts))]
    assert len(parts) > 1
    assert pa.concat_tables(pq.read_table(part) for part in parts).equals(pq.read_table(tmp_path / "one.parquet"))


def test_a_log_without_event_ids_numbers_its_rows_over_all_slices(tmp_path: Path, plan: Plan) -> None:
    events = [{key: value for key, value in event.items() if key != "event_id"} for event in _events(5)]
    log = _write(tmp_path / "events", events, 5)
    ids = []
    for options in ({}, {"engine": Elsewhere(tmp_path / "scratch")}):
        with read_log(log, plan, timeout_seconds=TIMEOUT_SECONDS, **options) as read:
            ids.append(sorted(read.whole().event_ids.tolist()))
            assert read.summary.deduplicated == 0
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == len(ids[0])
