"""A diagnosis is asked the same again: after other visitors, an event that says nothing, a feature told twice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from decisions.risk import RiskModel
from features.events import EncodedLog
from features.plan import Plan, compile_plan
from features.read_log import read_log
from journeys.ends import SessionEnds, find_ends
from training.deletion import deletion_test
from training.diagnosed import diagnose_rows, friction_scores, refit
from training.leavers import Learning, learning_rows
from training.moments import Read, at_session_end
from training.stability import (
    duplicated_features,
    irrelevant_event,
    refit_agreement,
    resampled,
    top,
)

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


@dataclass(frozen=True)
class Shop:
    model: RiskModel
    plan: Plan
    log: EncodedLog
    ends: SessionEnds
    read: Read
    learning: Learning


@pytest.fixture(scope="module")
def shop(trained: "Trained") -> Shop:
    journey = trained.journey
    plan = compile_plan(journey.table)
    with read_log(trained.log, plan, timeout_seconds=journey.session_timeout_seconds) as read:
        log, end_us = read.whole(), read.summary.last_at_us
    ends = find_ends(plan, log, journey, end_us)
    known = ~np.isnan(ends.outcome)
    at_end = at_session_end(plan, log, ends, known & (ends.outcome == 1))
    learning = learning_rows(plan, log, ends, known, seed=1)
    every_third = learning.take(np.arange(0, len(learning.leaves), 3))
    return Shop(trained.result.model, plan, log, ends, at_end, every_third)


def test_whole_persons_are_drawn_as_often_as_the_lot_falls() -> None:
    persons = np.array([4, 9, 4, 7, 9, 9])
    learning = Learning(np.arange(6.0)[:, None], np.arange(6.0), np.ones(6), persons)
    rows_of = {4: [0.0, 2.0], 7: [3.0], 9: [1.0, 4.0, 5.0]}
    seen = set()
    for seed in range(40):
        drawn = resampled(learning, np.random.default_rng(seed))
        np.testing.assert_array_equal(drawn.rows[:, 0], drawn.leaves)
        times = {person: int((drawn.persons == person).sum()) // len(rows) for person, rows in rows_of.items()}
        assert sum(times.values()) == 3
        expected = sorted(row for person, rows in rows_of.items() for row in rows * times[person])
        assert sorted(drawn.leaves.tolist()) == expected
        seen.add(tuple(times.values()))
    assert len(seen) > 5


def test_the_first_friction_is_the_loudest_and_none_where_nothing_speaks() -> None:
    assert top(np.array([[1.0, 2.0], [-1.0, 0.0], [0.5, 0.1]])).tolist() == [1, -1, 0]


def test_refits_agree_more_often_than_chance_and_told_is_how_far_they_are(shop: Shop) -> None:
    told: list[float] = []
    found = refit_agreement(shop.model, shop.learning, shop.read, refits=2, seed=1, tell=told.append)
    assert told == pytest.approx([1 / 2, 1])
    assert (found["refits"], found["n"]) == (2, len(shop.read))
    first = top(friction_scores(shop.model, shop.read.rows))
    by_chance = float((np.bincount(first + 1) / len(first)) @ (np.bincount(first + 1) / len(first)))
    assert by_chance < float(found["agreement"] or 0) < 1
    assert by_chance < float(found["agreement_with_model"] or 0) < 1


def test_the_same_visitors_agree_with_themselves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    model = refit(shop.model, shop.model.table, shop.learning, seed=1)
    monkeypatch.setattr("training.stability.resampled", lambda learning, _rng: learning)
    found = refit_agreement(model, shop.learning, shop.read, refits=2, seed=1)
    assert (found["agreement"], found["agreement_with_model"]) == (1.0, 1.0)
    assert refit_agreement(model, shop.learning, shop.read, refits=0, seed=1)["agreement"] is None


def test_an_irrelevant_event_is_one_more_event_and_nothing_else(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def watch(model: RiskModel, rows: np.ndarray) -> Any:
        seen.append(rows)
        return diagnose_rows(model, rows)

    monkeypatch.setattr("training.stability.diagnose_rows", watch)
    found = irrelevant_event(shop.model, shop.plan, shop.log, shop.ends, shop.read)
    before, after = seen
    names = shop.plan.feature_names
    column = names.index("events_seen")
    np.testing.assert_array_equal(after[:, column], before[:, column] + 1)
    # Times go on; whatever else moves hears every event.
    generic = {"events_seen", "events_ever", "stage_events", "mean_gap_seconds", "longest_gap_seconds"}
    generic |= {"last_gap_seconds", "session_seconds", "stage_seconds", "progress_age_seconds", "doubt_age_seconds"}
    generic |= {"trouble_age_seconds", "checkout_seconds", "form_errors_recent", "payment_failures_recent"}
    generic |= {"forward_share", "progress_share_ever"}
    generic |= {"idle_seconds", "hour", "weekday"}  # nothing hears what was shown, so its end was silence already
    changed = {name for place, name in enumerate(names) if not np.array_equal(before[:, place], after[:, place], True)}
    assert changed <= generic
    assert found["n"] == len(np.unique(shop.log.visitor_ids[shop.read.sessions].astype(str)))
    assert 0 <= float(found["changes"] or 0) <= 0.1


def test_a_feature_declared_twice_is_counted_for_the_frictions_asked_for(shop: Shop) -> None:
    frictions = [friction.name for friction in shop.model.table.frictions]
    wanted = np.array([frictions.index("trust"), frictions.index("payment")])
    found: Any = duplicated_features(shop.model, shop.learning, shop.read, wanted, seed=1)
    assert set(found["by_friction"]) <= {"trust", "payment"}
    assert "trust" in found["by_friction"]
    assert found["max"] == max(block["max"] for block in found["by_friction"].values())
    assert all(0 <= block["mean"] <= block["max"] for block in found["by_friction"].values())
    assert found["max"] < 1e-9


def test_deleting_the_named_traces_lowers_the_risk_more_than_deleting_others(shop: Shop) -> None:
    found = deletion_test(shop.model, shop.read.rows, shop.learning.rows, seed=1)
    assert found["n"] == (top(friction_scores(shop.model, shop.read.rows)) >= 0).sum()
    assert 0 <= float(found["share_larger"] or 0) <= 1
    assert float(found["named_drop"] or 0) > float(found["random_drop"] or 0)
