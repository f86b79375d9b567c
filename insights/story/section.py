"""A section of a story: its sentences, sessions retold, and the figures that they rest on."""

from dataclasses import dataclass
from typing import NamedTuple

from insights.facts import Facts
from insights.pages.figure import Figure
from insights.story.sentence import Sentence
from insights.story.week import Week
from journeys.journey import Journey
from storage.records import Records


class Telling(NamedTuple):
    """What a section is told from."""

    journey: Journey
    facts: Facts
    week: Week
    records: Records


@dataclass(frozen=True, slots=True)
class Retold:
    """One session, step by step."""

    heading: Sentence
    steps: tuple[Sentence, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the story; without a sentence it is left out."""

    name: str
    title: str
    sentences: tuple[Sentence, ...]
    figures: tuple[Figure, ...]
    retold: tuple[Retold, ...] = ()
