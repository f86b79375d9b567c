"""The policy that recommends: what another one would bring."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import UNSUPPORTED, DecidedLogOption, DecisionsOption, JourneyArgument, JsonOption

app = typer.Typer()


@app.callback(epilog="Example: dropoff policy evaluate ecommerce --policy priors")
def policy() -> None:
    """Weigh policies and put a better one to use, step by step.

    Each of them has a help of its own: dropoff policy evaluate --help.
    """


@app.command(epilog="Example: dropoff policy evaluate ecommerce --policy rules.json")
def evaluate(
    journey: JourneyArgument,
    policy: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="A version, nothing, priors or bayes (as declared), live, a folder, or a JSON file of rules.",
        ),
    ],
    decisions: DecisionsOption = None,
    log: DecidedLogOption = None,
    exploration: Annotated[
        float | None, typer.Option(metavar="SHARE", help="By default the journey's; 0 to .04.")
    ] = None,
    out_path: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Also a picture, .png.")] = None,
    json_path: JsonOption = None,
) -> None:
    """Estimate what a policy would bring, from what another one decided.

    Five estimators side by side, with 95 % intervals over people: each says what a decision would have been worth, and
    how far that is above doing nothing and above what was done. A rules file is {"rules": [{"blocker": "payment",
    "stage": "checkout", "intervention": "NAME"}]}: the first rule that fits decides, else nothing is done. Exits with
    status 4 where the log cannot tell.
    """
    from console.databases import registry_home, weighable_decisions
    from console.terminal import out, progress, say, write_json
    from decisions.off_policy.evaluate import evaluate as weigh
    from decisions.off_policy.say import HEADERS, NUMBERS, overlap_lines, rows, verdict
    from features.output import require_writable
    from journeys.load import load_journey
    from journeys.tables import FittedTable
    from journeys.weigh import say_older, target_of

    declared = load_journey(journey)
    for path, endings in ((json_path, ()), (out_path, (".png",))):
        if path is not None:
            require_writable(path, suffixes=endings)
    with registry_home(declared.name) as home, progress() as report:
        logged = weighable_decisions(declared, (policy,), decisions, log, report)
        report("weighing", 0.0)
        name, target = target_of(declared, policy, logged, home, exploration)
        found = weigh(logged, target, declared.interventions, declared.policy)
    titles = (f"Net value a decision of {name} for {declared.name}", "Goals a decision")
    for title, estimated, percent in zip(titles, (found.net_value, found.goal_rate), (False, True), strict=True):
        out.print(FittedTable(title, HEADERS, list(rows(estimated, percent=percent)), numbers=NUMBERS))
        out.print()
    cautions = (f"{one[:1].upper()}{one[1:]}." for one in found.cautions)
    for line in (*overlap_lines(found), *cautions, say_older(declared, policy, logged, home)):
        if line:
            say(line)
    say(verdict(found, name))
    write_json(json_path, {"policy": name, "journey": declared.name, "verdict": verdict(found, name)} | found.to_json())
    if out_path is not None:
        from training.pictures.forest import draw_forest

        draw_forest(found, name, declared.name, out_path)
        say(f"The picture is {out_path}")
    if not found.supported:
        raise typer.Exit(UNSUPPORTED)
