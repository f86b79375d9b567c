"""Analyses as they are kept, read back."""

import json
import math

import numpy as np
import pytest

from insights.experiments.analyse import analyse
from insights.experiments.kept import analysis_of
from insights.experiments.page import analysis_page
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import Measure, Question
from insights.experiments.result import Analysis
from insights.experiments.sizing import MetricKind


def analysed(people: int) -> Analysis:
    rng = np.random.default_rng(2)
    units = np.array([f"u{number}" for number in range(people)], object)
    variants = np.array(["control", "new"], object)[rng.integers(0, 2, people)]
    met = ExposureTable(
        units,
        variants,
        at_us=1_700_000_000_000_000 + np.arange(people) * 1_000_000,
        slices={"device": np.array(["phone", "desktop"], object)[rng.integers(0, 2, people)]},
    )
    bought = np.flatnonzero(rng.random(people) < np.where(variants == "new", 0.3, 0.2))
    did = OutcomeTable(units[bought], {"goal": np.ones(len(bought))}, at_us=met.at_us[bought] + 500_000)
    return analyse(met, did, Question(Measure("goal", MetricKind.PROPORTION, "goal")))


@pytest.mark.parametrize("people", [60, 3_000])
def test_an_analysis_is_read_as_it_was_kept(people: int) -> None:
    found = analysed(people)
    kept = json.loads(json.dumps(found.to_json()))
    read = analysis_of(kept)
    assert json.dumps(read.to_json(), sort_keys=True) == json.dumps(found.to_json(), sort_keys=True)
    shown, again = (analysis_page(one, "test") for one in (found, read))
    assert [repr(one.table) for one in shown.figures] == [repr(one.table) for one in again.figures]


def test_null_is_an_infinite_end_on_its_side_and_else_not_known() -> None:
    kept = json.loads(json.dumps(analysed(60).to_json()))
    effect = kept["primary"][0]
    effect["difference"] |= {"low": None, "high": None}
    effect["treated"]["value"] = None
    [read] = analysis_of(kept).primary
    assert (read.difference.low, read.difference.high) == (-math.inf, math.inf)
    assert math.isnan(read.treated.value)
