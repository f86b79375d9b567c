"""The page about pacing shows what the analysis says."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import SHOP, MadeSession, write_facts

from insights.pacing.measure import measure_pacing
from insights.pages.figure import View
from insights.pages.pacing import page


def made() -> list[MadeSession]:
    return [
        MadeSession(
            stage=2,
            outcome="goal" if number % 3 == 0 else "abandoned",
            events=[(0.0, "view_cart", 2), (5.0 + number % 7, "view_shipping", 2), (40.0, "view_cart", 2)],
            silences=[(0, 2, tick, 0.1 * tick, float(number % 3 > 0)) for tick in range(6)],
        )
        for number in range(90)
    ]


def test_every_figure_of_the_page_is_one_of_the_analysis(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", made())
    with facts.connect() as connection:
        pacing = measure_pacing(SHOP, connection)
    shown = {figure.name: figure for figure in page(View(SHOP, facts)).figures}
    leaving = shown["leaving"].table
    assert leaving.column("leaving") == tuple(one.leaving for nudge in pacing.nudges for one in nudge.points)
    # The grid of a shop is 0, 5, 10, 15, 20 and 30 s; said was 0 to .5, which is reached at the last.
    assert shown["moments"].table.column("best_seconds") == (30.0,)
    assert shown["curve"].table.column("ratio") == tuple(one.ratio for one in pacing.curve if not one.from_end)
    assert shown["stages"].table.column("median_seconds") == tuple(one.median_seconds for one in pacing.stages)
    assert len(shown["steps"].table.rows) == len(pacing.steps) == 2


def test_a_journey_without_a_session_has_a_page_without_a_row(tmp_path: Path) -> None:
    shown = page(View(SHOP, write_facts(tmp_path / "facts", [])))
    assert all(not figure.table.rows and figure.chart is None for figure in shown.figures)
