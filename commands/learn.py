"""Models from logs: train, retrain, recalibrate."""

from typing import Annotated

import typer

from commands.options import (
    MLRUNS,
    AllowLeakOption,
    ClusterOption,
    JourneyArgument,
    JsonOption,
    LogOption,
    ModelOption,
    QuarantineOption,
    ResamplesOption,
    SeedOption,
)

app = typer.Typer()


@app.command(epilog="Example: dropoff train ecommerce --log shop/events --trials 20")
def train(
    journey: JourneyArgument,
    log: LogOption,
    cluster: ClusterOption = None,
    sessions: Annotated[
        int,
        typer.Option(metavar="N", min=20, help="Learn from a sample of so many sessions, of whole visitors."),
    ] = 200_000,
    trials: Annotated[
        int, typer.Option(metavar="N", min=0, help="Settings to try; 0 takes those that usually do.")
    ] = 0,
    seed: SeedOption = 7,
    resamples: ResamplesOption = 200,
    allow_leak: AllowLeakOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Train a model on a log, evaluate it and register it.

    It is evaluated on all of the latest sessions, and becomes the champion if it beats the one there is. Events and
    features that give the end away are refused: they would not be known in time. On a cluster, which reads and scores
    the log, the model is the same.
    """
    from console.databases import registry_home
    from console.logs import engine_at, quarantine_path
    from console.shown import figures
    from console.terminal import out, progress, say, telling, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from training.pipeline import train as run

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    with (
        registry_home(declared.name, adding=True) as home,
        engine_at(cluster) as engine,
        telling(refused) as on_read,
        progress() as report,
    ):
        result = run(
            declared,
            log,
            home=home,
            mlruns=MLRUNS,
            engine=engine,
            sessions=sessions,
            trials=trials,
            seed=seed,
            resamples=resamples,
            allowed_leaks=allow_leak or (),
            quarantine=refused,
            progress=report,
            on_read=on_read,
            on_trial=lambda trial: report("searching settings", (trial.number + 1) / trials),
        )
    for table in figures(f"Version {result.model.version} of {declared.name} on held-out sessions", result.evaluation):
        out.print(table)
        out.print()
    for leak in result.leaks:
        said = leak.describe()
        say(f"{said[0].upper()}{said[1:]}.")
    say(f"Version {result.model.version} is {result.promotion}.")
    write_json(json_path, result.to_json())


@app.command(epilog="Example: dropoff retrain ecommerce --trials 20 --json retrain.json")
def retrain(
    journey: JourneyArgument,
    trials: Annotated[
        int, typer.Option(metavar="N", min=0, help="Settings to try; 0 takes those that usually do.")
    ] = 0,
    min_sessions: Annotated[
        int, typer.Option(metavar="N", min=20, help="Refuse to train on fewer untreated sessions with a known end.")
    ] = 500,
    seed: SeedOption = 7,
    allow_leak: AllowLeakOption = None,
    json_path: JsonOption = None,
) -> None:
    """Train a model on what the service itself has logged.

    Sessions that it has treated are left out, and those that it spared stand for them. The model becomes the champion
    if it beats the one there is.
    """
    from console.databases import registry_home
    from console.shown import figures
    from console.terminal import out, progress, say, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from training.retrain import Joined
    from training.retrain import retrain as run

    declared, configuration = load_journey(journey), Configuration.from_environment()
    if json_path is not None:
        require_writable(json_path)

    def tell_joined(joined: Joined) -> None:
        for line in joined.describe():
            say(line)

    with registry_home(declared.name, adding=True) as home, progress() as report:
        result = run(
            declared,
            home=home,
            mlruns=MLRUNS,
            database=configuration.address,
            least_sessions=min_sessions,
            trials=trials,
            seed=seed,
            allowed_leaks=allow_leak or (),
            progress=report,
            on_joined=tell_joined,
            on_trial=lambda trial: report("searching settings", (trial.number + 1) / trials),
        )
    trained = result.training
    title = f"Version {trained.model.version} of {declared.name} on held-out untreated sessions"
    for table in figures(title, trained.evaluation):
        out.print(table)
        out.print()
    say(f"Version {trained.model.version} is {trained.promotion}.")
    write_json(json_path, result.to_json())


@app.command(epilog="Example: dropoff recalibrate ecommerce --log shop/events --since 2026-03-17")
def recalibrate(
    journey: JourneyArgument,
    log: LogOption,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Sessions from then on count; as 2026-03-17 or 2026-03-17T08:00, in UTC."),
    ] = None,
    model: ModelOption = None,
    resamples: ResamplesOption = 200,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Bring a model's risks in line with recent sessions.

    For when prices or rules have changed. Keeps the model's trees, shifts its odds stage by stage, and registers the
    result as a version, unless that gains no more than chance. The latest quarter of the sessions judges whether it
    becomes the champion.
    """
    from console.databases import registry_home
    from console.logs import quarantine_path
    from console.models import load_model
    from console.shown import figures
    from console.terminal import moment_us, out, progress, say, telling, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from training.recalibrate import recalibrate as run

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    loaded = load_model(declared, journey, model)
    since_us = None if since is None else moment_us(since)
    with registry_home(declared.name, adding=True) as home, telling(refused) as on_read, progress() as report:
        result = run(
            declared,
            log,
            loaded,
            home=home,
            mlruns=MLRUNS,
            since_us=since_us,
            resamples=resamples,
            quarantine=refused,
            progress=report,
            on_read=on_read,
        )
    shown = [(f"Version {loaded.version} as it was, on held-out sessions", result.former)]
    if result.evaluation is not None:
        shown.append((f"Version {result.model.version}, recalibrated, on the same", result.evaluation))
    for title, evaluation in shown:
        overall, _by_events, by_stage, *_ = figures(title, evaluation)
        for table in (overall, by_stage):
            out.print(table)
            out.print()
    if result.evaluation is None:
        say(f"Version {loaded.version} stays as it is, and nothing was registered: {result.promotion}.")
    else:
        say(f"Version {result.model.version} is {result.promotion}.")
    write_json(json_path, result.to_json())
