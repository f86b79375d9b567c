"""The page about channels shows what the analysis says, adds up, and says that it is association."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.channels.credit import MODELS
from insights.channels.of_facts import credit_facts
from insights.facts import Facts
from insights.filters import FilterError, Filters
from insights.pages.channels import page
from insights.pages.figure import Figure, View


def made() -> list[MadeSession]:
    """One person comes by mail and a day later by ads and buys; another comes by ads alone and browses."""
    return [
        MadeSession(visitor="a", stage=0, channel="mail", source="news"),
        MadeSession(
            visitor="a",
            stage=5,
            channel="ads",
            outcome="goal",
            value=40.0,
            started_at=BEGIN + timedelta(days=1),
            events=[(0.0, "page_view", 5), (60.0, "purchase", 5)],
        ),
        MadeSession(visitor="b", stage=0, channel="ads"),
    ]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    return write_facts(tmp_path_factory.mktemp("channels") / "facts", made())


def shown(facts: Facts, **view: object) -> dict[str, Figure]:
    return {figure.name: figure for figure in page(View(SHOP, facts, **view)).figures}  # type: ignore[arg-type]


def test_models_stand_side_by_side_and_add_up(facts: Facts) -> None:
    goal = shown(facts)["goal"].table
    assert goal.column("channel") == ("ads", "mail")
    assert goal.column("first") == (0.0, 1.0)
    assert goal.column("last") == (1.0, 0.0)
    assert goal.column("linear") == (0.5, 0.5)
    for model in MODELS:
        assert sum(map(float, goal.column(model))) == 1  # type: ignore[arg-type]
    value = shown(facts)["value"].table
    assert value.column("first") == (0.0, 40.0)


def test_every_stage_has_its_credit_and_its_share_on_the_map(facts: Facts) -> None:
    figures, credit = shown(facts), credit_facts(facts, SHOP, Filters(), "channel")
    rows = figures["stages"].table.rows
    assert [row[:2] for row in rows[:2]] == [("browse", "ads"), ("browse", "mail")]
    stages = [one for one in (*credit.stages, credit.goal) if one.total]
    assert [row[2:-1] for row in rows] == [
        tuple(shares[name] for shares in one.conversions.values()) for one in stages for name in one.channels
    ]
    # Browse was reached by mail; by mail and ads; and by ads: one and a half each, and the goal half and half.
    assert figures["map"].table.rows[:2] == (("browse", "ads", 0.5, 1.0), ("browse", "mail", 0.5, 1.0))
    assert figures["map"].table.rows[-1] == ("purchase", "mail", 0.5, 1.0)


def test_the_map_shows_who_gets_further_as_times_the_first_share(tmp_path: Path) -> None:
    sessions = [MadeSession(stage=0, channel="ads")] * 3 + [MadeSession(stage=1, channel="mail")]
    table = shown(write_facts(tmp_path / "facts", sessions))["map"].table
    # Of four who browse, one came by mail: a quarter. The one who looks at a product did: four times that.
    assert table.rows == (
        ("browse", "ads", 0.75, 1.0),
        ("browse", "mail", 0.25, 1.0),
        ("product", "ads", 0.0, 0.0),
        ("product", "mail", 1.0, 4.0),
    )


def test_sources_can_be_shown_instead_and_what_is_no_dimension_is_refused(facts: Facts) -> None:
    assert shown(facts, query=(("by", "source"),))["touches"].table.column("channel") == ("news",)
    assert page(View(SHOP, facts)).choices[0].value == "channel"
    with pytest.raises(FilterError, match="did you mean"):
        shown(facts, query=(("by", "sauce"),))


def test_credit_is_never_shown_without_saying_that_it_is_association(facts: Facts) -> None:
    for name, figure in shown(facts).items():
        assert name == "touches" or "association" in figure.note


def test_a_journey_without_a_session_has_a_page_without_a_row(tmp_path: Path) -> None:
    for figure in shown(write_facts(tmp_path / "facts", [])).values():
        assert not figure.table.rows
        assert figure.chart is None
