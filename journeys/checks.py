"""What a journey must satisfy to be loaded; every refusal names the thing and says what to write instead."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from decisions.budget import BudgetError
from decisions.intervention import MESSAGE_CHANNELS
from decisions.policy import MAX_EXPLORATION
from features.duration import parse_duration
from features.friction import Friction
from features.names import EVERY_EVENT
from features.scan import Clock, ClockKind, DeclarationError, Scan, ScanKind, ValueKind, any_event, scans
from features.table import CONTEXT_COLUMNS, Feature, names_heard, nearest
from journeys.experiments import check_experiments
from journeys.versions import check_versions

if TYPE_CHECKING:
    from journeys.journey import Journey

CHANNELS = ("on_site", "in_app", "email", "sms", "push", "call", "ad")


def check(journey: "Journey") -> None:
    """Raise :class:`DeclarationError` for the first thing that is off."""
    _check_words(journey)
    _check_ends(journey)
    _check_stages(journey)
    _check_required_features(journey)
    for feature in journey.features:
        _check_feature(journey, feature)
    _check_frictions(journey)
    _check_interventions(journey)
    _check_durations(journey)
    _check_policy(journey)
    _check_versions(journey)
    _check_cohorts(journey)
    _check_stewards(journey)
    _check_elements(journey)
    _check_aliases(journey)
    _check_property_aliases(journey)
    _check_consents(journey)
    check_experiments(journey)


def _check_words(journey: "Journey") -> None:
    if not journey.name.isidentifier() or journey.name != journey.name.lower():
        raise DeclarationError(
            f"journey {journey.name!r}: write the name as a lower-case identifier, for example 'newsletter_signup'"
        )
    if not journey.title.strip():
        _refuse(journey, "the title is empty; write what people call it, for example 'Newsletter sign-up'")
    for what, meanings in (("event", journey.events), ("property", journey.properties)):
        for name, meaning in meanings.items():
            if not meaning.strip():
                _refuse(journey, f"the {what} {name!r} has no meaning; write one short line that says what it is")


def _check_aliases(journey: "Journey") -> None:
    for sent, meant in journey.aliases.items():
        if sent in journey.events:
            _refuse(journey, f"the alias {sent!r} is a declared event itself; drop one of the two")
        if meant not in journey.events:
            _refuse(
                journey,
                f"the alias {sent!r} means no event: {meant!r}; did you mean {_nearest(meant, journey.events)}?",
            )


def _check_property_aliases(journey: "Journey") -> None:
    for event, aliases in journey.property_aliases.items():
        if event != EVERY_EVENT and event not in journey.events:
            known = _nearest(event, journey.events)
            _refuse(
                journey, f"property_aliases name the event {event!r}, which events does not list; did you mean {known}?"
            )
        for declared, places in aliases.items():
            if declared not in journey.properties:
                known = _nearest(declared, journey.properties)
                _refuse(
                    journey,
                    f"property_aliases fill {declared!r}, which properties does not list; did you mean {known}?",
                )
            if not isinstance(places, tuple) or not all(places) or not places:
                _refuse(journey, f"the places of {declared!r} are names in a tuple, for example ('product_id',)")


def _check_consents(journey: "Journey") -> None:
    for channel, name in journey.consents.items():
        if channel not in MESSAGE_CHANNELS:
            _refuse(journey, f"consents name the channel {channel!r}; write one of {', '.join(MESSAGE_CHANNELS)}")
        if name not in journey.properties:
            _refuse(
                journey,
                f"the consent to {channel!r} is read from {name!r}, which properties does not list; did you mean "
                f"{_nearest(name, journey.properties)}?",
            )


def _check_cohorts(journey: "Journey") -> None:
    for what, name in (("revenue", journey.revenue), *(("cohort", name) for name in journey.cohorts)):
        if name and name not in journey.properties:
            _refuse(journey, f"the {what} {name!r} is no property; did you mean {_nearest(name, journey.properties)}?")
    for name in journey.cohorts:
        if journey.cohorts.count(name) > 1:
            _refuse(journey, f"the cohort {name!r} is declared twice")


def _check_stewards(journey: "Journey") -> None:
    for origin, steward in journey.stewards.items():
        if not origin.strip():
            _refuse(journey, f"the steward {steward!r} is of no channel or source; write its name as the log has it")
        if not steward.strip():
            _refuse(journey, f"the steward of {origin!r} is empty; write who answers for its data, for example 'CRM'")


def _check_elements(journey: "Journey") -> None:
    for event, name in journey.elements.items():
        if event not in journey.events:
            known = _nearest(event, journey.events)
            _refuse(journey, f"elements name the event {event!r}, which events does not list; did you mean {known}?")
        if name not in journey.properties:
            known = _nearest(name, journey.properties)
            _refuse(journey, f"elements read {name!r}, which properties does not list; did you mean {known}?")
    for event in journey.edits:
        if event not in journey.elements:
            _refuse(journey, f"{event!r} in edits has no element; say in elements which property names what it changes")


def _check_ends(journey: "Journey") -> None:
    ends = journey.ends
    if not ends.goal:
        _refuse(journey, "Ends(goal=()) has no goal; name the events that mean success, for example goal=('purchase',)")
    for field in ("goal", "abandoned", "competing", "closes"):
        if isinstance(getattr(ends, field), str):
            _refuse(journey, f"Ends({field}=...) takes names in a tuple: {field}=({getattr(ends, field)!r},)")
    for name in ends.all_names:
        if name not in journey.events:
            _refuse(journey, f"the end {name!r} is no event; did you mean {_nearest(name, journey.events)}?")
    for name in ends.all_names:
        if ends.all_names.count(name) > 1:
            _refuse(
                journey, f"{name!r} is more than one of goal, abandoned, competing and closes; keep it in one of them"
            )
    if not ends.abandoned and not ends.silence_abandons:
        _refuse(journey, "no session can be abandoned; name the events in abandoned=(...) or let silence_abandons=True")


def _check_stages(journey: "Journey") -> None:
    entered_by: dict[str, str] = {}
    for stage in journey.stages:
        for name in stage.filter.names:
            if name in journey.ends.all_names:
                _refuse(
                    journey,
                    f"stage {stage.name!r} is entered by {name!r}, which ends the session; nothing is predicted after "
                    "an end, so remove it from enters",
                )
            if name in entered_by:
                _refuse(
                    journey,
                    f"{name!r} enters both the stages {entered_by[name]!r} and {stage.name!r}; keep it in one of them",
                )
            entered_by[name] = stage.name


def _check_required_features(journey: "Journey") -> None:
    named = {feature.name: feature.expression for feature in journey.features}
    match named.get("stage_index"):
        case Clock(kind=ClockKind.STAGE):
            pass
        case _:
            _refuse(journey, 'add Feature("stage_index", stage, Friction.NONE, "at stage {:.0f}"): evaluation reads it')
    match named.get("events_seen"):
        case Scan(kind=ScanKind.COUNT, per="session", on=on) if on == any_event:
            pass
        case _:
            _refuse(
                journey,
                'add Feature("events_seen", count(any_event), Friction.NONE, "{:event|events} so far"): '
                "evaluation reads it",
            )


def _check_feature(journey: "Journey", feature: Feature) -> None:
    for scan in scans(feature.expression):
        for name in names_heard(scan):
            if name in journey.ends.all_names and scan.per != "visitor":
                _refuse(
                    journey,
                    f"feature {feature.name!r} listens to {name!r}, which ends the session and would give the answer "
                    f"away; remove it, or write per='visitor' to look at earlier sessions only",
                )
        for name in _properties_read(scan):
            if name not in journey.properties and name not in CONTEXT_COLUMNS:
                known = (*journey.properties, *CONTEXT_COLUMNS)
                _refuse(
                    journey,
                    f"feature {feature.name!r} reads {name!r}, which properties does not list; add it there with its "
                    f"meaning and unit, or write {_nearest(name, known)}",
                )


def _check_frictions(journey: "Journey") -> None:
    mentioned = [feature.friction for feature in journey.features]
    mentioned += [friction for intervention in journey.interventions for friction in intervention.treats]
    by_name: dict[str, Friction] = {}
    for friction in mentioned:
        if by_name.setdefault(friction.name, friction) != friction:
            _refuse(
                journey,
                f"two different frictions are named {friction.name!r}; rename one, or declare it once and use it twice",
            )
    treated = {friction for intervention in journey.interventions for friction in intervention.treats}
    for friction in journey.frictions:
        if friction not in treated:
            _refuse(
                journey,
                f"no intervention treats the friction {friction.name!r}; add an Intervention with "
                f"treats=({_written(friction)},) or give its features another friction",
            )


def _check_interventions(journey: "Journey") -> None:
    names = [intervention.name for intervention in journey.interventions]
    stages = [stage.name for stage in journey.stages]
    for intervention in journey.interventions:
        where = f"intervention {intervention.name!r}"
        if names.count(intervention.name) > 1:
            _refuse(journey, f"{where} is declared twice; rename or remove one")
        for name in intervention.stages:
            if name not in stages:
                _refuse(journey, f"{where}: {name!r} is no stage; did you mean {_nearest(name, stages)}?")
        for friction in intervention.treats:
            if friction not in journey.frictions:
                _refuse(
                    journey,
                    f"{where} treats {friction.name!r}, of which no feature gives evidence; add such a feature or "
                    "remove it from treats",
                )
        if intervention.channel not in CHANNELS:
            _refuse(
                journey, f"{where}: the channel {intervention.channel!r} is unknown; write one of {', '.join(CHANNELS)}"
            )
        for field in ("title", "message", "owner"):
            if not getattr(intervention, field).strip():
                _refuse(journey, f"{where}: the {field} is empty; write {_EXAMPLES[field]}")


def _check_durations(journey: "Journey") -> None:
    timeout, horizon, ticks = journey.session_timeout_seconds, journey.horizon_seconds, journey.idle_ticks_seconds
    if not 0 < timeout < math.inf:
        _refuse(journey, f"session_timeout_seconds={timeout!r} must be positive, for example 1800 for half an hour")
    if horizon is not None and not 0 < horizon < math.inf:
        _refuse(journey, f"horizon_seconds={horizon!r} must be positive, or None for the session's end")
    for tick in ticks:
        if not 0 < tick < timeout:
            _refuse(journey, f"the idle tick {tick!r} must lie between 0 and the session timeout, {timeout:g} seconds")
    try:
        within = journey.leaving_soon_within_seconds
    except ValueError as error:
        _refuse(journey, f"leaving_soon_within: {error}")
    else:
        if within > timeout:
            _refuse(
                journey,
                f"leaving_soon_within={journey.leaving_soon_within!r} must not exceed the session timeout, {timeout:g} "
                "seconds",
            )
    for field in ("evidence_half_life", "evidence_limit"):
        try:
            parse_duration(getattr(journey, field))
        except ValueError as error:
            _refuse(journey, f"{field}: {error}")
    if list(ticks) != sorted(set(ticks)):
        _refuse(journey, f"idle_ticks_seconds={ticks!r} must ascend, each tick once: {tuple(sorted(set(ticks)))!r}")


def _check_policy(journey: "Journey") -> None:
    policy = journey.policy
    if not 0 < policy.goal_value < math.inf:
        _refuse(journey, f"goal_value={policy.goal_value!r} must be positive: what one goal is worth")
    if not 0 <= policy.low_risk <= 1:
        _refuse(journey, f"low_risk={policy.low_risk!r} is a probability; write a number from 0 to 1")
    if not 0 <= policy.exploration <= MAX_EXPLORATION:
        _refuse(journey, f"exploration={policy.exploration!r} must lie between 0 and {MAX_EXPLORATION}")
    if not 0 <= policy.holdout < 1:
        _refuse(journey, f"holdout={policy.holdout!r} is a share of visitors; write for example 0.05")
    if not 0 <= policy.annoyance < math.inf:
        _refuse(journey, f"annoyance={policy.annoyance!r} is a cost; write 0 or a positive number")
    if policy.session_cap < 1:
        _refuse(journey, f"session_cap={policy.session_cap!r} must be at least 1")
    if policy.budget is not None:
        try:
            policy.budget.check()
        except BudgetError as error:
            _refuse(journey, f"budget: {error}")


def _check_versions(journey: "Journey") -> None:
    stages = [stage.name for stage in journey.stages]
    try:
        check_versions(stages, [friction.name for friction in journey.frictions], journey.versions)
    except DeclarationError as error:
        _refuse(journey, str(error))


_EXAMPLES = {
    "title": "a headline, for example 'Free delivery today'",
    "message": "what people read",
    "owner": "the team that is responsible for it",
}


def _properties_read(scan: Scan) -> Iterable[str]:
    if scan.value.kind in (ValueKind.NUMBER, ValueKind.KEY):
        yield scan.value.name
    for name, _, _ in scan.on.bounds:
        yield name


def _written(friction: Friction) -> str:
    constant = friction.name.upper()
    return f"Friction.{constant}" if getattr(Friction, constant, None) == friction else constant


def _nearest(name: str, candidates: Iterable[str]) -> str:
    found: Sequence[str] = nearest(name, tuple(candidates))
    return " or ".join(repr(candidate) for candidate in found)


def _refuse(journey: "Journey", what: str) -> None:
    raise DeclarationError(f"journey {journey.name!r}: {what}")
