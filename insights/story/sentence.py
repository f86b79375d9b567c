"""Sentences that rest on figures: one without its figure, or with a number that is in none, cannot be made."""

import re
from collections import Counter
from dataclasses import dataclass

from insights.pages.figure import Figure, Unit, Value
from insights.pages.write import write
from insights.story.causal_words import has_causal_word, is_estimate

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


class Unfounded(ValueError):
    """A sentence says what none of its figures does."""


@dataclass(frozen=True, slots=True)
class FigureRef:
    """One cell of a figure as a sentence says it; ``randomised`` where the figure is of a randomised comparison."""

    figure: str
    row: int
    column: str
    text: str
    randomised: bool = False
    is_name: bool = False
    """Whether it is a text, such as a stage's name, rather than a number."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with the cells that it says; raises :class:`Unfounded` where it is not founded on them.

    Each number in it is in one of the cells, as often as it is said; a word for a cause or an effect stands only beside
    a randomised estimate with its interval.
    """

    text: str
    figures: tuple[FigureRef, ...]

    def __post_init__(self) -> None:
        if not self.figures:
            raise Unfounded(f"no figure says: {self.text}")
        left = numbers(self.text) - sum((numbers(one.text) for one in self.figures), Counter())
        if left:
            raise Unfounded(f"no figure has {', '.join(left)}: {self.text}")
        is_randomised = is_estimate(self.text) and any(one.randomised for one in self.figures)
        if has_causal_word(self.text) and not is_randomised:
            raise Unfounded(f"no randomised estimate stands beside this claim: {self.text}")


def numbers(text: str) -> Counter[str]:
    """Return the numbers in a text, each with how often it stands there."""
    return Counter(_NUMBER.findall(text))


def cell(figure: Figure, row: int, column: str, timezone: str = "UTC", *, randomised: bool = False) -> FigureRef | None:
    """Return a cell to be said; None where nothing is known, so that no sentence says it."""
    value: Value = figure.table.column(column)[row]
    if value is None or value == "":
        return None
    unit = next(one.unit for one in figure.table.columns if one.name == column)
    return FigureRef(figure.name, row, column, write(value, unit, timezone), randomised, unit is Unit.TEXT)


def say(template: str, **cells: FigureRef | None) -> tuple[Sentence, ...]:
    """Return the sentence of a template over cells; nothing where one of them is not known."""
    known = {name: one for name, one in cells.items() if one is not None}
    if len(known) < len(cells):
        return ()
    text = template.format(**{name: one.text for name, one in known.items()})
    return (Sentence(text[:1].upper() + text[1:], tuple(known.values())),)
