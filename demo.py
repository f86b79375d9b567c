"""The demo: simulate a shop, train, register, report, serve, and replay held-out sessions against the live service."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from console.shown import figures, show_replay
from console.terminal import out, progress, say, telling, waiting
from features.plan import compile_plan
from features.read_sessions import read_sessions
from insights.build_facts import build_facts
from insights.facts import Facts
from insights.filters import Filters
from insights.playbook.propose import keep_proposals
from insights.report import make_pages, write_report
from journeys.journey import Journey
from journeys.load import load_journey
from serving.configuration import Configuration
from serving.replay import ReplayError, replay, require_ready
from storage.database import open_database
from storage.models import champion_version, model_folder
from storage.playbook import Tactic
from storage.playbook_store import PlaybookStore
from storage.records import Records
from training.pipeline import TrainingResult, train
from training.simulator import simulate

JOURNEY = "ecommerce"
TRIALS = 6
PREFERRED_PORT = 3000
START_SECONDS = 90.0
PAUSE_SECONDS = 0.12


class DemoError(RuntimeError):
    """The demo cannot go on; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A held-out session to show, and what the simulator knows about it."""

    session_id: str
    truth: str


def run_demo(home: Path, mlruns: Path, *, sessions: int, seed: int, stay: bool) -> None:
    """Run the whole demo; ``stay`` keeps the service up until Ctrl-C. The service is stopped in every case."""
    began = time.monotonic()
    folder = home / "demo"
    journey = load_journey(JOURNEY)
    refuse_to_replace(home, folder / "events")
    say(f"1. Simulate {sessions:,} sessions of an online shop, and train on them")
    refused = folder / "quarantine.jsonl"
    with telling(refused) as on_read, progress() as report:
        simulate(JOURNEY, sessions=sessions, seed=seed, out=folder, progress=report)
        result = train(
            journey,
            folder / "events",
            home=home,
            mlruns=mlruns,
            trials=TRIALS,
            quarantine=refused,
            progress=report,
            on_read=on_read,
            on_trial=lambda trial: report("searching settings", (trial.number + 1) / TRIALS),
        )
    _tell_quality(result)
    exhibits = choose_exhibits(folder)
    recorded = read_sessions(
        folder / "events",
        compile_plan(journey.table),
        timeout_seconds=journey.session_timeout_seconds,
        session_ids=[exhibit.session_id for exhibit in exhibits],
    )
    say("\n2. Write the marketer's pages: where people stop, what stood in their way, and what to do")
    pages = folder / "report.html"
    with progress() as report:
        facts = build_facts(journey, folder / "events", folder / "facts", result.model, progress=report)
        tactics = open_playbook(home, journey, facts)
        made = make_pages(journey, facts, records=Records(tactics=tactics), progress=report)
        write_report(made, journey, facts, Filters(), pages)
    say(f"{len(made)} pages are in {pages}")
    say(f"{len(tactics)} tactics are in the playbook: dropoff playbook {JOURNEY} lists them, with a test for each")
    say("\n3. Start the service")
    with running_service(home, folder / "service.log") as url:
        say(f"{JOURNEY} is served at {url}")
        say("\n4. Replay sessions that the model has never seen, event by event\n")
        titles = {exhibit.session_id: exhibit.truth for exhibit in exhibits}
        show_replay(replay(url, recorded, ends=journey.ends.all_names, erase_first=True), titles, PAUSE_SECONDS)
        say(f"All of it took {time.monotonic() - began:.0f} s.")
        if stay:
            _tell_addresses(url, recorded[-1].session_id, pages)
            _tell_runs(mlruns)
            say("\nThe service stays up until Ctrl-C.")
            _wait()
    say("The service is stopped.")
    if not stay:
        say(f"  report     {pages}")
        _tell_runs(mlruns)
        say(f"  again      dropoff serve {JOURNEY}, and dropoff replay {JOURNEY} --log {folder / 'events'}")


def refuse_to_replace(home: Path, log: Path) -> None:
    """Raise :class:`DemoError` where the champion was trained on another log than the demo's: it may be a real one."""
    version = champion_version(home, JOURNEY)
    if version is None:
        return
    card = json.loads((model_folder(home, JOURNEY, version) / "card.json").read_text(encoding="utf-8"))
    trained_on = Path(card["data"]["path"])
    if trained_on.resolve() != log.resolve():
        raise DemoError(
            f"the champion of {JOURNEY} in {home}, version {version}, was trained on {trained_on}, and the demo's "
            "model could replace it; give the demo a home of its own: DROPOFF_HOME=demo-home dropoff demo"
        )


