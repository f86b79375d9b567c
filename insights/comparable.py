"""What two periods can be compared by: the stages and frictions that were part of the journey throughout both."""

from datetime import date

from journeys.journey import Journey
from journeys.versions import JourneyVersion, Life, friction_lives, stage_lives


def stages_of(journey: Journey) -> tuple[Life, ...]:
    """Return when each stage was part of the journey, today's in their order and then the retired ones."""
    return stage_lives([stage.name for stage in journey.stages], journey.versions)


def frictions_of(journey: Journey) -> tuple[Life, ...]:
    """Return when each friction was part of the journey, today's in their order and then the retired ones."""
    return friction_lives([friction.name for friction in journey.frictions], journey.versions)


def comparable_stages(journey: Journey, since: date, until: date) -> tuple[str, ...]:
    """Return those of today's stages that were there on every day from ``since`` to ``until``, both included.

    To compare two periods, give the first day of the one and the last of the other. A renamed stage is the same stage.
    """
    return tuple(life.name for life in stages_of(journey) if life.until is None and life.covers(since, until))


def comparable_frictions(journey: Journey, since: date, until: date) -> tuple[str, ...]:
    """Return those of today's frictions that were there on every day from ``since`` to ``until``, both included."""
    return tuple(life.name for life in frictions_of(journey) if life.until is None and life.covers(since, until))


def is_measured(journey: Journey, stage: str, day: date) -> bool:
    """Whether a stage was part of the journey on a day; its figures of other days are "not measured", not 0."""
    return any(life.covers(day, day) for life in stages_of(journey) if stage in life.names)


def versions_between(journey: Journey, since: date, until: date) -> tuple[JourneyVersion, ...]:
    """Return the versions that came into force after ``since`` and by ``until``: what stands between the two days."""
    return tuple(version for version in journey.versions if since < version.since <= until)
