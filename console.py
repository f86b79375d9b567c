"""What people see on a terminal: progress, tables of figures, a session as it evolves, and one line for an error."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from journeys.tables import Cell, FittedTable

if TYPE_CHECKING:
    from sqlalchemy import Engine

    import features.engine
    from decisions.logged import LoggedDecisions
    from decisions.risk import RiskModel
    from features.read_log import ReadSummary
    from insights.facts import Facts
    from insights.rollouts.ground import Ground
    from journeys.journey import Journey
    from serving.replay import Step
    from storage.records import Records
    from training.promote import Promoted

out = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

_RISK_BAR = 5
_ROWS_AROUND_A_TABLE = 5
_COLUMNS = {
    "auc": "AUC",
    "ap": "AP",
    "log_loss": "Log loss",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
    "base_rate": "Base rate",
}


def say(text: str) -> None:
    """Print a line that is meant for people; addresses and names in it are never read as markup."""
    out.print(escape(text), soft_wrap=True)


def tell(summary: "ReadSummary", quarantine: Path) -> None:
    """Print what became of a log's rows, and where the refused ones are."""
    say(summary.describe())
    if summary.quarantined:
        say(f"The quarantined rows are in {quarantine}, each with its reason.")


@contextmanager
def telling(quarantine: Path) -> "Iterator[Callable[[ReadSummary], None]]":
    """Yield where to hand a log's summary; it is printed when the block ends, also by an error."""
    summaries: list[ReadSummary] = []
    try:
        yield summaries.append
    finally:
        for summary in summaries:
            tell(summary, quarantine)


def quarantine_path(chosen: Path | None, log: Path) -> Path:
    """Return where refused rows go; raises ``features.output.OutputError`` where nothing can be written."""
    from features.output import require_writable
    from storage.models import home_folder

    path = chosen or home_folder() / "quarantine.jsonl"
    require_writable(path, log=log)
    return path


def write_json(path: Path | None, content: Mapping[str, Any]) -> None:
    """Write a machine-readable result where one is wanted."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def load_model(journey: "Journey", given: str, version: str | None) -> "RiskModel":
    """Return a registered model, the champion by default; ``given`` is how the user calls the journey.

    Raises ``storage.models.ModelNotFound``, with the command to run where the journey has no model at all.
    """
    from decisions.risk import RiskModel
    from storage.models import ModelNotFound, champion_folder, model_folder, verify_digest, versions

    with registry_home(journey.name) as home:
        if not versions(home, journey.name):
            raise ModelNotFound(
                f"{journey.name} has no model under {home}; run `dropoff train {given} --log PATH` first"
            )
        folder = champion_folder(home, journey.name) if version is None else model_folder(home, journey.name, version)
        verify_digest(folder)
        return RiskModel.load(folder, journey.table)


def check_servable(journey: "Journey", given: str, version: str) -> None:
    """Raise what hinders a registered version from being served: missing, damaged, of other features, or a copy."""
    from storage.models import ModelNotFound

    found = load_model(journey, given, version).version
    if found != version:
        raise ModelNotFound(f"what is called version {version} is a copy of version {found}: name that one instead")


def find_model(journey: "Journey", given: str, version: str | None = None) -> "RiskModel | None":
    """Return the chosen model or the champion; None, said in a line, where the journey has no champion.

    Raises ``storage.models.ModelNotFound`` for a version that there is not.
    """
    from storage.models import champion_version

    with registry_home(journey.name) as home:
        has_champion = champion_version(home, journey.name) is not None
    if version is None and not has_champion:
        say(f"{journey.name} has no model, so nothing is told that needs one; dropoff train {given} makes it.")
        return None
    return load_model(journey, given, version)


def noted_down(journey: "Journey") -> "Records":
    """Return what people and alarms have written down about a journey; nothing where there is no database yet."""
    from storage.record_store import load_records
    from storage.records import Records

    with service_database() as (engine, home):
        return Records() if engine is None else load_records(engine, journey.name, home)


def decisions_of(journey: "Journey", path: Path | None) -> "LoggedDecisions":
    """Return the decisions whose outcome is known: those of a file, by default those of the service's ledger.

    Raises ``decisions.logged_files.DecisionsUnreadable``; a ledger that is not there holds no decisions.
    """
    from journeys.decided import decided_in, decided_in_file, nothing_decided

    if path is not None:
        return decided_in_file(path, journey)
    with service_database() as (engine, _):
        return nothing_decided(journey) if engine is None else decided_in(engine, journey)


def weighable_decisions(
    journey: "Journey",
    policies: "Sequence[str]",
    path: Path | None,
    log: Path | None,
    report: Callable[[str, float], None],
) -> "LoggedDecisions":
    """Return decisions as :func:`decisions_of` does, with raw features where one of the policies reads them.

    For these the log is replayed, by default the service's. Raises ``decisions.option_rows.RowsMissing`` where there is
    none, and what loading the policies raises.
    """
    from decisions.option_rows import RowsMissing
    from journeys.weigh import needs_features
    from storage.models import home_folder
    from training.uplift.replayed import with_rows

    logged = decisions_of(journey, path)
    reading = [one for one in policies if needs_features(journey, one, home_folder())]
    if not reading or not len(logged):
        return logged
    with log_of_decisions(journey, path, log) as found:
        if found is None:
            raise RowsMissing(
                f"policy {reading[0]} reads raw features, which decisions do not keep: give the log of the sessions "
                "that they are about, with --log PATH"
            )
        replayed = with_rows(journey, logged, found, progress=report)
    if replayed.missing:
        say(f"Of the decisions, {replayed.missing:,} are about sessions that the log does not have, and left out.")
    return replayed.logged


@contextmanager
def registry_home(journey: str, *, adding: bool = False) -> "Iterator[Path]":
    """Yield the home folder, joined to the registry that replicas share where a database is configured for them.

    It then has every version, and what is published or promoted in the block is so for all of them. Who is going to be
    ``adding`` a version that takes long to make is told before that it could not be shared: raises
    ``storage.registry.NotJoined``.
    """
    from serving.configuration import Configuration
    from storage.shared_registry import REGISTRIES, shared_home

    configuration = Configuration.from_environment()
    if not configuration.database_url:
        for registry in REGISTRIES if adding else ():
            registry.require_joined(configuration.home, journey)
        yield configuration.home
        return
    with open_service() as engine, shared_home(engine, configuration.home, journey, whole=True):
        yield configuration.home


@contextmanager
def open_service() -> "Iterator[Engine]":
    """Yield the service's database, made where there is none yet."""
    from serving.configuration import Configuration
    from storage.database import open_database

    configuration = Configuration.from_environment()
    engine = open_database(configuration.address, configuration.durability)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def service_database() -> "Iterator[tuple[Engine | None, Path]]":
    """Yield the service's database, None where there is none yet, and its home folder."""
    from serving.configuration import Configuration

    configuration = Configuration.from_environment()
    if not configuration.database_url and not (configuration.home / "dropoff.db").exists():
        yield None, configuration.home
        return
    with open_service() as engine:
        yield engine, configuration.home


