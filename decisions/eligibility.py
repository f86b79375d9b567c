"""Eligibility: which interventions may be shown at all, before any policy has an opinion."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from decisions.arbiter import why_not_now
from decisions.intervention import MESSAGE_CHANNELS, Intervention
from decisions.past import PastIntervention
from features.events import US_PER_SECOND
from features.friction import Friction


@dataclass(frozen=True, slots=True)
class Eligibility:
    """The interventions that may be shown, and why each of the others may not."""

    eligible: tuple[Intervention, ...]
    excluded: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reach:
    """How somebody whose session is over can be reached: the channels that are served, and those agreed to."""

    served: frozenset[str]
    agreed: frozenset[str]


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
    messages_while_open: bool = False,
    reach: Reach | None = None,
    only_matching: bool = True,
    nudge_within_seconds: float = 0.0,
    held_back: str | None = None,
) -> Eligibility:
    """Return what may be shown to a session at a moment (microseconds); ``frictions`` are its blockers'.

    ``reach`` is None while the session is open: then what is shown in the product is meant, and messages (e-mail, SMS,
    push, ad) only where ``messages_while_open`` says so. Afterwards it is the other way round, and whatever an
    intervention declares, its channel has to have been agreed to. Without ``only_matching`` an intervention need not
    treat one of the blockers. At least ``nudge_within_seconds`` lie between two nudges, whatever they are;
    ``held_back`` says why nothing may be shown at all, None where something may.
    """
    blockers = set(frictions)
    this_session = [past for past in history if past.session_id == session_id]
    not_now = why_not_now(history, at_us, nudge_within_seconds) or held_back
    excluded: dict[str, str] = {}
    for intervention in interventions:
        shown = [past for past in this_session if past.name == intervention.name]
        latest_us = max((past.at_us for past in history if past.name == intervention.name), default=None)
        cooldown_us = intervention.cooldown_seconds * US_PER_SECOND
        if stage is None or stage not in intervention.stages:
            excluded[intervention.name] = "not meant for this stage"
        elif reach is None and intervention.channel in MESSAGE_CHANNELS and not messages_while_open:
            excluded[intervention.name] = "meant for when the session is over"
        elif reach is not None and intervention.channel not in MESSAGE_CHANNELS:
            excluded[intervention.name] = "meant for while the session is open"
        elif reach is not None and intervention.channel not in reach.served:
            excluded[intervention.name] = "no webhook takes messages of its channel"
        elif only_matching and not blockers & set(intervention.treats):
            excluded[intervention.name] = "treats none of the blockers"
        elif not (consent or not intervention.needs_consent if reach is None else intervention.channel in reach.agreed):
            excluded[intervention.name] = "needs a consent that was not given"
        elif len(this_session) >= session_cap:
            excluded[intervention.name] = "the session has seen as many interventions as it may"
        elif len(shown) >= intervention.cap:
            excluded[intervention.name] = "the session has seen it as often as it may"
        elif latest_us is not None and at_us - latest_us < cooldown_us:
            excluded[intervention.name] = "shown too recently"
        elif not_now is not None:
            excluded[intervention.name] = not_now
    chosen = tuple(intervention for intervention in interventions if intervention.name not in excluded)
    return Eligibility(chosen, excluded)
