"""An experiment's size as a page: its sizes, power over time, and people over the change to be found."""

from pathlib import Path

from insights.experiments.say_size import say_size
from insights.experiments.sizing import Sizing
from insights.pages.document import write_pages
from insights.pages.figure import Column, Figure, Lines, Page, Sentences, Table, Unit

_RULES = (Column("fixed", "Looked at once", Unit.SHARE), Column("always_valid", "Always valid", Unit.SHARE))
_COUNTS = (Column("fixed", "Looked at once", Unit.COUNT), Column("always_valid", "Always valid", Unit.COUNT))


def size_page(sizing: Sizing) -> Page:
    """Return the page."""
    return Page(
        "size",
        "How many people an experiment needs",
        "For a test that is looked at once, in the end, and for one that may be looked at every day.",
        (_told(sizing), _power(sizing), _sizes(sizing)),
    )


def write_size(sizing: Sizing, out: Path) -> None:
    """Write the page into one HTML file."""
    page = size_page(sizing)
    write_pages([page], title=page.title, journey="", lede=page.lede, foot=(), timezone="UTC", out=out)


def _told(sizing: Sizing) -> Figure:
    rows = tuple((sentence,) for sentence in say_size(sizing))
    return Figure(
        "told",
        "In words",
        "The sizes by which a change as large as the one that is looked for is found with the wanted probability.",
        Table((Column("text", "What is needed"),), rows),
        Sentences("text"),
    )


def _power(sizing: Sizing) -> Figure:
    by_day = sizing.fixed.days is not None
    along = Column("days", "Days", Unit.NUMBER) if by_day else Column("per_arm", "People per arm", Unit.COUNT)
    rows = tuple((one.days if by_day else one.per_arm, one.fixed, one.always_valid) for one in sizing.powers)
    return Figure(
        "power",
        "Power over time" if by_day else "Power over people",
        "How probable it is that a change as large as the one that is looked for has been found by then. Looked at "
        "once is the power of a test that ends there; always valid that of a sequence looked at all along.",
        Table((along, *_RULES), rows),
        Lines(along.name, ("fixed", "always_valid")),
    )


def _sizes(sizing: Sizing) -> Figure:
    relative = Column("relative", "Change", Unit.SHARE if sizing.fixed.baseline else Unit.NUMBER)
    rows = tuple((one.relative, one.fixed, one.always_valid) for one in sizing.sizes)
    return Figure(
        "sizes",
        "People per arm over the change to be found",
        "Half the change needs about four times the people.",
        Table((relative, *_COUNTS), rows),
        Lines("relative", ("fixed", "always_valid")),
    )