@contextmanager
def log_of_decisions(journey: "Journey", decisions: Path | None, log: Path | None) -> "Iterator[Path | None]":
    """Yield the log of the decisions: the given one, a copy of the service's for those of its ledger, or None."""
    import tempfile

    from storage.event_log import EventLog

    if decisions is not None or log is not None:
        yield log
        return
    with service_database() as (engine, _), tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
        path = Path(folder) / "log.parquet"
        yield path if engine is not None and EventLog(engine, journey.name).export(path) else None


@contextmanager
def rollout_ground(given: str) -> "Iterator[Ground]":
    """Yield where a journey's policies are rolled out, by the account that is at work; ``given`` names the journey."""
    from insights.rollouts.ground import Ground
    from journeys.load import load_journey
    from serving.runtime import now_us
    from storage.history import account

    declared = load_journey(given)
    with registry_home(declared.name) as home, open_service() as engine:
        yield Ground(engine, home, declared, account(), now_us())


@contextmanager
def facts_of(
    journey: "Journey", given: str, log: Path | None, folder: Path | None, model: str | None, quarantine: Path | None
) -> "Iterator[Facts]":
    """Yield facts that lie in a folder, or those of a log, which are told of and removed when the block ends.

    Raises ``insights.facts.FactsError`` where it is not one of the two, or the facts are of another journey.
    """
    from features.read_log import ReadSummary
    from insights.build_facts import facts_for_now
    from insights.facts import FactsError, open_facts

    if (log is None) == (folder is None):
        raise FactsError("name either a log with --log PATH, or the facts made of one with --facts FOLDER")
    if log is None:
        found = open_facts(folder or Path())
        if found.journey != journey.name:
            raise FactsError(f"the facts in {folder} are of {found.journey}, not of {journey.name}")
        yield found
        return
    refused, loaded = quarantine_path(quarantine, log), find_model(journey, given, model)
    with ExitStack() as stack:
        with progress() as report:
            made = stack.enter_context(facts_for_now(journey, log, loaded, quarantine=refused, progress=report))
        tell(ReadSummary(**made.summary), refused)
        yield made


