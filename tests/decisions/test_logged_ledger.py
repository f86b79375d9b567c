"""Decisions of the ledger as arrays: whom they were about, what was eligible, and what came of them."""

import math
from dataclasses import replace

import numpy as np
from sqlalchemy import Engine

from decisions.logged_ledger import read_ledger
from storage.assignments import Assignment, Assignments
from storage.ledger import Ledger, LedgerEntry
from storage.reward_store import Reward, RewardStore
from storage.writer import Writer

ENTRY = LedgerEntry(
    decision_id="d1",
    session_id="s1",
    visitor_id="v1",
    at_us=1_000,
    decided_at_us=1_100,
    stage="cart",
    events_seen=4,
    risk=0.75,
    blockers=[{"friction": "shipping", "share": 1.0, "confidence": 0.25}],
    narrative="",
    eligible=["free_shipping", "live_chat"],
    excluded={},
    propensities={"free_shipping": 0.5, "live_chat": 0.25, "nothing": 0.25},
    chosen="free_shipping",
    propensity=0.5,
    expected_uplift=0.03,
    reason="best_value",
    holdout=False,
    experiment=None,
    drawn=0.25,
    policy_version="priors-1",
    model_version="3",
    confidence={"shipping": 0.25, "trust": 0.125},
)
OPTIONS, STAGES, FRICTIONS = ("live_chat", "free_shipping"), ("browse", "cart"), ("trust", "shipping")


def _keep(engine: Engine, writer: Writer, *entries: LedgerEntry) -> None:
    ledger, rewards = Ledger(engine, "shop"), RewardStore(engine, "shop")
    for entry in entries:
        value = 80.0 if entry.chosen else None
        reward = Reward(entry.decision_id, entry.visitor_id, entry.chosen is not None, value, 9_000)
        writer.submit(lambda connection, entry=entry: ledger.append(connection, entry)).result(5)
        writer.submit(lambda connection, reward=reward: rewards.add(connection, reward)).result(5)


def test_decisions_become_arrays_in_the_order_of_their_moments(engine: Engine, writer: Writer) -> None:
    quiet = replace(
        ENTRY, decision_id="d0", session_id="s0", visitor_id="v2", at_us=500, stage=None, risk=0.25, confidence={},
        chosen=None, propensity=1.0, propensities={"nothing": 1.0}, holdout=True, reason="low_risk",
    )  # fmt: skip
    _keep(engine, writer, ENTRY, quiet)
    logged = read_ledger(engine, "shop", OPTIONS, STAGES, FRICTIONS)
    assert logged.options == ("nothing", "live_chat", "free_shipping")
    assert logged.decision_ids.tolist() == ["d0", "d1"]
    assert logged.session_ids.tolist() == ["s0", "s1"]
    assert logged.stage.tolist() == [-1, 1]
    assert logged.chosen.tolist() == [0, 2]
    np.testing.assert_array_equal(logged.propensities, [[1.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
    np.testing.assert_array_equal(logged.confidence, [[0.0, 0.0], [0.125, 0.25]])
    assert logged.risk.tolist() == [0.25, 0.75]
    assert logged.converted.tolist() == [0.0, 1.0]
    assert logged.holdout.tolist() == [True, False]
    assert logged.values is not None
    assert math.isnan(logged.values[0])
    assert logged.values[1] == 80.0
    assert logged.policy_versions.tolist() == ["priors-1", "priors-1"]
    assert logged.learnt_through == 2
    assert logged.take(np.array([0])).learnt_through == 2


def test_decisions_without_a_reward_and_those_of_other_journeys_are_not_read(engine: Engine, writer: Writer) -> None:
    _keep(engine, writer, ENTRY)
    waiting = replace(ENTRY, decision_id="d2")
    writer.submit(lambda connection: Ledger(engine, "shop").append(connection, waiting)).result(5)
    assert read_ledger(engine, "shop", OPTIONS, STAGES, FRICTIONS).decision_ids.tolist() == ["d1"]
    none = read_ledger(engine, "loans", OPTIONS, STAGES, FRICTIONS)
    assert len(none) == 0
    assert none.propensities.shape == (0, 3)
    assert none.confidence.shape == (0, 2)


def test_devices_that_were_drawn_together_are_one_unit(engine: Engine, writer: Writer) -> None:
    assignments = Assignments(engine, "shop")
    for visitor_id in ("v1", "v2"):
        together = Assignment(visitor_id, "person", 0)
        writer.submit(lambda connection, one=together: assignments.keep(connection, one)).result(5)
    second, third = (replace(ENTRY, decision_id=f"d{n}", visitor_id=f"v{n}", at_us=n * 1_000) for n in (2, 3))
    _keep(engine, writer, ENTRY, second, third)
    units = read_ledger(engine, "shop", OPTIONS, STAGES, FRICTIONS).units.tolist()
    assert units[0] == units[1] != units[2]


def test_decisions_among_what_is_no_longer_declared_are_left_out_and_counted(engine: Engine, writer: Writer) -> None:
    _keep(engine, writer, ENTRY, replace(ENTRY, decision_id="d2", chosen="live_chat"))
    logged = read_ledger(engine, "shop", ("live_chat",), STAGES, FRICTIONS)
    assert len(logged) == 0
    assert logged.left_out == 2


def test_a_decision_older_than_confidences_has_those_of_the_blockers_it_listed(engine: Engine, writer: Writer) -> None:
    _keep(engine, writer, replace(ENTRY, confidence=None))
    logged = read_ledger(engine, "shop", OPTIONS, STAGES, FRICTIONS)
    np.testing.assert_array_equal(logged.confidence, [[0.0, 0.25]])
