"""Calibrators are monotone, stay inside (0, 1) and survive JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import expit

from decisions.calibration import Calibrator, CalibratorKind, logistic

margins = st.lists(st.floats(-50, 50), min_size=1, max_size=30).map(lambda values: np.array(sorted(values)))
calibrators = st.one_of(
    st.just(Calibrator()),
    st.tuples(st.floats(0, 5), st.floats(-5, 5)).map(lambda pair: Calibrator(CalibratorKind.PLATT, pair)),
    st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 1)), min_size=1, max_size=6).map(
        lambda pairs: Calibrator(
            CalibratorKind.ISOTONIC, tuple(sorted(x for x, _ in pairs)), tuple(sorted(y for _, y in pairs))
        )
    ),
)


ROUNDED_PAST_THE_NEXT_POINT = Calibrator(
    CalibratorKind.ISOTONIC, (-2.034027234103185, 2.677978918267007e-228), (0.3333333333333333, 0.702905555047595)
)


@given(calibrators, margins)
@example(ROUNDED_PAST_THE_NEXT_POINT, np.array([0.0, 1.0]))
def test_a_higher_margin_never_means_a_lower_probability(calibrator: Calibrator, ascending: np.ndarray) -> None:
    probabilities = calibrator.apply(ascending)
    assert (np.diff(probabilities) >= 0).all()
    assert ((probabilities > 0) & (probabilities < 1)).all()


@given(calibrators, margins)
def test_a_calibrator_survives_json(calibrator: Calibrator, given_margins: np.ndarray) -> None:
    again = Calibrator.from_json(calibrator.to_json())
    assert again.apply(given_margins).tobytes() == calibrator.apply(given_margins).tobytes()


@given(margins)
def test_the_logistic_function_is_scipys(given_margins: np.ndarray) -> None:
    np.testing.assert_allclose(logistic(given_margins), expit(given_margins), atol=1e-15)


def test_a_shift_moves_the_odds_of_its_stage_and_of_no_other() -> None:
    base = Calibrator(CalibratorKind.PLATT, (0.5, 0.2))
    given, stages = np.array([-3.0, 0.0, 2.0]), np.array([0, 1, 1])
    shifted = replace(base, shifts=(0.0, 0.7)).apply(given, stages)
    np.testing.assert_allclose(shifted, expit(0.5 * given + 0.2 + [0.0, 0.7, 0.7]), atol=1e-12)


@given(calibrators, margins, st.floats(-40, 40))
def test_shifted_odds_keep_the_order_within_a_stage_and_stay_inside(
    calibrator: Calibrator, ascending: np.ndarray, shift: float
) -> None:
    shifted = replace(calibrator, shifts=(shift,)).apply(ascending, np.zeros(len(ascending), np.int64))
    # The logit of a probability near 1 is rounded.
    assert (np.diff(shifted) >= -1e-15).all()
    assert ((shifted > 0) & (shifted < 1)).all()


def test_shifts_need_stages_and_are_written_down() -> None:
    shifted = Calibrator(shifts=(0.1, -0.2))
    assert Calibrator.from_json(json.loads(json.dumps(shifted.to_json()))) == shifted
    with pytest.raises(ValueError, match="stages"):
        shifted.apply(np.array([0.0]))
    with pytest.raises(ValueError, match="finite"):
        Calibrator(shifts=(float("nan"),))


def test_a_file_from_before_there_were_shifts_is_read_as_none() -> None:
    assert Calibrator.from_json({"kind": "platt", "x": [0.9, 0.1], "y": []}) == Calibrator(
        CalibratorKind.PLATT, (0.9, 0.1)
    )


def test_a_calibrator_that_could_turn_the_order_round_is_refused() -> None:
    with pytest.raises(ValueError, match="slope"):
        Calibrator(CalibratorKind.PLATT, (-1.0, 0.0))
    with pytest.raises(ValueError, match="ascending"):
        Calibrator(CalibratorKind.ISOTONIC, (0.0, 1.0), (0.9, 0.1))
