"""Show a journey as tables: what ``dropoff describe JOURNEY`` and ``dropoff journeys`` print."""

from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from features.friction import Friction, ProblemType
from features.phrase import say
from journeys.journey import Journey
from journeys.tables import Cell, FittedTable

_NOBODY = "nobody yet"
_RANGE_AT_LEAST = 3


def describe(journey: Journey) -> list[FittedTable]:
    """Return all that a journey declares: a table each for its summary, stages, frictions, and so on."""
    return [
        _summary(journey),
        _stages(journey),
        _frictions(journey),
        _features(journey),
        _interventions(journey),
        _messages(journey),
        _events(journey),
        _properties(journey),
    ]


def describe_all(journeys: Iterable[Journey]) -> Iterator[FittedTable]:
    """Yield a short block a journey."""
    for journey in journeys:
        counts = f"{len(journey.features)} features, {len(journey.frictions)} frictions, "
        yield FittedTable(
            f"{journey.name}: {journey.title}",
            ("", ""),
            (
                ("  about", journey.description),
                ("  stages", " > ".join(stage.name for stage in journey.stages)),
                ("  goal", ", ".join(journey.ends.goal)),
                ("  session", f"ends after a silence of {duration(journey.session_timeout_seconds)}"),
                ("  declares", f"{counts}{len(journey.interventions)} interventions"),
                ("  owner", journey.owner or _NOBODY),
            ),
        )


def duration(seconds: float) -> str:
    """Return a duration in its largest fitting unit."""
    return say("{:duration}", seconds)


def _summary(journey: Journey) -> FittedTable:
    ends, policy = journey.ends, journey.policy
    silence = f"silence of {duration(journey.session_timeout_seconds)}"
    abandoned = [*ends.abandoned, *([silence] if ends.silence_abandons else [])]
    horizon = "the session's end" if journey.horizon_seconds is None else duration(journey.horizon_seconds)
    rows = [
        ("Description", journey.description),
        ("Owner", journey.owner or _NOBODY),
        ("Data stewards", "; ".join(f"{origin}: {who}" for origin, who in journey.stewards.items()) or _NOBODY),
        ("Goal", ", ".join(ends.goal)),
        ("Abandoned", ", ".join(abandoned)),
        ("Ends that are neither", ", ".join(ends.competing) or "none"),
        ("Nothing is predicted after", ", ".join(ends.all_names)),
        ("A session ends after a silence of", duration(journey.session_timeout_seconds)),
        ("Looked at again after a silence of", ", ".join(duration(tick) for tick in journey.idle_ticks_seconds)),
        ("Predicted up to", horizon),
        ("Leaving soon means within", duration(journey.leaving_soon_within_seconds)),
        ("Time zone", journey.timezone),
        ("Value of a goal", f"{policy.goal_value:,g}"),
        ("Nothing is recommended below a risk of", f"{policy.low_risk:.0%}"),
        ("Exploration among eligible interventions", f"{policy.exploration:.1%}"),
        ("Visitors who never see an intervention", f"{policy.holdout:.1%}"),
        ("Cost of interrupting", f"{policy.annoyance:,g}"),
        ("Interventions in a session at most", str(policy.session_cap)),
        ("Fingerprint of the features", journey.table.fingerprint),
    ]
    return FittedTable(f"{journey.title} ({journey.name})", ("", ""), rows)


def _stages(journey: Journey) -> FittedTable:
    rows = [
        (str(index), stage.name, ", ".join(stage.filter.names), stage.description, stage.owner)
        for index, stage in enumerate(journey.stages)
    ]
    return FittedTable("Stages", ("#", "Stage", "Entered by", "Meaning", "Owner"), rows)


def _frictions(journey: Journey) -> FittedTable:
    rows = [
        (
            problem_type.value,
            friction.name,
            friction.description,
            str(sum(feature.friction == friction for feature in journey.features)),
            ", ".join(intervention.name for intervention in journey.interventions if friction in intervention.treats),
        )
        for problem_type, friction in _by_problem_type(journey)
    ]
    context = sum(feature.friction == Friction.NONE for feature in journey.features)
    rows.append(("context", Friction.NONE.name, Friction.NONE.description, str(context), ""))
    headers = ("Problem type", "Friction", "Meaning", "Features", "Treated by")
    return FittedTable("Frictions", headers, rows, numbers=("Features",))


def _by_problem_type(journey: Journey) -> list[tuple[ProblemType, Friction]]:
    return [
        (problem_type, friction)
        for problem_type in ProblemType
        for friction in journey.frictions
        if friction.problem_type is problem_type
    ]


def _features(journey: Journey) -> FittedTable:
    rows: list[Sequence[Cell]] = []
    for friction in (*(friction for _, friction in _by_problem_type(journey)), Friction.NONE):
        features = [feature for feature in journey.features if feature.friction == friction]
        if features:
            rows.append((Text(friction.name, "bold"), "", ""))
            rows += [(f"  {feature.name}", feature.expression.describe(), feature.phrase) for feature in features]
    return FittedTable(f"Features ({len(journey.features)})", ("Feature", "Computed as", "Said as"), rows)


def _interventions(journey: Journey) -> FittedTable:
    names = [stage.name for stage in journey.stages]
    rows = [
        (
            intervention.name,
            ", ".join(friction.name for friction in intervention.treats),
            _places(intervention.stages, names),
            f"{intervention.prior_effect:+.1%}",
            _cost(intervention.cost, intervention.cost_if_converted),
            intervention.effort.value,
            intervention.owner,
        )
        for intervention in journey.interventions
    ]
    headers = ("Intervention", "Treats", "Stages", "Prior", "Cost", "Effort", "Owner")
    return FittedTable(f"Interventions ({len(rows)})", headers, rows, numbers=("Prior",))


def _messages(journey: Journey) -> FittedTable:
    rows = [
        (intervention.name, intervention.channel, intervention.title, intervention.message)
        for intervention in journey.interventions
    ]
    return FittedTable("What people read", ("Intervention", "Channel", "Title", "Message"), rows)


def _events(journey: Journey) -> FittedTable:
    return FittedTable(f"Events ({len(journey.events)})", ("Event", "Meaning"), list(journey.events.items()))


def _properties(journey: Journey) -> FittedTable:
    return FittedTable(
        f"Properties ({len(journey.properties)})", ("Property", "Meaning"), list(journey.properties.items())
    )


def _cost(cost: float, cost_if_converted: float) -> str:
    certain = [f"{cost:g}"] if cost or not cost_if_converted else []
    return " + ".join([*certain, *([f"{cost_if_converted:g} if converted"] if cost_if_converted else [])])


def _places(stages: Sequence[str], journey_stages: Sequence[str]) -> str:
    """Return stages in their order, neighbours as a range: ``cart to payment``."""
    places = sorted(journey_stages.index(stage) for stage in stages)
    if len(places) >= _RANGE_AT_LEAST and places[-1] - places[0] == len(places) - 1:
        return f"{journey_stages[places[0]]} to {journey_stages[places[-1]]}"
    return ", ".join(journey_stages[place] for place in places)
