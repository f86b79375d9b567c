"""What a live experiment has come to, told and kept."""

from pathlib import Path
from typing import TYPE_CHECKING

from commands.options import MLRUNS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from insights.experiments.result import Analysis
    from journeys.journey import Journey


def tell_analysis(found: "Analysis", out_path: Path | None) -> None:
    """Tell an analysis in words and tables, and draw it where that is wanted."""
    from console.terminal import out, say
    from insights.experiments.show import analysis_tables, say_counts, say_verdict

    for sentence in say_verdict(found):
        say(sentence)
    for table in analysis_tables(found):
        out.print()
        out.print(table)
    out.print()
    for sentence in say_counts(found):
        say(sentence)
    if out_path is not None:
        _draw_analysis(found, out_path)
        say(f"{out_path} shows it.")


def analyse_kept(journey: str, name: str, json_path: Path | None, out_path: Path | None) -> None:
    """Analyse an experiment of the service, and tell and keep the result."""
    from console.databases import open_service
    from journeys.load import load_journey

    declared = load_journey(journey)
    with open_service() as engine:
        tell_live(engine, declared, name, json_path, out_path)


def tell_live(
    engine: "Engine",
    journey: "Journey",
    name: str,
    json_path: Path | None,
    out_path: Path | None = None,
    *,
    or_say: bool = False,
) -> None:
    """Analyse a live experiment, tell and keep the result, and record that of an explanation trial in MLflow.

    With ``or_say`` it is only said where there is nobody to compare yet, else that is an error.
    """
    from console.terminal import say, write_json
    from insights.experiments.live import analyse_live, keep_result
    from insights.experiments.question import AnalysisError
    from insights.experiments.say_life import say_live
    from insights.playbook.follow import follow_experiments
    from insights.playbook.words import say_followed
    from serving.runtime import now_us
    from training.record_trial import record_trial

    try:
        found = analyse_live(engine, journey, name, now_us())
    except AnalysisError as error:
        if not or_say:
            raise
        say(f"There is no result: {error}.")
        return
    keep_result(engine, journey, found)
    tell_analysis(found.analysis, out_path)
    for sentence in say_live(found):
        say(sentence)
    for tactic in follow_experiments(engine, journey, now_us=now_us()):
        say(say_followed(tactic))
    if found.trial is not None:
        run_id = record_trial(journey, found, MLRUNS)
        say(f"MLflow has it in run {run_id}.")
    write_json(json_path, found.to_json())


def _draw_analysis(found: "Analysis", path: Path) -> None:
    if path.suffix.lower() == ".html":
        from insights.experiments.page import write_analysis

        write_analysis(found, path)
    else:
        from training.pictures.experiment import draw_analysis

        draw_analysis(found, path)
