"""From a journey's name to a runtime that is warm: find the champion, load it, compile, rehearse."""

import asyncio
import gc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from decisions.onlookers import ask_nobody, ignore_decision, ignore_row, ignore_time
from decisions.risk import FingerprintMismatch, ModelFilesError, RiskModel
from decisions.scorer import Scorer
from features.events import US_PER_SECOND
from journeys.journey import Journey
from journeys.load import JourneyInvalid, JourneyNotFound, load_journey
from serving import advice
from serving.budget import open_till
from serving.configuration import PACKAGED_FOLDER, Configuration
from serving.environment import ConfigurationError
from serving.errors import StartError
from serving.export_spans import check_traces
from serving.follow_ups import check_follow_ups
from serving.id_key import require_same_key
from serving.messages import CanonicalEvent, ScoreRequest
from serving.open_runtime import open_runtime
from serving.policies import PolicyUnusable, find_policy
from serving.runtime import Runtime
from serving.subject import find_subject
from serving.times import show_time
from storage.database import DatabaseError, open_database
from storage.models import DigestMismatch, ModelNotFound, champion_version, model_folder, verify_digest
from storage.registry import joined
from storage.shared_registry import SharedRegistry, VersionTaken, shared_home

_REHEARSALS = 40
_REHEARSED_EVENTS = 20
_SWITCH_SECONDS = 0.0005
_GC_THRESHOLDS = (50_000, 50, 50)


@dataclass(frozen=True, slots=True)
class Source:
    """Which journey is served and where its model lies."""

    journey: Journey
    folder: Path


def find_source(configuration: Configuration) -> Source:
    """Return the journey and the folder of its champion; raises :class:`StartError` where there is none.

    Where replicas share a registry, it is theirs. A Bento has a model of its own for as long as they have none.
    """
    if PACKAGED_FOLDER.is_dir():
        name = json.loads((PACKAGED_FOLDER / "package.json").read_text(encoding="utf-8"))["journey"]
        journey = _journey(str(PACKAGED_FOLDER / name) if name.startswith(".") else name)
        _draw_registry(configuration, journey)
        if not configuration.database_url or champion_version(configuration.home, journey.name) is None:
            return Source(journey, PACKAGED_FOLDER / "model")
        return Source(journey, champion_of(configuration, journey.name))
    if not configuration.journey:
        raise StartError("no journey to serve: set DROPOFF_JOURNEY, or run `dropoff serve JOURNEY`")
    journey = _journey(configuration.journey)
    _draw_registry(configuration, journey)
    return Source(journey, champion_of(configuration, journey.name))


def load_model(source: Source) -> RiskModel:
    """Return the model; raises :class:`StartError` for a damaged one, and for one of another feature table."""
    try:
        verify_digest(source.folder)
        return RiskModel.load(source.folder, source.journey.table)
    except FingerprintMismatch as error:
        raise StartError(f"{error}, or restore the features that the journey had") from error
    except (ModelFilesError, DigestMismatch, OSError) as error:
        raise StartError(f"the model in {source.folder} cannot be used: {error}") from error


def load_version(journey: Journey, folder: Path) -> RiskModel:
    """Return the model of a version that is looked for again and again; raises :class:`StartError`."""
    model = load_model(Source(journey, folder))
    if model.version != folder.name:
        # It would be taken for another one at every look.
        raise StartError(f"{folder} holds a copy of version {model.version}: name that version instead")
    return model


def check_database(configuration: Configuration) -> None:
    """Raise :class:`StartError` for a database that cannot be used; creates it where there is none."""
    try:
        open_database(configuration.address, configuration.durability).dispose()
    except DatabaseError as error:
        raise StartError(str(error)) from error


