"""What `dropoff describe` and `dropoff journeys` print holds all that is declared."""

from rich.console import Console
from rich.table import Table

from features.friction import Friction
from journeys.describe import describe, describe_all
from journeys.load import journey_names, load_journey


def shown(*tables: Table) -> str:
    console = Console(width=2_000, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(*tables)
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
    columns = [list(column.cells) for column in table.columns]
    return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]


def test_durations_are_shown_with_a_unit_and_the_policy_with_its_share() -> None:
    text = shown(*describe(load_journey("loan_application")))
    assert "30 days" in text
    assert "24 hours, 3 days, 7 days, 14 days, 21 days" in text
    assert "a_declined" in text


def test_brackets_in_a_declaration_are_not_read_as_markup() -> None:
    from journeys.describe import _table

    assert "[bold]" in shown(_table("", ("a",), [("[bold]",)]))


def test_the_list_of_journeys_has_a_line_for_each() -> None:
    table = describe_all(load_journey(name) for name in journey_names())
    assert table.row_count == len(journey_names())
    text = shown(table)
    assert "browse > product > cart > checkout > address > payment" in text
    assert "purchase" in text
