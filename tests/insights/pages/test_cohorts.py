"""The page about cohorts shows what the analysis says."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP, MadeSession, write_facts

from insights.associations import find_associations
from insights.cohort_pairs import Chosen, compare_cohorts
from insights.cohorts import describe_cohorts
from insights.facts import Facts
from insights.filters import FilterError, Filters
from insights.pages.cohorts import page
from insights.pages.figure import Figure, View


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    phone, desk = (MadeSession(device=device, confidences={"price": 0.3}) for device in ("phone", "desk"))
    bought = {"stage": 5, "outcome": "goal", "value": 30.0, "confidences": {}}
    events = ((0.0, "page_view", 0), (2.0, "open_help", 0))
    sessions = [
        *[replace(phone, events=events)] * 60,
        *[replace(phone, stage=2)] * 50,
        *[replace(phone, **bought)] * 30,
        *[replace(desk, stage=2)] * 50,
        *[replace(desk, **bought)] * 70,
        *[MadeSession(device="tv")] * 4,
        *[replace(desk, device="pad")] * 22,
    ]
    return write_facts(tmp_path / "facts", sessions)


def shown(facts: Facts, filters: Filters | None = None, **chosen: str) -> dict[str, Figure]:
    found = page(View(SHOP, facts, filters or Filters(), query=tuple(chosen.items())))
    return {figure.name: figure for figure in found.figures}


def test_every_figure_of_the_page_is_one_of_the_analysis(facts: Facts) -> None:
    figures, told = shown(facts), describe_cohorts(facts, SHOP, "device")
    assert figures["cohorts"].table.column("cohort") == ("phone", "desk")
    assert figures["cohorts"].table.column("sessions") == (140, 120)
    assert figures["rates"].table.column("conversion") == (30 / 140, 70 / 120)
    assert figures["rates"].table.column("low") == tuple(c.conversion.low for c in told.cohorts if c.conversion)
    assert figures["rates"].table.column("revenue") == pytest.approx((30 * 30 / 140, 70 * 30 / 120))
    assert figures["exits"].table.column("exit_rate") == tuple(
        stage.exit_rate.value if stage.exit_rate else None for cohort in told.cohorts for stage in cohort.stages
    )
    findings = [one for one in told.against_rest if one.is_finding and one.kind != "revenue"]
    assert len(figures["differences"].table.rows) == len(findings) > 0
    assert set(figures["differences"].table.column("difference")) == {one.difference.value for one in findings}


def test_small_cohorts_are_said_to_be_hidden_and_are_nowhere_in_the_page(facts: Facts) -> None:
    figures = shown(facts)
    assert "2 are not shown: those with fewer than 20 visitors" in figures["cohorts"].note
    words = {str(value) for figure in figures.values() for row in figure.table.rows for value in row}
    assert not any("tv" in word.split(":")[0] or word.startswith("pad") for word in words)


def test_the_address_chooses_the_dimension_and_two_cohorts_to_compare(facts: Facts) -> None:
    figures = shown(facts, by="device", one="phone", other="desk")
    compared = compare_cohorts(facts, SHOP, Chosen("device", "phone"), Chosen("device", "desk"))
    by_unit = [one for one in compared.contrasts if one.kind not in ("revenue", "seconds")]
    assert set(figures["compared"].table.column("difference")) == {one.difference.value for one in by_unit}
    assert figures["compared_money"].table.column("difference") == tuple(
        one.difference.value for one in compared.contrasts if one.kind == "revenue"
    )
    ending = shown(facts, by="stage")
    assert "not by conversion" in ending["cohorts"].note
    assert set(ending["mixes"].table.column("kind")) == {"blocker", "device", "visitor kind"}
    assert "rates" not in ending


def test_filters_choose_the_sessions_of_every_figure(facts: Facts) -> None:
    figures = shown(facts, Filters(cohort=(("device", "phone"),)))
    assert figures["cohorts"].table.column("sessions") == (140,)
    # Of 60, 50 and 30 sessions most were left in the first stage.
    assert figures["progress"].title == "What goes with going on from browse"
    assert "of the 140 sessions" in figures["progress"].definition.lower()


def test_progress_is_that_of_the_stage_that_was_chosen(facts: Facts) -> None:
    figure = shown(facts, progress_from="browse")["progress"]
    found = find_associations(facts, SHOP, stage="browse").findings
    assert figure.table.column("what") == tuple(f"{one.what}, {one.when}" for one in found)
    assert "open_help, inside" in figure.table.column("what")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"by": "size"}, "cannot be told apart by 'size'"),
        ({"one": "phone", "other": "tv"}, "there is no cohort device=tv"),
        ({"progress_from": "till"}, "has no stage 'till'"),
    ],
)
def test_a_choice_that_cannot_be_shown_is_told(facts: Facts, chosen: dict[str, str], told: str) -> None:
    with pytest.raises(FilterError, match=told):
        shown(facts, **chosen)


def test_without_any_session_the_page_stands_with_empty_tables(tmp_path: Path) -> None:
    figures = shown(write_facts(tmp_path, []))
    assert figures["cohorts"].table.rows == ()
    assert figures["cohorts"].chart is None
