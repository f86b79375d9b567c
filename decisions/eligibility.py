"""Eligibility: which interventions may be shown at all, before any policy has an opinion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from decisions.intervention import Intervention
from features.events import US_PER_SECOND
from features.friction import Friction


@dataclass(frozen=True, slots=True)
class PastIntervention:
    """An intervention that this visitor was recommended before."""

    session_id: str
    at_us: int
    name: str


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The interventions that may be shown, and why each of the others may not."""

    eligible: tuple[Intervention, ...]
    excluded: Mapping[str, str]


def eligible_interventions(
    interventions: Sequence[Intervention],
    *,
    stage: str | None,
    frictions: Iterable[Friction],
    session_id: str,
    at_us: int,
    history: Sequence[PastIntervention],
    session_cap: int,
    consent: bool,
) -> Eligibility:
    """Return what may be shown to a session at a moment (microseconds); ``frictions`` are its blockers'."""
    blockers = set(frictions)
    this_session = [past for past in history if past.session_id == session_id]
    excluded: dict[str, str] = {}
    for intervention in interventions:
        shown = [past for past in this_session if past.name == intervention.name]
        latest_us = max((past.at_us for past in history if past.name == intervention.name), default=None)
        cooldown_us = intervention.cooldown_seconds * US_PER_SECOND
        if stage is None or stage not in intervention.stages:
            excluded[intervention.name] = "not meant for this stage"
        elif not blockers & set(intervention.treats):
            excluded[intervention.name] = "treats none of the blockers"
        elif intervention.needs_consent and not consent:
            excluded[intervention.name] = "needs a consent that was not given"
        elif len(this_session) >= session_cap:
            excluded[intervention.name] = "the session has seen as many interventions as it may"
        elif len(shown) >= intervention.cap:
            excluded[intervention.name] = "the session has seen it as often as it may"
        elif latest_us is not None and at_us - latest_us < cooldown_us:
            excluded[intervention.name] = "shown too recently"
    chosen = tuple(intervention for intervention in interventions if intervention.name not in excluded)
    return Eligibility(chosen, excluded)
