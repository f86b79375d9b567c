"""Running experiments at the moment of a decision."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from small_shop import offer

from decisions.decision import Met, Reason
from decisions.diagnosis import Blocker
from decisions.eligibility import Eligibility
from decisions.experiments import (
    AS_USUAL,
    NAMED_BLOCKER,
    NOTHING,
    OTHER_BLOCKER,
    ExperimentPlan,
    Population,
    Treatment,
    Variant,
    decide_by,
    explanation_trial,
    show,
)
from decisions.intervention import Intervention
from decisions.layers import BUCKETS, draw_variant
from decisions.policy import NOTHING as NO_OPTION
from decisions.policy import Assessment, Option, PolicySettings, PriorPolicy, Situation
from decisions.trial import Chosen, Moment, RunningExperiment, decide_among
from features.encode import key
from features.friction import Friction

SETTINGS = PolicySettings(goal_value=20.0, exploration=0.04)
FORM, PAY, PRICE = (
    offer(name, treats, effect=0.2)
    for name, treats in (("form_help", Friction.FORM), ("pay_later", Friction.PAYMENT), ("price_match", Friction.PRICE))
)
BOTH = offer("chat", Friction.PAYMENT, Friction.FORM, effect=0.1)
ALL = ((0, BUCKETS),)
RARE = 1e-3


@dataclass(frozen=True)
class Fixed:
    """A policy whose beliefs are written down."""

    best: Sequence[float]
    version: str = "fixed-1"

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:  # noqa: ARG002
        options = tuple(Option(one.name, 0.1, 1.0) for one in eligible)
        return Assessment(options, np.array(self.best[: 1 + len(options)]))


def moment(
    *allowed: Intervention,
    blockers: Sequence[Friction] = (Friction.PAYMENT,),
    everything: Sequence[Intervention] = (),
    assignment: str = "a1",
    identity: str = "d1",
    device: str | None = None,
    stage: str = "pay",
) -> Moment:
    named = tuple(Blocker(friction, 1 / len(blockers), 0.5, ()) for friction in blockers)
    return Moment(
        "shop",
        assignment,
        identity,
        Situation(stage, 0.8, named, {friction.name: 0.5 for friction in blockers}),
        Eligibility(allowed, {}),
        lambda: Eligibility(tuple(everything or allowed), {}),
        lambda name: key(device) if device and name == "device" else math.nan,
        PriorPolicy(SETTINGS),
        SETTINGS,
    )


def running(
    *treatments: Treatment, name: str = "first", weights: Sequence[float] = (), **more: object
) -> RunningExperiment:
    weighed = weights or [1.0] * len(treatments)
    variants = tuple(
        Variant(f"v{place}", one, weight) for place, (one, weight) in enumerate(zip(treatments, weighed, strict=True))
    )
    return RunningExperiment(replace(ExperimentPlan(name, variants=variants), **more), ALL)  # type: ignore[arg-type]


def shown(chosen: Chosen) -> str:
    return chosen.option.name if chosen.option else NO_OPTION


def trial() -> RunningExperiment:
    return RunningExperiment(explanation_trial("Research"), ALL)


def test_without_experiments_the_policy_decides() -> None:
    found = decide_among((), moment(PAY))
    assert (shown(found), found.reason, found.met) == ("pay_later", Reason.BEST_VALUE, ())
    assert found.propensities == pytest.approx({NO_OPTION: 0.04, "pay_later": 0.96})


POLICY = RunningExperiment(
    ExperimentPlan("policies", variants=(Variant("usual", AS_USUAL), Variant("new", decide_by("fixed-1"), 2.0))),
    ALL,
    {"fixed-1": Fixed((0.2, 0.3, 0.5))},
)
EXPERIMENTS = {
    "two arms": ((running(AS_USUAL, NOTHING),), moment(PAY, BOTH)),
    "three arms with weights": ((running(NOTHING, show("chat"), AS_USUAL, weights=(1, 2, 3)),), moment(PAY, BOTH)),
    "a policy that draws": ((POLICY,), moment(PAY, BOTH)),
    "named against nothing": ((running(NOTHING, NAMED_BLOCKER),), moment(PAY, BOTH, FORM)),
    "the explanation trial": ((trial(),), moment(PAY, BOTH, everything=(PAY, BOTH, FORM, PRICE))),
    "one within another": ((running(AS_USUAL, NOTHING), POLICY), moment(PAY, BOTH)),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_everything_happens_as_often_as_its_propensity_says(name: str) -> None:
    experiments, situation = EXPERIMENTS[name]
    found = [
        decide_among(experiments, replace(situation, assignment=f"a{number}", identity=f"d{number}"))
        for number in range(4_000)
    ]
    odds = found[0].propensities
    assert sum(odds.values()) == pytest.approx(1, abs=1e-12)
    assert all(one.propensities == odds for one in found)
    counts = Counter(map(shown, found))
    possible = [option for option, chance in odds.items() if chance > 0]
    assert set(counts) <= set(possible)
    assert (
        chisquare([counts[option] for option in possible], [4_000 * odds[option] for option in possible]).pvalue > RARE
    )


def test_the_propensities_are_those_of_the_variants_weighed() -> None:
    # Usual: .04 nothing, the best of two .96 less what its rival gets; new: the written beliefs with exploration.
    usual = decide_among((), moment(PAY, BOTH)).propensities
    new = {
        option: 0.96 * best + 0.04 * (1 - best) / 2
        for option, best in zip((NO_OPTION, "pay_later", "chat"), (0.2, 0.3, 0.5), strict=True)
    }
    found = decide_among((POLICY,), moment(PAY, BOTH)).propensities
    assert found == pytest.approx({option: usual[option] / 3 + 2 * new[option] / 3 for option in new})


def test_the_trial_treats_the_named_blocker_or_another_and_never_with_what_treats_both() -> None:
    seen: dict[str, set[str]] = {}
    for number in range(600):
        found = decide_among(
            (trial(),),
            moment(PAY, BOTH, everything=(PAY, BOTH, FORM, PRICE), assignment=f"a{number}", identity=f"d{number}"),
        )
        [met] = found.met
        assert met.other_blocker in {Friction.FORM.name, Friction.PRICE.name}
        seen.setdefault(met.variant, set()).add(shown(found))
        if met.variant == "other":
            assert shown(found) == {"form": "form_help", "price": "price_match"}[met.other_blocker]
    # The chat treats the named blocker without treating the price, and is never shown for the form.
    assert seen == {"nothing": {NO_OPTION}, "named": {"pay_later", "chat"}, "other": {"form_help", "price_match"}}


def test_a_trial_needs_both_a_named_blocker_and_another_that_can_be_treated() -> None:
    for situation in (
        moment(PAY, BOTH, everything=(PAY, BOTH)),
        moment(FORM, everything=(FORM, PRICE)),
        moment(PAY, blockers=()),
    ):
        assert decide_among((trial(),), situation).met == ()


def test_who_could_not_be_touched_by_the_variants_is_no_exposure() -> None:
    # Both policies are sure of the same option.
    same = running(AS_USUAL, decide_by("fixed-1"))
    agreeing = replace(same, policies={"fixed-1": Fixed((0.0, 1.0))})
    assert decide_among((agreeing,), moment(PAY)).met == ()
    differing = replace(same, policies={"fixed-1": Fixed((1.0, 0.0))})
    assert decide_among((differing,), moment(PAY)).met != ()
    # The intervention that a variant shows is not eligible.
    assert decide_among((running(AS_USUAL, show("form_help")),), moment(PAY)).met == ()


@pytest.mark.parametrize(
    ("population", "is_in"),
    [
        (Population(stages=("pay",), blockers=("payment", "form"), cohorts={"device": ("mobile", "tablet")}), True),
        (Population(stages=("browse",)), False),
        (Population(blockers=("form",)), False),
        (Population(cohorts={"device": ("desktop",)}), False),
        (Population(cohorts={"campaign": ("spring",)}), False),
    ],
)
def test_only_the_population_takes_part(population: Population, is_in: bool) -> None:
    found = decide_among((running(AS_USUAL, NOTHING, population=population),), moment(PAY, device="mobile"))
    assert bool(found.met) == is_in


def test_only_the_layers_buckets_take_part() -> None:
    halved = replace(running(AS_USUAL, NOTHING), spans=((0, 500),))
    inside = [bool(decide_among((halved,), moment(PAY, assignment=f"a{number}")).met) for number in range(2_000)]
    # Five standard deviations of a binomial of 2,000 at one half.
    assert abs(sum(inside) - 1_000) < 5 * (2_000 * 0.25) ** 0.5


def test_a_person_stays_in_one_variant_whatever_is_decided() -> None:
    experiment = running(AS_USUAL, NOTHING)
    variant = draw_variant("shop", experiment.plan, "a7")[0].name
    for number in range(50):
        assert decide_among((experiment,), moment(PAY, assignment="a7", identity=f"d{number}")).met == (
            Met("first", variant),
        )


def test_where_the_outer_variant_does_as_usual_the_inner_experiment_decides() -> None:
    outer, inner = running(AS_USUAL, NOTHING), running(show("chat"), show("pay_later"), name="second", layer="second")
    for number in range(40):
        found = decide_among((outer, inner), moment(PAY, BOTH, assignment=f"a{number}"))
        first, *rest = found.met
        assert first.experiment == "first"
        if first.variant == "v0":
            assert [one.experiment for one in rest] == ["second"]
            assert shown(found) == {"v0": "chat", "v1": "pay_later"}[rest[0].variant]
        else:
            assert (rest, shown(found), found.reason) == ([], NO_OPTION, Reason.EXPERIMENT)
        assert found.propensities == pytest.approx({NO_OPTION: 0.5, "chat": 0.25, "pay_later": 0.25})


OFFERS = (FORM, PAY, PRICE, BOTH)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(OFFERS), unique=True, min_size=1),
    st.lists(st.sampled_from((Friction.PAYMENT, Friction.FORM, Friction.PRICE)), unique=True, min_size=1),
    st.lists(
        st.lists(
            st.sampled_from((AS_USUAL, NOTHING, NAMED_BLOCKER, OTHER_BLOCKER, show("chat"))),
            min_size=2,
            max_size=3,
        ),
        max_size=2,
    ),
    st.integers(0, 10_000),
)
def test_every_decision_has_propensities_that_sum_to_one(
    allowed: list[Intervention], blockers: list[Friction], treatments: list[list[Treatment]], number: int
) -> None:
    experiments = [running(*arms, name=f"e{place}") for place, arms in enumerate(treatments)]
    found = decide_among(
        experiments,
        moment(*allowed, blockers=blockers, everything=OFFERS, assignment=f"a{number}", identity=f"d{number}"),
    )
    assert sum(found.propensities.values()) == pytest.approx(1, abs=1e-12)
    assert found.propensities[shown(found)] > 0
    names: Mapping[str, Intervention] = {one.name: one for one in OFFERS}
    assert set(found.propensities) <= {NO_OPTION, *names}
