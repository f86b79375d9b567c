"""Experiments that a journey declares, checked against its other declarations."""

from typing import TYPE_CHECKING

from decisions.plan_checks import Declared, wrong
from features.plan import compile_plan
from features.scan import DeclarationError, ValueKind

if TYPE_CHECKING:
    from journeys.journey import Journey


def declared_names(journey: "Journey") -> Declared:
    """Return the names that a journey's experiments may use."""
    columns = compile_plan(journey.table).columns
    return Declared(
        stages=tuple(stage.name for stage in journey.stages),
        frictions=tuple(friction.name for friction in journey.frictions),
        interventions=tuple(intervention.name for intervention in journey.interventions),
        cohorts=tuple(dict.fromkeys(one.name for one in columns if one.kind is ValueKind.KEY)),
        has_revenue=bool(journey.revenue),
    )


def check_experiments(journey: "Journey") -> None:
    """Raise :class:`DeclarationError` for what experiments say that cannot be; what is missing may come later."""
    if not journey.experiments:
        return
    declared = declared_names(journey)
    names = [plan.name for plan in journey.experiments]
    for plan in journey.experiments:
        found = wrong(plan, declared)
        if names.count(plan.name) > 1:
            found.append("it is declared twice: rename or remove one")
        if found:
            raise DeclarationError(f"journey {journey.name!r}, experiment {plan.name!r}: {'; '.join(found)}")