def open_playbook(home: Path, journey: Journey, facts: Facts) -> tuple[Tactic, ...]:
    """Open what the demo's figures propose in the service's playbook, and return all that it holds."""
    engine = open_database(replace(Configuration.from_environment(), home=home).address)
    try:
        keep_proposals(engine, journey, facts, Records(), now_us=time.time_ns() // 1_000)
        return PlaybookStore(engine, journey.name).tactics()
    finally:
        engine.dispose()


def choose_exhibits(folder: Path) -> list[Exhibit]:
    """Return a session that bought and some that a planted blocker ended, among the latest tenth of the log.

    That tenth is held out from training. What the simulator planted is for the title only.
    """
    events, truth = f"{folder}/events/*.parquet", f"{folder}/truth.parquet"
    query = """
        WITH sessions AS (
            SELECT session_id, min(occurred_at) AS started, count(*) AS events,
                count(*) FILTER (name = 'purchase') > 0 AS bought, count(*) FILTER (name = 'begin_checkout') AS tried
            FROM read_parquet($events) GROUP BY session_id
        ), late AS (
            SELECT * FROM sessions WHERE events BETWEEN 10 AND 22 AND tried > 0
                AND started BETWEEN (SELECT quantile_cont(started, .9) FROM sessions)
                AND (SELECT max(started) - INTERVAL 2 HOUR FROM sessions)
        )
        SELECT session_id, bought, blocker FROM late JOIN read_parquet($truth) USING (session_id)
        WHERE bought OR (blocker IS NOT NULL AND caused_exit)
        QUALIFY row_number() OVER (PARTITION BY bought, CASE WHEN bought THEN NULL ELSE blocker END
            ORDER BY hash(session_id)) = 1
        ORDER BY bought, hash(session_id)
    """
    with duckdb.connect() as connection:
        found = connection.execute(query, {"events": events, "truth": truth}).fetchall()
    chosen = [*found[:3], *(row for row in found[3:] if row[1])][:4]
    if not chosen:
        raise DemoError("no simulated session is long enough to show; simulate more with --sessions")
    return [
        Exhibit(session_id, "bought in the end" if bought else f"left in the end; planted blocker: {blocker.lower()}")
        for session_id, bought, blocker in chosen
    ]


@contextmanager
def running_service(home: Path, log: Path) -> Iterator[str]:
    """Serve the demo's journey in a process of its own, and stop it in every case; yields its address."""
    port = _free_port()
    command = [sys.executable, "-m", "cli", "serve", JOURNEY, "--port", str(port)]
    environment = {**os.environ, "DROPOFF_HOME": str(home.resolve())}
    with log.open("w", encoding="utf-8") as output:
        # A session of its own keeps Ctrl-C for the demo, which then stops the service in order.
        process = subprocess.Popen(  # noqa: S603
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            with waiting("loading and warming up"):
                _await_ready(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(url: str, process: "subprocess.Popen[Any]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return require_ready(url)
        except ReplayError as error:
            if process.poll() is not None:
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise DemoError(f"the service did not start: {said[-1] if said else error}") from error
            if time.monotonic() > deadline:
                raise DemoError(f"the service was not ready after {START_SECONDS:.0f} s; see {log}") from error
        time.sleep(0.1)


def _free_port() -> int:
    for port in (PREFERRED_PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no port of 127.0.0.1 is free")


def _wait() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say("")


def _tell_quality(result: TrainingResult) -> None:
    overall, early = next(iter(figures("Held-out sessions, later than all training", result.evaluation))), 5
    out.print(overall)
    block: Any = result.evaluation["by_events"]
    after = block[str(early)]
    say(
        f"After {early} events the AUC is {after['auc']:.3f}. "
        f"Version {result.model.version} of {result.model.journey} is {result.promotion}."
    )


def _tell_addresses(url: str, session_id: str, pages: Path) -> None:
    say(f"  service    {url}")
    say(f"  report     {pages}")
    say(f"  API        {url}/docs.json")
    say(f"  a session  {url}/v1/sessions/{session_id}")


def _tell_runs(mlruns: Path) -> None:
    from training.tracking import mlflow_address

    python = Path(os.path.relpath(sys.executable))
    store = f"--backend-store-uri {mlflow_address(mlruns)}"
    say(f"  runs       {python} -m mlflow ui {store} --host 127.0.0.1 --port 5000, then http://127.0.0.1:5000")
