"""The rivals are what they are called."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import zscore

from features.build import build
from features.plan import compile_plan
from features.read_log import read_log
from training.cutoffs import after_every_event
from training.rivals import plain_shap, rival_scores, z_scores

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]


@pytest.fixture(scope="module")
def rows(trained: "Trained") -> np.ndarray:
    plan = compile_plan(trained.journey.table)
    with read_log(trained.log, plan, timeout_seconds=trained.journey.session_timeout_seconds) as read:
        log = read.whole()
    cutoffs = after_every_event(log, np.diff(log.starts)).take(np.arange(0, 20_000, 97))
    return build(plan, log, cutoffs)


def test_plain_shap_adds_up_contributions_and_leaves_context_out(trained: "Trained", rows: np.ndarray) -> None:
    model = trained.result.model
    booster = np.asarray(model.booster.predict(model.vocabulary.apply(rows), pred_contrib=True))
    sums = plain_shap(model, rows)
    for place, friction in enumerate(model.table.frictions):
        mine = [feature.friction == friction for feature in model.table.features]
        assert sums[:, place] == pytest.approx(booster[:, :-1][:, mine].sum(axis=1), abs=1e-9)


def test_z_scores_are_those_of_scipy_turned_so_that_more_is_worse(trained: "Trained", rows: np.ndarray) -> None:
    model = trained.result.model
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.nan_to_num(zscore(rows, axis=0, nan_policy="omit"), nan=0.0)
    z[:, np.ptp(np.nan_to_num(rows), axis=0) == 0] = 0.0
    expected = (z * model.table.directions) @ model.table.belonging
    assert z_scores(model, rows) == pytest.approx(np.asarray(expected), abs=1e-6)


def test_no_rows_have_no_scores(trained: "Trained", rows: np.ndarray) -> None:
    model = trained.result.model
    for scores in rival_scores(model, rows[:0]).values():
        assert scores.shape == (0, len(model.table.frictions))
