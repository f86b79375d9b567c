"""Tables are read as people have them: their columns by name or by guess, in any of three formats."""

import json
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from decisions.experiments import PlanError, StoppingRule
from features.log_files import LogError
from insights.experiments.ask import Asked, from_options, read_measure, read_shares
from insights.experiments.columns import ColumnNames
from insights.experiments.join import UNKNOWN_US
from insights.experiments.people import OutcomeTable
from insights.experiments.question import AnalysisError
from insights.experiments.read import read_exposures, read_outcomes
from insights.experiments.sizing import MetricKind

EXPOSURES = """visitor_id,variant,exposed_at,risk,risk_at,visits,device,new
007,control,2026-03-01T08:00:00Z,.5,2026-03-01T07:59:59Z,3,phone,true
8,b,2026-03-01 10:00:00+02:00,.25,,,tv,false
"""
OUTCOMES = """visitor_id,metric,value,at
007,purchase,,2026-03-02
007,revenue,12.5,2026-03-02
8,visits,4,2026-03-02
"""
EIGHT_US = 1_772_352_000_000_000


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


Write = Callable[[str, str], Path]


def test_exposures_are_read_with_covariates_slices_and_times(write: Write) -> None:
    found = read_exposures(write("e.csv", EXPOSURES))
    assert found.units.tolist() == ["007", "8"]
    assert found.variants.tolist() == ["control", "b"]
    assert found.at_us is not None
    assert found.at_us.tolist() == [EIGHT_US, EIGHT_US]
    assert found.covariates["risk"].tolist() == [0.5, 0.25]
    assert found.covariates["visits"][0] == 3
    assert np.isnan(found.covariates["visits"][1])
    assert found.measured_us["risk"].tolist() == [EIGHT_US - 1_000_000, UNKNOWN_US]
    assert {name: values.tolist() for name, values in found.slices.items()} == {
        "device": ["phone", "tv"],
        "new": ["true", "false"],
        # A few whole numbers may be codes.
        "visits": ["3", ""],
    }


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv.gz"])
def test_other_formats_say_the_same(write: Write, tmp_path: Path, ending: str) -> None:
    text = write("e.csv", EXPOSURES)
    other = tmp_path / f"other.{ending}"
    options = {"parquet": "FORMAT parquet", "jsonl": "FORMAT json", "csv.gz": "FORMAT csv, COMPRESSION gzip"}[ending]
    duckdb.sql(
        f"COPY (SELECT * REPLACE (visitor_id::VARCHAR AS visitor_id) FROM read_csv('{text}', types = "
        f"{{'visitor_id': 'VARCHAR'}})) TO '{other}' ({options})"
    )
    one, two = read_exposures(text), read_exposures(other)
    assert two.units.tolist() == one.units.tolist()
    assert two.at_us is not None
    assert two.at_us.tolist() == [EIGHT_US, EIGHT_US]
    assert two.covariates["risk"].tolist() == one.covariates["risk"].tolist()
    assert two.slices["device"].tolist() == one.slices["device"].tolist()


def test_a_folder_is_one_table(tmp_path: Path) -> None:
    header, *rows = EXPOSURES.splitlines()
    for place, row in enumerate(rows):
        (tmp_path / f"{place}.csv").write_text(f"{header}\n{row}\n")
    assert sorted(read_exposures(tmp_path).units.tolist()) == ["007", "8"]


def test_outcomes_with_a_metrics_name_are_a_value_each_or_one(write: Write) -> None:
    found = read_outcomes(write("o.csv", OUTCOMES))
    assert list(found.values) == ["purchase", "revenue", "visits"]
    assert np.nan_to_num(found.values["purchase"]).tolist() == [1.0, 0.0, 0.0]
    assert np.nan_to_num(found.values["revenue"]).tolist() == [0.0, 12.5, 0.0]


def test_outcomes_in_columns_are_a_metric_each(write: Write) -> None:
    found = read_outcomes(write("o.csv", "user_id,converted,spend,country,order_id\n1,true,3,de,a\n2,false,,fr,b\n"))
    assert {name: np.nan_to_num(values).tolist() for name, values in found.values.items()} == {
        "converted": [1.0, 0.0],
        "spend": [3.0, 0.0],
    }
    assert found.ids is not None
    assert (found.at_us, found.ids.tolist()) == (None, ["a", "b"])


