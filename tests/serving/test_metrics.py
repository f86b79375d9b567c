"""What the service counts and times: everything that it answers, and what waits within it."""

import asyncio
import math
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from servers import wait_for
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from journeys.journey import Journey
from serving.answer_metrics import AnswerMetrics
from serving.app import create_app
from serving.calibration_metrics import BINS, CalibrationMetrics, JudgedRisk
from serving.drift import NO_DRIFT, DriftCounts
from serving.duty import Duty, on_duty
from serving.duty_metrics import DutyMetrics
from serving.guard import Guard
from serving.metrics import DriftShown, Metrics
from serving.queue_metrics import QueueMetrics
from serving.request_metrics import Counted, RequestMetrics
from serving.shared_drift import publish_counts
from storage.database import database_url, open_database
from storage.writer import Writer, Written

Client = OpenClient = Clock = Any  # as the fixtures of this folder make them


def shown(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of /metrics by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def of(client: Client, name: str, **labels: str) -> float:
    return shown(client)[name, tuple(sorted(labels.items()))]


def call(name: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {"anonymousId": "v", "event": name, "messageId": f"{name}-{number}", **more}


def test_every_route_that_is_asked_is_counted_and_timed_by_its_pattern(client: Client) -> None:
    asked = {
        "/livez": "/livez",
        "/": "/",
        "/funnel": "/funnel",
        "/docs.json": "/docs.json",
        "/dropoff.js": "/dropoff.js",
        "/v1/sessions/a": "/v1/sessions/{id}",
        "/v1/sessions/b/c": "/v1/sessions/{id}",
        "/nobody/serves/this": "unserved",
        "/nor.this": "unserved",
    }
    statuses = [(route, str(client.get(address).status_code)) for address, route in asked.items()]
    found = shown(client)
    for route, status in set(statuses):
        labels = (("route", route), ("status", status))
        assert found["dropoff_requests_total", labels] == statuses.count((route, status))
    for route in asked.values():
        assert found["dropoff_request_seconds_count", (("route", route),)] == list(asked.values()).count(route)
    assert of(client, "dropoff_requests_total", route="/metrics", status="200") >= 1
    assert of(client, "dropoff_requests_in_flight") == 1


def test_the_addresses_of_requests_are_in_no_label(client: Client) -> None:
    client.get("/v1/sessions/anna@example.org")
    client.get("/anna@example.org")
    client.post("/v1/track", {"anonymousId": "anna", "event": "unheard-of"})
    assert "anna" not in client.get("/metrics").text
    assert "unheard-of" not in client.get("/metrics").text


def test_failures_stand_at_none_before_the_first_so_that_rates_see_it(client: Client) -> None:
    client.get("/livez")
    for status in ("500", "503"):
        assert of(client, "dropoff_requests_total", route="/livez", status=status) == 0


def test_a_route_that_raises_counts_as_500_and_is_no_longer_in_flight(client_of: Any) -> None:
    async def crash(_: Request) -> Response:
        raise ZeroDivisionError

    registry = CollectorRegistry()
    app = Starlette(routes=[Route("/crash", crash)])
    app.routes[0].app = Counted(app.routes[0].app, "/crash")  # type: ignore[attr-defined]

    class Attached:
        class metrics:  # noqa: N801
            requests = RequestMetrics(registry)

    app.state.runtime = Attached
    with pytest.raises(ZeroDivisionError):
        client_of(app).get("/crash")
    labels = {"route": "/crash", "status": "500"}
    assert registry.get_sample_value("dropoff_requests_total", labels) == 1
    assert registry.get_sample_value("dropoff_request_seconds_count", {"route": "/crash"}) == 1
    assert registry.get_sample_value("dropoff_requests_in_flight") == 0


def test_what_is_refused_before_any_route_is_counted_too(open_client: OpenClient, client_of: Any) -> None:
    client, runtime = open_client()
    app = create_app()
    app.state.runtime = runtime
    answer = client_of(Guard(app, 1_000, app)).get(f"/{'a' * 20_000}")
    assert answer.status_code == 414
    assert of(client, "dropoff_requests_total", route="refused", status="414") == 1


def test_risks_are_distributed_by_the_stage_at_which_they_were_answered(client: Client, clock: Clock) -> None:
    sum_of: dict[str, float] = {}
    for name in ("page_view", "view_product", "add_to_cart", "begin_checkout", "payment_failed"):
        client.post("/v1/track", call(name))
        for _ in range(2):
            told = client.post("/v1/score", {"visitor_id": "v"}).json()
            stage = told["stage"] or ""
            sum_of[stage] = sum_of.get(stage, 0.0) + told["risk"]
            clock.advance(5)
    assert len(sum_of) >= 3
    found = shown(client)
    counted = {labels[0][1]: value for (name, labels), value in found.items() if name == "dropoff_risk_count"}
    assert sum(counted.values()) == 10
    for stage, value in sum_of.items():
        assert math.isclose(found["dropoff_risk_sum", (("stage", stage),)], value)
        assert found["dropoff_risk_bucket", (("le", "1.0"), ("stage", stage))] == counted[stage]


def test_what_blocks_and_what_is_recommended_add_up_to_the_decisions(client: Client, clock: Clock) -> None:
    answers = []
    for number in range(12):
        client.post("/v1/track", call("payment_failed" if number % 2 else "form_error", number))
        clock.advance(20)
        answers.append(client.post("/v1/recommend", {"visitor_id": "v", "consent": True}).json())
    first = [one["blockers"][0]["friction"] if one["blockers"] else "none" for one in answers]
    explained = [name for name, one in zip(first, answers, strict=True) if one["reason"] not in ("low_risk", "ended")]
    recommended = [one["recommendation"]["intervention"] if one["recommendation"] else "nothing" for one in answers]
    found = shown(client)
    assert len(set(explained)) >= 1
    for name, label, of_answers in (
        ("dropoff_blockers_total", "friction", explained),
        ("dropoff_recommendations_total", "intervention", recommended),
        ("dropoff_decisions_total", "reason", [one["reason"] for one in answers]),
    ):
        counted = {labels[0][1]: value for (sample, labels), value in found.items() if sample == name}
        assert sum(counted.values()) == len(of_answers)
        for value in set(of_answers):
            assert counted[value] == of_answers.count(value), (name, label, value)


def test_all_that_a_journey_can_say_stands_from_the_start(client: Client, shop: Journey) -> None:
    found = shown(client)
    for friction in shop.frictions:
        assert found["dropoff_blockers_total", (("friction", friction.name),)] == 0
    for one in shop.interventions:
        assert found["dropoff_recommendations_total", (("intervention", one.name),)] == 0
    for stage in shop.stages:
        assert found["dropoff_risk_count", (("stage", stage.name),)] == 0


def test_what_a_duty_has_shown_is_taken_back_where_another_process_takes_it_over(open_client: OpenClient) -> None:
    client, runtime = open_client(lease_seconds=0.03)
    seen = []

    async def work(duty: Duty) -> None:
        duty.runtime.metrics.duties.sweep_lag_seconds.set(17)
        seen.append(of(client_now, "dropoff_sweep_lag_seconds"))
        await asyncio.sleep(60)

    class client_now:  # noqa: N801
        @staticmethod
        def get(_: str) -> Any:
            return type("Answer", (), {"text": runtime.show_metrics().decode()})

    async def watch() -> None:
        task = asyncio.create_task(on_duty(runtime, "sweep", work))
        while not seen:
            await asyncio.sleep(0.01)
        assert of(client_now, "dropoff_duty_held", duty="sweep") == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    client.run(watch())
    assert seen == [17]
    assert of(client, "dropoff_sweep_lag_seconds") == of(client, "dropoff_duty_held", duty="sweep") == 0


def test_who_waits_for_a_duty_writes_nothing_over_what_its_holder_shows(open_client: OpenClient) -> None:
    client, runtime = open_client(lease_seconds=0.06)

    async def watch() -> None:
        theirs = Duty(runtime, f"sweep:{runtime.journey.name}")
        assert await theirs.take()
        task = asyncio.create_task(on_duty(runtime, "sweep", idle))
        await asyncio.sleep(0.01)
        # What another worker of this home shows, in the file that all share.
        runtime.metrics.duties.sweep_lag_seconds.set(17)
        for _ in range(5):
            await asyncio.sleep(0.02)
            assert await theirs.take()
        assert of(client_now, "dropoff_sweep_lag_seconds") == 17
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def idle(_: Duty) -> None:
        await asyncio.sleep(60)

    class client_now:  # noqa: N801
        @staticmethod
        def get(_: str) -> Any:
            return type("Answer", (), {"text": runtime.show_metrics().decode()})

    client.run(watch())


def test_a_duty_that_fails_is_counted_by_its_kind(open_client: OpenClient) -> None:
    client, runtime = open_client(lease_seconds=0.03)
    failed = []

    async def fail(_: Duty) -> None:
        failed.append(1)
        raise ZeroDivisionError

    async def watch() -> None:
        task = asyncio.create_task(on_duty(runtime, "figures:abc", fail))
        while not failed:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    client.run(watch())
    assert of(client, "dropoff_duty_failures_total", duty="figures") == len(failed)


def test_what_policies_have_learnt_is_taken_back_with_the_duty() -> None:
    registry = CollectorRegistry()
    duties = DutyMetrics(registry)
    duties.show_learnt("p1", 4, 100, 7)
    assert registry.get_sample_value("dropoff_policy_rewards_behind", {"policy": "p1"}) == 7
    duties.let_go("learning")
    for name in ("policy_revision", "policy_decisions", "policy_rewards_behind"):
        assert registry.get_sample_value(f"dropoff_{name}", {"policy": "p1"}) == 0


def test_a_commit_is_told_apart_from_the_wait_for_it() -> None:
    registry = CollectorRegistry()
    queues = QueueMetrics(registry)
    queues.observe_commit(Written(writes=5, failed=2, waited_seconds=0.25, seconds=0.5))
    assert registry.get_sample_value("dropoff_commit_seconds_sum", {"part": "wait"}) == 0.25
    assert registry.get_sample_value("dropoff_commit_seconds_sum", {"part": "write"}) == 0.5
    assert registry.get_sample_value("dropoff_writes_total", {"result": "committed"}) == 3
    assert registry.get_sample_value("dropoff_writes_total", {"result": "failed"}) == 2


def test_events_are_counted_as_written_and_the_process_says_what_it_takes(client: Client) -> None:
    for number in range(3):
        client.post("/v1/track", call("page_view", number))
    # The writer counts a turn after those who waited for it go on.
    wait_for(lambda: of(client, "dropoff_writes_total", result="committed") >= 3)
    found = shown(client)
    assert found["dropoff_writes_total", (("result", "failed"),)] == 0
    assert found["dropoff_commit_seconds_count", (("part", "write"),)] >= 1
    assert found["dropoff_writer_waiting", ()] == found["dropoff_writer_oldest_seconds", ()] == 0
    # A Python with numpy and LightGBM in it holds more than 50 MB, and this machine has less than 64 TB of memory.
    assert 50e6 < found["dropoff_process_resident_bytes", ()] < 64e12
    assert found["dropoff_process_cpu_seconds", ()] > 0


def test_a_loop_that_is_held_up_is_seen_to_be_late() -> None:
    registry = CollectorRegistry()
    queues = QueueMetrics(registry)

    async def hold_up() -> None:
        import time

        watching = asyncio.create_task(queues.watch_loop())
        await asyncio.sleep(0.01)
        time.sleep(0.4)
        await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(hold_up())
    # It wanted to wake a quarter of a second after it began, and was held until .41.
    assert (registry.get_sample_value("dropoff_loop_lag_seconds_sum") or 0) > 0.1
    assert registry.get_sample_value("dropoff_loop_lag_seconds_bucket", {"le": "0.064"}) == 0


def test_a_risk_before_the_first_stage_has_a_place_of_its_own() -> None:
    registry = CollectorRegistry()
    answers = AnswerMetrics(registry, ["cart"], ["payment"], ["panel"])
    answers.observe_risk(math.nan, 0.25)
    answers.observe_risk(0.0, 0.75)
    assert registry.get_sample_value("dropoff_risk_sum", {"stage": ""}) == 0.25
    assert registry.get_sample_value("dropoff_risk_sum", {"stage": "cart"}) == 0.75


@pytest.mark.parametrize(("risk", "of_bin"), [(0.0, "0.0-0.1"), (0.1, "0.1-0.2"), (0.999, "0.9-1.0"), (1.0, "0.9-1.0")])
def test_every_risk_has_its_bin(risk: float, of_bin: str) -> None:
    registry = CollectorRegistry()
    CalibrationMetrics(registry).judge(JudgedRisk("7", risk, abandoned=True, weight=1.0, shown=False))
    for one in BINS:
        labels = {"version": "7", "shown": "nothing", "bin": one}
        found = registry.get_sample_value("dropoff_calibration_sessions_total", labels)
        assert found == (1.0 if one == of_bin else None)


def test_the_variance_of_a_right_model_is_at_most_what_is_counted() -> None:
    """Of sessions that are told .5, and then .1 or .9 as often, half are abandoned: all four courses are walked."""
    registry = CollectorRegistry()
    calibration, variance = CalibrationMetrics(registry), 0.0
    for second in (0.1, 0.9):
        for abandoned, chance in ((True, second), (False, 1 - second)):
            probability = 0.5 * chance
            for risk in (0.5, second):
                # As often as it happens in expectation.
                calibration.judge(JudgedRisk("7", risk, abandoned, weight=0.5 * probability, shown=False))
            variance += probability * (abandoned - (0.5 + second) / 2) ** 2
    counted = registry.get_sample_value("dropoff_calibration_variance_total", {"version": "7", "shown": "nothing"})
    assert counted is not None
    assert counted == pytest.approx((0.25 + 0.09) / 2)
    assert variance <= counted


def test_the_sums_of_a_model_stand_from_the_moment_at_which_it_answers(client: Client) -> None:
    for name in ("sessions", "risk", "abandoned"):
        labels = {"version": "7", "shown": "nothing", "bin": "0.4-0.5"}
        assert of(client, f"dropoff_calibration_{name}_total", **labels) == 0


def test_gauges_of_processes_that_ended_go_once_though_all_workers_are_asked_at_once(
    tmp_path: Path, shop: Journey
) -> None:
    workers = [Metrics(shop, tmp_path) for _ in range(4)]
    # Numbers that no process of Linux can have.
    ended = [tmp_path / f"gauge_livesum_{2**30 + number}.db" for number in range(200)]
    for file in ended:
        file.touch()
    nothing = DriftShown({}, NO_DRIFT)
    with ThreadPoolExecutor(4) as threads:
        shown_by_each = list(threads.map(lambda worker: worker.show(nothing), workers))
    assert all(b"dropoff_drift_rows 0.0" in one for one in shown_by_each)
    assert not any(file.exists() for file in ended)


def test_metrics_are_told_without_a_home_folder_too(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    engine = open_database(database_url(tmp_path))
    writer = Writer(engine)
    QueueMetrics(registry).set_gauges(writer, tmp_path / "not" / "there")
    writer.close()
    engine.dispose()
    free = registry.get_sample_value("dropoff_disk_free_bytes")
    # Others write to the same disk at this moment.
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, abs=1e9)


def test_two_threads_that_write_the_counts_of_drift_at_once_do_not_take_each_others_file_away(tmp_path: Path) -> None:
    counts = DriftCounts(np.ones((40, 12), dtype=np.int64), 1.0)
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(publish_counts, tmp_path, "7", counts) for _ in range(400)]:
            done.result()
    assert [file.name for file in tmp_path.iterdir()] == [f"drift_{os.getpid()}_7.npy"]
