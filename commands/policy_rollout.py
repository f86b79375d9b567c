"""A new version of the policy on its way to deciding, step by step, and back."""

from typing import Annotated

import typer

from commands.options import UNSUPPORTED, DecidedLogOption, DecisionsOption, JourneyArgument, JsonOption

app = typer.Typer()


@app.command(epilog="Example: dropoff policy promote ecommerce 5")
def promote(
    journey: JourneyArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A published version; `dropoff policy list`.")],
    decisions: DecisionsOption = None,
    log: DecidedLogOption = None,
    most_loss: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0, help="Offline: a larger loss of the live value has to be ruled out; .1."),
    ] = None,
    compared: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Shadow: decisions that have to be compared; 500.")
    ] = None,
    minimum_effect: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Experiment: the rise of the goal rate to find; .1 is 10 %.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="Experiment: how long people are taken in; 28d.")
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Do a version's next step if its gate passes, else say what is missing.

    Offline value on the ledger, then the shadow (asked beside the live policy, nobody notices), then an experiment
    against the live policy, then live. Each call is one step. Exits with status 4 where a figure is missing.
    """
    from dataclasses import replace
    from functools import partial

    from console.databases import rollout_ground, weighable_decisions
    from console.terminal import out, progress, say, write_json
    from decisions.off_policy.evaluate import Evaluation, evaluate
    from decisions.rollout import DEFAULT_GATES
    from features.output import require_writable
    from insights.rollouts.advance import promote as advance
    from insights.rollouts.say import FIGURE_HEADERS, figure_rows, say_advanced
    from insights.rollouts.trial import analyse_trial, start_trial
    from journeys.tables import FittedTable
    from journeys.weigh import LIVE, say_older, target_of

    if json_path is not None:
        require_writable(json_path)
    with rollout_ground(journey) as found:
        gates = replace(
            DEFAULT_GATES,
            most_loss=DEFAULT_GATES.most_loss if most_loss is None else most_loss,
            compared=compared or DEFAULT_GATES.compared,
            minimum_effect=minimum_effect or DEFAULT_GATES.minimum_effect,
            planned_duration=duration or DEFAULT_GATES.planned_duration,
        )
        ground = replace(found, gates=gates)
        declared = ground.journey

        def weigh() -> Evaluation:
            logged = weighable_decisions(declared, (version, LIVE), decisions, log, report)
            _, target = target_of(declared, version, logged, ground.home)
            _, before = target_of(declared, LIVE, logged, ground.home)
            if older := say_older(declared, version, logged, ground.home):
                say(older)
            return evaluate(logged, target, declared.interventions, declared.policy, before=before)

        with progress() as report:
            report("looking at the gate", 0.0)
            advanced = advance(
                ground, version, weigh=weigh, start=partial(start_trial, ground), analyse=partial(analyse_trial, ground)
            )
        out.print(FittedTable("", FIGURE_HEADERS, list(figure_rows(advanced.gate))))
        say(say_advanced(declared.name, advanced))
        step = None if advanced.step is None else advanced.step.value
        write_json(
            json_path,
            {"version": version, "step": step, "moved": advanced.moved, "figures": advanced.gate.to_json()},
        )
        if not advanced.moved:
            raise typer.Exit(UNSUPPORTED)


@app.command(epilog="Example: dropoff policy rollback ecommerce --reason 'too pushy'")
def rollback(
    journey: JourneyArgument,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit and the history.")] = "by hand",
) -> None:
    """Take back the version that is on its way, else the one that is live.

    From the shadow or an experiment it decides about nobody any more; where it is live, the version before it decides
    again. A running service notices by itself.
    """
    from console.databases import rollout_ground
    from console.terminal import say
    from insights.rollouts.take_back import take_back as run
    from insights.rollouts.take_back import version_to_take_back

    with rollout_ground(journey) as ground:
        rollout = version_to_take_back(ground)
        decides = run(ground, rollout, reason)
        say(f"Version {rollout.version} of the policy was taken back ({rollout.step}); {decides} decides.")


@app.command(epilog="Example: dropoff policy status ecommerce")
def status(journey: JourneyArgument, json_path: JsonOption = None) -> None:
    """Show which version decides, and how far each other one has come."""
    from console.databases import rollout_ground
    from console.terminal import out, say, write_json
    from decisions.rollout import shadow_gate
    from features.output import require_writable
    from insights.rollouts.say import FIGURE_HEADERS, HEADERS, figure_rows, rollout_rows, to_json
    from journeys.tables import FittedTable
    from journeys.weigh import standing_policy
    from storage.policies import live_version
    from storage.rollout_store import RolloutStore, Step

    if json_path is not None:
        require_writable(json_path)
    with rollout_ground(journey) as ground:
        name = ground.journey.name
        live, rollouts = live_version(ground.home, name), RolloutStore(ground.engine, name).rollouts()
        say(f"{live or standing_policy(ground.journey).version} decides about {name}.")
        if rollouts:
            out.print(FittedTable("", HEADERS, list(rollout_rows(rollouts)), whole=("Version", "Step")))
        for one in rollouts:
            if one.step is Step.SHADOW:
                gate = shadow_gate(one.shadow, ground.gates)
                out.print(FittedTable(f"The gate of {one.version}", FIGURE_HEADERS, list(figure_rows(gate))))
        write_json(json_path, to_json(live, rollouts, ground.gates))
