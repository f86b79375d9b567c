"""The ``dropoff`` command: every command is a few lines that call one function.

Libraries are imported inside the commands, so that ``dropoff --help`` starts at once.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn, cast

import typer

app = typer.Typer(
    name="dropoff",
    help="Predict where people abandon a journey, say why in plain words, and recommend one intervention.",
    epilog="Start with: dropoff demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# An error of one of these is about what the user gave, in one sentence; any other is a mistake in dropoff itself.
_SPEAK_FOR_THEMSELVES = frozenset(
    {"features", "journeys", "decisions", "storage", "training", "serving", "demo", "mlflow", "duckdb"}
)
# Typer carries its own click, or uses another; all that it raises about arguments is one of these.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
_INTERRUPTED = 130
_MLRUNS = Path("mlruns")

JourneyArgument = Annotated[str, typer.Argument(metavar="JOURNEY", help="A journey's name, or the path of your file.")]
LogOption = Annotated[
    Path, typer.Option("--log", metavar="PATH", help="Parquet, CSV, JSON Lines, or a folder of one of them.")
]
OutOption = Annotated[Path, typer.Option("--out", metavar="PATH", help="The Parquet file to write.")]
ScoresOption = Annotated[Path, typer.Option("--out", metavar="PATH", help="A .parquet, .csv or .jsonl file to write.")]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Also write the figures as JSON.")]
QuarantineOption = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Where refused rows go, with reasons; by default quarantine.jsonl under home."),
]
ModelOption = Annotated[str | None, typer.Option("--model", metavar="VERSION", help="By default the champion.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="0 chooses a free port.")]


@app.command(epilog="Example: dropoff demo --no-serve")
def demo(
    serve: Annotated[bool, typer.Option(help="Stay up until Ctrl-C after the replay.")] = True,
    sessions: Annotated[int, typer.Option(min=2000, help="How many sessions to simulate.")] = 24_000,
    seed: Annotated[int, typer.Option(help="Another seed simulates other people.")] = 7,
) -> None:
    """Simulate a shop, train, register, start the service and replay a few held-out sessions live."""
    from demo import run_demo
    from storage.models import home_folder

    run_demo(home_folder(), _MLRUNS, sessions=sessions, seed=seed, stay=serve)


@app.command(epilog="Example: dropoff journeys")
def journeys() -> None:
    """List the journeys that ship."""
    from console import out
    from journeys.describe import describe_all
    from journeys.load import journey_names, load_journey

    out.print(describe_all(load_journey(name) for name in journey_names()))


@app.command(epilog="Example: dropoff describe ecommerce")
def describe(journey: JourneyArgument) -> None:
    """Show all that a journey declares: stages, frictions, features, interventions, events."""
    import journeys.describe as tables
    from console import out
    from journeys.load import load_journey

    for table in tables.describe(load_journey(journey)):
        out.print(table)
        out.print()


@app.command(epilog="Example: dropoff simulate ecommerce --sessions 20000 --seed 1 --out shop")
def simulate(
    journey: JourneyArgument,
    sessions: Annotated[int, typer.Option(min=1, help="How many sessions.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for events/*.parquet and truth.parquet.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same log.")] = 0,
) -> None:
    """Write a log of simulated sessions, and the truth about each."""
    from console import progress, say
    from training.simulator import simulate as run

    with progress() as report:
        run(journey, sessions=sessions, seed=seed, out=out, progress=report)
    say(f"{sessions:,} sessions in {out / 'events'}, the truth about them in {out / 'truth.parquet'}")


@app.command("import", epilog="Example: dropoff import loan_log applications.parquet --out loans.parquet")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="canonical, loan_log, segment or a .toml mapping.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The log, a file or a folder.")],
    out: OutOption,
    quarantine: QuarantineOption = None,
) -> None:
    """Write a log in another schema as a canonical log."""
    from console import progress, quarantine_path, tell
    from features.import_log import import_log
    from features.source import named

    refused = quarantine_path(quarantine)
    with progress() as report:
        summary = import_log(named(source), path, out, quarantine=refused, progress=report)
    tell(summary, refused)


@app.command(epilog="Example: dropoff features ecommerce --log shop/events --out features.parquet --every 5")
def features(
    journey: JourneyArgument,
    log: LogOption,
    out: OutOption,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="A row after every N-th event of a session.")] = 1,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the features of every session, as they were after each event."""
    from console import progress, quarantine_path, say, tell
    from features.export import export_features
    from features.plan import compile_plan
    from journeys.load import load_journey

    declared, refused = load_journey(journey), quarantine_path(quarantine)
    with progress() as report:
        rows, summary = export_features(
            compile_plan(declared.table),
            log,
            out,
            timeout_seconds=declared.session_timeout_seconds,
            every=every,
            quarantine=refused,
            progress=report,
        )
    tell(summary, refused)
    say(f"{rows:,} rows of {len(declared.features)} features in {out}")


