"""The measurements against published figures: what is read, what is compared, and a small run over the real data."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.baselines import logistic_regression, untuned_lightgbm
from benchmarks.quality import compare_shoppers
from benchmarks.shoppers import PAGE_VALUES, SECONDS, Shoppers, read_shoppers
from training.fit import Rows

SHOPPERS = Path(__file__).parents[3] / "shared" / "data" / "uci_online_shoppers" / "online_shoppers_intention.csv"
HEADER = (
    "Administrative,Administrative_Duration,Informational,Informational_Duration,ProductRelated,"
    "ProductRelated_Duration,BounceRates,ExitRates,PageValues,SpecialDay,Month,OperatingSystems,Browser,Region,"
    "TrafficType,VisitorType,Weekend,Revenue"
)


def made(folder: Path, count: int = 0) -> Shoppers:
    """Return two sessions written by hand, then as many of which page values alone know who bought."""
    lines = [
        HEADER,
        "2,-1,0,0,4,100,0.1,0.2,0,0,Feb,1,2,1,3,New_Visitor,FALSE,FALSE",
        "0,0,,,0,0,0,0.5,10,0.4,Nov,2,2,9,3,Returning_Visitor,TRUE,TRUE",
    ]
    rng = np.random.default_rng(1)
    for place in range(count):
        bought = rng.random() < 0.3
        value = rng.gamma(3.0, 10.0) * (bought or rng.random() < 0.1)
        month = ("Feb", "May", "Oct", "Nov", "Dec")[place % 5]
        seconds, revenue = rng.exponential(100.0), str(bought).upper()
        lines.append(f"1,5,0,0,9,{seconds:.1f},0.01,0.02,{value:.2f},0,{month},1,1,1,1,Other,FALSE,{revenue}")
    path = folder / "sessions.csv"
    path.write_text("".join(f"{line}\r\n" for line in lines), encoding="utf-8", newline="")
    return read_shoppers(path)


def test_a_duration_of_minus_one_and_an_empty_field_are_missing(tmp_path: Path) -> None:
    data = made(tmp_path)
    column = {name: data.rows.features[:, place] for place, name in enumerate(data.table.names)}
    assert np.isnan(column["administrative_seconds"]).tolist() == [True, False]
    assert np.isnan(column["informational_seconds"]).tolist() == [False, True]
    # 100 s over 4 pages; a share of no pages is missing.
    assert column["seconds_per_product"][0] == 25.0
    assert np.isnan(column["seconds_per_product"][1])
    assert column["bounces_per_exit"][0] == pytest.approx(0.5)
    assert data.rows.labels.tolist() == [0.0, 1.0]
    assert data.months.tolist() == [2, 11]
    assert set(SECONDS) < set(data.table.names)


def test_without_page_values_no_column_of_them_is_left(tmp_path: Path) -> None:
    data = made(tmp_path)
    without = data.without(PAGE_VALUES)
    assert set(data.table.names) - set(without.table.names) == {PAGE_VALUES}
    assert without.rows.features.shape == (2, len(without.table.names))
    assert [without.table.features[place].name for place in without.categories] == [
        data.table.features[place].name for place in data.categories
    ]


def test_every_variant_and_split_is_measured_for_every_model(tmp_path: Path) -> None:
    figures = list(compare_shoppers(made(tmp_path, 800), trials=0, folds=2, seed=1))
    named = {figure.what.removesuffix(": AUC, AP, ECE"): figure.value for figure in figures}
    assert len(named) == len(figures) == 2 * 2 * 4
    for split in ("2-fold", "forward"):
        for model in ("ours", "logistic regression", "LightGBM untuned"):
            known, unknown = (
                float(named[f"shoppers, {variant}, {split}, {model}"].split(", ")[0])
                for variant in ("page values", "no page values")
            )
            # Without them nothing is known: the seconds are drawn without regard to who buys.
            assert known > 0.9
            assert 0.35 < unknown < 0.65


def test_the_baselines_learn_what_the_rows_hold_and_nothing_of_the_unseen(tmp_path: Path) -> None:
    data = made(tmp_path, 1_000)
    rows = data.rows.take(np.arange(1_002) < 800)
    unseen = data.rows.take(np.arange(1_002) >= 800)
    for risks in (
        logistic_regression(data.table, rows, unseen.features),
        untuned_lightgbm(data.table, rows, unseen.features, seed=1),
    ):
        assert risks.shape == (202,)
        assert ((risks >= 0) & (risks <= 1)).all()
        assert risks[unseen.labels == 1].mean() > 3 * risks[unseen.labels == 0].mean()
    shuffled = Rows(rows.features, np.random.default_rng(2).permutation(rows.labels), rows.after)
    told_nothing = logistic_regression(data.table, shuffled, unseen.features)
    assert abs(told_nothing[unseen.labels == 1].mean() - told_nothing[unseen.labels == 0].mean()) < 0.1


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.skipif(not SHOPPERS.exists(), reason="the Online Shoppers data set is not beside the checkout")
def test_the_real_shoppers_are_predicted_as_well_as_published_and_not_too_well() -> None:
    figures = compare_shoppers(read_shoppers(SHOPPERS), trials=0, folds=3, seed=7)
    auc = {figure.what: float(figure.value.split(",")[0]) for figure in figures if ", ours" in figure.what}
    assert 0.92 < auc["shoppers, page values, 3-fold, ours: AUC, AP, ECE"] < 0.945
    assert 0.77 < auc["shoppers, no page values, 3-fold, ours: AUC, AP, ECE"] < 0.81
    assert 0.80 < auc["shoppers, page values, forward, ours: AUC, AP, ECE"] < 0.88
