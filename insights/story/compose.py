"""The story of a week: its sections, each told from figures of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from insights.facts import Facts
from insights.pages.figure import Figure
from insights.pages.write import write_day
from insights.story.ahead import tell_ahead
from insights.story.changes import tell_changes
from insights.story.obstacles import tell_obstacles
from insights.story.rephrase import Rephrase, keep_or_rephrase
from insights.story.section import Retold, Section, Telling
from insights.story.sentence import Sentence
from insights.story.stops import tell_stops
from insights.story.trials import tell_results, tell_trials
from insights.story.week import Week
from journeys.journey import Journey
from storage.records import Records


@dataclass(frozen=True, slots=True)
class Story:
    """A week of a journey in words."""

    title: str
    subtitle: str
    week: Week
    timezone: str
    sections: tuple[Section, ...]

    def figures(self) -> tuple[Figure, ...]:
        """Return all figures, each once, in the order in which they are first told of."""
        return tuple({one.name: one for section in self.sections for one in section.figures}.values())

    def sentences(self) -> Iterator[Sentence]:
        """Yield every sentence, those of retold sessions too."""
        for section in self.sections:
            yield from section.sentences
            for one in section.retold:
                yield one.heading
                yield from one.steps


def tell_week(
    journey: Journey, facts: Facts, week: Week, records: Records | None = None, rephrase: Rephrase | None = None
) -> Story:
    """Return the story of a week; sections of which nothing is known are left out.

    ``rephrase`` may say sentences in other words; what does not say the same stays as it was.
    """
    telling = Telling(journey, facts, week, records or Records())
    sections = (
        tell_changes(telling),
        tell_stops(telling),
        tell_obstacles(telling),
        tell_trials(telling),
        tell_results(telling),
        tell_ahead(telling),
    )
    told = tuple(section for section in sections if section.sentences)
    if rephrase is not None:
        told = tuple(_rephrased(section, rephrase) for section in told)
    return Story(
        title=f"{journey.title}: the week in words",
        subtitle=f"{write_day(week.since)} to {write_day(week.until)}, {facts.timezone}",
        week=week,
        timezone=facts.timezone,
        sections=told,
    )


def _rephrased(section: Section, rephrase: Rephrase) -> Section:
    retold = tuple(
        Retold(keep_or_rephrase(one.heading, rephrase), tuple(keep_or_rephrase(step, rephrase) for step in one.steps))
        for one in section.retold
    )
    sentences = tuple(keep_or_rephrase(one, rephrase) for one in section.sentences)
    return replace(section, sentences=sentences, retold=retold)
