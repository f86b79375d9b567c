"""Blockers are learnt from traces and from who left, without ever seeing what stopped anybody."""

import numpy as np
import pytest

from decisions.blockers import BlockerModel
from features.friction import Friction
from features.scan import any_event, category, count, last, prop, stage
from features.table import Feature, FeatureTable, Stage
from training.blockers import LEAST_RATIO, count_once, fit_blockers, fit_usual

FORM, PAYMENT, CURIOSITY = 2, 3, 4
TABLE = FeatureTable(
    ("view", "error"),
    (Stage("one", "view"),),
    (
        Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"),
        Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"),
        Feature("form_errors", count("error"), Friction.FORM, "{:error|errors}"),
        Feature("payment_failures", count("error"), Friction.PAYMENT, "{:failure|failures}"),
        Feature("searches", count("error"), Friction.NAVIGATION, "{:search|searches}"),
        Feature("device", category("device"), Friction.NONE, "device"),
    ),
)
SIZE = 20_000


def world(seed: int = 1, size: int = SIZE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A form stops a fifth and a payment another fifth; curious visitors search four times as much and are not stopped.

    Who is stopped leaves three times as often and has four times the traces of what stops them.
    """
    rng = np.random.default_rng(seed)
    stopped = rng.choice([0, FORM, PAYMENT, CURIOSITY], size, p=[0.4, 0.2, 0.2, 0.2])
    events = rng.integers(2, 20, size)
    rows = np.column_stack((np.zeros(size), events, *[np.zeros(size)] * 3, np.full(size, -5.0))).astype(float)
    for trace in (FORM, PAYMENT, CURIOSITY):
        rows[:, trace] = rng.poisson(0.1 * events * np.where(stopped == trace, 4.0, 1.0))
    leaves = (rng.random(size) < np.where(np.isin(stopped, [FORM, PAYMENT]), 0.3, 0.1)).astype(float)
    return rows, leaves, stopped


@pytest.fixture(scope="module")
def fitted() -> BlockerModel:
    rows, leaves, _ = world()
    return fit_blockers(TABLE, rows, leaves, seed=1)


def test_what_a_friction_does_to_its_traces_is_found(fitted: BlockerModel) -> None:
    # 0.1 an event without a blocker and 0.4 with one, against 0.16 on average; what the log does not settle stays
    # near what is believed beforehand, 0.8 and twice.
    assert ((fitted.ordinary > 0.1 / 0.16) & (fitted.ordinary < 0.8)).all()
    assert ((np.exp(fitted.raised) > 2.4) & (np.exp(fitted.raised) < 4.8)).all()


def test_who_leaves_tells_a_blocker_from_a_habit(fitted: BlockerModel) -> None:
    ratios = fitted.leaving[1, 1:] / fitted.leaving[1, 0]
    # Form and payment make people leave, curiosity does not.
    assert ratios[:2].min() > 2
    assert ratios[2] == pytest.approx(LEAST_RATIO)


def test_the_planted_blocker_of_unseen_visitors_is_named(fitted: BlockerModel) -> None:
    rows, leaves, stopped = world(seed=2)
    blocked = (leaves == 1) & np.isin(stopped, [FORM, PAYMENT])
    found = fitted.attribute(TABLE, rows, fitted.evidence(TABLE, rows))
    assert (found[blocked].argmax(axis=1) + FORM == stopped[blocked]).mean() > 0.85


def test_confidence_is_how_often_the_blocker_is_there_and_does_it(fitted: BlockerModel) -> None:
    rows, leaves, stopped = world(seed=3)
    left = leaves == 1
    found = fitted.attribute(TABLE, rows[left], fitted.evidence(TABLE, rows[left]))
    for place, trace in enumerate((FORM, PAYMENT)):
        # Two thirds of those who leave while stopped would not have left otherwise.
        truly = (stopped[left] == trace) * (1 - 0.1 / 0.3)
        assert found[:, place].mean() == pytest.approx(truly.mean(), rel=0.2)


def test_leaving_at_random_makes_no_trace_a_blocker() -> None:
    rows, leaves, _ = world()
    fitted = fit_blockers(TABLE, rows, np.random.default_rng(5).permutation(leaves), seed=1)
    assert (fitted.leaving[1, 1:] / fitted.leaving[1, 0]).max() < 1.3


def test_a_stage_that_nobody_reached_has_the_shares_of_all(fitted: BlockerModel) -> None:
    assert fitted.presence[0] == pytest.approx(fitted.presence.mean(axis=0), abs=0.05)
    assert fitted.presence.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_weights_stand_for_rows_that_were_not_looked_at() -> None:
    rows, leaves, _ = world(size=6_000)
    twice = fit_blockers(TABLE, np.repeat(rows, 2, axis=0), np.repeat(leaves, 2), seed=1)
    weighed = fit_blockers(TABLE, rows, leaves, np.full(len(rows), 2.0), seed=1)
    assert weighed.leaving == pytest.approx(twice.leaving, rel=1e-6)
    assert weighed.raised == pytest.approx(twice.raised, rel=1e-6)


def test_the_usual_is_the_mean_that_a_regression_finds() -> None:
    rows, _, _ = world(size=5_000)
    usual = fit_usual(TABLE, rows, np.ones(len(rows)), seed=1)
    assert usual.counts.all()
    terms = np.column_stack((np.ones(len(rows)), rows[:, 1], np.log1p(rows[:, 1])))
    expected = terms @ np.linalg.lstsq(terms, rows[:, FORM], rcond=None)[0]
    assert usual.expected(TABLE, rows)[:, 0] == pytest.approx(expected, abs=0.02)


def test_a_trace_told_twice_counts_once() -> None:
    rng = np.random.default_rng(1)
    first, second, other = rng.normal(size=(3, 500))
    table, twice = (
        FeatureTable(("a",), (Stage("one", "a"),), tuple(_traces(frictions)))
        for frictions in (
            (Friction.FORM, Friction.FORM, Friction.PAYMENT),
            (Friction.FORM, Friction.FORM, Friction.PAYMENT, Friction.FORM),
        )
    )
    mixed = first + 0.8 * second
    once = count_once(table, np.column_stack((first, mixed, other)))
    again = count_once(twice, np.column_stack((first, mixed, other, first)))
    assert again[0] + again[3] == pytest.approx(once[0])
    assert again[1:3] == pytest.approx(once[1:])
    # By hand: one over one and the square of the correlation.
    assert once[0] == pytest.approx(1 / (1 + np.corrcoef(first, mixed)[0, 1] ** 2))
    assert once[2] == 1


def _traces(frictions: tuple[Friction, ...]) -> list[Feature]:
    context = Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}")
    return [
        context,
        *[Feature(f"f{place}", last(prop("x")), friction, "{:.0f}") for place, friction in enumerate(frictions)],
    ]


def test_a_journey_without_frictions_has_no_blockers() -> None:
    table = FeatureTable(("view", "error"), TABLE.stages, (*TABLE.features[:2], TABLE.features[5]))
    rows, leaves, _ = world(size=1_000)
    fitted = fit_blockers(table, rows[:, [0, 1, 5]], leaves, seed=1)
    assert fitted.fits(table)
    assert fitted.attribute(table, rows[:, [0, 1, 5]], fitted.evidence(table, rows[:, [0, 1, 5]])).shape == (1_000, 0)


def test_the_same_seed_learns_the_same() -> None:
    rows, leaves, _ = world(size=3_000)
    first, second = (fit_blockers(TABLE, rows, leaves, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first.raised, second.raised)
