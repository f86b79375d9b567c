"""Effects as tables for a terminal: a heat map of numbers, what each does in all, and what is worth testing."""

from collections.abc import Iterator

from rich.text import Text

from insights.effects.effects import Effect, Effects
from insights.effects.knowledge import Knowledge
from journeys.tables import Cell, FittedTable

_MOST_TESTS = 10
_STYLES = {
    Knowledge.PAYS: "bold green",
    Knowledge.HARMS: "bold red",
    Knowledge.DOES_NOT_PAY: "yellow",
    Knowledge.UNKNOWN: "",
    Knowledge.UNTRIED: "dim",
}


def effect_tables(found: Effects) -> Iterator[FittedTable]:
    """Yield the map of blockers and interventions, each intervention over all blockers, and what is worth testing."""
    yield FittedTable(
        f"Randomised effects of {found.journey} where a blocker was named first, with intervals of 95 %, in points",
        ("Blocker", *(("Group",) if found.grouped_by else ()), "Intervention", "Effect", "Interval", "Shown", "Known"),
        [_row(one, grouped=bool(found.grouped_by)) for one in found.cells if one.belief.is_measured],
        numbers=("Effect", "Interval", "Shown"),
    )
    yield FittedTable(
        "Over all blockers, as measured",
        ("Intervention", "Effect", "Interval", "Pays from", "Shown", "Goals", "Nothing", "Goals of these", "Known"),
        [_overall_row(one) for one in found.overall if one.measured.effect],
        numbers=("Effect", "Interval", "Pays from", "Shown", "Goals", "Nothing", "Goals of these"),
    )
    tests = found.worth_testing[:_MOST_TESTS]
    yield FittedTable(
        f"Unknown and worth testing, the first {len(tests)}",
        (
            "Blocker",
            *(("Group",) if found.grouped_by else ()),
            "Intervention",
            "Believed",
            "Source",
            "Worth a week",
            "People needed",
        ),
        [
            (
                one.blocker,
                *((one.group,) if found.grouped_by else ()),
                one.intervention,
                _points(one.belief.effect),
                "measured" if one.belief.is_measured else "declared",
                f"{one.worth_of_knowing:,.1f}",
                "-" if one.people_needed is None else f"{one.people_needed:,}",
            )
            for one in tests
        ],
        numbers=("Believed", "Worth a week", "People needed"),
    )


def _row(one: Effect, *, grouped: bool) -> tuple[Cell, ...]:
    interval = one.belief.interval
    return (
        one.blocker,
        *((one.group,) if grouped else ()),
        one.intervention,
        Text(_points(one.belief.effect), style=_STYLES[one.knowledge]),
        f"{_points(interval.low)} to {_points(interval.high)}",
        f"{one.measured.shown.people:,}",
        str(one.knowledge),
    )


def _overall_row(one: Effect) -> tuple[Cell, ...]:
    effect, shown, nothing = one.measured.effect, one.measured.shown, one.measured.nothing
    return (
        one.intervention,
        Text(_points(effect.value) if effect else "-", style=_STYLES[one.knowledge]),
        f"{_points(effect.low)} to {_points(effect.high)}" if effect else "-",
        "never" if one.least is None else _points(one.least),
        f"{shown.people:,}",
        f"{shown.goals:,}",
        f"{nothing.people:,}",
        f"{nothing.goals:,}",
        str(one.knowledge),
    )


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
