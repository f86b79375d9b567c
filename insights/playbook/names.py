"""What a tactic is called: ``payment.form.form_helper``, for an audience ``payment.form.form_helper.device=mobile``."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from features.table import nearest
from insights.affected import Cohort, dimensions_of
from insights.comparable import frictions_of, stages_of
from insights.playbook.status import TacticError
from journeys.journey import Journey
from storage.playbook import Tactic

ANY_STAGE = "any_stage"
"""In a name, the place of the stage of what may be shown at all of them."""

Key = tuple[str, str, str, str]
"""Blocker, stage, audience and intervention; stage and audience are empty for all."""


def name_of(blocker: str, stage: str, audience: str, intervention: str) -> str:
    """Return a tactic's name, which new data does not change."""
    return ".".join([stage or ANY_STAGE, blocker, intervention, *([audience] if audience else [])])


def name_tactic(tactic: Tactic) -> str:
    """Return the name of a tactic that is kept."""
    return name_of(*tactic.key)


def audience_of(cohorts: Mapping[str, Iterable[str]]) -> str:
    """Return an audience as names have it, ``channel=ads,device=mobile|tablet``; empty for everybody."""
    return ",".join(f"{name}={'|'.join(sorted(values))}" for name, values in sorted(cohorts.items()))


def audience_of_cohort(cohort: Cohort | None) -> str:
    """Return the audience that a cohort is, empty for everybody."""
    return audience_of({} if cohort is None else {cohort[0]: [cohort[1]]})


def say_audience(audience: str) -> str:
    """Return an audience in words: ``device mobile or tablet``, or everybody."""
    if not audience:
        return "everybody"
    parts = (part.partition("=") for part in audience.split(","))
    return ", ".join(f"{name.replace('_', ' ')} {values.replace('|', ' or ')}" for name, _, values in parts)


def first_stage_name(journey: Journey, stage: str) -> str:
    """Return the oldest name of a stage, by which tactics are kept, so that a new one does not make another tactic."""
    return next((life.names[0] for life in stages_of(journey) if life.until is None and stage in life.names), stage)


def stage_name_today(journey: Journey, stage: str) -> str:
    """Return what a stage is called today; one that is gone keeps its name."""
    return next((life.name for life in stages_of(journey) if stage in life.names), stage)


def parse_name(journey: Journey, given: str) -> Key:
    """Return what a name stands for; raises :class:`TacticError` for one that no tactic of the journey can have."""
    stages = {name: life.names[0] for life in stages_of(journey) if life.until is None for name in life.names}
    frictions = [life.name for life in frictions_of(journey) if life.until is None]
    parts = given.split(".", 3)
    if len(parts) >= 3:
        stage, blocker, intervention, *rest = parts
        known = stage == ANY_STAGE or stage in stages
        if known and blocker in frictions and any(one.name == intervention for one in journey.interventions):
            _require_shown(journey, given, stage, blocker, intervention)
            return blocker, stages.get(stage, ""), _parse_audience(journey, rest[0]) if rest else "", intervention
    names = [
        name_of(friction.name, stage, "", one.name)
        for one in journey.interventions
        for stage, friction in product(one.stages, one.treats)
    ]
    raise TacticError(
        f"{journey.name} has no tactic {given[:80]!r}, which is STAGE.BLOCKER.INTERVENTION; did you mean "
        f"{_listed(nearest(given[:80], names))}?"
    )


def _require_shown(journey: Journey, given: str, stage: str, blocker: str, intervention: str) -> None:
    declared = next(one for one in journey.interventions if one.name == intervention)
    today = stage_name_today(journey, stage)
    if stage != ANY_STAGE and today not in declared.stages:
        raise TacticError(
            f"{given[:80]!r} cannot be: {intervention} may be shown at {', '.join(declared.stages)}, not at {today}"
        )
    if journey.policy.only_matching and blocker not in {friction.name for friction in declared.treats}:
        treated = ", ".join(friction.name for friction in declared.treats)
        raise TacticError(f"{given[:80]!r} cannot be: {intervention} treats {treated}, not {blocker}")


def _parse_audience(journey: Journey, given: str) -> str:
    cohorts: dict[str, list[str]] = {}
    for part in given.split(","):
        dimension, _, values = part.partition("=")
        if dimension not in dimensions_of(journey) or not all(values.split("|")):
            raise TacticError(
                f"{part[:60]!r} is no audience; write DIMENSION=VALUE with one of {', '.join(dimensions_of(journey))}"
            )
        cohorts[dimension] = values.split("|")
    return audience_of(cohorts)


def _listed(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names) or "none, since nothing is declared"
