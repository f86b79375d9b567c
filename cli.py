"""The ``dropoff`` command: every command is a few lines that call one function.

Libraries are imported inside the commands, so that ``dropoff --help`` starts at once.
"""

import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn, cast

import typer

app = typer.Typer(
    name="dropoff",
    help="Predict who abandons a journey, say in plain words what may be in the way, and recommend one intervention.",
    epilog="Start with: dropoff demo",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# An error of one of these is about what the user gave, in one sentence; any other is a mistake in dropoff itself.
_SPEAK_FOR_THEMSELVES = frozenset(
    {
        "features",
        "journeys",
        "decisions",
        "storage",
        "insights",
        "training",
        "serving",
        "demo",
        "mlflow",
        "duckdb",
        "_duckdb",
    }
)
# Typer carries its own click, or uses another; all that it raises about arguments is one of these.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
_MISUSED, _MOVED, _INTERRUPTED = 2, 3, 130
_MLRUNS = Path("mlruns")
_interrupted = threading.Event()

JourneyArgument = Annotated[str, typer.Argument(metavar="JOURNEY", help="A journey's name, or the path of your file.")]
LogOption = Annotated[
    Path, typer.Option("--log", metavar="PATH", help="Parquet, CSV, JSON Lines, or a folder of one of them.")
]
LogOrFactsOption = Annotated[
    Path | None, typer.Option("--log", metavar="PATH", help="Parquet, CSV, JSON Lines, or a folder of one of them.")
]
FactsOption = Annotated[
    Path | None, typer.Option("--facts", metavar="FOLDER", help="Facts made of a log before, in place of --log.")
]
OutOption = Annotated[Path, typer.Option("--out", metavar="PATH", help="The .parquet file to write.")]
ScoresOption = Annotated[Path, typer.Option("--out", metavar="PATH", help="A .parquet, .csv or .jsonl file to write.")]
JsonOption = Annotated[Path | None, typer.Option("--json", metavar="PATH", help="Also write the figures as JSON.")]
QuarantineOption = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Where this run's refused rows go, each with its reason; by default DROPOFF_HOME/quarantine.jsonl.",
    ),
]
AllowLeakOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Train although this event or feature gives the end away; may be repeated."),
]
ModelOption = Annotated[str | None, typer.Option("--model", metavar="VERSION", help="By default the champion.")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history of champions.")]
ResamplesOption = Annotated[
    int,
    typer.Option(
        metavar="N", min=0, help="Draws of other visitors behind the 95 % intervals; 0 leaves the intervals out."
    ),
]
TruthOption = Annotated[
    Path | None,
    typer.Option(
        "--truth", metavar="PATH", help="A file of session_id, blocker and caused_exit: Parquet, CSV, JSON Lines."
    ),
]
PortOption = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 chooses a free port.")]
SeedOption = Annotated[
    int, typer.Option(metavar="N", min=0, max=2**31 - 1, help="The same seed and input give the same result.")
]


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Predict who abandons a journey, say in plain words what may be in the way, and recommend one intervention."""
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"dropoff {installed('dropoff')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(_MISUSED)


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

    run_demo(home_folder(), _MLRUNS, sessions=sessions, seed=seed, stay=serve)


@app.command(epilog="Example: dropoff journeys")
def journeys() -> None:
    """List the journeys that ship."""
    from console import out, say
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
    from console import out
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
) -> None:
    """Write a log of simulated sessions, with the truth of each."""
    from console import progress, say
    from features.output import require_folder
    from training.simulator import simulate as run

    require_folder(out)
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
    from console import progress, quarantine_path, say, tell
    from features.import_log import import_log
    from features.output import require_writable
    from features.source import named

    require_writable(out, log=path, suffixes=(".parquet",))
    refused = quarantine_path(quarantine, path)
    with progress() as report:
        summary = import_log(named(source), path, out, quarantine=refused, progress=report)
    tell(summary, refused)
    say(f"The canonical log is {out}")


@app.command(epilog="Example: dropoff features ecommerce --log shop/events --out features.parquet")
def features(
    journey: JourneyArgument,
    log: LogOption,
    out: OutOption,
    every: Annotated[int, typer.Option(metavar="N", min=1, help="A row after every N-th event of a session.")] = 1,
    quarantine: QuarantineOption = None,
) -> None:
    """Write every session's features, as of each event."""
    from console import progress, quarantine_path, say, tell
    from features.export import export_features
    from features.output import require_writable
    from features.plan import compile_plan
    from journeys.load import load_journey

    require_writable(out, log=log, suffixes=(".parquet",))
    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
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

    It is evaluated on the latest sessions, and becomes the champion if it beats the one there is. Events and features
    that give the end away are refused: they would not be known in time.
    """
    from console import figures, out, progress, quarantine_path, say, telling, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.pipeline import train as run

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    with telling(refused) as on_read, progress() as report:
        result = run(
            declared,
            log,
            home=home_folder(),
            mlruns=_MLRUNS,
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
    from console import figures, out, progress, say, write_json
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

    with progress() as report:
        result = run(
            declared,
            home=configuration.home,
            mlruns=_MLRUNS,
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
    from console import figures, load_model, moment_us, out, progress, quarantine_path, say, telling, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.recalibrate import recalibrate as run

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    loaded = load_model(declared, journey, model)
    since_us = None if since is None else moment_us(since)
    with telling(refused) as on_read, progress() as report:
        result = run(
            declared,
            log,
            loaded,
            home=home_folder(),
            mlruns=_MLRUNS,
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


@app.command(epilog="Example: dropoff evaluate ecommerce --log shop/events --truth truth.parquet")
def evaluate(
    journey: JourneyArgument,
    log: LogOption,
    truth: TruthOption = None,
    model: ModelOption = None,
    resamples: ResamplesOption = 200,
    refits: Annotated[
        int, typer.Option(metavar="N", min=0, help="With --truth: how often the diagnosis is learnt anew.")
    ] = 20,
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also draw nine pictures of quality and of what risks depend on."),
    ] = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Measure a registered model on the ended sessions of a log.

    With the truth about its sessions, the named blockers are measured too. A picture of that, diagnosis.png, is written
    beside the JSON file and into the folder of the pictures.
    """
    from console import figures, load_model, out, progress, quarantine_path, say, tell, write_json
    from features.output import require_folder, require_writable
    from features.raw_log import LogError
    from journeys.load import load_journey
    from training.evaluate import evaluate_log
    from training.evaluate_diagnosis import evaluate_diagnosis
    from training.truth import read_truth

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    if pictures is not None:
        require_folder(pictures)
    known = None if truth is None else read_truth(truth, declared.frictions, declared.name)
    loaded = load_model(declared, journey, model)
    diagnosis = None
    with progress() as report:
        read = evaluate_log(declared, log, loaded, quarantine=refused, resamples=resamples, progress=report)
        evaluation = read.evaluation
        if known is not None and evaluation["n_rows"]:
            diagnosis = evaluate_diagnosis(
                declared, log, loaded, known, refits=refits, resamples=resamples, progress=report
            )
    tell(read.summary, refused)
    if not evaluation["n_rows"]:
        raise LogError(f"no session of {log} has a known end after its first event, so there is nothing to measure")
    title = f"Version {loaded.version} of {declared.name} on {log}"
    for table in figures(title, evaluation):
        out.print(table)
        out.print()
    result = {"model_version": loaded.version, "held_out": evaluation}
    if diagnosis is not None:
        from training.diagnosis_tables import diagnosis_notes, diagnosis_tables

        for table in diagnosis_tables(diagnosis):
            out.print(table)
            out.print()
        for note in diagnosis_notes(diagnosis):
            say(note)
        result["diagnosis"] = diagnosis
    write_json(json_path, result)
    if pictures is not None:
        from training.pictures.gallery import draw_pictures, pictures_of

        drawn = pictures_of(declared, loaded, read.scored, read.sample, evaluation)
        with progress() as report:
            draw_pictures(drawn, pictures, progress=report)
        say(f"{len(drawn)} pictures are in {pictures}")
    if diagnosis is not None:
        from training.diagnosis_picture import draw_diagnosis

        for folder in (json_path and json_path.parent, pictures):
            if folder is not None:
                draw_diagnosis(diagnosis, folder / "diagnosis.png", title)


@app.command(epilog="Example: dropoff score ecommerce --log shop/events --out scores.parquet")
def score(
    journey: JourneyArgument,
    log: LogOption,
    out: ScoresOption,
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write every session's risk, blockers and recommendation.

    Each session is scored as it stands at its latest event; one that has ended, at the last event before its end.
    """
    from console import load_model, progress, quarantine_path, say, tell
    from features.output import require_writable
    from journeys.load import load_journey
    from training.score import score_log

    require_writable(out, log=log, suffixes=(".parquet", ".csv", ".jsonl"))
    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    loaded = load_model(declared, journey, model)
    with progress() as report:
        summary = score_log(declared, log, loaded, out, quarantine=refused, progress=report)
    tell(summary, refused)
    say(f"A row for every session is in {out}")


@app.command(epilog="Example: dropoff funnel --log events/ --steps view,cart,buy --window 30m --by device")
def funnel(
    log: LogOption,
    steps: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Event names by commas; `a|b` takes either, `view[page=home,price>=10]` asks for columns or "
            "properties, double quotes keep a comma in a name.",
        ),
    ],
    window: Annotated[
        str | None,
        typer.Option(metavar="30m", help="From the first step to the last at most; by default without limit."),
    ] = None,
    order: Annotated[
        str,
        typer.Option(
            metavar="ORDER",
            help="ordered: other events may lie between; strict: nothing may; unordered: within one window.",
        ),
    ] = "ordered",
    step_window: Annotated[
        str | None, typer.Option(metavar="10m", help="From the step before to each step at most.")
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(metavar="X,Y", help="Leave out whoever does one of these within the attempt, step 1 included."),
    ] = None,
    optional: Annotated[
        str | None, typer.Option(metavar="B", help="Which of the steps people may leave out; not the first.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Break down by a column (device) or a property (country).")
    ] = None,
    attribution: Annotated[
        str,
        typer.Option(
            metavar="WHICH",
            help="Whose value counts with --by. first, last: the first or last known one of the person; step: each "
            "step its own event's; all: a funnel for each value, of the events that have it.",
        ),
    ] = "first",
    attribution_step: Annotated[
        str | None,
        typer.Option(metavar="B", help="With --attribution step: everybody under the value at this step."),
    ] = None,
    count_by: Annotated[str, typer.Option(metavar="WHO", help="visitor, user or session.")] = "visitor",
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="Attempts that begin on this local day or later.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Attempts that begin on this local day or before.")
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Whose days these are, such as Europe/Berlin.")] = "UTC",
    session_timeout: Annotated[
        str, typer.Option(metavar="30m", help="The silence that ends a session, where events carry no session id.")
    ] = "30m",
    json: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Count who takes the steps of a funnel, and who stops where.

    Needs no journey. Of several attempts of one person that which gets furthest counts, the earliest of equals. Shows
    shares with 95 % intervals, the time from step to step, a breakdown and the days; docs/insights/funnels.md defines
    each of them.
    """
    from console import out, progress, quarantine_path, say, tell, write_json
    from features.output import require_writable
    from insights.funnel.declare import declare
    from insights.funnel.measure import measure_funnel
    from insights.funnel.show import show_funnel

    declared = declare(
        steps,
        order=order,
        window=window,
        step_window=step_window,
        exclude=exclude,
        optional=optional,
        count_by=count_by,
        by=by,
        attribution=attribution,
        attribution_step=attribution_step,
        since=since,
        until=until,
        timezone=timezone,
        session_timeout=session_timeout,
    )
    if json is not None:
        require_writable(json, log=log)
    refused = quarantine_path(quarantine, log)
    with progress() as report:
        result = measure_funnel(declared, log, quarantine=refused, progress=report)
    tell(result.summary, refused)
    for part in show_funnel(result):
        say(part) if isinstance(part, str) else out.print(part)
        out.print()
    write_json(json, result.to_json())


@app.command(epilog="Example: dropoff drift ecommerce --log last_week/ --json drift.json")
def drift(
    journey: JourneyArgument,
    log: LogOption,
    model: ModelOption = None,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="PSI", min=0.001, help="How far a feature or an event may move, as a population stability index."
        ),
    ] = 0.2,
    rate_threshold: Annotated[
        float,
        typer.Option(metavar="SHARE", min=0.001, help="How far a rate or a calibration may move: .05 is five points."),
    ] = 0.05,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say what has changed since a model was trained.

    Compares a log with the one that the model was trained on: features, events, outcomes, calibration. Exits with
    status 3 where something moved, beyond the threshold and beyond what chance would do; with 0 where nothing did.
    """
    from console import load_model, progress, quarantine_path, say, tell, write_json
    from decisions.drift import Thresholds
    from features.output import require_writable
    from journeys.load import load_journey
    from training.drift import measure_drift

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    loaded = load_model(declared, journey, model)
    limits = Thresholds(threshold, rate_threshold)
    with progress() as report:
        found, summary = measure_drift(declared, log, loaded, thresholds=limits, quarantine=refused, progress=report)
    tell(summary, refused)
    for line in found.describe():
        say(line)
    write_json(json_path, found.to_json())
    if found.moved:
        raise typer.Exit(_MOVED)


@app.command(epilog="Example: dropoff channels --log shop --goal purchase --json channels.json")
def channels(
    log: LogOption,
    goal: Annotated[str, typer.Option(metavar="NAME", help="The event that counts as a conversion, each time.")],
    by: Annotated[str, typer.Option(metavar="COLUMN", help="channel, source or campaign.")] = "channel",
    touchpoints: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="A log of touchpoints outside of sessions; by default those beside events/."),
    ] = None,
    lookback: Annotated[str, typer.Option(metavar="TIME", help="How long before a conversion a touch counts.")] = "30d",
    half_life: Annotated[str, typer.Option(metavar="TIME", help="How fast a touch fades with time_decay.")] = "7d",
    order: Annotated[int, typer.Option(metavar="N", min=1, help="How many touches the Markov chain remembers.")] = 1,
    models: Annotated[
        str | None, typer.Option(metavar="A,B", help="Some models only; shapley_rates is shown when it is named.")
    ] = None,
    value: Annotated[
        str | None, typer.Option(metavar="PROPERTY", help="What a conversion is worth, to share out as well.")
    ] = None,
    journey: Annotated[
        str | None, typer.Option(metavar="JOURNEY", help="Credit each of its stages as well: a name or a file.")
    ] = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say which channels are credited with what people reach.

    First, last, linear, position-based, time-decay, Markov removal and Shapley credit side by side; each adds up to
    the conversions exactly. What was reached without any touch is credited to none.
    """
    from console import out, progress, quarantine_path, say, tell, write_json
    from features.output import require_writable
    from insights.channels.contribution import CAVEAT, measure_contribution
    from insights.channels.credit import STANDARD, read_settings
    from insights.channels.tables import contribution_tables
    from journeys.load import load_journey

    refused = quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    with progress() as report:
        found = measure_contribution(
            log,
            goal,
            by=by,
            touchpoints=touchpoints,
            journey=None if journey is None else load_journey(journey),
            models=STANDARD if models is None else models.split(","),
            settings=read_settings(lookback, half_life, order),
            value=value,
            quarantine=refused,
            progress=report,
        )
    for summary in found.summaries:
        tell(summary, refused)
    for table in contribution_tables(found):
        out.print(table)
        out.print()
    for note in (*found.notes, CAVEAT):
        say(note)
    write_json(json_path, found.to_json())


@app.command(epilog="Example: dropoff cohorts ecommerce --log shop/events --by device")
def cohorts(
    journey: JourneyArgument,
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="visitor_kind, device, blocker, country, ...")] = "device",
    compare: Annotated[
        str | None, typer.Option(metavar="A,B", help="Two cohorts side by side: device=mobile,device=desktop.")
    ] = None,
    progress_from: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Also what goes with going on from this stage.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only these sessions, also since= and until= a day; may be repeated."),
    ] = None,
    correction: Annotated[
        str, typer.Option(metavar="NAME", help="For many comparisons: discovery (lenient), every (strict) or none.")
    ] = "discovery",
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Compare cohorts: how far each gets and where it leaves.

    Each against all others, or any two with --compare, with 95 % intervals. Groups of fewer than 20 visitors are
    hidden; DROPOFF_MIN_CELL in the environment says another number.
    """
    from console import facts_of, out, say, write_json
    from features.output import require_writable
    from insights.cohort_report import report_cohorts
    from journeys.load import load_journey

    if json_path is not None:
        require_writable(json_path, log=log)
    declared = load_journey(journey)
    with facts_of(declared, journey, log, facts, model, quarantine) as made:
        found = report_cohorts(
            made, declared, by, compare=compare, progress_from=progress_from, only=only or [], correction=correction
        )
    for table in found.tables:
        out.print(table)
        out.print()
    for note in found.notes:
        say(note)
    write_json(json_path, found.figures)


@app.command(epilog="Example: dropoff quality ecommerce --log shop/events --until 2026-03-28")
def quality(
    journey: JourneyArgument,
    log: LogOption,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Judge this day, as 2026-03-28; by default the log's last one.")
    ] = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say whether a log's data can be trusted.

    Volume, lateness, clocks, duplicates, unknown events, missing fields, refused rows and silences of one day, each
    against yesterday and against what is usual. Exits with status 3 where one is an alarm; with 0 where none is.
    """
    from console import day_of, progress, quarantine_path, say, tell, write_json
    from features.output import require_writable
    from insights.measure_quality import quality_of_log
    from journeys.load import load_journey

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    day = None if until is None else day_of(until)
    with progress() as report:
        found, summary = quality_of_log(declared, log, quarantine=refused, until=day, progress=report)
    tell(summary, refused)
    for line in found.describe():
        say(line)
    write_json(json_path, found.to_json())
    if found.alarms:
        raise typer.Exit(_MOVED)


