"""The pacing of a journey as tables for a terminal."""

from collections.abc import Iterator

from insights.pacing.measure import Pacing
from insights.pacing.words import name_of_stage, say_hesitation
from insights.pages.write import write_seconds
from journeys.tables import Cell, FittedTable

MOST_HESITATIONS = 12
"""Of all moments of hesitation, those whose difference is the least likely to be chance."""


def pacing_tables(pacing: Pacing) -> Iterator[FittedTable]:
    """Yield the pace of the stages, the best moments for a nudge, and the moments of hesitation."""
    numbers: tuple[str, ...] = ("Gaps", "Median", "from", "to")
    yield FittedTable(
        "The pace of each stage: how long between two actions",
        ("Stage", *numbers),
        [
            (
                name_of_stage(one.stage),
                f"{one.gaps:,}",
                write_seconds(one.median_seconds),
                write_seconds(one.low_seconds),
                write_seconds(one.high_seconds),
            )
            for one in pacing.stages
        ],
        numbers=numbers,
    )
    numbers = ("Silence", "Leaving", "Reached", "Bothered", "Steepest")
    rows = list[tuple[Cell, ...]]()
    for nudge in pacing.nudges:
        best = nudge.best
        told = ["-"] * 4
        if best is not None:
            shares = (best.leaving, best.reached, best.interrupted)
            told = [write_seconds(best.idle_seconds), *(f"{share:.1%}" for share in shares)]
        steepest = nudge.rises_fastest_seconds
        rows.append((name_of_stage(nudge.stage), *told, "-" if steepest is None else write_seconds(steepest)))
    yield FittedTable(
        f"When {pacing.threshold:.0%} of those silent are leaving", ("Stage", *numbers), rows, numbers=numbers
    )
    numbers = ("Sessions", "Left", "Others", "p")
    strongest = sorted(pacing.hesitations, key=lambda one: (one.p_value, -one.sessions))[:MOST_HESITATIONS]
    rows = [
        (
            name_of_stage(one.stage),
            say_hesitation(one),
            f"{one.sessions:,}",
            f"{one.left / one.sessions:.0%}",
            f"{one.left_of_others / one.others:.0%}",
            f"{one.p_value:.2g}",
        )
        for one in strongest
    ]
    yield FittedTable(
        "Hesitations, and who left at that stage", ("Stage", "Hesitation", *numbers), rows, numbers=numbers
    )
