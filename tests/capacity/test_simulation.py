"""The simulation beside what queueing theory says of cases that it can say something of."""

import math
import sys

import numpy as np
import pytest
from made_costs import COSTS, request_cost

from capacity.busiest import simulate_busiest
from capacity.plan import Terms, make_plan
from capacity.simulation import Load, SimulationError, Site, simulate_serving
from capacity.workload import Workload


def test_a_request_that_is_alone_takes_the_sum_of_its_parts() -> None:
    parts = {"loop_ms": 2.0, "redis_ms": 0.5, "client_ms": 0.25, "rest_ms": 1.0}
    within = {"threads_ms": 1.0, "postgres_ms": 3.0, "turn_ms": 6.0, "turn_alone_ms": 7.0}
    cost = request_cost(**parts, **within)
    seen = simulate_serving({"event": cost}, Site(together=True), Load({"event": 1.0}, 20.0, connections=1))
    # Loop, turn, Redis, rest and the client's own; what happens within the turn is part of it.
    assert seen.latencies_ms["event"] == pytest.approx(2 + 7 + 0.5 + 1 + 0.25)
    assert seen.writes_per_commit == 1
    assert seen.per_second == pytest.approx(1_000 / 10.75, rel=0.01)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_waiting_for_one_server_with_even_service_is_as_pollaczek_and_khinchine_say(load: float) -> None:
    cost = request_cost(redis_ms=1.0)
    seen = simulate_serving({"score": cost}, Site(), Load({"score": 1_000 * load}, 60.0))
    # M/D/1 waits for load x service / (2 (1 - load)).
    waits = float(np.mean(seen.latencies_ms["score"])) - 1.0
    assert waits == pytest.approx(load / (2 * (1 - load)), rel=0.06)
    assert seen.busy["redis"] == pytest.approx(load, abs=0.02)


def test_waiting_for_redis_with_exponential_service_is_as_in_m_m_1() -> None:
    quantiles = -np.log1p(-(np.arange(400) + 0.5) / 400)
    cost = request_cost(redis_ms=1.0, spread=tuple(quantiles / quantiles.mean()))
    seen = simulate_serving({"score": cost}, Site(), Load({"score": 600.0}, 100.0))
    # M/M/1 at a load of .6: 1 / (1 - .6) milliseconds in all; half are within ln 2 times that.
    assert float(np.mean(seen.latencies_ms["score"])) == pytest.approx(2.5, rel=0.05)
    assert seen.quantile_ms(0.5) == pytest.approx(2.5 * math.log(2), rel=0.06)


def test_writes_that_wait_are_committed_together() -> None:
    cost = request_cost(turn_ms=1.0, turn_alone_ms=10.0)
    alone = simulate_serving({"event": cost}, Site(), Load({"event": 1.0}, 20.0, connections=1))
    many = simulate_serving({"event": cost}, Site(), Load({"event": 1.0}, 20.0, connections=20))
    # Alone, a commit every ten milliseconds. With twenty that never rest, while one group is written the others gather:
    # two groups of ten each would take 9 + 10 ms.
    assert alone.per_second == pytest.approx(100, rel=0.01)
    assert many.writes_per_commit > 5
    assert many.per_second == pytest.approx(1_000 * many.writes_per_commit / (9 + many.writes_per_commit), rel=0.05)


def test_workers_add_up_but_share_one_turn() -> None:
    free = request_cost(loop_ms=1.0)
    bound = request_cost(turn_ms=2.0, turn_alone_ms=2.0)
    for workers in (1, 3):
        load = Load({"score": 1.0}, 4.0, connections=32)
        answered = simulate_serving({"score": free}, Site(workers=workers), load)
        assert answered.per_second == pytest.approx(1_000 * workers, rel=0.02)
        written = simulate_serving({"event": bound}, Site(workers=workers), Load({"event": 1.0}, 4.0, connections=32))
        assert written.per_second == pytest.approx(500, rel=0.02)
        assert written.busy["turn"] == pytest.approx(1, abs=0.02)


def test_beyond_what_it_bears_waiting_grows_with_time() -> None:
    cost = {"event": request_cost(turn_ms=2.0, turn_alone_ms=2.0)}
    short, long = (simulate_serving(cost, Site(), Load({"event": 1_000.0}, seconds)) for seconds in (3.0, 12.0))
    assert long.quantile_ms(0.99) > 3 * short.quantile_ms(0.99)


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    cost = {"score": request_cost(loop_ms=1.0, spread=(0.5, 1.0, 1.5))}
    load = Load({"score": 500.0}, 5.0)
    first, again, other = (simulate_serving(cost, Site(), load, seed).latencies_ms["score"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_planned_group_is_as_busy_in_the_simulation_as_in_the_plan() -> None:
    workload = Workload(1e6, 10.0, 1.0, 1.0, peak=2.0)
    plan = make_plan(workload, COSTS, Terms(fullest=0.6))
    seen = simulate_busiest(plan, COSTS)
    shares = {need.name: need.full for need in plan.needs}
    # The plan counts a write by what it takes among many; alone in a commit it takes more.
    assert seen.simulated.busy["turn"] >= shares["database's turn"] * 0.95
    assert seen.simulated.busy["worker"] == pytest.approx(shares["worker"], rel=0.1)
    assert seen.simulated.per_second == pytest.approx(sum(plan.of_one_group.peak_rates.values()), rel=0.05)


def test_without_simpy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simpy", None)
    with pytest.raises(SimulationError, match="pip install 'simpy"):
        simulate_serving({}, Site(), Load({}, 1.0))
