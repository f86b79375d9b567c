"""A wrong declaration is refused at once, with the thing's name and what to write instead."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from decisions.budget import Budget
from decisions.intervention import Effort, Intervention
from features.friction import Friction, ProblemType
from features.scan import DeclarationError, category, count, last, on, peak, prop, since, stage, streak
from features.table import Feature, Stage
from journeys.journey import Ends, Journey, PolicySettings

Declare = Callable[..., Journey]


def refusal(declare: Declare, **changes: Any) -> str:
    with pytest.raises(DeclarationError) as caught:
        declare(**changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def extra(expression: Any, name: str = "extra", friction: Friction = Friction.FORM, phrase: str = "{:.0f}") -> Feature:
    return Feature(name, expression, friction, phrase)


def test_a_complete_journey_is_accepted_and_lists_its_addressable_frictions(declare: Declare) -> None:
    journey = declare()
    assert journey.frictions == (Friction.FORM,)
    assert journey.table.names == ("stage_index", "events_seen", "form_errors")


def test_all_ends_are_listed_in_one_place() -> None:
    ends = Ends(goal=("a",), abandoned=("b",), competing=("c",), closes=("d",))
    assert ends.all_names == ("a", "b", "c", "d")


# Who answers for what


def test_the_steward_of_a_source_goes_before_that_of_its_channel_and_the_owner_comes_last(declare: Declare) -> None:
    journey = declare(owner="Marketing", stewards={"email": "CRM", "partner": "Partnerships"})
    assert journey.steward("email", "partner") == "Partnerships"
    assert journey.steward("email", "newsletter") == "CRM"
    assert journey.steward("on_site", None) == journey.steward(None) == "Marketing"


@pytest.mark.parametrize(
    ("stewards", "said"), [({"email": " "}, "steward of 'email' is empty"), ({"": "CRM"}, "'CRM'")]
)
def test_a_steward_or_an_origin_without_a_name_is_refused(
    declare: Declare, stewards: dict[str, str], said: str
) -> None:
    assert said in refusal(declare, stewards=stewards)


# What events are about


def test_an_element_of_an_unknown_event_or_property_is_refused(declare: Declare) -> None:
    properties = {"field": "which field"}
    assert "'form_eror'" in refusal(declare, properties=properties, elements={"form_eror": "field"})
    assert "'feild'" in refusal(declare, properties=properties, elements={"form_error": "feild"})


def test_what_edits_has_to_have_an_element(declare: Declare) -> None:
    assert "'form_error' in edits" in refusal(declare, edits=("form_error",))
    accepted = declare(properties={"field": "which"}, elements={"form_error": "field"}, edits=("form_error",))
    assert accepted.edits == ("form_error",)


# Names


def test_a_journey_whose_name_is_no_identifier_is_refused(declare: Declare) -> None:
    assert "'Sign up'" in refusal(declare, name="Sign up")
    assert "lower-case identifier" in refusal(declare, name="SignUp")


def test_an_empty_title_is_refused(declare: Declare) -> None:
    assert "title is empty" in refusal(declare, title=" ")


def test_an_event_without_a_meaning_is_refused(declare: Declare) -> None:
    events = {**declare().events, "page_view": ""}
    assert "event 'page_view' has no meaning" in refusal(declare, events=events)


def test_a_feature_that_listens_to_an_unknown_event_is_refused_with_the_nearest_names(declare: Declare) -> None:
    message = refusal(declare, more_features=(extra(count("form_eror")),))
    assert "'extra'" in message
    assert "'form_eror'" in message
    assert "form_error" in message.replace("form_eror", "")


@pytest.mark.parametrize(
    "expression",
    [
        count(on("form_error").within(5, of="pagee_view")),
        streak("form_error", among=on("form_error", "pagee_view")),
        count("form_error") / count("pagee_view"),
    ],
)
def test_an_unknown_event_is_found_wherever_it_hides(declare: Declare, expression: Any) -> None:
    message = refusal(declare, more_features=(extra(expression),))
    assert "'pagee_view'" in message
    assert "page_view" in message.replace("pagee_view", "")


def test_a_feature_that_reads_an_unknown_property_is_refused_with_the_nearest_names(declare: Declare) -> None:
    message = refusal(declare, more_features=(extra(last(prop("load_second"))),))
    assert "'load_second'" in message
    assert "'load_seconds'" in message


def test_an_unknown_property_in_a_bound_is_refused(declare: Declare) -> None:
    message = refusal(declare, more_features=(extra(count(on("page_view", loadseconds=(3, None)))),))
    assert "'loadseconds'" in message


def test_context_columns_need_no_declaration_as_properties(declare: Declare) -> None:
    device = Feature("device", category("device"), Friction.NONE, "device")
    assert "device" in declare(more_features=(device,)).table.names


def test_two_features_of_one_name_are_refused(declare: Declare) -> None:
    assert "feature 'form_errors' is declared twice" in refusal(
        declare, more_features=(extra(since("form_error"), name="form_errors"),)
    )


def test_two_stages_of_one_name_are_refused(declare: Declare) -> None:
    stages = (Stage("read", on("page_view")), Stage("read", on("edit_field")))
    assert "stage 'read' is declared twice" in refusal(declare, stages=stages)


def test_two_interventions_of_one_name_are_refused(declare: Declare) -> None:
    form_help = declare().interventions[0]
    assert "'form_help' is declared twice" in refusal(declare, interventions=(form_help, form_help))


def test_two_different_frictions_of_one_name_are_refused(declare: Declare) -> None:
    other = Friction("form", ProblemType.TRUST_BARRIER, "something else")
    message = refusal(declare, more_features=(extra(since("form_error"), friction=other),))
    assert "two different frictions are named 'form'" in message


# Features that would give the answer away


@pytest.mark.parametrize("name", ["sign_up", "leave", "refuse"])
@pytest.mark.parametrize("per", ["session", "stage"])
def test_a_feature_that_listens_to_an_end_is_refused(declare: Declare, name: str, per: Any) -> None:
    message = refusal(declare, more_features=(extra(count(name, per=per)),))
    assert "'extra'" in message
    assert repr(name) in message
    assert "per='visitor'" in message


def test_an_end_that_only_closes_is_refused_too(declare: Declare) -> None:
    ends = Ends(goal=("sign_up",), closes=("form_error",))
    assert "'form_errors' listens to 'form_error'" in refusal(declare, ends=ends)


def test_earlier_goals_of_the_visitor_may_be_counted(declare: Declare) -> None:
    earlier = extra(count("sign_up", per="visitor"), name="earlier_signups", friction=Friction.NONE)
    assert "earlier_signups" in declare(more_features=(earlier,)).table.names


def test_an_end_inside_a_ratio_or_within_is_found(declare: Declare) -> None:
    for expression in (
        count("form_error") / count("sign_up"),
        count(on("form_error").within(9, of="sign_up")),
        streak("form_error", among=on("form_error", "sign_up")),
    ):
        assert "'sign_up'" in refusal(declare, more_features=(extra(expression),))


def test_a_feature_that_listens_to_what_was_shown_is_refused(declare: Declare) -> None:
    message = refusal(declare, more_features=(extra(count("intervention_shown", per="visitor")),))
    assert "'intervention_shown'" in message
    assert "what was shown" in message


def test_a_stage_that_an_end_enters_is_refused(declare: Declare) -> None:
    stages = (Stage("read", on("page_view")), Stage("form", on("edit_field", "sign_up")))
    message = refusal(declare, stages=stages)
    assert "'form'" in message
    assert "'sign_up'" in message


def test_an_event_that_enters_two_stages_is_refused(declare: Declare) -> None:
    stages = (Stage("read", on("page_view")), Stage("form", on("edit_field", "page_view")))
    message = refusal(declare, stages=stages)
    assert "'page_view' enters both the stages 'read' and 'form'" in message


# Features that evaluation reads


@pytest.mark.parametrize("missing", ["stage_index", "events_seen"])
def test_the_two_features_that_evaluation_reads_are_required(declare: Declare, missing: str) -> None:
    features = tuple(feature for feature in declare().features if feature.name != missing)
    assert f'add Feature("{missing}"' in refusal(declare, features=features)


def test_the_two_features_that_evaluation_reads_must_be_what_their_names_say(declare: Declare) -> None:
    features = declare().features
    swapped = (replace(features[0], expression=count("page_view")), *features[1:])
    assert 'add Feature("stage_index", stage' in refusal(declare, features=swapped)
    swapped = (features[0], replace(features[1], expression=count("page_view")), *features[2:])
    assert 'add Feature("events_seen", count(any_event)' in refusal(declare, features=swapped)


# Phrases


@pytest.mark.parametrize("phrase", ["form errors", "{:d} errors", "{0} {1}", "{name}", "{", "  ", "{:.0f} and {:.0f}"])
def test_a_phrase_that_does_not_format_one_number_is_refused_with_the_features_name(phrase: str) -> None:
    with pytest.raises(DeclarationError, match="'form_errors'"):
        Feature("form_errors", count("form_error"), Friction.FORM, phrase)


def test_a_category_is_said_without_a_number() -> None:
    assert Feature("device", category("device"), Friction.NONE, "device").say(-5.0) == "device"
    with pytest.raises(DeclarationError, match="words without a number"):
        Feature("device", category("device"), Friction.NONE, "device {:.0f}")


# Frictions and interventions


def test_a_friction_that_no_intervention_treats_is_refused(declare: Declare) -> None:
    slow = extra(peak(prop("load_seconds")), name="load_seconds", friction=Friction.SPEED)
    message = refusal(declare, more_features=(slow,))
    assert "no intervention treats the friction 'speed'" in message
    assert "treats=(Friction.SPEED,)" in message


def test_a_friction_of_ones_own_is_named_as_its_constant(declare: Declare) -> None:
    own = Friction("documents", ProblemType.FRICTION, "papers are missing")
    message = refusal(declare, more_features=(extra(since("form_error"), friction=own),))
    assert "treats=(DOCUMENTS,)" in message


def test_an_intervention_for_a_friction_without_evidence_is_refused(declare: Declare) -> None:
    message = refusal(declare, intervention={"treats": (Friction.FORM, Friction.PRICE)})
    assert "'form_help' treats 'price', of which no feature gives evidence" in message


def test_an_intervention_at_an_unknown_stage_is_refused_with_the_nearest_names(declare: Declare) -> None:
    message = refusal(declare, intervention={"stages": ("forms",)})
    assert "'forms' is no stage" in message
    assert "'form'" in message


def test_an_unknown_channel_is_refused_with_the_known_ones(declare: Declare) -> None:
    message = refusal(declare, intervention={"channel": "pigeon"})
    assert "'pigeon'" in message
    assert "on_site" in message


@pytest.mark.parametrize("field", ["title", "message", "owner"])
def test_an_intervention_needs_words_and_an_owner(declare: Declare, field: str) -> None:
    assert f"the {field} is empty" in refusal(declare, intervention={field: " "})


def test_an_intervention_treats_a_friction_and_not_the_context() -> None:
    with pytest.raises(DeclarationError, match="'help'"):
        Intervention(
            name="help",
            title="Help",
            message="Help",
            channel="on_site",
            stages=("form",),
            treats=(Friction.NONE,),
            prior_effect=0.1,
            cost=0,
            effort=Effort.QUICK_WIN,
            owner="Forms",
        )


# Ends


def test_an_end_that_is_no_event_is_refused_with_the_nearest_names(declare: Declare) -> None:
    message = refusal(declare, ends=Ends(goal=("signup",)))
    assert "the end 'signup' is no event" in message
    assert "'sign_up'" in message


def test_a_journey_without_a_goal_is_refused(declare: Declare) -> None:
    assert "has no goal" in refusal(declare, ends=Ends(goal=()))


def test_a_name_in_place_of_a_tuple_of_names_is_refused(declare: Declare) -> None:
    ends = Ends(goal="sign_up")  # type: ignore[arg-type]
    assert "goal=('sign_up',)" in refusal(declare, ends=ends)


def test_an_event_with_two_kinds_of_end_is_refused(declare: Declare) -> None:
    message = refusal(declare, ends=Ends(goal=("sign_up",), abandoned=("leave",), closes=("leave",)))
    assert "'leave' is more than one of goal, abandoned, competing and closes" in message


def test_a_journey_that_nobody_can_abandon_is_refused(declare: Declare) -> None:
    assert "no session can be abandoned" in refusal(declare, ends=Ends(goal=("sign_up",), silence_abandons=False))


# Durations, time zone and policy


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_timeout_and_a_horizon_must_be_positive(declare: Declare, seconds: float) -> None:
    assert "session_timeout_seconds" in refusal(declare, session_timeout_seconds=seconds)
    assert "horizon_seconds" in refusal(declare, horizon_seconds=seconds)


@pytest.mark.parametrize("tick", [0.0, -30.0, 1_800.0, float("nan")])
def test_an_idle_tick_lies_between_zero_and_the_timeout(declare: Declare, tick: float) -> None:
    message = refusal(declare, idle_ticks_seconds=(tick,))
    assert f"idle tick {tick!r}" in message
    assert "1800 seconds" in message


def test_idle_ticks_ascend_and_the_right_order_is_shown(declare: Declare) -> None:
    assert "(30.0, 60.0)" in refusal(declare, idle_ticks_seconds=(60.0, 30.0, 60.0))


def test_an_unknown_time_zone_is_refused(declare: Declare) -> None:
    assert "'Europe/Atlantis'" in refusal(declare, timezone="Europe/Atlantis")


@pytest.mark.parametrize(
    "changes",
    [
        {"goal_value": 0.0},
        {"goal_value": float("nan")},
        {"low_risk": 1.5},
        {"exploration": 0.05},
        {"exploration": -0.01},
        {"holdout": 1.0},
        {"annoyance": -1.0},
        {"session_cap": 0},
    ],
)
def test_a_policy_outside_its_limits_is_refused_with_the_value(declare: Declare, changes: dict[str, Any]) -> None:
    [(field, value)] = changes.items()
    policy = PolicySettings(**{"goal_value": 10.0, **changes})
    assert f"{field}={value!r}" in refusal(declare, policy=policy)


def test_a_budget_that_nothing_can_keep_to_is_refused(declare: Declare) -> None:
    policy = PolicySettings(goal_value=10.0, budget=Budget(treated_share=20))
    assert "budget: treated_share=20 is a share of decisions" in refusal(declare, policy=policy)


def test_a_journey_without_features_or_stages_is_refused(declare: Declare) -> None:
    assert "at least one feature" in refusal(declare, features=())
    assert "at least one stage" in refusal(declare, stages=())


def test_the_stage_clock_is_a_number_and_no_category() -> None:
    assert not Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}").is_category


def test_an_alias_means_a_declared_event_and_is_none_itself(declare: Declare) -> None:
    declared = next(iter(declare().events))
    assert declare(aliases={"What They Send": declared}).names.find("what they send") is None
    assert declare(aliases={"What They Send": declared}).names.find("What They Send") == declared
    assert "means no event" in refusal(declare, aliases={"Sent": "nothing_declared"})
    assert "is a declared event itself" in refusal(declare, aliases={declared: declared})


def test_a_property_alias_fills_a_declared_property_of_a_declared_event(declare: Declare) -> None:
    event, declared = next(iter(declare().events)), next(iter(declare().properties))
    properties = {"theirs": 1}
    declare(property_aliases={event: {declared: ("theirs",)}}).property_names.fill(event, properties)
    assert properties == {"theirs": 1, declared: 1}
    assert "which events does not list" in refusal(declare, property_aliases={"nothing": {declared: ("x",)}})
    assert "which properties does not list" in refusal(declare, property_aliases={"": {"nothing": ("x",)}})
    for places in ("theirs", (), ("",)):
        assert "are names in a tuple" in refusal(declare, property_aliases={"": {declared: places}})


def test_a_consent_is_of_a_channel_of_messages_and_read_from_a_declared_property(declare: Declare) -> None:
    declared = next(iter(declare().properties))
    assert declare(consents={"email": declared}).consents == {"email": declared}
    assert "write one of email, sms, push, ad" in refusal(declare, consents={"on_site": declared})
    assert "which properties does not list" in refusal(declare, consents={"email": "nothing_declared"})
