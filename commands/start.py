"""Look around: the demo, journeys, simulated and imported logs, and features."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import (
    MLRUNS,
    ClusterOption,
    FeaturesOption,
    JourneyArgument,
    LogOption,
    ModelOption,
    QuarantineOption,
    SeedOption,
    to_path,
)

app = typer.Typer()


@app.command(epilog="Example: dropoff demo --no-serve")
def demo(
    serve: Annotated[bool, typer.Option(help="Stay up until Ctrl-C after the replay.")] = True,
    sessions: Annotated[int, typer.Option(metavar="N", min=2000, help="How many sessions to simulate.")] = 24_000,
    seed: SeedOption = 7,
) -> None:
    """Show all of it at work, on a simulated shop.

    Simulates sessions, trains, registers, starts the service and replays a few held-out sessions live.
    """
    from demo import run_demo
    from storage.models import home_folder

    run_demo(home_folder(), MLRUNS, sessions=sessions, seed=seed, stay=serve)


@app.command(epilog="Example: dropoff journeys")
def journeys() -> None:
    """List the journeys that ship."""
    from console.terminal import out, say
    from journeys.describe import describe_all
    from journeys.load import journey_names, load_journey

    names = journey_names()
    for block in describe_all(load_journey(name) for name in names):
        out.print(block)
        out.print()
    say(f"More: dropoff describe {names[0]}; your own: dropoff describe ./my_journey.py")


@app.command(epilog="Example: dropoff describe ecommerce")
def describe(journey: JourneyArgument) -> None:
    """Show all that a journey declares.

    Its stages, frictions, features, interventions, events and properties. A file of your own is checked by this.
    """
    import journeys.describe as tables
    from console.terminal import out
    from journeys.load import load_journey

    for table in tables.describe(load_journey(journey)):
        out.print(table)
        out.print()


@app.command(epilog="Example: dropoff simulate ecommerce --sessions 20000 --seed 1 --out shop")
def simulate(
    journey: JourneyArgument,
    sessions: Annotated[int, typer.Option(metavar="N", min=1, help="How many sessions.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for events/, touchpoints/ and truth.parquet.")],
    seed: SeedOption = 0,
    decisions: Annotated[
        bool,
        typer.Option("--decisions", help="Put a random decision into each session that can have one, to learn from."),
    ] = False,
    model: ModelOption = None,
) -> None:
    """Write a log of simulated sessions, with the truth of each.

    With --decisions a coin decides, in each session that gets far enough, whether one of the stage's interventions is
    shown and which, and the session goes on under it; DIR/decisions.parquet says what was chosen, how likely it was and
    what came of it, beside the risk and the blockers that the model saw at that moment. Other commands read it by
    --decisions. These interventions do more than those of an ordinary simulated log.
    """
    from console.models import load_model
    from console.terminal import progress, say
    from features.output import require_folder
    from journeys.load import load_journey
    from training.simulator import simulate as run
    from training.simulator.decided_log import DECISIONS, simulate_decisions

    require_folder(out)
    decided = None
    if decisions:
        declared = load_journey(journey)
        seen_by = load_model(declared, journey, model)
        with progress() as report:
            decided = simulate_decisions(declared, seen_by, sessions=sessions, seed=seed, out=out, progress=report)
    else:
        with progress() as report:
            run(journey, sessions=sessions, seed=seed, out=out, progress=report)
    say(f"{sessions:,} sessions in {out / 'events'}, the truth about them in {out / 'truth.parquet'}")
    if decided is not None:
        say(f"{len(decided):,} decisions in {out / DECISIONS}")


@app.command("import", epilog="Example: dropoff import ga4 export/ --out log.parquet --journey ecommerce")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="canonical, segment, rudderstack, ga4, snowplow, posthog, loan_log or your own .toml mapping; "
            "touchpoints or crm for what happens to people outside of their sessions.",
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", parser=to_path, help="The log, a file or a folder.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="PATH", parser=to_path, help="The .parquet file to write; touchpoints write none."
        ),
    ] = None,
    journey: Annotated[
        str | None,
        typer.Option(metavar="JOURNEY", help="Keep of it what the service of this journey would: a name or a file."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Which columns tell of touchpoints what.")
    ] = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write a log in another schema as a canonical log.

    docs/imports.md says for each source what becomes of its columns, and how to map your own. Touchpoints and CRM
    records go into the service's database instead: dropoff import crm deals.csv --mapping crm.toml --journey NAME.
    """
    from console.logs import quarantine_path
    from console.terminal import progress, say, tell
    from features.import_log import import_log
    from features.output import require_writable
    from features.sources.shipped import named
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.keeping import keeping_of

    refused = quarantine_path(quarantine, path)
    if source in ("touchpoints", "crm"):
        _import_touchpoints(source, path, out, journey, mapping, refused)
        return
    if mapping is not None:
        raise typer.BadParameter("--mapping is for touchpoints and crm; name the file of another mapping as SOURCE")
    if out is None:
        raise typer.BadParameter("--out is missing: the .parquet file to write")
    require_writable(out, log=path, suffixes=(".parquet",))
    keeping = None if journey is None else keeping_of(Configuration.from_environment(), load_journey(journey))
    with progress() as report:
        summary = import_log(named(source), path, out, keeping=keeping, quarantine=refused, progress=report)
    tell(summary, refused)
    say(f"The canonical log is {out}")


def _import_touchpoints(
    kind: str, path: Path, out: Path | None, journey: str | None, mapping: Path | None, refused: Path
) -> None:
    from console.terminal import progress, say, tell
    from features.sources.touchpoint_mapping import read_touchpoint_mapping
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.import_touchpoints import import_touchpoints

    if out is not None:
        raise typer.BadParameter(f"{kind} go into the service's database: leave --out out")
    if journey is None or mapping is None:
        raise typer.BadParameter(f"{kind} need --journey NAME and --mapping FILE.toml; docs/imports.md shows one")
    declared, source = load_journey(journey), read_touchpoint_mapping(mapping)
    with progress() as report:
        found = import_touchpoints(
            Configuration.from_environment(), declared, source, path, quarantine=refused, progress=report
        )
    tell(found.summary, refused)
    say(f"{found.new:,} new touchpoints of {declared.name}; {found.duplicates:,} were there already")


@app.command(epilog="Example: dropoff features ecommerce --log shop/events --out features.parquet")
def features(
    journey: JourneyArgument,
    log: LogOption,
    out: FeaturesOption,
    cluster: ClusterOption = None,
    every: Annotated[int, typer.Option(metavar="N", min=1, help="A row after every N-th event of a session.")] = 1,
    quarantine: QuarantineOption = None,
) -> None:
    """Write every session's features, as of each event.

    One .parquet file, or a folder of parts, which is written faster and read by the same programs. On a cluster the
    rows are the same; docs/cluster.md says what it needs.
    """
    from console.logs import engine_at, quarantine_path
    from console.terminal import progress, say, tell
    from features.export import export_features, is_file
    from features.output import require_new_folder, require_writable
    from features.plan import compile_plan
    from journeys.load import load_journey

    if is_file(out):
        require_writable(out, log=log)
    else:
        require_new_folder(out, log=log)
    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    with engine_at(cluster) as engine, progress() as report:
        rows, summary = export_features(
            compile_plan(declared.table),
            log,
            out,
            timeout_seconds=declared.session_timeout_seconds,
            every=every,
            quarantine=refused,
            engine=engine,
            progress=report,
        )
    tell(summary, refused)
    say(f"{rows:,} rows of {len(declared.features)} features in {out}")
