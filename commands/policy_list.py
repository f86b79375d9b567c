"""Which policies a journey has, what they believe, and whether they go on learning."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import JourneyArgument, JsonOption

VersionArgument = Annotated[
    str | None, typer.Argument(metavar="VERSION", help="By default the policy that decides, or that learns beside it.")
]


def attach_to(app: typer.Typer) -> None:
    """Add the commands to the group of policies."""
    app.command("list", epilog="Example: dropoff policy list ecommerce")(list_policies)
    app.command("show", epilog="Example: dropoff policy show ecommerce --out beliefs.png")(show)
    app.command("pause", epilog="Example: dropoff policy pause ecommerce")(pause)
    app.command("resume", epilog="Example: dropoff policy resume ecommerce --revision 41")(resume)


def list_policies(journey: JourneyArgument, json_path: JsonOption = None) -> None:
    """List the policies: which decides, and what each has learnt.

    Published versions, and what the service learns by itself from what the journey declares. A policy that learns has
    revisions: the newest one answers.
    """
    from dataclasses import asdict

    from console.databases import registry_home, service_database
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from journeys.policy_list import list_policies as run
    from journeys.tables import FittedTable
    from serving.times import show_time
    from storage.policies import live_history

    declared = load_journey(journey)
    if json_path is not None:
        require_writable(json_path)
    with registry_home(declared.name) as home, service_database() as (engine, _):
        found = run(declared, home, engine)
    rows = [
        (
            one.version,
            one.kind,
            one.status,
            "-" if one.learnt is None else str(one.learnt.revision),
            "-" if one.learnt is None else f"{one.learnt.decisions:,}",
            "-" if one.learnt is None else show_time(one.learnt.learnt_us)[:16],
        )
        for one in found
    ]
    headers = ("Version", "Kind", "Status", "Revision", "Decisions", "Learnt")
    out.print(FittedTable(f"Policies of {declared.name}", headers, rows, numbers=("Revision", "Decisions")))
    out.print()
    for one in found:
        if one.damage is not None:
            say(f"Version {one.version} cannot decide: {one.damage}.")
    lines = live_history(home, declared.name).promotions
    if lines:
        told = [(one.at[:16], one.by, one.action, one.version or "as declared", one.reason) for one in lines]
        out.print(FittedTable("What decided since when", ("Since", "By", "Action", "Version", "Reason"), told))
    write_json(
        json_path,
        {
            "journey": declared.name,
            "policies": [asdict(one) | {"status": one.status} for one in found],
            "history": [asdict(one) for one in lines],
        },
    )


def show(
    journey: JourneyArgument,
    version: VersionArgument = None,
    out_path: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Also a heat map, .png.")] = None,
    json_path: JsonOption = None,
) -> None:
    """Show what a policy that learns believes of each intervention.

    For each blocker that an intervention is declared to treat: the points that it is believed to add to the goal's
    rate where that blocker stands in the way, with the interval that holds nine tenths of what is believed possible,
    and the probability that showing it is worth what it costs. The picture and the JSON have every pair.
    """
    from dataclasses import asdict

    from console.databases import registry_home, service_database
    from console.terminal import out, say, write_json
    from decisions.bayes_policy import BayesPolicy
    from decisions.beliefs import believed_effects
    from features.output import require_writable
    from journeys.load import load_journey
    from journeys.policy_list import chosen_version, policy_of
    from journeys.tables import FittedTable

    declared = load_journey(journey)
    for path, endings in ((json_path, ()), (out_path, (".png",))):
        if path is not None:
            require_writable(path, suffixes=endings)
    with registry_home(declared.name) as home, service_database() as (engine, _):
        chosen = chosen_version(declared, home, version)
        policy = policy_of(declared, home, engine, chosen)
    if not isinstance(policy, BayesPolicy):
        say(f"Policy {chosen} is of a kind that does not learn from single decisions; `dropoff effects` shows effects.")
        raise typer.Exit
    beliefs = believed_effects(policy)
    rows = [
        (
            one.blocker,
            one.intervention,
            f"{100 * one.effect:+.2f}",
            f"{100 * one.low:+.2f} to {100 * one.high:+.2f}",
            f"{one.pays:.0%}",
        )
        for one in sorted(beliefs, key=lambda one: (one.blocker, -one.pays))
        if one.is_treated
    ]
    headers = ("Blocker", "Intervention", "Points", "Nine tenths within", "Worth it")
    title = f"What policy {policy.version} believes, after {policy.posterior.decisions:,} decisions"
    out.print(FittedTable(title, headers, rows, numbers=("Points", "Nine tenths within", "Worth it")))
    write_json(
        json_path,
        {
            "version": policy.version,
            "decisions": policy.posterior.decisions,
            "goals": policy.posterior.goals,
            "effects": [asdict(one) for one in beliefs],
        },
    )
    if out_path is not None:
        from training.pictures.beliefs import draw_beliefs

        draw_beliefs(beliefs, policy.version, declared.name, out_path)
        say(f"The picture is {out_path}")


def pause(journey: JourneyArgument, version: VersionArgument = None) -> None:
    """Let a policy learn no more, until it is resumed.

    It goes on deciding with what it knows. What becomes known meanwhile is learnt when it is resumed.
    """
    from console.databases import registry_home, service_database
    from journeys.load import load_journey
    from journeys.policy_list import chosen_version, pause_learning

    declared = load_journey(journey)
    with registry_home(declared.name) as home, service_database() as (engine, _):
        chosen = chosen_version(declared, home, version)
        pause_learning(engine, declared.name, chosen)
    typer.echo(f"Policy {chosen} learns no more; `dropoff policy resume {journey}` lets it.")


def resume(
    journey: JourneyArgument,
    version: VersionArgument = None,
    revision: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Go back to what it knew then; what came since is never learnt."),
    ] = None,
) -> None:
    """Let a policy learn again, or go back to what it knew before.

    With --revision, what was learnt since is forgotten for good: for when what was recorded was wrong.
    """
    from console.databases import registry_home, service_database
    from journeys.load import load_journey
    from journeys.policy_list import chosen_version, resume_learning

    declared = load_journey(journey)
    with registry_home(declared.name) as home, service_database() as (engine, _):
        chosen = chosen_version(declared, home, version)
        resume_learning(engine, declared.name, chosen, revision)
    typer.echo(f"Policy {chosen} learns{'' if revision is None else f', from what it knew at revision {revision}'}.")
