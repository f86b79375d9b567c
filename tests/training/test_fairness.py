"""Fairness: the figures of each group, gaps that are there and that are not, and groups too small to be shown."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from training.evaluate import Scored
from training.fairness import MIN_SESSIONS, Measured, clustered_mean, compare_groups


def shop(sessions: int, seed: int, devices: list[str | None], *, tilt: float = 0.0, rows: int = 1) -> Scored:
    """Sessions whose true risks are the scored ones, but for ``tilt`` more log-odds on mobile devices."""
    rng = np.random.default_rng(seed)
    device = np.array([devices[place % len(devices)] for place in range(sessions)], object)
    margin = rng.normal(0, 1, sessions)
    labels = (rng.random(sessions) < expit(margin)).astype(np.float64)
    risks = expit(margin + tilt * (device == "mobile"))
    session = np.repeat(np.arange(sessions), rows)
    return Scored(
        labels[session],
        risks[session],
        session,
        session,
        np.tile(np.arange(1, rows + 1), sessions),
        np.zeros(len(session)),
        {"device": device[session]},
    )


def groups(scored: Scored, threshold: float = 0.6) -> Any:
    return compare_groups(scored, threshold, resamples=50).attributes["device"].groups


def test_a_group_has_the_figures_of_its_own_sessions() -> None:
    scored = shop(400, 1, ["mobile", "desktop"], tilt=0.5)
    found = groups(scored)
    assert list(found) == ["desktop", "mobile"]
    rows = scored.cohorts["device"] == "mobile"
    labels, risks = scored.labels[rows], scored.risks[rows]
    mobile = found["mobile"]
    assert (mobile.sessions, mobile.base_rate) == (200, labels.mean())
    assert mobile.auc.value == pytest.approx(roc_auc_score(labels, risks))
    assert mobile.calibration_gap.value == pytest.approx(risks.mean() - labels.mean())
    assert mobile.false_alarm_rate.value == pytest.approx((risks[labels == 0] >= 0.6).mean())
    for figure in (mobile.auc, mobile.calibration_gap, mobile.false_alarm_rate):
        assert figure.low < figure.value < figure.high


def test_later_events_of_the_same_sessions_narrow_no_interval() -> None:
    short, long = shop(300, 2, ["mobile", "desktop"]), shop(300, 2, ["mobile", "desktop"], rows=5)
    for name, group in groups(short).items():
        other = groups(long)[name]
        assert (group.sessions, group.base_rate) == (other.sessions, pytest.approx(other.base_rate))
        for figure in ("auc", "calibration_gap", "false_alarm_rate"):
            one, many = getattr(group, figure), getattr(other, figure)
            assert (one.value, one.low, one.high) == pytest.approx((many.value, many.low, many.high))


def test_a_tilted_group_has_gaps_that_are_real() -> None:
    device = compare_groups(shop(2_000, 3, ["mobile", "desktop"], tilt=1.0), 0.6, resamples=50).attributes["device"]
    gap = device.gaps["calibration_gap"]
    values = [group.calibration_gap.value for group in device.groups.values()]
    assert gap.value == pytest.approx(max(values) - min(values))
    assert gap.is_real
    assert device.gaps["false_alarm_rate"].is_real
    # A tilt of all of a group's risks leaves their order, and so its AUC, as it was.
    assert not device.gaps["auc"].is_real


def test_groups_alike_have_gaps_by_chance_only() -> None:
    real = 0
    for seed in range(20):
        device = compare_groups(shop(300, 10 + seed, ["mobile", "desktop"]), 0.6, resamples=50).attributes["device"]
        assert all(gap.value > 0 for gap in device.gaps.values())
        real += device.gaps["calibration_gap"].is_real
    # Two intervals of 95 % fail to overlap by chance about once in 180 times.
    assert real <= 2


def test_small_groups_are_hidden_and_counted() -> None:
    devices: list[str | None] = ["mobile"] * 14 + ["desktop"] * 4 + ["watch", None]
    scored = shop(400, 4, devices)
    device = compare_groups(scored, 0.6, resamples=20).attributes["device"]
    assert list(device.groups) == ["desktop", "mobile"]
    assert (device.hidden_groups, device.hidden_sessions, device.unknown_sessions) == (1, 20, 20)
    assert MIN_SESSIONS > 20


def test_a_group_without_enough_of_either_outcome_is_hidden() -> None:
    scored = shop(400, 5, ["mobile", "desktop"])
    scored.labels[(scored.cohorts["device"] == "mobile") & (scored.sessions > 20)] = 1.0
    device = compare_groups(scored, 0.6, resamples=20).attributes["device"]
    assert list(device.groups) == ["desktop"]
    assert (device.hidden_groups, device.hidden_sessions) == (1, 200)
    # One group alone has no gap.
    assert device.gaps == {}


def test_the_interval_of_a_mean_is_the_textbook_s_where_each_person_has_one_row() -> None:
    values = np.random.default_rng(6).normal(2, 3, 500)
    found = clustered_mean(values, np.arange(500))
    half = 1.959964 * values.std() / np.sqrt(500)
    expected = (values.mean(), values.mean() - half, values.mean() + half)
    assert (found.value, found.low, found.high) == pytest.approx(expected)


def test_rows_of_one_person_count_as_one_for_an_interval() -> None:
    values = np.random.default_rng(7).normal(2, 3, 200)
    once = clustered_mean(values, np.arange(200))
    nine_times = clustered_mean(np.repeat(values, 9), np.repeat(np.arange(200), 9))
    assert nine_times == Measured(pytest.approx(once.value), pytest.approx(once.low), pytest.approx(once.high))


def test_no_rows_have_no_groups() -> None:
    nothing, nobody = np.array([]), np.array([], np.int64)
    scored = Scored(nothing, nothing, nobody, nobody, nobody, nothing, {"device": np.array([], object)})
    assert compare_groups(scored, 0.6, resamples=5).attributes["device"].groups == {}
