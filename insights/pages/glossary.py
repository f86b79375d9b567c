"""The glossary: every word that pages use, explained, and the journey's own words."""

from insights.glossary import CORE, INSIGHTS
from insights.pages.figure import Column, Figure, Page, Table, Value, View


def page(view: View) -> Page:
    """Return the words of the product and of the journey."""
    journey = view.journey
    return Page(
        "glossary",
        "Glossary",
        "What the words on these pages mean, and what the journey's own names stand for.",
        (
            _words(
                "words", "Words", "The words of journeys, risk and advice.", [(one.word, one.meaning) for one in CORE]
            ),
            _words(
                "figures", "Figures", "The words of figures and records.", [(one.word, one.meaning) for one in INSIGHTS]
            ),
            _words(
                "stages",
                "Stages",
                "The stages of the journey, in their order.",
                [(stage.name, stage.description) for stage in journey.stages],
            ),
            _words(
                "frictions",
                "Frictions",
                "What may stand in people's way, as the journey's features tell.",
                [
                    (friction.name, f"{friction.description} ({friction.problem_type})")
                    for friction in journey.frictions
                ],
            ),
            _words("events", "Events", "The events that the journey declares.", list(journey.events.items())),
            _words("properties", "Properties", "What events may say more.", list(journey.properties.items())),
        ),
    )


def _words(name: str, title: str, definition: str, rows: list[tuple[Value, ...]]) -> Figure:
    return Figure(name, title, definition, Table((Column("word", "Word"), Column("meaning", "Meaning")), tuple(rows)))
