"""The life of an experiment: declared, started, listed, stopped."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import (
    FactsOption,
    GuardrailOption,
    JourneyArgument,
    JsonOption,
    LogOrFactsOption,
    ModelOption,
    QuarantineOption,
)

app = typer.Typer()

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The experiment's name.")]


@app.command(epilog="Example: dropoff experiment new ecommerce --file chat.toml")
def new(
    journey: JourneyArgument,
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is called, in letters, digits, _ and -.")] = "",
    file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A .json or .toml file with its fields; options go before them.")
    ] = None,
    explanation_trial: Annotated[
        bool,
        typer.Option("--explanation-trial", help="The built-in trial of whether the named blocker is the right one."),
    ] = False,
    hypothesis: Annotated[str, typer.Option(metavar="TEXT", help="What is expected, and of whom.")] = "",
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=WHAT",
            help="as_usual, nothing, an intervention's name, policy:VERSION, named_blocker or other_blocker; *2 behind "
            "it doubles its weight. The first is what the others are compared with; to be repeated.",
        ),
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Only in this stage; may be repeated.")
    ] = None,
    blocker: Annotated[
        list[str] | None, typer.Option(metavar="FRICTION", help="Only where this is named first; may be repeated.")
    ] = None,
    cohort: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=VALUE", help="Only these people, as device=mobile|tablet.")
    ] = None,
    share: Annotated[
        float | None, typer.Option(metavar="SHARE", help="The part of the people, by default all.")
    ] = None,
    layer: Annotated[
        str, typer.Option(metavar="NAME", help="Experiments of one layer exclude each other; by default one for all.")
    ] = "",
    metric: Annotated[
        str, typer.Option(metavar="METRIC", help="goal, revenue, net_value, dismissed or goals_per_session.")
    ] = "",
    secondary: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="Looked at beside it; may be repeated.")
    ] = None,
    guardrail: GuardrailOption = None,
    minimum_effect: Annotated[
        float | None, typer.Option(metavar="SHARE", help="The least relative change that is worth finding: .1 is 10 %.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(metavar="SHARE", help="By default .05.")] = None,
    power: Annotated[float | None, typer.Option(metavar="SHARE", help="By default .8.")] = None,
    duration: Annotated[str, typer.Option(metavar="TIME", help="How long people are taken in, as 14d.")] = "",
    window: Annotated[
        str, typer.Option(metavar="TIME", help="How long after the first exposure outcomes count; by default 7d.")
    ] = "",
    rule: Annotated[str, typer.Option(metavar="RULE", help="fixed or always-valid: when a verdict may be read.")] = "",
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who answers for it.")] = "",
    json_path: JsonOption = None,
) -> None:
    """Draft an experiment.

    A draft takes nobody in before it is started; one of that name is replaced. Says what is still missing;
    docs/experiments.md has the fields of a file.
    """
    from dataclasses import replace

    from console.databases import open_service
    from console.terminal import say, write_json
    from decisions.experiments import ExperimentPlan, Population, StoppingRule, to_json
    from decisions.experiments import explanation_trial as built_in
    from features.output import require_writable
    from insights.experiments.life import draft
    from insights.experiments.read_plan import read_cohorts, read_guardrails, read_plan, read_variants
    from journeys.load import load_journey
    from serving.runtime import now_us
    from storage.history import account

    if json_path is not None:
        require_writable(json_path)
    if file is None and not name and not explanation_trial:
        raise typer.BadParameter("name the experiment with --name NAME, or give --file PATH or --explanation-trial")
    if file is not None and explanation_trial:
        raise typer.BadParameter("give either --file PATH or --explanation-trial")
    if rule and rule not in tuple(StoppingRule):
        raise typer.BadParameter(f"{rule!r} is no stopping rule: there are {', '.join(StoppingRule)}")
    declared = load_journey(journey)
    plan = read_plan(file) if file else built_in(declared.owner) if explanation_trial else ExperimentPlan(name)
    who = plan.population
    population = Population(
        stages=tuple(stage or who.stages),
        blockers=tuple(blocker or who.blockers),
        cohorts=read_cohorts(cohort) if cohort else who.cohorts,
        share=who.share if share is None else share,
    )
    plan = replace(
        plan,
        name=name or plan.name,
        hypothesis=hypothesis or plan.hypothesis,
        variants=read_variants(variant) if variant else plan.variants,
        population=population,
        layer=layer or plan.layer,
        primary_metric=metric or plan.primary_metric,
        secondary_metrics=tuple(secondary or plan.secondary_metrics),
        guardrails=read_guardrails(guardrail) if guardrail else plan.guardrails,
        minimum_effect=plan.minimum_effect if minimum_effect is None else minimum_effect,
        alpha=plan.alpha if alpha is None else alpha,
        power=plan.power if power is None else power,
        planned_duration=duration or plan.planned_duration,
        window=window or plan.window,
        owner=owner or plan.owner,
        stopping_rule=StoppingRule(rule) if rule else plan.stopping_rule,
    )
    with open_service() as engine:
        found = draft(engine, declared, plan, actor=account(), now_us=now_us())
    say(f"{plan.name} of {declared.name} is drafted, for {plan.population.describe()}.")
    for sentence in found:
        say(f"Before it can be started: {sentence}{'' if sentence.endswith('?') else '.'}")
    if not found:
        say(f"It is complete: dropoff experiment start {journey} {plan.name} lets it take people in.")
    write_json(json_path, {"experiment": to_json(plan), "before_start": found})


@app.command(epilog="Example: dropoff experiment start ecommerce chat --log shop/events")
def start(
    journey: JourneyArgument,
    name: NameArgument,
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    people_per_day: Annotated[
        float | None, typer.Option(metavar="N", help="The traffic, where you know it: people who would enter each day.")
    ] = None,
    baseline: Annotated[float | None, typer.Option(metavar="RATE", help="The primary metric today, with it.")] = None,
    deviation: Annotated[
        float | None, typer.Option(metavar="S", help="The standard deviation of one person, for what is no rate.")
    ] = None,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Start an experiment, if it is complete and its traffic suffices.

    Refuses, with everything that is missing, an incomplete one; one whose size the traffic does not reach within the
    planned duration; and one whose layer's people are taken. The traffic is that of the service's ledger, else of
    --log or --facts, else of the service's figures. Every worker of the service follows within seconds.
    """
    from console.databases import open_service
    from console.logs import facts_of
    from console.terminal import say, write_json
    from decisions.experiments import PlanError
    from features.output import require_writable
    from insights.current import current_facts
    from insights.experiments.life import check_plan, plan_of
    from insights.experiments.life import start as start_experiment
    from insights.experiments.traffic import Traffic, facts_traffic, ledger_traffic, reach_of
    from insights.playbook.follow import follow_experiments
    from insights.playbook.words import say_followed
    from journeys.load import load_journey
    from journeys.weigh import published_policy
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.history import account

    if (people_per_day is None) != (baseline is None):
        raise typer.BadParameter("give --people-per-day and --baseline together")
    if json_path is not None:
        require_writable(json_path, log=log)
    declared, configuration = load_journey(journey), Configuration.from_environment()
    with open_service() as engine:
        plan = plan_of(engine, declared, name, actor=account(), now_us=now_us())
        check_plan(engine, declared, plan)
        for version in plan.policy_versions:
            # A version that cannot decide is told now, and not by the service.
            published_policy(declared, version, configuration.home)
        traffic: Traffic | None = None
        if people_per_day is not None and baseline is not None:
            traffic = Traffic(people_per_day, baseline, deviation, "as given")
        elif log is not None or facts is not None:
            with facts_of(declared, journey, log, facts, model, quarantine) as made:
                traffic = facts_traffic(made, declared, plan)
        else:
            with engine.connect() as connection:
                traffic = ledger_traffic(connection, declared, plan, now_us())
            current = None if traffic else current_facts(configuration.home, declared.name)
            if current is not None:
                traffic = facts_traffic(current, declared, plan)
        if traffic is None:
            raise PlanError(
                f"nothing is known of the traffic of {declared.name} yet: give --log PATH, or --people-per-day N and "
                "--baseline RATE"
            )
        reach = reach_of(plan, traffic)
        kept = start_experiment(engine, declared, plan, reach, actor=account(), now_us=now_us())
        followed = follow_experiments(engine, declared, now_us=now_us())
    say(f"{name} of {declared.name} takes people in from now on.")
    say(reach.describe())
    for tactic in followed:
        say(say_followed(tactic))
    write_json(
        json_path,
        {"name": name, "status": kept.status.value, "per_arm": reach.per_arm, "days": reach.days}
        | {"people_per_day": traffic.people_per_day, "baseline": traffic.baseline},
    )


