"""The page about blockers shows what the analysis says."""

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.blockers import Step, describe_blockers, follow_blocker, split_blocker
from insights.facts import Facts
from insights.filters import FilterError, Filters
from insights.pages.blockers import CAVEAT, LIMITS, NO_MODEL, page
from insights.pages.figure import Figure, Lines, View
from storage.records import Annotation, AnnotationKind, Records


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    told = [(0.0, "page_view", None, ""), (9.0, "view_product", "price", "dear")]
    price = MadeSession(
        stage=1,
        device="phone",
        confidences={"price": 0.5, "trust": 0.2},
        told=told,
        events=[(0.0, "page_view", 0), (9.0, "view_product", 1)],
    )
    trust = MadeSession(stage=2, device="desk", confidences={"trust": 0.4}, started_at=BEGIN + timedelta(days=3))
    return write_facts(tmp_path / "facts", [*[price] * 40, *[trust] * 30, *[MadeSession(outcome="goal", stage=5)] * 9])


def shown(
    facts: Facts, filters: Filters | None = None, records: Records | None = None, **chosen: str
) -> dict[str, Figure]:
    view = View(SHOP, facts, filters or Filters(), records or Records(), query=tuple(chosen.items()))
    return {figure.name: figure for figure in page(view).figures}


def test_every_figure_of_the_page_is_one_of_the_analysis(facts: Facts) -> None:
    figures, found = shown(facts), describe_blockers(facts, SHOP)
    assert figures["blockers"].table.column("blocker") == ("price", "trust")
    assert figures["blockers"].table.column("expected") == pytest.approx((20.0, 8 + 12))
    assert figures["blockers"].table.column("named_first") == (40, 30)
    assert figures["blockers"].table.column("low") == tuple(one.expected.low for one in found.blockers)
    assert figures["certainty"].table.column("share") == pytest.approx((0.5, 0.4))
    assert figures["stages"].table.column("share") == tuple(
        part.share.value if part.share else None for one in found.blockers for part in one.stages
    )
    trend = follow_blocker(facts, "price", Step.DAY)
    assert figures["trend"].table.column("period") == tuple(day.isoformat() for day, _ in trend)
    assert figures["trend"].table.column("share") == pytest.approx((0.5, 0.0))
    parts = split_blocker(facts, "price", "device")
    assert figures["cohorts"].table.column("exits") == tuple(part.exits for part in parts) == (40, 30)
    assert figures["phrases"].table.rows == (("dear", 40),)
    assert figures["typical"].table.column("event") == ("page_view", "view_product") * 3


def test_the_page_says_how_sure_it_is_and_what_is_expected_to_be_for_nothing(facts: Facts) -> None:
    figures = shown(facts)
    assert figures["blockers"].note.startswith("Of 70 exits, 30 are expected to be for none of these")
    assert figures["blockers"].note.endswith(CAVEAT)
    assert figures["certainty"].note == LIMITS


def test_the_address_chooses_blocker_cohort_and_period(facts: Facts) -> None:
    figures = shown(facts, friction="trust", by="visitor_kind", step="week")
    assert figures["trend"].table.column("exits") == (70,)
    assert figures["trend"].table.column("expected") == pytest.approx((20.0,))
    assert figures["cohorts"].table.column("cohort") == ("new",)
    assert figures["typical"].table.rows == ()


def test_annotations_stand_in_the_trend_on_their_local_day(facts: Facts) -> None:
    at_us = round((BEGIN + timedelta(hours=11)).timestamp() * 1e6)
    kept = Annotation(1, at_us, AnnotationKind.RELEASE, "new checkout", "a", at_us)
    chart = shown(facts, records=Records(annotations=(kept, replace(kept, at_us=0))))["trend"].chart
    assert isinstance(chart, Lines)
    # 23:00 in UTC is the next day in Berlin.
    assert [(mark.x, mark.text) for mark in chart.marks] == [("2026-06-02", "new checkout")]


def test_filters_choose_the_sessions_of_every_figure(facts: Facts) -> None:
    figures = shown(facts, Filters(cohort=(("device", "desk"),)))
    assert figures["blockers"].table.column("blocker") == ("trust",)
    assert figures["blockers"].note.startswith("Of 30 exits, 18 are")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"friction": "weather"}, "friction='weather' cannot be shown here; there is price, trust"),
        ({"by": "blocker"}, "by='blocker' cannot be shown here"),
        ({"step": "hour"}, "there is day, week"),
    ],
)
def test_a_choice_that_cannot_be_shown_is_told(facts: Facts, chosen: dict[str, str], told: str) -> None:
    with pytest.raises(FilterError, match=told):
        shown(facts, **chosen)


def test_without_a_model_and_without_exits_the_page_says_so(tmp_path: Path) -> None:
    plain = write_facts(tmp_path / "plain", [MadeSession()] * 30, model_version=None)
    assert shown(plain)["blockers"].note == NO_MODEL
    assert shown(write_facts(tmp_path / "none", []))["blockers"].note == "Too few visitors left to be shown."
