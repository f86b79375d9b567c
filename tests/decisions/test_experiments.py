"""Experiments as they are declared, and who is put where."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from decisions.assignment import in_holdout
from decisions.experiments import (
    AS_USUAL,
    NOTHING,
    ExperimentPlan,
    Guardrail,
    PlanError,
    Population,
    StoppingRule,
    Variant,
    decide_by,
    explanation_trial,
    from_json,
    show,
    to_json,
)
from decisions.layers import BUCKETS, bucket, draw_variant, take_buckets, takes_part
from decisions.plan_checks import Declared, missing, refusals, wrong

DECLARED = Declared(("browse", "pay"), ("payment", "form"), ("pay_later", "form_help"), ("device",), has_revenue=False)
COMPLETE = ExperimentPlan(
    name="chat_in_checkout",
    hypothesis="People whose payment failed buy more often when a chat is offered.",
    variants=(Variant("as_usual", AS_USUAL), Variant("later", show("pay_later")), Variant("none", NOTHING, 2.0)),
    population=Population(("pay",), ("payment",), {"device": ("mobile",)}, 0.5),
    primary_metric="goal",
    guardrails=(Guardrail("net_value", 0.05),),
    minimum_effect=0.1,
    planned_duration="14d",
    owner="Payments",
    stopping_rule=StoppingRule.FIXED,
)
PEOPLE = [f"person-{number}" for number in range(20_000)]
# With seeds that are fixed a test of chance either always passes or never does; this is the chance of the latter.
RARE = 1e-3


def test_a_complete_plan_is_not_refused() -> None:
    assert refusals(COMPLETE, DECLARED) == []


def test_a_bare_name_is_told_all_that_is_missing_at_once() -> None:
    found = missing(ExperimentPlan("bare"))
    for what in (
        "hypothesis",
        "variants",
        "primary metric",
        "guardrail",
        "minimum effect",
        "duration",
        "owner",
        "rule",
    ):
        assert sum(what in sentence.split(":")[0] for sentence in found) == 1, what
    assert len(found) == 8


def test_all_that_is_wrong_is_told_at_once() -> None:
    plan = replace(
        COMPLETE,
        name="no name!",
        population=Population(("payed",), ("payments",), {"weather": ("fair",), "device": ()}, 1.5),
        variants=(
            Variant("one", show("pay_latter"), -1.0),
            Variant("one", decide_by("")),
            Variant("three", replace(NOTHING, named="chat")),
        ),
        primary_metric="clicks",
        secondary_metrics=("revenue",),
        guardrails=(Guardrail("goal", 5.0),),
        minimum_effect=0.0,
        alpha=0.5,
        power=0.4,
        planned_duration="14",
        window="week",
    )
    said = wrong(plan, DECLARED)
    for part in (
        "'no name!' is no name",
        "did you mean 'pay' or 'browse'",
        "'payments' is not declared",
        "'weather' is read by no feature",
        "'device' has no value",
        "share 1.5",
        "'one' is declared twice",
        "'pay_latter', which is no intervention: did you mean 'pay_later'",
        "weight -1",
        "does not name its policy",
        "names 'chat', which the treatment nothing does not take",
        "'clicks' is unknown",
        "no revenue property",
        "margin 5",
        "effect 0 is no change",
        "power 0.4 must lie",
        "planned duration: '14'",
        "window: 'week'",
    ):
        assert sum(part in sentence for sentence in said) == 1, part
    assert len(said) == 18


def test_variants_that_all_do_the_same_are_refused() -> None:
    plan = replace(COMPLETE, variants=(Variant("a", NOTHING), Variant("b", NOTHING)))
    assert wrong(plan, DECLARED) == ["all variants do the same: give them different treatments"]


def test_a_plan_survives_being_written_as_json() -> None:
    for plan in (COMPLETE, ExperimentPlan("bare"), explanation_trial("Research")):
        assert from_json(json.loads(json.dumps(to_json(plan)))) == plan


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"name": "a", "primary": "goal"}, "'primary'"),
        ({"name": "a", "variants": [{"name": "b", "treatment": {"kind": "nothing", "what": 1}}]}, "treatment.what"),
        ({"name": "a", "alpha": "low"}, "alpha"),
        ({"name": "a", "stopping_rule": "whenever"}, "stopping_rule"),
        ({"hypothesis": "a"}, "name"),
    ],
)
def test_a_mistake_in_the_json_is_named(content: dict[str, object], named: str) -> None:
    with pytest.raises(PlanError, match=named):
        from_json(content)


def test_the_explanation_trial_is_complete_and_knows_what_it_is() -> None:
    trial = explanation_trial("Research")
    assert refusals(trial, DECLARED) == []
    assert trial.is_explanation_trial
    assert not COMPLETE.is_explanation_trial


def test_people_are_spread_evenly_over_the_buckets_of_a_layer() -> None:
    counts = np.bincount([bucket("shop", "default", one) for one in PEOPLE], minlength=BUCKETS)
    assert len(counts) == BUCKETS
    assert chisquare(counts).pvalue > RARE


def test_variants_get_people_in_proportion_to_their_weights() -> None:
    names = [draw_variant("shop", COMPLETE, one)[0].name for one in PEOPLE]
    counts = [names.count(variant.name) for variant in COMPLETE.variants]
    assert chisquare(counts, np.array([0.25, 0.25, 0.5]) * len(PEOPLE)).pvalue > RARE


def test_layers_variants_and_the_holdout_are_independent_of_each_other() -> None:
    other = replace(COMPLETE, name="another", layer="second")
    drawn = {
        "first layer": [bucket("shop", "default", one) < 500 for one in PEOPLE],
        "second layer": [bucket("shop", "second", one) < 500 for one in PEOPLE],
        "first variant": [draw_variant("shop", COMPLETE, one)[0].name for one in PEOPLE],
        "second variant": [draw_variant("shop", other, one)[0].name for one in PEOPLE],
        "holdout": [in_holdout("shop", one, 0.1) for one in PEOPLE],
    }
    names = list(drawn)
    for place, first in enumerate(names):
        for second in names[:place]:
            pairs = list(zip(drawn[first], drawn[second], strict=True))
            rows, columns = sorted(set(drawn[first])), sorted(set(drawn[second]))
            table = [[pairs.count((row, column)) for column in columns] for row in rows]
            assert chi2_contingency(table).pvalue > RARE, (first, second)


def test_experiments_of_one_layer_exclude_each_other() -> None:
    first = take_buckets((), 0.3)
    second = take_buckets(first, 0.5)
    inside = [[takes_part("shop", "default", spans, one) for one in PEOPLE] for spans in (first, second)]
    assert not np.any(np.logical_and(*inside))
    assert sum(inside[0]) / len(PEOPLE) == pytest.approx(0.3, abs=0.02)
    assert sum(inside[1]) / len(PEOPLE) == pytest.approx(0.5, abs=0.02)


def test_a_full_layer_says_how_much_is_free() -> None:
    with pytest.raises(PlanError, match=r"only 20\.0% of the layer's people are free, not 50\.0%"):
        take_buckets(((0, 800),), 0.5)


@given(st.lists(st.floats(0.001, 1), max_size=8))
def test_buckets_are_never_given_twice(shares: list[float]) -> None:
    taken: list[tuple[int, int]] = []
    held = 0
    for share in shares:
        wanted = max(1, round(share * BUCKETS))
        if wanted > BUCKETS - held:
            with pytest.raises(PlanError):
                take_buckets(taken, share)
            continue
        found = take_buckets(taken, share)
        assert sum(beyond - first for first, beyond in found) == wanted
        held += wanted
        taken += found
    covered = [one for first, beyond in taken for one in range(first, beyond)]
    assert len(covered) == len(set(covered)) == held


def test_buckets_between_others_are_used() -> None:
    assert take_buckets(((100, 200), (250, 300)), 0.2) == ((0, 100), (200, 250), (300, 350))
