"""Train a policy on decisions whose outcome is known: ``dropoff policy train``."""

import typer

from commands.options import MLRUNS, DecidedLogOption, DecisionsOption, JourneyArgument, JsonOption, SeedOption

app = typer.Typer()


@app.command(epilog="Example: dropoff policy train ecommerce --decisions sim/decisions.parquet")
def train(
    journey: JourneyArgument,
    decisions: DecisionsOption = None,
    log: DecidedLogOption = None,
    seed: SeedOption = 7,
    json_path: JsonOption = None,
) -> None:
    """Train a policy on what was decided and what came of it.

    The declared effects, the Bayesian policy, boosted learners and blends of them are compared by doubly-robust value
    on people held out; what does best is learnt from all decisions, registered and published as a version. It does not
    go live by that. With few decisions it is the Bayesian policy alone. By default the service's ledger is learnt from,
    and its log is replayed.
    """
    from console.databases import decisions_of, log_of_decisions, registry_home
    from console.terminal import out, progress, say, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from journeys.tables import FittedTable
    from training.uplift.register import describe, register_policy
    from training.uplift.say import HEADERS, NUMBERS, rows
    from training.uplift.train_policy import learn_policy

    declared = load_journey(journey)
    if json_path is not None:
        require_writable(json_path)
    logged = decisions_of(declared, decisions)
    with (
        registry_home(declared.name, adding=True) as home,
        progress() as report,
        log_of_decisions(declared, decisions, log) as replayed,
    ):
        learnt = learn_policy(declared, logged, log=replayed, seed=seed, progress=report)
        report("registering", 0.0)
        registered = register_policy(declared, learnt, home=home, mlruns=MLRUNS)
    if registered.choice is not None:
        title = f"Net value a decision in {declared.name}, on people held out (95 % intervals)"
        out.print(FittedTable(title, HEADERS, rows(registered.choice), numbers=NUMBERS))
        out.print()
        say(f"{registered.choice.reason}.")
    for note in registered.notes:
        say(f"{note[:1].upper()}{note[1:]}.")
    say(describe(registered))
    version = registered.policy.version
    say(f"It is version {version}, not live: weigh it by `dropoff policy evaluate {journey} --policy {version}`.")
    write_json(json_path, registered.to_json())