@pytest.mark.parametrize(
    ("number", "factor"), [(1_772_352_000, "s"), (1_772_352_000_000, "ms"), (1_772_352_000_000_000, "us")]
)
def test_times_may_be_numbers_since_1970(write: Write, number: int, factor: str) -> None:
    found = read_exposures(write("e.csv", f"unit,variant,at\na,x,{number}\n"))
    assert found.at_us is not None
    assert found.at_us.tolist() == [EIGHT_US], factor


def test_one_time_may_be_that_of_all_covariates(write: Write) -> None:
    found = read_exposures(write("e.csv", "unit,variant,at,risk,measured_at\na,x,2026-03-01,.1,2026-03-02\n"))
    assert list(found.measured_us) == ["risk"]


def test_propensities_are_told_from_covariates(write: Write) -> None:
    found = read_exposures(write("e.csv", "unit,variant,propensity_x,propensity_y\na,x,.25,.75\n"))
    assert {name: values.tolist() for name, values in found.propensities.items()} == {"x": [0.25], "y": [0.75]}
    assert found.covariates == {}


def test_columns_may_be_named(write: Write) -> None:
    names = ColumnNames(unit="kunde", variant="test", exposed_at="wann", outcome_unit="wer", metric="was", value="wie")
    found = read_exposures(write("e.csv", "kunde,test,wann\n1,x,2026-03-01T08:00Z\n"), names)
    done = read_outcomes(write("o.csv", "wer,was,wie\n1,kauf,7\n"), names)
    assert (found.units.tolist(), found.variants.tolist(), done.values["kauf"].tolist()) == (["1"], ["x"], [7.0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("who,variant\n1,x\n", "no column looks like the unit: name it with --unit; there are who, variant"),
        ("unit,which\n1,x\n", "no column looks like the variant: name it with --variant; there are unit, which"),
        ("session_id,variant\n1,x\n", "the exposures are of sessions; chance goes by people"),
        ("unit,variant,at\n1,x,yesterday\n", "the column 'at' holds 'yesterday', which is no time"),
        ("unit,variant\n", "has no rows"),
    ],
)
def test_exposures_that_say_too_little_are_refused_in_a_sentence(write: Write, text: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        read_exposures(write("e.csv", text))


@pytest.mark.parametrize("number", ["inf", "-inf", "1e300"])
def test_what_cannot_be_averaged_is_refused(write: Write, number: str) -> None:
    with pytest.raises(
        AnalysisError, match=r"'spent' holds .* which cannot be averaged: put right or leave out 1 rows"
    ):
        read_outcomes(write("o.csv", f"visitor_id,spent\nann,{number}\nben,1\n"))
    with pytest.raises(AnalysisError, match=r"'risk' holds .* which cannot be averaged"):
        read_exposures(write("e.csv", f"visitor_id,variant,risk\nann,a,{number}\nben,b,1\n"))
    with pytest.raises(AnalysisError, match=r"'value' holds .* which cannot be averaged"):
        read_outcomes(write("v.csv", f"visitor_id,metric,value\nann,spent,{number}\n"))


def test_outcomes_without_any_number_are_refused(write: Write) -> None:
    with pytest.raises(AnalysisError, match="no column of numbers, and none of metrics' names"):
        read_outcomes(write("o.csv", "unit,country\n1,de\n"))


def test_a_value_that_is_no_number_is_refused(write: Write) -> None:
    with pytest.raises(AnalysisError, match="the column 'value' holds something else than numbers"):
        read_outcomes(write("o.csv", "unit,metric,value\n1,revenue,much\n"))


def test_a_column_that_there_is_not_is_refused(write: Write) -> None:
    with pytest.raises(AnalysisError, match="there is no column 'wo' for the unit"):
        read_exposures(write("e.csv", EXPOSURES), ColumnNames(unit="wo"))


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no log at"):
        read_exposures(tmp_path / "none.csv")


DONE = OutcomeTable(
    np.array(["a"], object),
    {name: np.array([value]) for name, value in {"goal": 1.0, "spend": 7.5, "visits": 3.0}.items()},
)


@pytest.mark.parametrize(
    ("text", "kind", "outcome", "per"),
    [
        ("goal", MetricKind.PROPORTION, "goal", None),
        ("spend", MetricKind.REVENUE, "spend", None),
        ("visits", MetricKind.MEAN, "visits", None),
        ("mean:spend", MetricKind.MEAN, "spend", None),
        ("goal/visits", MetricKind.RATIO, "goal", "visits"),
        ("ratio:goal/visits", MetricKind.RATIO, "goal", "visits"),
    ],
)
def test_a_metric_is_read_with_its_kind_or_the_one_that_its_values_suggest(
    text: str, kind: MetricKind, outcome: str, per: str | None
) -> None:
    found = read_measure(text, DONE, ())
    assert (found.kind, found.outcome, found.per, found.more_is_better) == (kind, outcome, per, True)


def test_the_metric_that_decides_is_guessed_where_one_is_called_so(write: Write) -> None:
    table = read_exposures(write("e.csv", EXPOSURES))
    assert from_options(Asked(), table, DONE).primary.name == "goal"
    without = OutcomeTable(DONE.units, {name: DONE.values[name] for name in ("spend", "visits")})
    with pytest.raises(AnalysisError, match="which metric decides"):
        from_options(Asked(), table, without)


def test_a_plan_stands_in_place_of_options(write: Write) -> None:
    plan = {
        "name": "banner",
        "hypothesis": "A banner helps.",
        "variants": [
            {"name": "control", "treatment": {"kind": "nothing"}},
            {"name": "b", "treatment": {"kind": "as usual"}, "weight": 3},
        ],
        "primary_metric": "goal",
        "secondary_metrics": ["spend"],
        "guardrails": [{"metric": "visits", "margin": 0.05}],
        "minimum_effect": 0.1,
        "alpha": 0.01,
        "planned_duration": "14d",
        "window": "2d",
        "stopping_rule": "fixed",
    }
    table = read_exposures(write("e.csv", EXPOSURES))
    done = OutcomeTable(DONE.units, DONE.values, np.array([EIGHT_US]))
    found = from_options(Asked(plan=write("plan.json", json.dumps(plan))), table, done)
    assert (found.control, found.shares) == ("control", {"control": 0.25, "b": 0.75})
    assert (found.alpha, found.rule, found.minimum_effect) == (0.01, StoppingRule.FIXED, 0.1)
    assert [guard.measure.name for guard in found.guards] == ["visits"]
    day = 86_400_000_000
    assert (found.window_us, found.ends_us) == (2 * day, EIGHT_US + 14 * day)


def test_a_plan_that_is_none_is_refused(write: Write) -> None:
    table = read_exposures(write("e.csv", EXPOSURES))
    for text, said in (("{", "plan.json cannot be read"), ('{"nome": 1}', "no field 'nome'")):
        with pytest.raises(PlanError, match=said):
            from_options(Asked(plan=write("plan.json", text)), table, DONE)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(metric="clicks"), "there is no outcome 'clicks' for the metric 'clicks': there are goal, spend, visits"),
        (Asked(metric="ratio:goal"), "needs what it is divided by: write goal/sessions"),
        (Asked(guardrails=["spend"]), "'spend' is no guardrail: write METRIC:.05"),
        (Asked(guardrails=["spend:much"]), "'spend:much' is no guardrail"),
        (Asked(guardrails=["spend:0"]), "the guardrail 'spend' has the margin 0"),
        (Asked(shares="control"), "'control' is no share"),
        (Asked(rule="peeking"), "'peeking' is no rule of stopping: there are fixed, always-valid"),
        (Asked(ends="soon"), "'soon' is no time"),
        (Asked(slices=["moon"]), "there is no slice 'moon': the exposures have visits, device, new"),
        (Asked(within="0d"), "--within: '0d' is no duration"),
        (Asked(within="2d"), "a window needs the times"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(write: Write, asked: Asked, said: str) -> None:
    with pytest.raises(AnalysisError, match=said):
        from_options(asked, read_exposures(write("e.csv", EXPOSURES)), DONE)


def test_shares_are_read() -> None:
    assert read_shares("control=.5, b=.25,c=.25") == {"control": 0.5, "b": 0.25, "c": 0.25}
