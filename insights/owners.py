"""Who answers for what in a journey: its stages, its interventions, its data, and what nobody answers for."""

from collections.abc import Iterable
from dataclasses import dataclass

from journeys.journey import Journey


@dataclass(frozen=True, slots=True)
class Owner:
    """A team and what it answers for."""

    name: str
    stages: tuple[str, ...] = ()
    interventions: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def owners_of(journey: Journey) -> tuple[Owner, ...]:
    """Return the teams in alphabetical order; where a stage names none, the journey's owner answers for it."""
    stages = [(stage_owner(journey, stage.name), stage.name) for stage in journey.stages]
    interventions = [(one.owner, one.name) for one in journey.interventions]
    data = [(steward, origin) for origin, steward in journey.stewards.items()]
    names = {name for name, _ in (*stages, *interventions, *data)} | {journey.owner}
    return tuple(
        Owner(name, _of(stages, name), _of(interventions, name), _of(data, name)) for name in sorted(names) if name
    )


def stage_owner(journey: Journey, name: str | None) -> str:
    """Return who answers for a stage: its owner, else the journey's, else an empty text."""
    named = {stage.name: stage.owner for stage in journey.stages}
    return named.get(name or "", "") or journey.owner


def without_owner(journey: Journey, origins: Iterable[str]) -> tuple[str, ...]:
    """Return what nobody is named for: stages without an owner, and origins of data without a steward."""
    stages = [f"stage {stage.name}" for stage in journey.stages if not stage.owner]
    data = [f"data of {origin}" for origin in origins if origin not in journey.stewards]
    return (*stages, *data)


def _of(pairs: Iterable[tuple[str, str]], wanted: str) -> tuple[str, ...]:
    return tuple(what for name, what in pairs if name == wanted)
