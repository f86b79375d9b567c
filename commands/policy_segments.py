"""Whom acting would move: `dropoff policy segments`."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import DecisionsOption, JourneyArgument, JsonOption


def attach_to(app: typer.Typer) -> None:
    """Add the command to the group of policies."""
    app.command(epilog="Example: dropoff policy segments ecommerce --decisions decisions.parquet")(segments)


def segments(
    journey: JourneyArgument,
    decisions: DecisionsOption = None,
    out_path: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="Also a picture, .png.")] = None,
    json_path: JsonOption = None,
) -> None:
    """Count whom interventions would move, and whom to leave alone.

    Persuadables are worth an intervention; sure things reach the goal anyway; lost causes do not, whatever is shown;
    sleeping dogs are driven away by all that may be shown. What is learnt from the decisions says who is who, and each
    count has a 95 % interval for what is not known yet.
    """
    from console.databases import decisions_of
    from console.terminal import out, progress, say, write_json
    from decisions.segments import MEANINGS, count_segments
    from features.output import require_writable
    from journeys.load import load_journey
    from journeys.policies import learnt_policy
    from journeys.tables import FittedTable

    declared = load_journey(journey)
    for path, endings in ((json_path, ()), (out_path, (".png",))):
        if path is not None:
            require_writable(path, suffixes=endings)
    logged = decisions_of(declared, decisions)
    with progress() as report:
        report(f"learning from {len(logged):,} decisions", 0.0)
        policy = learnt_policy(declared, logged)
        report("sorting them", 0.5)
        found = count_segments(policy, logged)
    total = max(found.decisions, 1)
    rows = [
        (
            str(count.segment),
            f"{count.expected:,.0f}",
            f"{count.low:,} to {count.high:,}",
            f"{count.expected / total:.0%}",
            MEANINGS[count.segment],
        )
        for count in found.counts
    ]
    headers = ("segment", "decisions", "95 % interval", "share", "of whom is believed")
    out.print(FittedTable(f"Whom acting would move in {declared.name}", headers, rows, numbers=headers[1:4]))
    out.print()
    say(
        f"Of {found.decisions:,} decisions, by what {policy.posterior.decisions:,} with a known outcome tell; a sure "
        f"thing reaches the goal with a probability of {found.sure:g} or more."
    )
    if found.passed_over:
        say(f"{found.passed_over:,} further ones are not counted: nothing could be shown, as in the holdout.")
    if found.nothing_works > 0.05:
        say(f"The probability that no intervention does anything is {found.nothing_works:.0%}.")
    write_json(json_path, {"journey": declared.name} | found.to_json())
    if out_path is not None:
        from training.pictures.segments import draw_segments

        draw_segments(found, declared.name, out_path)
        say(f"The picture is {out_path}")