@app.command(epilog="Example: dropoff compare ecommerce 1 2 --log later/events")
def compare(
    journey: JourneyArgument,
    a: Annotated[str, typer.Argument(metavar="A", help="A version, such as 1; `dropoff models` lists them.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The version to compare with it, such as 2.")],
    log: LogOption,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Leave out sessions from the time that either version was trained on.")
    ] = False,
    resamples: ResamplesOption = 200,
    seed: SeedOption = 7,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say whether two versions differ by more than chance.

    Both are measured on the ended sessions of a log, which is best a later one than they were trained on. Differences
    are B minus A, with 95 % intervals over visitors.
    """
    from console import load_model, out, progress, quarantine_path, say, tell, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from training.compare import compare_models
    from training.show_comparison import tables, warnings

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    models = [load_model(declared, journey, version) for version in (a, b)]
    with progress() as report:
        comparison, summary = compare_models(
            declared, log, *models, unseen=unseen, resamples=resamples, seed=seed, quarantine=refused, progress=report
        )
    tell(summary, refused)
    for table in tables(comparison):
        out.print(table)
        out.print()
    for warning in warnings(comparison):
        say(warning)
    say(comparison.verdict)
    write_json(json_path, comparison.to_json())


@app.command(epilog="Example: dropoff pacing ecommerce --log shop/events --json pacing.json")
def pacing(
    journey: JourneyArgument,
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    threshold: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0.05, max=0.95, help="How many of those silent should be leaving when a nudge comes."
        ),
    ] = 0.5,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Show where people speed up, hesitate and fall silent.

    The pace of each stage, the moments of hesitation with how often people left afterwards, and the silence from which
    on somebody is probably leaving: the best moment for a nudge.
    """
    from console import facts_of, out, write_json
    from features.output import require_writable
    from insights.pacing.measure import measure_pacing
    from insights.pacing.tables import pacing_tables
    from journeys.load import load_journey

    declared = load_journey(journey)
    if json_path is not None:
        require_writable(json_path, log=log)
    with facts_of(declared, journey, log, facts, model, quarantine) as made, made.connect() as connection:
        measured = measure_pacing(declared, connection, threshold)
    for table in pacing_tables(measured):
        out.print(table)
        out.print()
    write_json(json_path, measured.to_json())


