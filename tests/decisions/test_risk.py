"""The risk model adds up, comes back from its folder as it was, and refuses another feature table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_blockers import counting, table_of
from small_shop import Trained

from decisions.calibration import Calibrator, CalibratorKind
from decisions.exposure import stage_rows
from decisions.risk import AdditivityError, FingerprintMismatch, ModelFilesError, RiskModel
from decisions.treeshap import TreeExplainer
from features.friction import Friction
from features.scan import count
from features.table import Feature, FeatureTable


def test_contributions_and_base_add_up_to_the_margin(trained: Trained) -> None:
    explanation = trained.model.explain(trained.rows[:200])
    np.testing.assert_allclose(
        explanation.base + explanation.contributions.sum(axis=1), trained.model.margins(trained.rows[:200]), atol=1e-9
    )


def test_contributions_that_do_not_add_up_are_never_shown(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(TreeExplainer.of(trained.model.booster), base=0.5)
    model = replace(trained.model)
    monkeypatch.setattr(TreeExplainer, "of", lambda _booster: broken)
    with pytest.raises(AdditivityError, match="miss the margin"):
        model.explain(trained.rows[:5])


def test_risk_is_the_calibrated_margin(trained: Trained) -> None:
    halved = replace(trained.model, calibrator=Calibrator(CalibratorKind.PLATT, (0.5, 0.0)))
    margins = trained.model.margins(trained.rows[:50])
    np.testing.assert_allclose(halved.predict(trained.rows[:50]), 1 / (1 + np.exp(-margins / 2)), atol=1e-12)


def test_risk_is_shifted_by_the_stage_of_each_row(trained: Trained) -> None:
    rows = trained.rows[:200]
    stages = stage_rows(trained.table, rows)
    assert len(np.unique(stages)) > 1
    shifts = tuple(0.3 * stage for stage in range(len(trained.table.stages) + 1))
    shifted = replace(trained.model, calibrator=Calibrator(shifts=shifts))
    expected = 1 / (1 + np.exp(-trained.model.margins(rows) - 0.3 * stages))
    np.testing.assert_allclose(shifted.predict(rows), expected, atol=1e-12)
    np.testing.assert_array_equal(shifted.foresee(rows, np.zeros(200))[0], shifted.predict(rows))


def test_shifts_of_another_number_of_stages_are_refused(trained: Trained, tmp_path: Path) -> None:
    replace(trained.model, calibrator=Calibrator(shifts=(0.1,))).save(tmp_path)
    with pytest.raises(ModelFilesError, match=r"calibrator\.json is not of this journey's features and stages"):
        RiskModel.load(tmp_path, trained.table)


def test_a_saved_model_answers_to_the_bit_as_before(trained: Trained, tmp_path: Path) -> None:
    trained.model.save(tmp_path)
    loaded = RiskModel.load(tmp_path, trained.table)
    assert loaded.predict(trained.rows).tobytes() == trained.model.predict(trained.rows).tobytes()
    assert loaded.explain(trained.rows[:9]).contributions.tobytes() == (
        trained.model.explain(trained.rows[:9]).contributions.tobytes()
    )
    assert loaded.card["note"] == "small"


def test_a_model_of_another_table_is_refused_with_the_features_that_differ(trained: Trained, tmp_path: Path) -> None:
    trained.model.save(tmp_path)
    features = list(trained.table.features)
    changed = [
        *features[:3],
        Feature("form_errors", count("form_error", per="stage"), Friction.FORM, "{:.0f} form errors"),
        *features[5:],
        Feature("views", count("view"), Friction.NONE, "{:.0f} views"),
    ]
    other = FeatureTable(trained.table.events, trained.table.stages, tuple(changed))
    with pytest.raises(
        FingerprintMismatch, match=r"removed: payment_failures; added: views; changed: form_errors.*train again"
    ):
        RiskModel.load(tmp_path, other)
    swapped = FeatureTable(trained.table.events, trained.table.stages, tuple(reversed(features)))
    with pytest.raises(FingerprintMismatch, match="another order"):
        RiskModel.load(tmp_path, swapped)


@pytest.mark.parametrize("name", ["model.txt", "calibrator.json", "card.json"])
def test_a_damaged_folder_is_refused_with_the_file(trained: Trained, tmp_path: Path, name: str) -> None:
    trained.model.save(tmp_path)
    (tmp_path / name).write_text("{ broken")
    with pytest.raises(ModelFilesError, match=name):
        RiskModel.load(tmp_path, trained.table)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("card.json", "{}"),
        ("table.json", "{}"),
        ("calibrator.json", '{"kind": "platt", "x": "ab", "y": []}'),
        ("calibrator.json", '{"kind": "guess", "x": [], "y": []}'),
        ("vocabulary.json", '{"device": [1]}'),
        ("vocabulary.json", '{"5": [1]}'),
        ("vocabulary.json", "{}"),
        ("blockers.json", "{}"),
        ("blockers.json", json.dumps(counting(table_of(Friction.FORM)).to_json())),
        ("model.txt", "tree"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_before_it_could_answer(
    trained: Trained, tmp_path: Path, name: str, content: str
) -> None:
    trained.model.save(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelFilesError, match="train again"):
        RiskModel.load(tmp_path, trained.table)
