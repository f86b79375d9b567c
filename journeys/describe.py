"""Show a journey as tables: what ``dropoff describe JOURNEY`` and ``dropoff journeys`` print."""

from collections.abc import Iterable, Sequence

from rich.table import Table

from features.friction import Friction, ProblemType
from features.phrase import say
from journeys.journey import Journey


def describe(journey: Journey) -> list[Table]:
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


def describe_all(journeys: Iterable[Journey]) -> Table:
    """Return one table with a line per journey."""
    rows = [
        (
            journey.name,
            journey.title,
            " > ".join(stage.name for stage in journey.stages),
            ", ".join(journey.ends.goal),
            duration(journey.session_timeout_seconds),
            str(len(journey.features)),
            str(len(journey.frictions)),
            str(len(journey.interventions)),
            journey.owner,
        )
        for journey in journeys
    ]
    headers = ("Journey", "Title", "Stages", "Goal", "Timeout", "Features", "Frictions", "Interventions", "Owner")
    return _table("Journeys", headers, rows)


def duration(seconds: float) -> str:
    """Return a duration in its largest fitting unit."""
    return say("{:duration}", seconds)


def _summary(journey: Journey) -> Table:
    ends, policy = journey.ends, journey.policy
    silence = f"silence of {duration(journey.session_timeout_seconds)}"
    abandoned = [*ends.abandoned, *([silence] if ends.silence_abandons else [])]
    horizon = "the session's end" if journey.horizon_seconds is None else duration(journey.horizon_seconds)
    rows = [
        ("Description", journey.description),
        ("Owner", journey.owner or "nobody yet"),
        ("Goal", ", ".join(ends.goal)),
        ("Abandoned", ", ".join(abandoned)),
        ("Ends that are neither", ", ".join(ends.competing) or "none"),
        ("Nothing is predicted after", ", ".join(ends.all_names)),
        ("A session ends after a silence of", duration(journey.session_timeout_seconds)),
        ("Looked at again after a silence of", ", ".join(duration(tick) for tick in journey.idle_ticks_seconds)),
        ("Predicted up to", horizon),
        ("Time zone", journey.timezone),
        ("Value of a goal", f"{policy.goal_value:,g}"),
        ("Nothing is recommended below a risk of", f"{policy.low_risk:.0%}"),
        ("Exploration among eligible interventions", f"{policy.exploration:.1%}"),
        ("Visitors who never see an intervention", f"{policy.holdout:.1%}"),
        ("Cost of interrupting", f"{policy.annoyance:,g}"),
        ("Interventions in a session at most", str(policy.session_cap)),
        ("Fingerprint of the features", journey.table.fingerprint),
    ]
    return _table(f"{journey.title} ({journey.name})", ("", ""), rows, show_header=False)


def _stages(journey: Journey) -> Table:
    rows = [
        (str(index), stage.name, ", ".join(stage.filter.names), stage.description, stage.owner)
        for index, stage in enumerate(journey.stages)
    ]
    return _table("Stages", ("#", "Stage", "Entered by", "Meaning", "Owner"), rows)


def _frictions(journey: Journey) -> Table:
    rows = [
        (
            problem_type.value,
            friction.name,
            friction.description,
            str(sum(feature.friction == friction for feature in journey.features)),
            ", ".join(intervention.name for intervention in journey.interventions if friction in intervention.treats),
        )
        for problem_type in ProblemType
        for friction in journey.frictions
        if friction.problem_type is problem_type
    ]
    context = sum(feature.friction == Friction.NONE for feature in journey.features)
    rows.append(("context", Friction.NONE.name, Friction.NONE.description, str(context), ""))
    return _table("Frictions", ("Problem type", "Friction", "Meaning", "Features", "Treated by"), rows)


def _features(journey: Journey) -> Table:
    rows = [
        (feature.name, feature.expression.describe(), feature.friction.name, feature.phrase)
        for feature in journey.features
    ]
    return _table(f"Features ({len(rows)})", ("Feature", "Computed as", "Friction", "Said as"), rows)


def _interventions(journey: Journey) -> Table:
    rows = [
        (
            intervention.name,
            intervention.channel,
            ", ".join(intervention.stages),
            ", ".join(friction.name for friction in intervention.treats),
            f"{intervention.prior_effect:+.1%}",
            _cost(intervention.cost, intervention.cost_if_converted),
            intervention.effort.value,
            intervention.owner,
        )
        for intervention in journey.interventions
    ]
    headers = ("Intervention", "Channel", "Stages", "Treats", "Prior", "Cost", "Effort", "Owner")
    return _table(f"Interventions ({len(rows)})", headers, rows)


def _messages(journey: Journey) -> Table:
    rows = [(intervention.name, intervention.title, intervention.message) for intervention in journey.interventions]
    return _table("What people read", ("Intervention", "Title", "Message"), rows)


def _events(journey: Journey) -> Table:
    return _table(f"Events ({len(journey.events)})", ("Event", "Meaning"), list(journey.events.items()))


def _properties(journey: Journey) -> Table:
    return _table(f"Properties ({len(journey.properties)})", ("Property", "Meaning"), list(journey.properties.items()))


def _cost(cost: float, cost_if_converted: float) -> str:
    return f"{cost:g}" + (f" + {cost_if_converted:g} if converted" if cost_if_converted else "")


def _table(title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], show_header: bool = True) -> Table:
    table = Table(title=title, title_justify="left", show_header=show_header, show_lines=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    return table


def _plain(text: str) -> str:
    # rich reads [..] as markup.
    return text.replace("[", r"\[")