@app.command(epilog="Example: dropoff story ecommerce --log shop/events --out week.md")
def story(
    journey: JourneyArgument,
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="A .md, .html or .eml (an e-mail) to write.")],
    log: LogOrFactsOption = None,
    facts: FactsOption = None,
    week: Annotated[
        str, typer.Option(metavar="DAY", help="The week of this day, as 2026-11-16; by default the last whole one.")
    ] = "",
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the week of a journey in words.

    What changed, where people stop and what stood in their way, what was tried, what is known of it, and what to do
    next. Every sentence links to its figures. DROPOFF_REPHRASE in the environment may name a local language model.
    """
    import os

    from console import facts_of, noted_down, say
    from features.output import require_writable
    from insights.story.compose import tell_week
    from insights.story.documents import SUFFIXES, write_story
    from insights.story.rephrase import SETTING, rephrase_by
    from insights.story.week import find_week
    from journeys.load import load_journey

    declared, rephrase = load_journey(journey), rephrase_by(os.environ.get(SETTING, ""))
    require_writable(out, log=log, suffixes=SUFFIXES)
    with facts_of(declared, journey, log, facts, model, quarantine) as made:
        told = tell_week(declared, made, find_week(made, week), noted_down(declared), rephrase)
    write_story(told, out)
    say(f"The week of {told.week.since} in {sum(1 for _ in told.sentences())} sentences: {out}")


@app.command(epilog="Example: dropoff insights ecommerce --log shop/events --out report.html")
def insights(
    journey: JourneyArgument,
    log: LogOption,
    out: Annotated[Path, typer.Option("--out", metavar="PATH", help="The .html file to write.")],
    since: Annotated[str | None, typer.Option(metavar="DAY", help="Sessions from this day on, as 2026-03-17.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DAY", help="Sessions up to this day, included.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only this cohort: device=mobile; may be repeated.")
    ] = None,
    retell: Annotated[bool, typer.Option(help="Retell single sessions; leave them out of a file to pass on.")] = True,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the marketer's pages as one file.

    The same as a running service shows at /: where people stop, why, for whom, what changed and what to do. The file
    needs no server and loads nothing from elsewhere. Without a model it says nothing of risk and blockers.
    """
    from console import facts_of, noted_down, progress, say, write_json
    from features.output import require_writable
    from insights.filters import Filters
    from insights.report import figures_json, make_pages, write_report
    from journeys.load import load_journey

    declared = load_journey(journey)
    require_writable(out, log=log, suffixes=(".html",))
    if json_path is not None:
        require_writable(json_path, log=log)
    filters = Filters.from_texts(only or (), since, until, declared)
    with facts_of(declared, journey, log, None, model, quarantine) as facts, progress() as report:
        pages = make_pages(declared, facts, filters, noted_down(declared), report, retell=retell)
        report("writing the report", 0.0)
        write_report(pages, declared, facts, filters, out)
        write_json(json_path, figures_json(pages, declared, facts, filters))
    size_mb = out.stat().st_size / 1e6
    say(f"{len(pages)} pages with {sum(len(page.figures) for page in pages)} figures in {out} ({size_mb:.1f} MB)")


