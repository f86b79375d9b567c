"""The page about the funnel shows what the analysis says, and nothing of sessions that are filtered out."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP, MadeSession, write_facts

from insights.filters import Filters
from insights.pages.figure import Sankey, View
from insights.pages.funnel import page
from insights.stages import count_stages

MADE = [
    MadeSession(
        stage=number % 4,
        outcome="goal" if number % 8 == 7 else "abandoned",
        device="mobile" if number % 2 else "desktop",
        events=[(0, "view_product", 0), (5, "view_cart", 1), (9, "view_product", number % 4)],
    )
    for number in range(40)
]


def test_the_figures_of_stages_are_those_of_the_analysis(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", MADE)
    with facts.connect() as connection:
        stages = count_stages(SHOP, connection)
    shown = {figure.name: figure.table for figure in page(View(SHOP, facts)).figures}
    assert shown["stages"].column("reached") == tuple(stage.reached for stage in stages)
    rates = tuple(stage.exit_rate.value if stage.exit_rate else None for stage in stages)
    assert shown["exits"].column("exit_rate") == rates
    # Ten sessions stop at each of four stages, but for the five at the fourth that reach the goal.
    assert shown["exits"].column("exited") == (10, 10, 10, 5, 0, 0)
    assert shown["returns"].rows[0][:3] == ("view_product > view_cart > view_product", 40, 40)
    assert shown["loop_days"].column("share") == (1.0,)
    assert shown["exit_days"].column("stage") == ("browse", "product", "cart", "checkout")


def test_filters_and_the_event_in_the_address_choose(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", MADE)
    view = View(SHOP, facts, Filters(cohort=(("device", "mobile"),)), query=(("after", "view_cart"),))
    shown = {figure.name: figure for figure in page(view).figures}
    assert shown["stages"].table.column("reached")[0] == 20
    assert shown["after"].title == "What comes after view_cart"
    assert shown["after"].table.rows == (
        ("+0 view_cart", "+1 view_product", 20),
        ("+1 view_product", "left", 15),
        ("+1 view_product", "reached the goal", 5),
    )


def test_no_stream_runs_in_a_circle(tmp_path: Path) -> None:
    for figure in page(View(SHOP, write_facts(tmp_path / "facts", MADE))).figures:
        if isinstance(figure.chart, Sankey):
            targets = set(figure.table.column("target"))
            links = list(zip(figure.table.column("source"), figure.table.column("target"), strict=True))
            while links:
                ends = {source for source, _ in links}
                left = [(source, target) for source, target in links if target in ends]
                assert len(left) < len(links)
                links = left
            assert targets


def test_a_journey_without_a_session_has_a_page_without_a_stream(tmp_path: Path) -> None:
    shown = {figure.name: figure for figure in page(View(SHOP, write_facts(tmp_path / "facts", []))).figures}
    assert shown["stages"].table.column("reached") == (0,) * len(SHOP.stages)
    assert shown["after"].chart is None
