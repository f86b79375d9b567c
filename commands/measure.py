"""What a model says of a log, and how well."""

from pathlib import Path
from typing import Annotated

import typer

from commands.options import (
    MOVED,
    ClusterOption,
    JourneyArgument,
    JsonOption,
    LogOption,
    ModelOption,
    QuarantineOption,
    ResamplesOption,
    ScoresOption,
    SeedOption,
    TruthOption,
)

app = typer.Typer()


@app.command(epilog="Example: dropoff evaluate ecommerce --log shop/events --truth truth.parquet")
def evaluate(
    journey: JourneyArgument,
    log: LogOption,
    truth: TruthOption = None,
    cluster: ClusterOption = None,
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
    from console.logs import engine_at, quarantine_path
    from console.models import load_model
    from console.shown import figures
    from console.terminal import out, progress, say, tell, write_json
    from features.log_files import LogError
    from features.output import require_folder, require_writable
    from features.store_path import without_password
    from journeys.load import load_journey
    from training.evaluate_diagnosis import evaluate_diagnosis
    from training.evaluate_log import evaluate_log
    from training.truth import read_truth

    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    if json_path is not None:
        require_writable(json_path, log=log)
    if pictures is not None:
        require_folder(pictures)
    known = None if truth is None else read_truth(truth, declared.frictions, declared.name)
    loaded = load_model(declared, journey, model)
    diagnosis = None
    with engine_at(cluster) as engine, progress() as report:
        read = evaluate_log(
            declared, log, loaded, quarantine=refused, resamples=resamples, engine=engine, progress=report
        )
        evaluation = read.evaluation
        if known is not None and evaluation["n_rows"]:
            diagnosis = evaluate_diagnosis(
                declared, log, loaded, known, refits=refits, resamples=resamples, engine=engine, progress=report
            )
    tell(read.summary, refused)
    if not evaluation["n_rows"]:
        raise LogError(f"no session of {log} has a known end after its first event, so there is nothing to measure")
    title = f"Version {loaded.version} of {declared.name} on {without_password(log)}"
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
    cluster: ClusterOption = None,
    model: ModelOption = None,
    quarantine: QuarantineOption = None,
) -> None:
    """Write every session's risk, blockers and recommendation.

    Each session is scored as it stands at its latest event; one that has ended, at the last event before its end.
    """
    from console.logs import engine_at, quarantine_path
    from console.models import load_model
    from console.terminal import progress, say, tell
    from features.output import require_writable
    from journeys.load import load_journey
    from training.score import score_log

    require_writable(out, log=log, suffixes=(".parquet", ".csv", ".jsonl"))
    declared, refused = load_journey(journey), quarantine_path(quarantine, log)
    loaded = load_model(declared, journey, model)
    with engine_at(cluster) as engine, progress() as report:
        summary = score_log(declared, log, loaded, out, quarantine=refused, engine=engine, progress=report)
    tell(summary, refused)
    say(f"A row for every session is in {out}")


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
    from console.logs import quarantine_path
    from console.models import load_model
    from console.terminal import progress, say, tell, write_json
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
        raise typer.Exit(MOVED)


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
    from console.logs import quarantine_path
    from console.models import load_model
    from console.terminal import out, progress, say, tell, write_json
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
