"""What it costs to know persons: per event that is kept, per score, per log that is read, and in memory per link.

    python -m benchmarks.identity

Every figure stands beside the same work on the same events without users. Nobody but the database and the interpreter
is timed, in processor time: events go straight into the tables, a score is its history and its row of features.
"""

import argparse
import gc
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time, thread_time

from msgspec.structs import replace
from sqlalchemy import Engine

from benchmarks.report import Figure, Report
from features.build import build, every_event
from features.events import US_PER_SECOND, Event
from features.histories import history, person_of
from features.identity import Known
from features.live import LiveSession
from features.plan import Plan, compile_plan
from features.read_log import read_log
from journeys.load import load_journey
from serving.visitor import Visitor
from storage.database import database_url, open_database, writing
from storage.event_log import EventLog
from storage.identity_store import IdentityStore

COMMAND = "python -m benchmarks.identity"
_START_US = 1_772_368_200 * US_PER_SECOND
_BATCH_EVENTS, _SESSION_EVENTS, _DEVICES, _VISITS = 100, 10, 3, 4
_SCORES = 2_000
_DAY_US = 86_400 * US_PER_SECOND


def run(persons: int = 1_000) -> Report:
    """Measure with so many persons, each with four sessions on each of three devices."""
    journey = load_journey("ecommerce")
    plan = compile_plan(journey.table)
    known = made_events(persons, [*journey.events])
    unknown = [replace(event, user_id=None) for event in known]
    everywhere = [replace(event, user_id=event.properties["owner"]) for event in known]
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        none = _keep(folder / "none", unknown)
        logins = _keep(folder / "logins", known)
        always = _keep(folder / "always", everywhere)
        engine = open_database(database_url(folder / "logins"))
        alone, together, rows = _score(engine, plan, known)
        bytes_per_link = _memory(engine, persons)
        EventLog(engine, "bench").export(folder / "logins.parquet")
        engine.dispose()
        engine = open_database(database_url(folder / "none"))
        EventLog(engine, "bench").export(folder / "none.parquet")
        engine.dispose()
        timeout = journey.session_timeout_seconds
        without, with_logins = (_read(folder / f"{name}.parquet", plan, timeout) for name in ("none", "logins"))
    return Report(
        "Identity",
        COMMAND,
        [
            Figure("events, sessions, visitors, persons", _counted(len(known), persons)),
            Figure("an event kept, of batches of 100, without users", f"{none:.1f} us"),
            Figure("the same where every session logs in", f"{logins:.1f} us ({logins / none:.2f} x)"),
            Figure("the same where every event names its user", f"{always:.1f} us ({always / none:.2f} x)"),
            Figure("history and row of a score, of the visitor alone", f"{alone:.0f} us"),
            Figure(
                f"the same of a person with {rows} sessions before", f"{together:.0f} us ({together / alone:.2f} x)"
            ),
            Figure("a log read and all rows built, without users", f"{without:.2f} s"),
            Figure("the same with logins", f"{with_logins:.2f} s ({with_logins / without:.2f} x)"),
            Figure("memory per link at hand", f"{bytes_per_link:.0f} bytes"),
        ],
    )


def made_events(persons: int, names: Sequence[str]) -> list[Event]:
    """Return events in the order of their arrival: each session names its user at its fourth event."""
    events = []
    for visit in range(_VISITS * _DEVICES):
        for person in range(persons):
            at_us = _START_US + visit * _DAY_US + person * US_PER_SECOND
            visitor, user = f"v{person}-{visit % _DEVICES}", f"u{person}"
            for place in range(_SESSION_EVENTS):
                moment = at_us + 20 * place * US_PER_SECOND
                event = Event(
                    event_id=f"e{visit}-{person}-{place}",
                    name=names[(7 * place + person) % len(names)],
                    occurred_at_us=moment,
                    visitor_id=visitor,
                    session_id=f"s{visit}-{person}",
                    user_id=user if place == 3 else None,
                    received_at_us=moment,
                    properties={"owner": user, "product": f"p{person % 50}", "basket_value": 40.0},
                )
                events.append(event)
    return events


def _counted(events: int, persons: int) -> str:
    sessions = persons * _DEVICES * _VISITS
    return f"{events:,}, {sessions:,}, {persons * _DEVICES:,}, {persons:,}"


def _keep(home: Path, events: Sequence[Event]) -> float:
    """Return the median microseconds per event of keeping batches."""
    engine = open_database(database_url(home))
    log, identity = EventLog(engine, "bench"), IdentityStore(engine, "bench")
    seconds = []
    for start in range(0, len(events), _BATCH_EVENTS):
        batch = events[start : start + _BATCH_EVENTS]
        begun = thread_time()
        with writing(engine) as connection:
            log.append(connection, batch)
            links = identity.record(connection, batch)
        identity.learn(links)
        seconds.append(thread_time() - begun)
    engine.dispose()
    return 1e6 * median(seconds) / _BATCH_EVENTS


def _score(engine: Engine, plan: Plan, events: Sequence[Event]) -> tuple[float, float, int]:
    """Return microseconds per score by the visitor alone and by the person, and how many sessions that one has."""
    visitors: dict[str, Visitor] = {}
    for event in events:
        visitors.setdefault(event.visitor_id, Visitor(plan, event.visitor_id, 1_800 * US_PER_SECOND)).place(event)
    identity = IdentityStore(engine, "bench")
    latest = [visitor.latest() for visitor in visitors.values()]
    sessions = [session for session in latest if session is not None][:_SCORES]

    def alone(session: LiveSession) -> int:
        earlier = visitors[session.visitor_id].others(session)
        session.row(session.last_at_us, earlier)
        return len(earlier)

    def person(session: LiveSession) -> int:
        identity.catch_up()
        known = Known(identity, session.last_at_us)
        found = person_of(known, session)
        earlier = history(known, found, session, lambda visitor_id: visitors[visitor_id].sessions)
        session.row(session.last_at_us, earlier)
        return len(earlier)

    return _each(alone, sessions), _each(person, sessions), max(person(session) for session in sessions)


def _each(score: Callable[[LiveSession], int], sessions: Sequence[LiveSession]) -> float:
    # Once to have links and carried states at hand, as for whoever is scored at every event.
    for session in sessions:
        score(session)
    seconds = []
    for session in sessions:
        begun = thread_time()
        score(session)
        seconds.append(thread_time() - begun)
    return 1e6 * median(seconds)


def _memory(engine: Engine, persons: int) -> float:
    identity = IdentityStore(engine, "bench", memory_links=10_000_000)
    gc.collect()
    tracemalloc.start()
    links = sum(
        len(identity.of_visitor(f"v{person}-{device}")) for person in range(persons) for device in range(_DEVICES)
    )
    links += sum(len(identity.of_user(f"u{person}")) for person in range(persons))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Each is at hand twice: under its visitor and under its user.
    return 2 * used / links


def _read(path: Path, plan: Plan, timeout_seconds: float) -> float:
    seconds = []
    for _ in range(3):
        begun = process_time()
        with read_log(path, plan, timeout_seconds=timeout_seconds) as read:
            log = read.whole()
        build(plan, log, every_event(log))
        seconds.append(process_time() - begun)
    return min(seconds)


if __name__ == "__main__":
    from rich.console import Console

    from benchmarks.report import as_table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=1_000)
    Console().print(as_table(run(parser.parse_args().persons)))
