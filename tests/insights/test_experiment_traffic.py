"""How many people would enter an experiment, and how they fare, by the ledger."""

from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import Engine

from decisions.experiments import ExperimentPlan, PlanError, Population, StoppingRule, Variant, decide_by, show
from features.events import Event
from insights.experiments.traffic import Traffic, ledger_traffic, reach_of, require_reach
from journeys.load import load_journey
from storage.database import database_url, open_database, writing
from storage.event_log import EventLog
from storage.ledger import Ledger, LedgerEntry

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US
PLAN = ExperimentPlan(
    "pay",
    variants=(Variant("a", show("other_payment")), Variant("b", decide_by("1"))),
    population=Population(stages=("payment",), blockers=("payment",), share=0.5),
    primary_metric="goal",
    minimum_effect=0.5,
    planned_duration="28d",
    window="1d",
    stopping_rule=StoppingRule.FIXED,
)
_numbers = count()


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return open_database(database_url(tmp_path_factory.mktemp("traffic")))


def entry(
    visitor: str, at_us: int, *, stage: str = "payment", blocker: str = "payment", reason: str = "best_value"
) -> LedgerEntry:
    return LedgerEntry(
        decision_id=f"d{next(_numbers)}",
        session_id=f"s-{visitor}",
        visitor_id=visitor,
        at_us=at_us,
        decided_at_us=at_us,
        stage=stage,
        events_seen=3,
        risk=0.9,
        blockers=[{"friction": blocker}],
        narrative="",
        eligible=[],
        excluded={},
        propensities={"nothing": 1.0},
        chosen=None,
        propensity=1.0,
        expected_uplift=None,
        reason=reason,
        holdout=False,
        experiment=None,
        drawn=None,
        policy_version="1",
        model_version="1",
    )


def fill(engine: Engine, people: int) -> None:
    """Let people of the population be decided about twice over ten days, and others not of it, and a fifth buy."""
    ledger, log = Ledger(engine, "ecommerce"), EventLog(engine, "ecommerce")
    with writing(engine) as connection:
        for number in range(people):
            at_us, visitor = NOW_US - 10 * DAY_US + number * 8 * DAY_US // people, f"v{number}"
            ledger.append(connection, entry(visitor, at_us))
            ledger.append(connection, entry(visitor, at_us + 60_000_000))
            ledger.append(connection, entry(f"cart{number}", at_us, stage="cart"))
            ledger.append(connection, entry(f"form{number}", at_us, blocker="form"))
            ledger.append(connection, entry(f"quiet{number}", at_us, reason="low_risk"))
            # Every fifth buys within the window, and another fifth after it.
            if number % 5 < 2:
                bought_us = at_us + (DAY_US // 2 if number % 5 else 2 * DAY_US - 1)
                bought = Event(f"e{number}", "purchase", bought_us, visitor, f"s-{visitor}", received_at_us=bought_us)
                log.append(connection, [bought])


def test_the_ledger_gives_people_a_day_and_how_many_reach_the_goal_in_the_window(engine: Engine) -> None:
    fill(engine, 200)
    journey = load_journey("ecommerce")
    with engine.connect() as connection:
        found = ledger_traffic(connection, journey, PLAN, NOW_US)
    assert found is not None
    # 200 people in ten days, of whom half are taken in, and 5 % held out.
    assert found.people_per_day == pytest.approx(20 * 0.5 * 0.95)
    assert (found.baseline, found.deviation) == (pytest.approx(0.2), None)
    with engine.connect() as connection:
        worth = ledger_traffic(connection, journey, replace(PLAN, primary_metric="net_value"), NOW_US)
    assert worth is not None
    assert worth.baseline == pytest.approx(0.2 * 18.0)
    # A fifth at 18, the others at 0: the deviation of 200 people.
    assert worth.deviation == pytest.approx(18.0 * (0.2 * 0.8 * 200 / 199) ** 0.5)


def test_a_ledger_with_hardly_anybody_says_nothing(engine: Engine) -> None:
    fill(engine, 99)
    with engine.connect() as connection:
        assert ledger_traffic(connection, load_journey("ecommerce"), PLAN, NOW_US) is None


def test_a_size_is_refused_only_beyond_the_planned_duration() -> None:
    # (1.96 sqrt(2 x .25 x .75) + .8416 sqrt(.2 x .8 + .3 x .7))^2 / .1^2 = 293.2, so 294 in each of two variants.
    reach = reach_of(PLAN, Traffic(21.0, 0.2, None, "as given"))
    assert (reach.per_arm, reach.days) == (294, 28.0)
    require_reach(PLAN, reach)
    with pytest.raises(PlanError, match="pay cannot reach its size in the planned 28 days"):
        require_reach(PLAN, reach_of(PLAN, Traffic(20.9, 0.2, None, "as given")))
