"""The page with the week in words, and the figures that every sentence rests on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from insights.pages.figure import Column, Field, Figure, Page, Sentences, Table, View
from insights.story.compose import Story, tell_week
from insights.story.documents import figures_of
from insights.story.sentence import Sentence
from insights.story.week import WeekError, find_week, whole_weeks

_COLUMNS = (Column("sentence", "Sentence"), Column("figure", "Figure", link="{}"))


def page(view: View) -> Page:
    """Return the page: the week that was chosen, else the one with the period's last day, else the last whole one."""
    weeks = Field("week", "Week", options=whole_weeks(view.facts), value=view.chosen("week"), required=False)
    chosen = view.chosen("week") or (view.filters.until.isoformat() if view.filters.until else "")
    try:
        week = find_week(view.facts, chosen, view.filters.cohort)
    except WeekError as error:
        return Page("story", "Story", f"There is no week to tell of: {error}.", (), choices=(weeks,))
    story = tell_week(view.journey, view.facts, week, view.records)
    lede = f"{story.subtitle}. Every sentence is made from the figure that it links to."
    return Page("story", "Story", lede, tuple(_figures(story)), choices=(weeks,))


def _figures(story: Story) -> Iterator[Figure]:
    for section in story.sections:
        yield _told(f"told_{section.name}", section.title, section.sentences)
        for place, one in enumerate(section.retold):
            title = f"A typical session, step by step: {place + 1}"
            yield replace(_told(f"retold_{place}", title, (one.heading, *one.steps)), retells=True)
    yield from story.figures()


def _told(name: str, title: str, sentences: Sequence[Sentence]) -> Figure:
    rows = tuple((one.text, f"story#{figures_of(one)[0]}") for one in sentences)
    definition = "Sentences made from the figures that they link to."
    return Figure(name, title, definition, Table(_COLUMNS, rows), Sentences("sentence", "figure"))