def moment_us(text: str) -> int:
    """Return a time in ISO 8601, in UTC where it names no zone, in microseconds.

    Raises ``features.log_files.LogError``.
    """
    from features.log_files import LogError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise LogError(f"{text!r} is no time; write it as 2026-03-17 or 2026-03-17T08:00") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)


def day_of(text: str) -> date:
    """Return a day in ISO 8601; raises ``features.log_files.LogError``."""
    from features.log_files import LogError

    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise LogError(f"{text!r} is no day; write it as 2026-03-17") from error


def say_promoted(journey: "Journey", promoted: "Promoted") -> None:
    """Print who is champion now, in whose place, and whether MLflow knows it."""
    line = promoted.line
    instead = "" if line.previous in (None, line.version) else f", in place of version {line.previous}"
    say(f"Version {line.version} is the champion of {journey.name}{instead}.")
    if not promoted.in_mlflow:
        say("MLflow's store in this folder does not know the version, so its alias and tags stay as they are.")


def wait_for_switch(journey: "Journey", version: str) -> None:
    """Return once every running process answers with a version; raises ``serving.answering.NotAnswering``."""
    from serving.answering import SWITCH_SECONDS, wait_until_answering

    with service_database() as (engine, _), progress() as report:
        report("waiting for the processes", 0.0)
        count = 0
        if engine is not None:
            count = wait_until_answering(
                engine,
                journey.name,
                version,
                SWITCH_SECONDS,
                lambda switched, of_all: report("waiting for the processes", switched / max(of_all, 1)),
            )
    say(f"All {count} running processes answer with version {version}." if count else "No process is running.")


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """Show one bar per phase of long work on a terminal, and nothing elsewhere."""
    bars = Progress(
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=errors,
        disable=not errors.is_terminal,
    )
    phases: dict[str, TaskID] = {}

    def finish() -> None:
        for task in phases.values():
            bars.update(task, total=1.0, completed=1.0)

    def report(phase: str, fraction: float) -> None:
        if phase not in phases:
            finish()
            phases[phase] = bars.add_task(escape(phase), total=None)
        # Until a fraction is known the bar only shows that something is going on.
        bars.update(phases[phase], total=1.0 if fraction else None, completed=fraction)

    with bars:
        yield report
        finish()


@contextmanager
def waiting(what: str) -> Iterator[Callable[[], None]]:
    """Show on a terminal that something is going on until the block ends, or what is yielded is called."""
    status = errors.status(escape(what))
    if errors.is_terminal:
        status.start()
    try:
        yield status.stop
    finally:
        status.stop()


@contextmanager
def engine_at(cluster: str | None) -> "Iterator[features.engine.Engine]":
    """Yield what works on a long job: this process, or the workers of a cluster, of which lost ones are told of.

    Raises ``features.cluster_workers.ClusterError`` where the cluster cannot be used.
    """
    from features.engine import HERE

    if cluster is None:
        yield HERE
        return
    from features.cluster import open_engine

    with ExitStack() as stack:
        with waiting(f"reaching {cluster}"):
            engine = stack.enter_context(open_engine(cluster))
        yield engine
        if engine.lost:
            noun = "worker was" if engine.lost == 1 else "workers were"
            say(f"{engine.lost} {noun} lost on the way; what was being done there has been done again.")


def figures(title: str, evaluation: Mapping[str, Any]) -> Iterator[FittedTable]:
    """Return the tables of an evaluation: overall, by events, by stage and by cohort; then those of leaving soon."""
    overall = {"every prefix": evaluation, "each session once": evaluation["session_weighted"]}
    yield _blocks(title, "Rows", overall)
    yield _blocks("After so many events", "Events", evaluation["by_events"])
    yield _blocks("By the stage reached", "Stage", evaluation["by_stage"])
    yield _blocks("By cohort", "Cohort", evaluation["by_cohort"])
    if leaving := evaluation.get("leaving_soon"):
        title = f"Leaving within {leaving['within']}: against what knows less"
        measured = {"model": leaving, "idle time alone": leaving["idle_alone"], "base rate": leaving["base_rate_alone"]}
        yield _blocks(title, "Moments", measured)
        yield _blocks("Leaving soon, by the silence so far", "Idle", leaving["by_idle"])
        yield _blocks("Leaving soon, by the stage reached", "Stage", leaving["by_stage"])