@app.command(epilog="Example: dropoff agenda ecommerce --log shop/events --out agenda.md")
def agenda(
    journey: JourneyArgument,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="PATH", help="A log; by default the service's figures as they stand."),
    ] = None,
    facts: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Facts made of a log before, in place of --log.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="By default the day after the last review, or a week before.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PATH", help="The Markdown file to write.")] = None,
    held: Annotated[
        bool, typer.Option("--held", help="The review was held: the next agenda begins where this one ends.")
    ] = False,
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write the agenda of the next review.

    What moved since the last one, open alarms, opportunities, milestones, flaws of the data, and the decisions that
    are needed, each with who is to speak.
    """
    from contextlib import nullcontext

    from console import day_of, facts_of, say
    from features.output import require_writable
    from insights.agenda import write_agenda
    from insights.current import current_facts
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.database import open_database, writing
    from storage.history import account
    from storage.record_store import RecordStore, load_records

    if out is not None:
        require_writable(out, log=log)
    declared, configuration = load_journey(journey), Configuration.from_environment()
    begin = None if since is None else day_of(since)
    engine = open_database(configuration.address)
    named = log is not None or facts is not None
    opened = (
        facts_of(declared, journey, log, facts, model, quarantine)
        if named
        else nullcontext(current_facts(configuration.home, declared.name))
    )
    with opened as found:
        records = load_records(engine, declared.name, configuration.home)
        written = write_agenda(declared, records, found, now_us=now_us(), since=begin)
    if out is None:
        say(written.to_markdown())
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(written.to_markdown(), encoding="utf-8")
        say(f"The agenda for {written.since} to {written.until} is {out}")
    if held:
        with writing(engine) as connection:
            store = RecordStore(engine, declared.name)
            store.hold_review(connection, written.until, actor=account(), now_us=now_us())
        say(f"The review of the days up to {written.until} was held.")
    engine.dispose()


@app.command(epilog="Example: dropoff milestone ecommerce 'Free returns' --due 2026-07-01 --owner Logistics")
def milestone(
    journey: JourneyArgument,
    title: Annotated[
        str | None, typer.Argument(metavar="[TITLE]", help="What is to be done; without it, all are listed.")
    ] = None,
    due: Annotated[str | None, typer.Option(metavar="DAY", help="By when, as 2026-07-01.")] = None,
    owner: Annotated[str, typer.Option(metavar="NAME", help="Who does it; by default the journey's owner.")] = "",
    done: Annotated[int | None, typer.Option(metavar="N", help="The milestone of this number is done.")] = None,
    move: Annotated[
        int | None, typer.Option(metavar="N", help="Put the milestone of this number on --due DAY.")
    ] = None,
) -> None:
    """Plan what is to be done for a journey, and by when.

    Lists the milestones, adds one, moves one, or says that one is done. The agenda names what is due.
    """
    import insights.milestones as plan
    from console import day_of, say
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.database import open_database
    from storage.record_store import load_records

    if sum(one is not None for one in (title, done, move)) > 1:
        raise typer.BadParameter("give one of TITLE, --done and --move")
    if (title is not None or move is not None) and due is None:
        raise typer.BadParameter("say by when with --due DAY")
    declared = load_journey(journey)
    day = None if due is None else day_of(due)
    engine, now = open_database(Configuration.from_environment().address), now_us()
    today = plan.today_of(declared, now)
    if title is not None and day is not None:
        added = plan.add_milestone(engine, declared, title=title, due=day, owner=owner or declared.owner, now_us=now)
        say(plan.say_milestone(added, today))
    elif move is not None and day is not None:
        say(plan.say_milestone(plan.move_milestone(engine, declared, move, day, now), today))
    elif done is not None:
        say(plan.say_milestone(plan.complete_milestone(engine, declared, done, now), today))
    else:
        for line in plan.say_milestones(load_records(engine, declared.name).milestones, today):
            say(line)
    engine.dispose()


@app.command(epilog="Example: dropoff audit ecommerce --json audit.json")
def audit(
    journey: JourneyArgument,
    visitor: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only the erasures of this visitor, whose id the audit does not hold."),
    ] = None,
    json_path: JsonOption = None,
) -> None:
    """Show who changed what, and when.

    Annotations, alarms, statuses, milestones, reviews, champions and erasures, the oldest first.
    """
    from console import say, write_json
    from features.output import require_writable
    from insights.audit_words import erasures_of, say_entry, to_json
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from storage.database import open_database
    from storage.record_store import load_records

    if json_path is not None:
        require_writable(json_path)
    declared, configuration = load_journey(journey), Configuration.from_environment()
    engine = open_database(configuration.address)
    entries = load_records(engine, declared.name, configuration.home).audit
    engine.dispose()
    if visitor is not None:
        entries = erasures_of(entries, visitor)
    for entry in entries:
        say(say_entry(entry, declared.timezone))
    if not entries:
        say("Nothing was changed yet." if visitor is None else "No erasure of this visitor is in the audit.")
    write_json(json_path, {"journey": declared.name, "entries": [to_json(entry) for entry in entries]})


@app.command(epilog="Example: dropoff alarms ecommerce --log shop/events --json alarms.json")
def alarms(
    journey: JourneyArgument,
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="PATH", help="A log; by default the service's figures as they stand."),
    ] = None,
    webhook: Annotated[
        str, typer.Option(metavar="URL", help="Where to send each alarm once; by default DROPOFF_WEBHOOK.")
    ] = "",
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Say where more or fewer people leave than is usual.

    Compares each stage's exit rate, and each cohort's, with its own history: weekday, hour and trend. New alarms are
    kept and sent once. Exits with status 3 where one is open; with 0 where none is.
    """
    from console import facts_of, progress, say, write_json
    from features.output import require_writable
    from insights.alarms import require_facts, to_json, watch
    from insights.say_alarms import say_all
    from insights.webhook import Webhook
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from serving.runtime import now_us
    from storage.database import open_database

    declared, configuration = load_journey(journey), Configuration.from_environment()
    if json_path is not None:
        require_writable(json_path, log=log)
    address = webhook or configuration.webhook
    told = Webhook(address, configuration.webhook_secret) if address else None
    current = None if log is not None else require_facts(configuration.home, declared.name).folder
    with facts_of(declared, journey, log, current, model, quarantine) as facts, progress() as report:
        report("looking for changes", 0.0)
        engine = open_database(configuration.address, configuration.durability)
        seen = watch(facts, declared, engine, now_us=now_us(), webhook=told)
        engine.dispose()
    for line in say_all(seen.alarms, declared.timezone):
        say(line)
    for mistake in seen.unsent:
        say(f"Not sent: {mistake}.")
    content = [to_json(alarm, declared, seen.annotations) for alarm in seen.alarms]
    write_json(json_path, {"journey": declared.name, "open": len(seen.open), "new": list(seen.new), "alarms": content})
    if seen.open:
        raise typer.Exit(_MOVED)


