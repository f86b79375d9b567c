"""What interventions do, measured on decisions that chance made."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import DecisionsOption, JourneyArgument, JsonOption

app = typer.Typer()


@app.command(epilog="Example: dropoff effects ecommerce --by stage --out effects.html")
def effects(
    journey: JourneyArgument,
    decisions: DecisionsOption = None,
    by: Annotated[
        str, typer.Option(metavar="NAME", help="Also apart by stage, or by a cohort's column such as device.")
    ] = "",
    out_path: Annotated[
        Path | None, typer.Option("--out", metavar="PATH", help="Also draw them, with a heat map, into an .html file.")
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Show what each intervention does about each blocker.

    From decisions in which chance had a say, each weighed by the inverse of its logged probability: the rise of the
    goal's probability against doing nothing, with its interval, drawn towards its kind as far as it is not known
    itself; what is known, what is not, and what would be worth a test. Without --decisions, the service's own ledger.
    """
    import msgspec

    from console.databases import decisions_of
    from console.terminal import out, say, write_json
    from features.output import require_writable
    from insights.effects.effects import measure_effects
    from insights.effects.period import period_of
    from insights.effects.tables import effect_tables
    from insights.pages.document import write_pages
    from insights.pages.effects import SLUG, effect_figures, rests_on
    from insights.pages.figure import Page
    from journeys.load import load_journey

    declared = load_journey(journey)
    if out_path is not None:
        require_writable(out_path, log=decisions, suffixes=(".html",))
    found = measure_effects(declared, decisions_of(declared, decisions), by)
    for table in effect_tables(found):
        out.print(table)
        out.print()
    say(rests_on(found))
    if out_path is not None:
        write_pages(
            [Page(SLUG, "Effects", rests_on(found), effect_figures(found, declared))],
            title=f"{declared.title}: what works for which blocker",
            journey=declared.title,
            lede=period_of(found),
            foot=[rests_on(found)],
            timezone=declared.timezone,
            out=out_path,
        )
        say(f"Drawn in {out_path}")
    write_json(json_path, msgspec.to_builtins(found))