@app.command(epilog="Example: dropoff experiment stop ecommerce chat --reason 'it is over'")
def stop(
    journey: JourneyArgument,
    name: NameArgument,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it stands in the audit.")],
    json_path: JsonOption = None,
) -> None:
    """Stop an experiment, and keep what it has come to.

    Who was in it is decided about as usual from now on, within seconds. People whose window is not over are left out
    of the result; analyse completes it later. The result of an explanation trial also goes to MLflow.
    """
    from commands.experiment_results import tell_live
    from console.databases import open_service
    from console.terminal import say
    from features.output import require_writable
    from journeys.load import load_journey
    from serving.runtime import now_us
    from storage.database import writing
    from storage.experiment_store import ExperimentStore
    from storage.history import account

    if json_path is not None:
        require_writable(json_path)
    declared = load_journey(journey)
    with open_service() as engine:
        store = ExperimentStore(engine, declared.name)
        with writing(engine) as connection:
            store.stop(connection, name, reason, actor=account(), now_us=now_us())
        say(f"{name} of {declared.name} takes nobody in any more.")
        tell_live(engine, declared, name, json_path, or_say=True)


@app.command("list", epilog="Example: dropoff experiment list ecommerce --json experiments.json")
def list_experiments(journey: JourneyArgument, json_path: JsonOption = None) -> None:
    """List experiments: status, days, people and verdict so far."""
    from console.databases import open_service
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from insights.experiments.life import standings
    from insights.experiments.say_life import list_table
    from journeys.load import load_journey
    from serving.runtime import now_us

    if json_path is not None:
        require_writable(json_path)
    declared = load_journey(journey)
    with open_service() as engine:
        found = standings(engine, declared, now_us())
    if found:
        out.print(list_table(f"Experiments of {declared.title}", found))
    else:
        say(f"{declared.name} has no experiments: dropoff experiment new {journey} --name NAME drafts one.")
    write_json(json_path, {"journey": declared.name, "experiments": [one.to_json() for one in found]})
