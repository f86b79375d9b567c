"""The Story page: the chosen week's sentences, each leading to a figure of the same page."""

import sys
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "story"))

from made_facts import SHOP, MadeSession, write_facts
from made_weeks import two_weeks

from insights.filters import Filters
from insights.pages.figure import Sentences, View
from insights.pages.story import page
from insights.story.compose import tell_week
from insights.story.week import find_week


def test_the_page_says_the_story_and_every_sentence_leads_to_a_figure_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_MIN_CELL", "10")
    facts = two_weeks(tmp_path)
    shown = page(View(SHOP, facts))
    names = {f"story#{figure.name}" for figure in shown.figures}
    said: list[object] = []
    for figure in shown.figures:
        if isinstance(figure.chart, Sentences):
            said += figure.table.column("sentence")
            assert set(figure.table.column("figure")) <= names
    assert said == [one.text for one in tell_week(SHOP, facts, find_week(facts)).sentences()]


def test_the_week_is_chosen_by_itself_or_by_the_end_of_the_period(tmp_path: Path) -> None:
    facts = two_weeks(tmp_path)
    assert "8 Jun 2026" in page(View(SHOP, facts)).lede
    assert "1 Jun 2026" in page(View(SHOP, facts, query=(("week", "2026-06-01"),))).lede
    assert "1 Jun 2026" in page(View(SHOP, facts, Filters(until=date(2026, 6, 3)))).lede
    assert page(View(SHOP, facts)).choices[0].options == ("2026-06-08", "2026-06-01")


def test_where_there_is_no_such_week_the_page_says_so(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", [MadeSession()])
    assert "no whole week" in page(View(SHOP, facts)).lede
    assert "no day" in page(View(SHOP, facts, query=(("week", "soon"),))).lede