@app.command(epilog="Example: dropoff train ecommerce --log shop/events --trials 20")
def train(
    journey: JourneyArgument,
    log: LogOption,
    trials: Annotated[int, typer.Option(min=0, help="Settings to try; 0 takes those that usually do.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed, log and machine give the same model.")] = 7,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Train a model, evaluate it on the latest sessions, register it, and promote it if it beats the champion."""
    from console import figures, out, progress, quarantine_path, say, tell, write_json
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.pipeline import train as run

    declared, refused = load_journey(journey), quarantine_path(quarantine)
    with progress() as report:
        result = run(
            declared,
            log,
            home=home_folder(),
            mlruns=_MLRUNS,
            trials=trials,
            seed=seed,
            quarantine=refused,
            progress=report,
            on_trial=lambda trial: report("searching settings", (trial.number + 1) / trials),
        )
    tell(result.summary, refused)
    for table in figures(f"Version {result.model.version} of {declared.name} on held-out sessions", result.evaluation):
        out.print(table)
    say(f"Version {result.model.version} is {result.promotion}.")
    write_json(json_path, result.to_json())


@app.command(epilog="Example: dropoff evaluate ecommerce --log shop/events --json figures.json")
def evaluate(
    journey: JourneyArgument,
    log: LogOption,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Measure a registered model on any log whose sessions have ended."""
    from console import figures, load_model, out, progress, quarantine_path, tell, write_json
    from journeys.load import load_journey
    from training.evaluate import evaluate_log

    declared, refused = load_journey(journey), quarantine_path(quarantine)
    loaded = load_model(declared, model)
    with progress() as report:
        evaluation, summary = evaluate_log(declared, log, loaded, quarantine=refused, progress=report)
    tell(summary, refused)
    for table in figures(f"Version {loaded.version} of {declared.name} on {log}", evaluation):
        out.print(table)
    write_json(json_path, {"model_version": loaded.version, "held_out": evaluation})


@app.command(epilog="Example: dropoff score ecommerce --log shop/events --out scores.parquet")
def score(
    journey: JourneyArgument,
    log: LogOption,
    out: ScoresOption,
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write risk, stage, blockers and recommendation of every session, as it stands at its latest event."""
    from console import load_model, progress, quarantine_path, say, tell
    from journeys.load import load_journey
    from training.score import score_log

    declared, refused = load_journey(journey), quarantine_path(quarantine)
    loaded = load_model(declared, model)
    with progress() as report:
        summary = score_log(declared, log, loaded, out, quarantine=refused, progress=report)
    tell(summary, refused)
    say(f"A row for every session is in {out}")


@app.command(epilog="Example: dropoff promote ecommerce 3")
def promote(
    journey: JourneyArgument, version: Annotated[str, typer.Argument(help="The version to serve from now on.")]
) -> None:
    """Make a registered version the champion; a running service notices by itself."""
    from console import say
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.register import promote as run

    declared = load_journey(journey)
    run(declared.name, version, home=home_folder(), mlruns=_MLRUNS)
    say(f"Version {version} is the champion of {declared.name}.")


@app.command(epilog="Example: dropoff build ecommerce")
def build(journey: JourneyArgument) -> None:
    """Build a Bento: the service with the champion inside, which serves without a checkout."""
    from console import say
    from serving.build import build as run

    built = run(journey)
    say(f"{built.tag} holds version {built.model_version}; serve it with: bentoml serve {built.folder}")


@app.command(epilog="Example: dropoff serve ecommerce --port 3000")
def serve(
    journey: JourneyArgument,
    port: PortOption = 3000,
    workers: Annotated[int, typer.Option(help="One for now: a session lives in the memory of one process.")] = 1,
) -> None:
    """Serve the champion on this machine until Ctrl-C."""
    from console import say
    from serving.run import serve as run

    run(
        journey,
        port=port,
        workers=workers,
        ready=lambda address: say(f"Serving {journey} at {address} (its API: {address}/docs.json). Ctrl-C stops it."),
    )


@app.command(epilog="Example: dropoff replay ecommerce --log shop/events --url http://127.0.0.1:3000 --sessions 2")
def replay(
    journey: JourneyArgument,
    log: LogOption,
    url: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:3000",
    sessions: Annotated[int, typer.Option(min=1, help="How many of the latest sessions.")] = 3,
    min_events: Annotated[int, typer.Option(min=1, help="Leave shorter sessions out.")] = 5,
    session: Annotated[list[str] | None, typer.Option(metavar="ID", help="These sessions; may be repeated.")] = None,
) -> None:
    """Send recorded sessions to a running service, event by event, and show what it answers."""
    from console import progress, show_replay
    from features.plan import compile_plan
    from features.read_sessions import read_sessions
    from journeys.load import load_journey
    from serving.replay import replay as run
    from serving.replay import require_ready

    declared = load_journey(journey)
    require_ready(url)
    with progress() as report:
        recorded = read_sessions(
            log,
            compile_plan(declared.table),
            timeout_seconds=declared.session_timeout_seconds,
            session_ids=session or (),
            most=sessions,
            min_events=min_events,
            progress=report,
        )
    show_replay(run(url, recorded, ends=declared.ends.all_names))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave: status 0, 1 after one line about what is wrong, or 2 for a command that is no such."""
    # A service that the demo started must not outlive it, whatever ends it.
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        status = app(args=None if arguments is None else list(arguments), prog_name="dropoff", standalone_mode=False)
    except typer.Abort:
        sys.exit(_INTERRUPTED)
    except _UsageError as error:
        _fail(f"{error.format_message()} (see {error.ctx.command_path if error.ctx else 'dropoff'} --help)", 2)
    except Exception as error:
        if isinstance(error, OSError) or type(error).__module__.split(".")[0] in _SPEAK_FOR_THEMSELVES:
            _fail(str(error), 1)
        raise
    sys.exit(status if isinstance(status, int) else 0)


def _fail(text: str, status: int) -> NoReturn:
    print(f"dropoff: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


if __name__ == "__main__":
    main()
