"""Parts on Dask's workers: their order, how many wait, lost workers, errors, and a folder that all of them see."""

import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from object_store import object_store, put

from features.cluster import local_workers, open_engine
from features.cluster_engine import DaskEngine, SentWork
from features.cluster_workers import ClusterError, compare_code, describe_code, digest_code
from features.engine import Engine
from features.export import export_features
from features.plan import Plan, compile_plan
from features.read_log import ReadSummary
from features.staging import Progress
from features.store_path import StorePath, remove_folder
from journeys.load import load_journey
from training.simulator import simulate

pytestmark = pytest.mark.xdist_group("stores")


@pytest.fixture(scope="module")
def bucket() -> Iterator[StorePath]:
    with object_store() as found:
        yield found


@pytest.fixture(scope="module")
def engine(bucket: StorePath) -> Iterator[DaskEngine]:
    """Two workers, which reach the object store as well."""
    with open_engine("local:2") as opened:
        yield opened


@dataclass(frozen=True)
class Shop:
    """A simulated log in several files, with duplicates and logins, and its features as one machine makes them."""

    plan: Plan
    log: Path
    features: Path
    summary: ReadSummary

    def export(self, log: Path, out: Path, engine: Engine, progress: Progress = lambda _phase, _part: None) -> None:
        count, summary = export_features(
            self.plan, log, out, timeout_seconds=1_800, batch_events=2_000, engine=engine, progress=progress
        )
        assert summary == self.summary
        assert count == summary.used

    def assert_same(self, folder: Path) -> None:
        """Assert that a folder has the same files, byte for byte."""
        names = sorted(file.name for file in self.features.iterdir())
        assert len(names) > 2
        assert sorted(file.name for file in folder.iterdir()) == names
        for name in names:
            assert (folder / name).read_bytes() == (self.features / name).read_bytes(), name


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    simulate("ecommerce", sessions=600, seed=3, out=folder / "simulated")
    [part] = (folder / "simulated" / "events").iterdir()
    table, log = pq.read_table(part), folder / "log"
    log.mkdir()
    for number in range(4):
        step = -(-table.num_rows // 4)
        pq.write_table(table.slice(number * step, step), log / f"part-{number}.parquet")
    plan, out = compile_plan(load_journey("ecommerce").table), folder / "features"
    _, summary = export_features(plan, log, out, timeout_seconds=1_800, batch_events=2_000)
    assert summary.deduplicated > 0
    return Shop(plan, log, out, summary)


def double_slowly(number: int) -> int:
    # The first of each four is the slowest.
    time.sleep(0.05 if number % 4 else 0.2)
    return 2 * number


def number_and_process(number: int) -> tuple[int, int]:
    time.sleep(0.1)
    return number, os.getpid()


def note_down(part: tuple[Path, int]) -> int:
    folder, number = part
    (folder / f"done-{number}").write_text("")
    return number


def die(_number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def add_first(numbers: np.ndarray[tuple[int], np.dtype[np.int64]], number: int) -> int:
    return int(numbers[0]) + number


def refuse(number: int) -> int:
    if number == 3:
        raise ValueError("part 3 is refused")
    return number


def test_results_come_in_the_order_of_the_parts_from_several_processes(engine: DaskEngine) -> None:
    assert list(engine.map(double_slowly, range(9))) == [2 * number for number in range(9)]
    processes = {process for _, process in engine.map(number_and_process, range(8))}
    assert len(processes) == engine.workers == 2
    assert os.getpid() not in processes


def test_no_parts_have_no_results(engine: DaskEngine) -> None:
    assert list(engine.map(double_slowly, [])) == []


def test_a_bounded_number_of_parts_is_worked_on_ahead(engine: DaskEngine) -> None:
    with engine.scratch() as folder:
        results = engine.map(note_down, [(folder, number) for number in range(40)])
        assert next(results) == 0
        # Two parts a worker had been handed out when the first was asked for.
        deadline = time.monotonic() + 20
        while len(list(folder.glob("done-*"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        assert len(list(folder.glob("done-*"))) == 4
        assert list(results) == list(range(1, 40))


def test_the_parts_of_a_lost_worker_are_done_again(engine: DaskEngine) -> None:
    engine.client.wait_for_workers(2)
    before, seen = engine.lost, []
    for number, process in engine.map(number_and_process, range(24)):
        seen.append(number)
        if number == 5:
            os.kill(process, signal.SIGKILL)
    assert seen == list(range(24))
    assert engine.lost == before + 1


def test_workers_here_leave_ctrl_c_to_the_command(engine: DaskEngine) -> None:
    engine.client.wait_for_workers(2)
    before = engine.client.run(os.getpid)
    for process in before.values():
        os.kill(process, signal.SIGINT)
    assert list(engine.map(double_slowly, range(4))) == [0, 2, 4, 6]
    assert engine.client.run(os.getpid) == before


def test_an_error_in_a_part_is_raised_here_and_the_engine_goes_on(engine: DaskEngine) -> None:
    results = engine.map(refuse, range(6))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="part 3 is refused"):
        next(results)
    assert list(engine.map(refuse, range(3))) == [0, 1, 2]


def test_scratch_is_seen_by_all_and_gone_afterwards(
    engine: DaskEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_SCRATCH", str(tmp_path / "deep" / "scratch"))
    with engine.scratch() as folder:
        assert folder.parent == tmp_path / "deep" / "scratch"
        assert list(engine.map(note_down, [(folder, 1)])) == [1]
        assert (folder / "done-1").exists()
    assert not folder.exists()


def test_nobody_else_may_look_into_the_scratch_of_a_cluster_of_ones_own(engine: DaskEngine) -> None:
    with engine.scratch() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_scratch_folder_that_somebody_has_tidied_away_costs_no_result(engine: DaskEngine) -> None:
    with engine.scratch() as folder:
        remove_folder(folder)


def test_work_that_knows_much_is_written_once_and_not_sent_with_every_part(engine: DaskEngine) -> None:
    # Dask would warn of more than 10 MB.
    with engine.scratch() as folder:
        assert list(engine.map(partial(add_first, np.full(1_500_000, 5)), range(3))) == [5, 6, 7]
        [file] = folder.iterdir()
        assert file.stat().st_size > 12_000_000


def test_features_are_the_same_files_byte_for_byte_as_on_one_machine(
    engine: DaskEngine, shop: Shop, tmp_path: Path
) -> None:
    shop.export(shop.log, tmp_path / "out", engine)
    shop.assert_same(tmp_path / "out")
    # As one file they are the same rows in the same order.
    shop.export(shop.log, tmp_path / "out.parquet", engine)
    whole = pa.concat_tables([pq.read_table(file) for file in sorted(shop.features.iterdir())])
    assert pq.read_table(tmp_path / "out.parquet").equals(whole)


@pytest.mark.parametrize("phase", ["checking and encoding", "reading sessions"])
def test_features_outlive_a_worker_that_is_killed_in_the_middle(
    engine: DaskEngine, shop: Shop, tmp_path: Path, phase: str
) -> None:
    engine.client.wait_for_workers(2)
    before, processes = engine.lost, list(engine.client.run(os.getpid).values())

    def kill(reached: str, fraction: float) -> None:
        if reached == phase and fraction > 0 and processes:
            os.kill(processes.pop(), signal.SIGKILL)
            processes.clear()

    shop.export(shop.log, tmp_path / "out", engine, progress=kill)
    assert engine.lost == before + 1
    shop.assert_same(tmp_path / "out")


def test_the_log_the_features_and_what_lies_between_may_be_in_an_object_store(
    engine: DaskEngine, shop: Shop, bucket: StorePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_SCRATCH", str(bucket / "scratch"))
    put(shop.log, bucket / "log")
    shop.export(bucket / "log", bucket / "features", engine)
    shop.assert_same(bucket / "features")
    assert not (bucket / "scratch").exists()


def test_a_folder_that_a_worker_does_not_see_is_named(engine: DaskEngine, tmp_path: Path) -> None:
    engine.require_seen(tmp_path)
    with pytest.raises(ClusterError, match=rf"the worker tcp://127\.0\.0\.1:\d+ does not see {tmp_path}/absent: give"):
        engine.require_seen(tmp_path / "absent")


def test_a_running_scheduler_is_joined_by_its_address_and_left_running(engine: DaskEngine) -> None:
    engine.client.wait_for_workers(2)
    scheduler = engine.client.scheduler.address
    with open_engine(scheduler) as joined:
        assert joined.workers == 2
        assert list(joined.map(double_slowly, range(3))) == [0, 2, 4]
    assert list(engine.map(double_slowly, range(3))) == [0, 2, 4]


def test_a_part_that_no_worker_survives_ends_the_work_in_one_sentence(engine: DaskEngine) -> None:
    with pytest.raises(ClusterError, match="one part of the work was lost with each worker that took it"):
        list(engine.map(die, [1]))
    assert list(engine.map(refuse, range(3))) == [0, 1, 2]


@pytest.mark.parametrize(
    ("address", "workers"), [("local:1", 1), ("local:32", 32), ("tcp://cluster.example:8786", None)]
)
def test_an_address_names_processes_here_or_a_scheduler(address: str, workers: int | None) -> None:
    assert local_workers(address) == workers


@pytest.mark.parametrize("address", ["local", "local:0", "local:-1", "local:2x", "tcp://host", "host:8786", "", "4"])
def test_anything_else_is_refused_with_what_to_write(address: str) -> None:
    with pytest.raises(ClusterError, match=f"'{address}' is no cluster: write local:4 for four processes"):
        local_workers(address)


def test_a_scheduler_that_does_not_answer_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.cluster._CONNECTING_SECONDS", 1)
    with (
        pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9 within 1 s"),
        open_engine("tcp://127.0.0.1:9"),
    ):
        pass


def test_a_scheduler_that_goes_in_the_middle_is_told_in_one_sentence() -> None:
    program = (
        "import distributed, time\n"
        "cluster = distributed.LocalCluster(n_workers=1, processes=False, protocol='tcp', dashboard_address=None)\n"
        "print(cluster.scheduler_address, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stdout is not None
        address = scheduler.stdout.readline().strip()
        try:
            with open_engine(address) as joined:
                results = joined.map(time.sleep, [0.2] * 20)
                next(results)
                scheduler.kill()
                with pytest.raises(ClusterError, match=f"the scheduler of the cluster {address} has gone; run the"):
                    list(results)
        finally:
            scheduler.kill()


def test_a_worker_that_joins_late_with_other_code_refuses_its_part() -> None:
    sent = SentWork(pickle.dumps(refuse), describe_code())
    assert sent(1) == 1
    with pytest.raises(ClusterError, match=r"has another duckdb \(.*\) than this machine \(1.0.0\): rows would differ"):
        SentWork(sent.packed, {**describe_code(), "duckdb": "1.0.0"})(1)


def test_code_that_only_training_runs_on_workers_counts_too(tmp_path: Path) -> None:
    for name in ("features/plan.py", "training/score.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("RATE = 1\n")
    before = digest_code(tmp_path)
    assert digest_code(tmp_path) == before
    (tmp_path / "training" / "score.py").write_text("RATE = 2\n")
    assert digest_code(tmp_path) != before


def test_workers_with_another_library_or_other_code_are_refused() -> None:
    here = describe_code()
    alike = {"tcp://far:1": here, "tcp://far:2": dict(here)}
    compare_code(here, alike)
    with pytest.raises(ClusterError, match=r"the worker tcp://far:3 has another duckdb \(1.0.0\) than this machine"):
        compare_code(here, alike | {"tcp://far:3": {**here, "duckdb": "1.0.0"}})
    with pytest.raises(ClusterError, match=r"the worker tcp://far:3 has another code of dropoff \(None\)"):
        compare_code(here, alike | {"tcp://far:3": {what: said for what, said in here.items() if "code" not in what}})