@app.command(epilog="Example: dropoff annotate ecommerce --at 2026-03-17 --kind policy 'Sign-in is required'")
def annotate(
    journey: JourneyArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What was done; without it, what is noted down is listed.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When, as 2026-03-17 or 2026-03-17T08:00, in UTC.")
    ] = None,
    kind: Annotated[str, typer.Option(metavar="KIND", help="release, policy, campaign or other.")] = "other",
    by: Annotated[str, typer.Option(metavar="NAME", help="Who says so; by default this account.")] = "",
) -> None:
    """Note down a release or a policy, to read figures with.

    Pages mark it in their charts, and an alarm names what was noted down near its time.
    """
    from console import moment_us, say
    from insights.annotate import list_annotations, write_annotation
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from storage.database import open_database

    declared = load_journey(journey)
    if text is not None and at is None:
        raise typer.BadParameter("say when with --at TIME")
    moment = None if at is None else moment_us(at)
    engine = open_database(Configuration.from_environment().address)
    if text is not None and moment is not None:
        say(write_annotation(engine, declared, at_us=moment, kind=kind, text=text, author=by))
    else:
        for line in list_annotations(engine, declared):
            say(line)
    engine.dispose()


@app.command(epilog="Example: dropoff opportunities ecommerce --log shop/events")
def opportunities(
    journey: JourneyArgument,
    log: LogOption,
    model: ModelOption = None,
    json_path: JsonOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Rank what could be done by its value per day of work.

    Each blocker at each stage with the people it stops, the value at stake, the gain that an intervention is expected
    to bring, its owner, its status, and the experiment that would tell. Values are per week; gains are priors until an
    experiment has measured them.
    """
    from console import load_model, noted_down, out, progress, quarantine_path, tell, write_json
    from features.output import require_writable
    from features.read_log import ReadSummary
    from insights.build_facts import facts_for_now
    from insights.opportunities import find_opportunities
    from insights.opportunity_tables import opportunity_tables, to_json
    from journeys.load import load_journey

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    loaded = load_model(declared, journey, model)
    with progress() as report, facts_for_now(declared, log, loaded, quarantine=refused, progress=report) as facts:
        found = find_opportunities(declared, facts, records=noted_down(declared))
        summary = ReadSummary(**facts.summary)
    tell(summary, refused)
    for table in opportunity_tables(found):
        out.print(table)
        out.print()
    write_json(json_path, to_json(found))


@app.command(epilog="Example: dropoff decide ecommerce payment.form testing --by Ada")
def decide(
    journey: JourneyArgument,
    opportunity: Annotated[
        str, typer.Argument(metavar="OPPORTUNITY", help="Its name, as dropoff opportunities shows it.")
    ],
    status: Annotated[str, typer.Argument(metavar="STATUS", help="proposed, accepted, testing, done or dismissed.")],
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who decides; by default the account.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; dismissing needs one.")] = "",
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it came into force, as 2026-03-17T08:00, in UTC; by default now."),
    ] = None,
) -> None:
    """Give an opportunity a status, for its history and its page.

    Of one that is done, the page compares the days before and after the change.
    """
    from console import moment_us, say
    from insights.opportunity_status import keep_status
    from journeys.load import load_journey
    from serving.configuration import Configuration
    from storage.database import open_database

    declared, configuration = load_journey(journey), Configuration.from_environment()
    at_us = None if since is None else moment_us(since)
    engine = open_database(configuration.address, configuration.durability)
    try:
        kept = keep_status(engine, declared, opportunity, status, reason=reason, author=by, at_us=at_us)
    finally:
        engine.dispose()
    say(f"{kept.opportunity_id} of {declared.name} is {kept.status}, says {kept.author}.")


@app.command(epilog="Example: dropoff models ecommerce")
def models(journey: JourneyArgument, json_path: JsonOption = None) -> None:
    """List the registered versions, and who was champion when.

    Figures of versions with the same log and as many held-out sessions can be compared; for others there is
    `dropoff compare`.
    """
    from console import out, say, write_json
    from features.output import require_writable
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.versions import history_table, list_versions, versions_table

    if json_path is not None:
        require_writable(json_path)
    listed = list_versions(home_folder(), load_journey(journey).name)
    for table in (versions_table(listed), history_table(listed)):
        out.print(table)
        out.print()
    for one in listed.registered:
        if one.damage is not None:
            say(f"Version {one.version} cannot serve: {one.damage}.")
    if listed.history.damaged:
        say(f"Lines of the history that cannot be read: {', '.join(map(str, listed.history.damaged))}.")
    write_json(json_path, listed.to_json())


@app.command(epilog="Example: dropoff promote ecommerce 3 --reason 'better on mobile'")
def promote(
    journey: JourneyArgument,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version to serve from now on.")],
    reason: ReasonOption = "",
) -> None:
    """Make a registered version the champion.

    A running service notices by itself.
    """
    from console import load_model, say_promoted
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.promote import promote as run

    declared = load_journey(journey)
    # A damaged version, or one of another feature table, could not be served.
    load_model(declared, journey, version)
    say_promoted(declared, run(declared.name, version, home=home_folder(), mlruns=_MLRUNS, reason=reason))


@app.command(epilog="Example: dropoff rollback ecommerce --reason 'too many false alarms'")
def rollback(journey: JourneyArgument, reason: ReasonOption = "") -> None:
    """Go back to the champion before this one.

    Again, and it goes one further back. A running service notices by itself.
    """
    from console import say_promoted
    from journeys.load import load_journey
    from storage.models import home_folder
    from training.promote import roll_back

    declared = load_journey(journey)
    say_promoted(declared, roll_back(declared, home=home_folder(), mlruns=_MLRUNS, reason=reason))


@app.command(epilog="Example: dropoff build ecommerce")
def build(journey: JourneyArgument) -> None:
    """Build a Bento with the champion inside.

    It serves anywhere, without a checkout of this project.
    """
    from console import say, waiting
    from serving.build import build as run

    with waiting("building"):
        built = run(journey)
    say(f"{built.tag} holds version {built.model_version}; serve it with: bentoml serve {built.folder}")


@app.command(epilog="Example: dropoff serve ecommerce --port 3000")
def serve(
    journey: JourneyArgument,
    port: PortOption = 3000,
    workers: Annotated[
        int, typer.Option(metavar="N", help="One for now: a session lives in the memory of one process.")
    ] = 1,
) -> None:
    """Serve the champion on this machine until Ctrl-C."""
    from console import say, waiting
    from serving.run import serve as run

    with waiting("loading and warming up") as over:

        def ready(address: str) -> None:
            over()
            say(f"Serving {journey} at {address} (its API: {address}/docs.json). Ctrl-C stops it.")

        run(journey, port=port, workers=workers, ready=ready)


@app.command(epilog="Example: dropoff replay ecommerce --log shop/events --sessions 2")
def replay(
    journey: JourneyArgument,
    log: LogOption,
    url: Annotated[str, typer.Option(metavar="URL", help="Where the service is.")] = "http://127.0.0.1:3000",
    sessions: Annotated[int, typer.Option(metavar="N", min=1, help="How many of the latest sessions.")] = 3,
    min_events: Annotated[int, typer.Option(metavar="N", min=1, help="Leave shorter sessions out.")] = 5,
    session: Annotated[list[str] | None, typer.Option(metavar="ID", help="These sessions; may be repeated.")] = None,
) -> None:
    """Send recorded sessions to a service, event by event.

    Shows the stage, the risk, the top blocker and the recommendation after each event.
    """
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
    _interrupted.clear()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        status = app(args=None if arguments is None else list(arguments), prog_name="dropoff", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(_INTERRUPTED)
    except _UsageError as error:
        _misused(error)
    except Exception as error:  # noqa: BLE001 (the last resort: whatever it is, people get one line)
        # DuckDB, for one, makes an error of its own of Ctrl-C.
        if _interrupted.is_set():
            sys.exit(_INTERRUPTED)
        _fail(_explain(error), 1)
    sys.exit(status if isinstance(status, int) else 0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _misused(error: Exception) -> NoReturn:
    text, context = error.format_message(), error.ctx  # type: ignore[attr-defined]
    _fail(f"{text.rstrip('.')} (see {context.command_path if context else 'dropoff'} --help)", _MISUSED)


def _explain(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    if isinstance(error, OSError | MemoryError) or type(error).__module__.split(".")[0] in _SPEAK_FOR_THEMSELVES:
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}; this is a mistake in dropoff itself{_keep_traceback(error)}"


def _keep_traceback(error: Exception) -> str:
    from storage.models import home_folder

    path = home_folder() / "error.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return ""
    return f", and {path} says where it happened"


def _fail(text: str, status: int) -> NoReturn:
    print(f"dropoff: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


if __name__ == "__main__":
    main()