def _blocks(title: str, first: str, blocks: Mapping[str, Mapping[str, Any]]) -> FittedTable:
    numbers = (*_COLUMNS.values(), "Prefixes", "Sessions")
    rows = list[tuple[Cell, ...]]()
    for name, block in blocks.items():
        rows.append(
            (
                # A cohort is "device=mobile" in files; with a blank it can be wrapped.
                name.replace("=", ": ", 1),
                *(_figure(block.get(column)) for column in _COLUMNS),
                f"{block['n_rows']:,}",
                f"{block['n_sessions']:,}",
            )
        )
        rows += _bounds(block.get("intervals", {}))
    return FittedTable(title, (first, *numbers), rows, numbers=numbers)


def _bounds(intervals: Mapping[str, Sequence[float] | None]) -> Iterator[tuple[Cell, ...]]:
    """Yield two rows, the lower and the upper ends of the figures' intervals, where there is any."""
    for place, end in enumerate(("from", "to")):
        bounds = [intervals.get(column) for column in _COLUMNS]
        if any(bounds):
            shown = ["" if bound is None else _figure(bound[place]) for bound in bounds]
            yield (Text(f"  {end}", "dim"), *(Text(figure, "dim") for figure in shown), "", "")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def show_replay(steps: "Iterable[Step]", titles: Mapping[str, str] | None = None, pause_seconds: float = 0.0) -> None:
    """Show each session as a table that grows with its events; ``titles`` says more about some sessions."""
    for session_id, of_session in groupby(steps, key=lambda step: step.session.session_id):
        title = f"Session {session_id}" + (f": {titles[session_id]}" if titles and session_id in titles else "")
        seen = _watch(title, of_session, pause_seconds)
        out.print(session_table(title, seen))
        last = next((step.advice for step in reversed(seen) if step.advice is not None), None)
        if last is not None:
            out.print(Text(last.narrative))
        out.print()


def _watch(title: str, steps: "Iterable[Step]", pause_seconds: float) -> "list[Step]":
    """Show the latest steps that fit on the screen as they come, where there is one, and return them all."""
    if not out.is_terminal:
        return list(steps)
    seen: list[Step] = []
    with Live(console=out, refresh_per_second=12, transient=True) as live:
        for step in steps:
            seen.append(step)
            live.update(session_table(title, seen, latest=max(1, out.height - _ROWS_AROUND_A_TABLE)))
            time.sleep(pause_seconds)
    return seen


def session_table(title: str, steps: "Sequence[Step]", latest: int | None = None) -> FittedTable:
    """Return a session as it evolves: each event with the stage, the risk, the top blocker and the advice after it.

    What stands behind a blocker is told where it changes. ``latest`` leaves only so many rows.
    """
    rows, told = [], ""
    for step in steps:
        cells, told = _cells(step, told)
        rows.append(cells)
    headers = ("#", "Time", "Event", "Stage", "Risk", "Top blocker", "Recommendation")
    return FittedTable(
        title, headers, rows[-latest:] if latest else rows, numbers=("#", "Time"), whole=("Time", "Risk")
    )


def _cells(step: "Step", told: str) -> tuple[tuple[Cell, ...], str]:
    """Return a row, and the evidence that the reader knows by now."""
    seconds = (step.event.occurred_at_us - step.session.events[0].occurred_at_us) // 1_000_000
    place = (str(step.number), _elapsed(seconds), step.event.name)
    if step.advice is None:
        return (*place, "", "", "", Text("(ended)", "dim")), told
    advice = step.advice
    top = advice.blockers[0] if advice.blockers else None
    blocker: Cell = Text("none", "dim")
    if top is not None:
        phrase = top.evidence[0].phrase if top.evidence else ""
        blocker = f"{top.friction.lower()} {top.confidence:.0%}"
        blocker += f": {phrase}" if phrase and phrase != told else ""
        told = phrase
    advised = Text(f"({advice.reason.replace('_', ' ')})", "dim")
    if advice.recommendation is not None:
        advised = Text(advice.recommendation.intervention, "bold")
    return (*place, advice.stage or "-", _risk(advice.risk), blocker, advised), told


def _elapsed(seconds: int) -> str:
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def _risk(risk: float) -> Text:
    filled = round(risk * _RISK_BAR)
    colour = "green" if risk < 1 / 3 else "yellow" if risk < 2 / 3 else "red"
    return Text.assemble(("█" * filled, colour), ("░" * (_RISK_BAR - filled), "dim"), f" {risk:.0%}")
