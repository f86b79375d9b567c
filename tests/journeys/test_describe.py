"""What `dropoff describe` and `dropoff journeys` print holds all that is declared."""

import re

import pytest
from rich.console import Console

from features.friction import Friction
from journeys.describe import describe, describe_all
from journeys.load import journey_names, load_journey
from journeys.tables import FittedTable


def shown(*tables: FittedTable, width: int = 2_000) -> str:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get()


def test_every_part_of_every_journey_is_printed() -> None:
    for name in journey_names():
        journey = load_journey(name)
        text = shown(*describe(journey))
        for stage in journey.stages:
            assert stage.description in text
        for feature in journey.features:
            assert feature.name in text
            assert feature.expression.describe() in text
            assert feature.phrase in text
        for intervention in journey.interventions:
            assert intervention.title in text
            assert intervention.message in text
        for event, meaning in journey.events.items():
            assert event in text
            assert meaning in text
        for friction in journey.frictions:
            assert friction.description in text
        assert journey.table.fingerprint in text


def test_frictions_are_counted_by_problem_type() -> None:
    journey = load_journey("ecommerce")
    rows = {row[1]: row for row in rows_of("Frictions")}
    features = sum(feature.friction == Friction.SHIPPING for feature in journey.features)
    assert rows["shipping"][0] == "value proposition mismatch"
    assert rows["shipping"][3] == str(features)
    assert rows["shipping"][4] == "free_delivery, delivery_promise"
    assert sum(int(row[3]) for row in rows.values()) == len(journey.features)


def rows_of(title: str) -> list[list[str]]:
    [table] = [table for table in describe(load_journey("ecommerce")) if table.title == title]
    return [[str(cell) for cell in row] for row in table.rows]


def test_durations_are_shown_with_a_unit_and_the_policy_with_its_share() -> None:
    text = shown(*describe(load_journey("loan_application")))
    assert "30 days" in text
    assert "24 hours, 3 days, 7 days, 14 days, 21 days" in text
    assert "a_declined" in text


def test_a_feature_stands_under_its_friction() -> None:
    journey = load_journey("ecommerce")
    friction = ""
    found = {}
    for name, expression, _ in rows_of(f"Features ({len(journey.features)})"):
        if expression:
            found[name.strip()] = friction
        else:
            friction = name
    assert found == {feature.name: feature.friction.name for feature in journey.features}


def test_neighbouring_stages_are_a_range_and_a_cost_is_named_only_where_there_is_one() -> None:
    rows = {row[0]: row for row in rows_of("Interventions (14)")}
    assert rows["basket_discount"][2] == "cart to payment"
    assert rows["form_assistant"][2] == "checkout, address"
    assert rows["basket_discount"][4] == "7 if converted"
    assert rows["delivery_promise"][4] == "0.05 + 0.4 if converted"
    assert rows["other_payment"][4] == "0.1"


@pytest.mark.parametrize("name", journey_names())
def test_at_eighty_columns_no_word_is_broken_and_no_line_is_longer(name: str) -> None:
    journey = load_journey(name)
    text = shown(*describe(journey), *describe_all([journey]), width=80)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text
    words = set(re.findall(r"\w+", text))
    declared = [
        *(stage.name for stage in journey.stages),
        *(friction.name for friction in journey.frictions),
        *(feature.name for feature in journey.features),
        *(intervention.name for intervention in journey.interventions),
        *journey.events,
        *journey.properties,
        *journey.ends.all_names,
        *(word for intervention in journey.interventions for word in re.findall(r"\w+", intervention.message)),
    ]
    assert not set(declared) - words


def test_the_list_of_journeys_is_a_block_for_each() -> None:
    blocks = list(describe_all(load_journey(name) for name in journey_names()))
    assert len(blocks) == len(journey_names())
    text = shown(*blocks, width=80)
    assert "ecommerce: Online shop" in text
    assert "browse > product > cart > checkout > address > payment" in text
    assert "70 features, 12 frictions, 14 interventions" in text
