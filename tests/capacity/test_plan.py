import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_costs import COSTS

from capacity.plan import (
    DISK,
    NETWORK,
    POSTGRES,
    REDIS,
    REDIS_MEMORY,
    TURN,
    WORKER_MEMORY,
    WORKERS,
    Grows,
    Need,
    Plan,
    Terms,
    make_plan,
    most_sessions_of_one_group,
)
from capacity.workload import Workload, WorkloadError

# One session a second on average, two in the busiest minutes, of ten events each: 20 events a second.
DAILY = Workload(86_400.0, 10.0, 1.0, 0.0, 0.0, peak=2.0, open_minutes=30.0)
HALF = Terms(fullest=0.5, keep_days=10.0)


def need(plan: Plan, name: str) -> Need:
    [found] = [one for one in plan.needs if one.name == name]
    return found


def test_a_plan_counts_what_is_busy_in_the_busiest_minutes() -> None:
    plan = make_plan(DAILY, COSTS, HALF)
    # 20 events a second at 10 ms of the turn, 2 ms of a worker, 2 ms of PostgreSQL, .1 ms of Redis.
    assert need(plan, TURN).amount == pytest.approx(0.2)
    assert need(plan, WORKERS).amount == pytest.approx(0.04)
    assert need(plan, POSTGRES).amount == pytest.approx(0.04)
    assert need(plan, REDIS).amount == pytest.approx(0.002)
    assert plan.groups == plan.count(WORKERS) == plan.count(POSTGRES) == 1
    # The turn is half busy at two and a half times as many.
    assert plan.bottleneck.name == TURN
    assert plan.bottleneck.one_bears == pytest.approx(216_000)
    assert most_sessions_of_one_group(DAILY, COSTS, HALF) == pytest.approx(216_000)


def test_a_plan_counts_bytes() -> None:
    plan = make_plan(DAILY, COSTS, HALF)
    assert need(plan, DISK).amount == pytest.approx(86_400 * 10 * 1_000 * 10)
    assert need(plan, NETWORK).amount == pytest.approx(20 * 500 * 8)
    # Little's law: two sessions a second, open for half an hour.
    assert DAILY.open_sessions == pytest.approx(3_600)
    assert need(plan, REDIS_MEMORY).amount == pytest.approx(3_600 * 2_000)
    assert need(plan, WORKER_MEMORY).amount == pytest.approx(300e6 + 3_600 * 1_000)


def test_a_plan_says_what_a_day_of_history_takes() -> None:
    history = make_plan(replace(DAILY, sessions_per_day=1e6), COSTS).history
    # Ten million events: 100 s of features, 36 + 720 s of training.
    assert history["features_core_hours"] == pytest.approx(100 / 3_600)
    assert history["training_core_hours"] == pytest.approx(756 / 3_600)
    assert history["log_bytes"] == pytest.approx(200e6)


def test_ten_times_the_sessions_are_divided_among_groups() -> None:
    plan = make_plan(replace(DAILY, sessions_per_day=864_000.0), COSTS, HALF)
    # The turn is busy for two seconds a second, of which a group bears half a one.
    assert plan.groups == 4
    assert need(plan, TURN).full == pytest.approx(0.5)
    assert plan.of_one_group.sessions_per_day == 216_000
    assert plan.count(WORKERS) == 4


def test_a_group_that_is_exactly_as_full_as_may_be_is_not_divided() -> None:
    assert make_plan(replace(DAILY, sessions_per_day=216_000.0), COSTS, HALF).groups == 1
    assert make_plan(replace(DAILY, sessions_per_day=216_100.0), COSTS, HALF).groups == 2


def test_events_that_are_gathered_cost_what_batches_cost() -> None:
    assert COSTS.of_events(1) is COSTS.requests["event"]
    assert COSTS.of_events(100).turn_ms == pytest.approx(109)
    # Between one and a hundred it grows by one millisecond an event.
    assert COSTS.of_events(11).turn_ms == pytest.approx(20)
    gathered = replace(DAILY, events_per_request=10.0)
    # Two requests a second, of ten events and 19 ms each.
    assert need(make_plan(gathered, COSTS, HALF), TURN).amount == pytest.approx(0.038)


def test_decisions_and_scores_are_added_to_events() -> None:
    asking = replace(DAILY, decisions_per_session=1.0, scores_per_session=3.0)
    plan = make_plan(asking, COSTS, HALF)
    assert need(plan, TURN).amount == pytest.approx(0.2 + 2 * 0.005)
    assert need(plan, WORKERS).amount == pytest.approx(0.04 + 2 * 0.003 + 6 * 0.001)
    assert need(plan, REDIS).amount == pytest.approx(0.002 + 6 * 0.0002)


workloads = st.builds(
    Workload,
    st.floats(1, 1e10),
    st.floats(1, 500),
    st.floats(1, 200),
    st.floats(0, 50),
    st.floats(0, 50),
    st.floats(1, 20),
    st.floats(0, 1_000),
)


@given(workloads, st.floats(0.05, 0.95))
def test_nothing_is_ever_planned_fuller_than_it_may_be(workload: Workload, fullest: float) -> None:
    plan = make_plan(workload, COSTS, Terms(fullest))
    for one in plan.needs:
        if not math.isnan(one.full):
            assert one.full <= fullest * (1 + 1e-6)
            assert one.count >= plan.groups


@given(workloads, st.floats(1, 100))
def test_more_sessions_never_need_less(workload: Workload, times: float) -> None:
    before = make_plan(workload, COSTS)
    after = make_plan(replace(workload, sessions_per_day=workload.sessions_per_day * times), COSTS)
    for one in before.needs:
        more = need(after, one.name)
        assert more.count >= one.count
        assert more.amount >= one.amount * (1 - 1e-9)


@given(workloads)
def test_what_grows_only_with_another_group_comes_first_and_the_fullest_of_that_on_top(workload: Workload) -> None:
    needs = make_plan(workload, COSTS).needs
    assert [one.grows is Grows.APART for one in needs] == [True, True, *[False] * (len(needs) - 2)]
    assert needs[0].one_bears <= needs[1].one_bears


@pytest.mark.parametrize(
    ("name", "value"),
    [("sessions_per_day", 0.0), ("events_per_request", 0.5), ("peak", math.nan), ("decisions_per_session", -1.0)],
)
def test_a_workload_that_cannot_be_is_refused_by_its_name(name: str, value: float) -> None:
    with pytest.raises(WorkloadError, match=name.replace("_", " ")):
        replace(DAILY, **{name: value})


@pytest.mark.parametrize("terms", [{"fullest": 0.0}, {"fullest": 1.0}, {"keep_days": -1.0}, {"keep_days": math.inf}])
def test_terms_that_cannot_be_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(WorkloadError):
        Terms(**terms)
