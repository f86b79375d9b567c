"""Calibration: the fitted maps agree with other libraries', and the simplest one that none beats is chosen."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from decisions.calibration import Calibrator, CalibratorKind
from features.events import FloatArray, IntArray
from training.calibrate import MIN_ISOTONIC_SESSIONS, calibrate, fit_isotonic, fit_platt

Sample = tuple[FloatArray, FloatArray, IntArray, FloatArray]


def sample(size: int = 8_000, seed: int = 1, **distorted: Any) -> Sample:
    """Margins, labels, sessions and weights, where ``truth`` says the true log-odds of a margin."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(0, 1.5, size)
    truth = distorted.get("truth", lambda margin: margin)(margins)
    labels = (rng.random(size) < expit(truth)).astype(float)
    sessions = rng.integers(0, distorted.get("sessions", size // 2), size)
    return margins, labels, sessions, np.ones(size)


def test_platt_is_the_logistic_regression_of_an_other_library() -> None:
    margins, labels, _, _ = sample(truth=lambda margin: 0.6 * margin - 0.8)
    weights = np.random.default_rng(3).gamma(2.0, size=len(labels))
    reference = LogisticRegression(C=np.inf, tol=1e-8).fit(margins[:, None], labels, sample_weight=weights)
    found = fit_platt(margins, labels, weights)
    assert found.kind is CalibratorKind.PLATT
    assert found.x == pytest.approx((reference.coef_[0, 0], reference.intercept_[0]), rel=1e-3)
    np.testing.assert_allclose(found.apply(margins), reference.predict_proba(margins[:, None])[:, 1], atol=1e-4)


def test_platt_never_turns_the_order_round() -> None:
    margins, labels, _, weights = sample(truth=lambda margin: -margin)
    found = fit_platt(margins, labels, weights)
    assert found.x[0] == 0
    np.testing.assert_allclose(found.apply(np.array([-3.0, 0.0, 3.0])), labels.mean(), atol=1e-6)


def test_isotonic_is_the_pooling_of_an_other_library() -> None:
    margins, labels, _, _ = sample(2_000, truth=lambda margin: margin**3)
    weights = np.random.default_rng(3).gamma(2.0, size=len(labels))
    order = np.argsort(margins)
    expected = np.clip(isotonic_regression(labels[order], weights=weights[order]).x, 1e-6, 1 - 1e-6)
    found = fit_isotonic(margins, labels, weights)
    assert found.kind is CalibratorKind.ISOTONIC
    np.testing.assert_allclose(found.apply(margins[order]), expected, atol=1e-9)


def test_isotonic_holds_its_ends_beyond_what_it_has_seen() -> None:
    margins, labels, _, weights = sample(2_000)
    found = fit_isotonic(margins, labels, weights)
    beyond = found.apply(np.array([-1e6, margins.min(), margins.max(), 1e6]))
    assert (beyond[0], beyond[3]) == (beyond[1], beyond[2])
    assert 0 < beyond[0] < beyond[3] < 1


def test_nothing_is_done_to_margins_that_keep_their_word() -> None:
    chosen, losses = calibrate(*sample())
    assert chosen == Calibrator()
    assert set(losses) == {"identity", "platt", "isotonic"}


def test_margins_that_are_too_sure_are_shrunk() -> None:
    margins, labels, sessions, weights = sample()
    chosen, losses = calibrate(2 * margins + 1, labels, sessions, weights)
    assert chosen.kind is CalibratorKind.PLATT
    assert chosen.x == pytest.approx((0.5, -0.5), abs=0.1)
    assert losses["platt"] < losses["identity"]


def crooked(margins: FloatArray) -> FloatArray:
    """Flat but for one step: no logistic function of the margin comes near."""
    return logit(np.where(margins > 1, 0.9, 0.2))


def test_a_step_needs_isotonic() -> None:
    chosen, losses = calibrate(*sample(truth=crooked))
    assert chosen.kind is CalibratorKind.ISOTONIC
    assert losses["isotonic"] < losses["platt"] < losses["identity"]
    np.testing.assert_allclose(chosen.apply(np.array([-1.0, 0.5, 1.5])), [0.2, 0.2, 0.9], atol=0.08)


@pytest.mark.parametrize(("sessions", "allowed"), [(MIN_ISOTONIC_SESSIONS - 1, False), (MIN_ISOTONIC_SESSIONS, True)])
def test_few_sessions_make_no_steps(sessions: int, allowed: bool) -> None:
    margins, labels, _, weights = sample(truth=crooked)
    chosen, losses = calibrate(margins, labels, np.arange(len(labels)) % sessions, weights)
    assert ("isotonic" in losses) == allowed
    assert chosen.kind is (CalibratorKind.ISOTONIC if allowed else CalibratorKind.PLATT)


def test_what_is_learnt_from_a_session_is_never_judged_on_it() -> None:
    # One margin and one label of a coin a session, on many rows: whoever has seen the session knows its label.
    rng = np.random.default_rng(5)
    margins, labels = rng.normal(0, 0.01, 1_200), (rng.random(1_200) < 0.5).astype(float)
    sessions = np.repeat(np.arange(1_200), 6)
    chosen, losses = calibrate(margins[sessions], labels[sessions], sessions, np.ones(len(sessions)))
    assert chosen == Calibrator()
    assert losses["isotonic"] > losses["identity"] == pytest.approx(np.log(2), abs=0.01)


def test_weights_decide_which_rows_are_heard() -> None:
    margins, labels, sessions, weights = sample()
    flipped = np.concatenate([labels, 1 - labels])
    doubled = [np.concatenate([part, part]) for part in (margins, sessions)]
    heard = np.concatenate([weights, np.zeros(len(labels))])
    chosen, losses = calibrate(doubled[0], flipped, doubled[1], heard)
    alone, expected = calibrate(margins, labels, sessions, weights)
    assert chosen == alone
    assert losses["identity"] == pytest.approx(expected["identity"])


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_label_alone_teaches_nothing(label: float) -> None:
    chosen, losses = calibrate(np.linspace(-1, 1, 40), np.full(40, label), np.arange(40), np.ones(40))
    assert (chosen, set(losses)) == (Calibrator(), {"identity"})


def test_a_calibrator_survives_being_written_down() -> None:
    margins, labels, sessions, weights = sample(truth=crooked)
    for fitted in (fit_platt(margins, labels, weights), calibrate(margins, labels, sessions, weights)[0]):
        assert Calibrator.from_json(fitted.to_json()) == fitted