def start(configuration: Configuration) -> Runtime:
    """Return a runtime that has rehearsed its answers; raises :class:`StartError`."""
    check_follow_ups(configuration)
    if configuration.traces_url:
        check_traces(configuration.traces_url)
    source = find_source(configuration)
    model = load_model(source)
    try:
        runtime = open_runtime(configuration, source.journey, model)
    except (DatabaseError, ConfigurationError) as error:
        raise StartError(str(error)) from error
    try:
        require_same_key(runtime)
        runtime.decide_by(find_policy(runtime))
        open_till(runtime)
    except StartError:
        runtime.close()
        raise
    except PolicyUnusable as error:
        runtime.close()
        raise StartError(str(error)) from error
    if configuration.database_url:
        # Who takes a policy back in the service, takes it back for all replicas.
        runtime.closing.enter_context(joined(configuration.home, SharedRegistry(runtime.engine)))
    rehearse(runtime, runtime.scorer)
    # A collection that walks the model and the libraries would hold up a request for a tenth of a second.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    # The loop and the writing thread hand the interpreter to each other many times for each request.
    sys.setswitchinterval(_SWITCH_SECONDS)
    return runtime


def rehearse(runtime: Runtime, scorer: Scorer) -> None:
    """Compile the kernel and touch every page that answering needs, with made-up events that nobody keeps.

    For any thread: nothing of the runtime is changed, and nothing is counted.
    """
    most = min(_REHEARSED_EVENTS, runtime.configuration.max_visitor_events)
    names = [name for name in runtime.journey.events if name not in runtime.journey.ends.all_names][:most]
    now_us = runtime.now_us()
    events = [
        CanonicalEvent(
            event_id=f"rehearsal-{number}",
            visitor_id="rehearsal",
            name=name,
            occurred_at=show_time(now_us - (len(names) - number) * US_PER_SECOND),
        )
        for number, name in enumerate(names)
    ]
    # The service starts within a loop, beside which another can only run in a thread of its own.
    with ThreadPoolExecutor(1) as beside:
        subject = beside.submit(asyncio.run, find_subject(runtime, ScoreRequest(events=events))).result()
    # What is counted of it would stay. A risk that is never low is explained and decided about, too.
    eager = replace(scorer.settings, low_risk=0.0)
    window = runtime.window_of(scorer.model)
    watcher = ignore_row if window is None else lambda row, risk: window.add(row, risk, now_us)
    quiet = replace(
        scorer, settings=eager, timer=ignore_time, watcher=watcher, onlooker=ignore_decision, second=ask_nobody
    )
    for _ in range(_REHEARSALS):
        quiet.score(subject.session, subject.earlier, subject.at_us)
        advice.describe(quiet.recommend(subject.session, subject.earlier, subject.at_us))


def champion_of(configuration: Configuration, journey: str) -> Path:
    """Return the folder of a journey's champion; raises :class:`StartError`."""
    asked = configuration.journey or journey
    try:
        version = champion_version(configuration.home, journey)
        if version is None:
            raise StartError(
                f"no model is registered for the journey {journey!r} under {configuration.home}: "
                f"run `dropoff train {asked} --log PATH` first"
            )
        return model_folder(configuration.home, journey, version)
    except ModelNotFound as error:
        raise StartError(f"{error}: run `dropoff promote {asked} VERSION` with one of them") from error
    except OSError as error:
        raise StartError(f"the models under {configuration.home} cannot be read: {error}") from error


def _draw_registry(configuration: Configuration, journey: Journey) -> None:
    """Let the home hold what replicas share, where a database is configured for them; raises :class:`StartError`."""
    if not configuration.database_url:
        return
    try:
        engine = open_database(configuration.address, configuration.durability)
    except DatabaseError as error:
        raise StartError(str(error)) from error
    try:
        with shared_home(engine, configuration.home, journey.name):
            pass
    except (DigestMismatch, VersionTaken, OSError, SQLAlchemyError) as error:
        raise StartError(f"the registry that replicas share cannot be used: {error}") from error
    finally:
        engine.dispose()


def _journey(name: str) -> Journey:
    try:
        return load_journey(name)
    except (JourneyNotFound, JourneyInvalid) as error:
        raise StartError(str(error)) from error
