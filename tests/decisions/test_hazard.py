"""Leaving soon: a probability that knows the silence and nothing later, kept with the model."""

import json
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_shop import Trained

from decisions.calibration import Calibrator, CalibratorKind
from decisions.hazard import Hazard, with_idle
from decisions.policy import PolicySettings
from decisions.risk import ModelFilesError, RiskModel
from decisions.scorer import Scorer
from features.encode import encode_event
from features.events import Event
from features.live import LiveSession
from features.plan import compile_plan

SECOND = 1_000_000


@pytest.fixture(scope="module")
def model(trained: Trained) -> RiskModel:
    """The small shop's model, with a hazard that grows with silence and failed payments."""
    rng = np.random.default_rng(5)
    idle = rng.exponential(60.0, len(trained.rows))
    margin = np.minimum(idle, 120) / 40 + trained.rows[:, 4] - 2
    labels = (rng.random(len(idle)) < 1 / (1 + np.exp(-margin))).astype(float)
    numbered = trained.model.vocabulary.apply(trained.rows)
    offset = np.minimum(idle, 120) / 40 - 2
    data = lightgbm.Dataset(
        with_idle(numbered, idle), labels, init_score=offset, categorical_feature=[2], params={"verbose": -1}
    )
    booster = lightgbm.train({"objective": "binary", "num_leaves": 8, "verbose": -1, "num_threads": 1}, data, 40)
    platt = Calibrator(CalibratorKind.PLATT, (0.9, 0.1))
    hazard = Hazard(60.0, booster, platt, ((0.0, -2.0), (60.0, -0.5), (120.0, 1.0)), 0.4)
    return replace(trained.model, hazard=hazard)


def hazard_of(model: RiskModel) -> Hazard:
    assert model.hazard is not None
    return model.hazard


def scorer_of(model: RiskModel) -> Scorer:
    return Scorer("shop", ("browse", "pay"), (), PolicySettings(goal_value=20.0), model)


def test_the_margin_is_the_baseline_and_what_lightgbm_adds(model: RiskModel, trained: Trained) -> None:
    hazard, numbered = hazard_of(model), model.vocabulary.apply(trained.rows[:500])
    idle = np.linspace(0, 900, 500)
    added = np.asarray(hazard.booster.predict(with_idle(numbered, idle), raw_score=True))
    # The baseline rises by 1.5 a minute from -2, and stays at 1 from two minutes on.
    expected = added + np.minimum(-2 + 1.5 * idle / 60, 1.0)
    np.testing.assert_allclose(hazard.margins(numbered, idle), expected, atol=1e-12)


def test_longer_silence_makes_leaving_likelier_here(model: RiskModel, trained: Trained) -> None:
    leaving = [model.foresee(trained.rows[:200], np.full(200, idle))[1] for idle in (0.0, 60.0, 200.0)]
    first, second, third = (float(np.mean(probabilities)) for probabilities in leaving if probabilities is not None)
    assert first < second < third


def test_the_risk_is_what_it_is_without_it(model: RiskModel, trained: Trained) -> None:
    risks, _ = model.foresee(trained.rows, np.zeros(len(trained.rows)))
    assert risks.tobytes() == trained.model.predict(trained.rows).tobytes()
    assert trained.model.foresee(trained.rows, np.zeros(len(trained.rows)))[1] is None


@pytest.mark.parametrize(("idle", "margin"), [(0, -2.0), (30, -1.25), (60, -0.5), (90, 0.25), (500, 1.0)])
def test_between_the_silences_it_was_learnt_at_the_idle_time_alone_is_interpolated(
    model: RiskModel, idle: float, margin: float
) -> None:
    alone = hazard_of(model).by_idle_alone(np.array([float(idle)]))[0]
    assert alone == pytest.approx(1 / (1 + np.exp(-margin)))


names = st.sampled_from(["view", "pay_page", "form_error", "payment_failed", "undeclared"])
events = st.lists(st.tuples(st.integers(0, 3_000), names), min_size=1, max_size=12)


def session_of(model: RiskModel, happened: list[tuple[int, str]]) -> LiveSession:
    plan = compile_plan(model.table)
    live = LiveSession(plan, "s1", "v1")
    for place, (second, name) in enumerate(happened):
        live.append(encode_event(plan, Event(f"e{place}", name, second * SECOND, "v1")))
    return live


@settings(max_examples=60, deadline=None)
@given(happened=events, later=events, idle=st.integers(0, 1_800))
def test_it_is_a_probability_that_nothing_after_the_moment_changes(
    model: RiskModel, happened: list[tuple[int, str]], later: list[tuple[int, str]], idle: int
) -> None:
    moment = max(second for second, _ in happened) + idle
    known = scorer_of(model).score(session_of(model, happened), (), moment * SECOND)
    assert known.leaving_soon is not None
    assert 0 < known.leaving_soon < 1
    assert known.leaving_soon_within_seconds == 60
    more = [*happened, *((moment + 1 + second, name) for second, name in later)]
    assert scorer_of(model).score(session_of(model, more), (), moment * SECOND) == known


def test_one_row_and_many_give_the_same_bits(model: RiskModel, trained: Trained) -> None:
    many = hazard_of(model).predict(model.vocabulary.apply(trained.rows[:3_000]), np.arange(3_000.0))
    for place in range(0, 3_000, 500):
        numbered = model.vocabulary.apply(trained.rows[place : place + 1])
        assert hazard_of(model).predict(numbered, np.array([float(place)]))[0] == many[place]


# Files


def test_a_saved_hazard_answers_to_the_bit_as_before(model: RiskModel, trained: Trained, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = RiskModel.load(tmp_path, trained.table)
    idle = np.linspace(0, 600, len(trained.rows))
    before, after = (one.foresee(trained.rows, idle)[1] for one in (model, loaded))
    assert before is not None
    assert after is not None
    assert after.tobytes() == before.tobytes()
    assert hazard_of(loaded).by_idle_alone(idle).tobytes() == hazard_of(model).by_idle_alone(idle).tobytes()
    assert (hazard_of(loaded).within_seconds, hazard_of(loaded).base_rate) == (60.0, 0.4)


def test_a_model_without_one_comes_back_without_one(trained: Trained, tmp_path: Path) -> None:
    trained.model.save(tmp_path)
    assert not (tmp_path / "hazard.txt").exists()
    assert RiskModel.load(tmp_path, trained.table).hazard is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hazard.txt", "tree"),
        ("hazard.json", "{ broken"),
        ("hazard.json", "{}"),
        ("hazard.json", '{"within_seconds": "soon"}'),
    ],
)
def test_a_damaged_hazard_is_refused(
    model: RiskModel, trained: Trained, tmp_path: Path, name: str, content: str
) -> None:
    model.save(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelFilesError, match="train again"):
        RiskModel.load(tmp_path, trained.table)


def test_a_hazard_of_other_features_is_refused(model: RiskModel, trained: Trained, tmp_path: Path) -> None:
    model.save(tmp_path)
    trained.model.booster.save_model(str(tmp_path / "hazard.txt"))
    with pytest.raises(ModelFilesError, match=r"hazard.txt is not of this journey's features"):
        RiskModel.load(tmp_path, trained.table)


def test_its_file_says_in_words_what_it_holds(model: RiskModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    written = json.loads((tmp_path / "hazard.json").read_text())
    assert (written["within_seconds"], written["baseline"][1]) == (60.0, [60.0, -0.5])
