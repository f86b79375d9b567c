"""Names of tactics are read as they were made, and those that nothing can have are refused."""

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP

from insights.playbook.names import (
    audience_of,
    first_stage_name,
    name_of,
    parse_name,
    say_audience,
    stage_name_today,
)
from insights.playbook.status import TacticError
from journeys.versions import JourneyVersion

SHOWN = [
    (friction.name, stage, one.name)
    for one in SHOP.interventions
    for stage in (*one.stages, "")
    for friction in one.treats
]
VALUES = st.text(st.characters(exclude_characters=",|", exclude_categories=["Cs"]), min_size=1)
AUDIENCES = st.dictionaries(st.sampled_from(["device", "channel"]), st.sets(VALUES, min_size=1), max_size=2)


@given(st.sampled_from(SHOWN), AUDIENCES)
def test_a_name_is_read_as_it_was_made(shown: tuple[str, str, str], cohorts: dict[str, set[str]]) -> None:
    blocker, stage, intervention = shown
    audience = audience_of(cohorts)
    assert parse_name(SHOP, name_of(blocker, stage, audience, intervention)) == (blocker, stage, audience, intervention)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("payment.payment.other_paymnt", "did you mean 'payment.payment.other_payment'"),
        ("payment.payment", "which is STAGE.BLOCKER.INTERVENTION"),
        ("product.payment.other_payment", "other_payment may be shown at"),
        ("payment.price.other_payment", "other_payment treats payment, not price"),
        ("payment.payment.other_payment.shoe=42", "'shoe=42' is no audience; write DIMENSION=VALUE"),
        ("payment.payment.other_payment.device=", "is no audience"),
    ],
)
def test_what_no_tactic_can_be_called_is_refused_in_one_line(name: str, said: str) -> None:
    with pytest.raises(TacticError) as caught:
        parse_name(SHOP, name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_the_policy_offers_whatever_the_stage_allows_any_blocker_may_be_tried() -> None:
    free = replace(SHOP, policy=replace(SHOP.policy, only_matching=False))
    assert parse_name(free, "payment.price.other_payment") == ("price", "payment", "", "other_payment")


def test_a_renamed_stage_keeps_its_tactics() -> None:
    renamed = replace(SHOP, versions=(JourneyVersion(date(2026, 1, 1), "a new word", renamed={"till": "payment"}),))
    assert parse_name(renamed, "payment.payment.other_payment") == ("payment", "till", "", "other_payment")
    assert parse_name(renamed, "till.payment.other_payment") == ("payment", "till", "", "other_payment")
    assert (first_stage_name(renamed, "payment"), stage_name_today(renamed, "till")) == ("till", "payment")


def test_an_audience_is_told_in_words() -> None:
    assert say_audience("") == "everybody"
    told = say_audience(audience_of({"visitor_kind": ["new"], "device": ["tablet", "mobile"]}))
    assert told == "device mobile or tablet, visitor kind new"
