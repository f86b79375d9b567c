"""Whether an installation is well: what was found, and what to do about it."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError

from features.events import US_PER_SECOND
from insights.current import current_building, facts_home
from insights.facts import FactsError
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.environment import ConfigurationError
from serving.errors import StartError
from serving.findings import Finding, State
from serving.follow_ups import check_follow_ups
from serving.registry_checks import look_at_processes, look_at_registry, shared_champion
from serving.times import show_time
from storage.database import open_database
from storage.database_state import DatabaseState, look_at_database
from storage.event_log import EventLog
from storage.key_store import KeyStore, living
from storage.models import DigestMismatch, ModelNotFound, champion_version, model_folder, verify_digest
from storage.unknown_names import RefusedReason, refused_reasons

_GB = 1 << 30
_LEAST_FREE_BYTES, _FULL_BYTES = 2 * _GB, _GB // 10
_SILENT_SECONDS = 86_400.0
_AHEAD_SECONDS = 300.0
_READ_BY_OTHERS = 0o077
_CHARACTERS_SHOWN = 120
_DAMAGE_SHOWN = 300
_REDIS_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """All findings about an installation, and why rows of the journey were refused."""

    findings: tuple[Finding, ...]
    refused: tuple[RefusedReason, ...] = ()

    @property
    def state(self) -> State:
        """The worst of the findings."""
        states = {one.state for one in self.findings}
        return next((state for state in (State.BROKEN, State.TODO) if state in states), State.WELL)

    @property
    def is_readable(self) -> bool:
        """Whether the database was found in a state in which it can be asked."""
        return not any(one.about == "database" and one.state is State.BROKEN for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the findings for a file."""
        return {
            "state": self.state,
            "findings": [asdict(one) for one in self.findings],
            "refused": [asdict(one) | {"last": show_time(one.last_us)} for one in self.refused],
        }


def examine(configuration: Configuration, journey: Journey | None, now_us: int | None = None) -> Checkup:
    """Look at home, disk, database, Redis, keys, model, registry, facts, log and quarantine; nothing is changed.

    A journey's own things are looked at where one is given.
    """
    now_us = time.time_ns() // 1_000 if now_us is None else now_us
    findings = [*_home(configuration.home), _disk(configuration.home)]
    state = look_at_database(configuration.address)
    findings.append(_database(state, configuration))
    if configuration.redis_url:
        findings.append(_redis(configuration.redis_url))
    try:
        check_follow_ups(configuration)
    except StartError as error:
        findings.append(Finding("follow-ups", State.BROKEN, str(error), "the service does not start before"))
    refused: tuple[RefusedReason, ...] = ()
    elsewhere = None
    usable = state.exists and not state.problem and not state.damage and state.revision == state.newest
    if usable:
        engine = open_database(configuration.address, configuration.durability)
        try:
            findings.append(_keys(engine, now_us))
            if journey is not None:
                findings += [*_log(engine, journey, now_us), *_facts(engine, configuration.home, journey)]
                findings += look_at_registry(configuration, engine, journey.name)
                findings += look_at_processes(engine, journey.name)
                elsewhere = shared_champion(engine, journey.name) if configuration.database_url else None
                refused = tuple(refused_reasons(engine, journey.name))
                findings.append(_quarantine(refused))
        finally:
            engine.dispose()
    # A home without the champion that replicas share gets it with the next command.
    if journey is not None and (elsewhere is None or champion_version(configuration.home, journey.name) is not None):
        findings.append(_model(configuration.home, journey))
    return Checkup(tuple(findings), refused)


def _home(home: Path) -> Iterator[Finding]:
    shown = home.resolve()
    if not home.is_dir():
        yield Finding(
            "home", State.TODO, f"there is no folder {shown}", "any command makes it; DROPOFF_HOME names another"
        )
        return
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("home", State.BROKEN, f"{shown} cannot be written", "give it to the account that runs dropoff")
        return
    mode = home.stat().st_mode & 0o777
    if mode & 0o002:
        yield Finding("home", State.TODO, f"everybody may write into {shown}", f"chmod o-w {shown}")
    else:
        yield Finding("home", State.WELL, f"{shown}, mode {mode:03o}")
    secrets = home / "secrets"
    for one in sorted(secrets.iterdir()) if secrets.is_dir() else ():
        if one.stat().st_mode & _READ_BY_OTHERS:
            yield Finding("secrets", State.BROKEN, f"others may read {one.resolve()}", f"chmod 600 {one.resolve()}")


def _disk(home: Path) -> Finding:
    there = next(folder for folder in (home.resolve(), *home.resolve().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / _GB:.1f} GB free where {there} lies"
    if free < _FULL_BYTES:
        return Finding("disk", State.BROKEN, found, "free some: without space no event can be kept")
    if free < _LEAST_FREE_BYTES:
        return Finding("disk", State.TODO, found, "free some before it is full")
    return Finding("disk", State.WELL, found)


def _database(state: DatabaseState, configuration: Configuration) -> Finding:
    try:
        shown = make_url(configuration.address).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return Finding("database", State.BROKEN, state.problem, state.advice)
    if not state.exists:
        return Finding("database", State.TODO, f"there is none at {shown} yet", "dropoff serve makes it")
    if state.problem:
        advice = state.advice or "check the address, and that it can be read"
        return Finding("database", State.BROKEN, f"{shown}: {state.problem}", advice)
    if state.damage:
        others = f", and {len(state.damage) - 1} more" if len(state.damage) > 1 else ""
        found = f"{shown} is damaged: {state.damage[0][:_DAMAGE_SHOWN]}{others}"
        return Finding("database", State.BROKEN, found, "stop the service, and restore your last copy")
    if state.revision is None:
        return Finding(
            "database", State.TODO, f"{state.kind} {state.version} has no tables yet", "dropoff serve makes them"
        )
    found = f"{state.kind} {state.version}, {state.size_bytes / 1e6:,.1f} MB, tables of revision {state.revision}"
    if state.revision != state.newest:
        advice = f"start the service of this version, which brings them to {state.newest}; make a backup before"
        return Finding("database", State.TODO, found, advice)
    return Finding("database", State.WELL, f"{found}, whole" if state.kind == "sqlite" else found)


def _redis(url: str) -> Finding:
    from redis import Redis, RedisError

    from serving.redis_visitors import check_redis_address, client_address

    try:
        check_redis_address(url)
        shown = make_url(url).render_as_string(hide_password=True)
    except (ConfigurationError, ArgumentError, ValueError):
        # What was found wrong may be a part of the password.
        advice = "write it like redis://127.0.0.1:6379/0, with %40, %3A and %2F for @, : and / in the password"
        return Finding("redis", State.BROKEN, "DROPOFF_REDIS_URL is no address of a Redis", advice)
    try:
        with Redis.from_url(
            client_address(url), socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        ) as client:
            client.ping()
    except (RedisError, OSError) as error:
        advice = "start it, or correct DROPOFF_REDIS_URL: without it events are refused with 503"
        return Finding("redis", State.BROKEN, f"{shown} does not answer: {error}", advice)
    return Finding("redis", State.WELL, f"{shown} answers")


def _keys(engine: Engine, now_us: int) -> Finding:
    usable = living(KeyStore(engine).all_keys(), now_us)
    if not usable:
        return Finding(
            "keys",
            State.TODO,
            "there are none: whatever this machine sends is accepted, and no other is answered",
            "dropoff keys new --permission admin --name NAME",
        )
    permissions = sorted({permission for key in usable for permission in key.grant.permissions})
    return Finding("keys", State.WELL, f"{len(usable):,} in use, for {', '.join(permissions)}")


def _model(home: Path, journey: Journey) -> Finding:
    version = champion_version(home, journey.name)
    if version is None:
        advice = f"dropoff train {journey.name} --log PATH"
        return Finding("model", State.TODO, f"{journey.name} has no champion", advice)
    try:
        folder = model_folder(home, journey.name, version)
        verify_digest(folder)
    except ModelNotFound as error:
        return Finding("model", State.BROKEN, str(error), f"dropoff promote {journey.name} VERSION, one of those")
    except (DigestMismatch, ValueError, OSError) as error:
        return Finding("model", State.BROKEN, str(error), f"dropoff rollback {journey.name}, or train it anew")
    made = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    return Finding("model", State.WELL, f"version {version} of {made:%Y-%m-%d} is the champion of {journey.name}")


def _log(engine: Engine, journey: Journey, now_us: int) -> Iterator[Finding]:
    latest_us = EventLog(engine, journey.name).last_received_us()
    if latest_us is None:
        yield Finding(
            "events", State.TODO, f"{journey.name} has received none", "docs/service.md says how to send them"
        )
        return
    ago = (now_us - latest_us) / US_PER_SECOND
    found = f"the last one of {journey.name} was received at {show_time(latest_us)}"
    if ago < -_AHEAD_SECONDS:
        advice = "set this machine's clock: what arrives now is placed before what is there"
        yield Finding("clock", State.BROKEN, f"{found}, which is {-ago:,.0f} s ahead of this machine's clock", advice)
    else:
        yield Finding("clock", State.WELL, f"{show_time(now_us)}, behind which all that was received lies")
    if ago > _SILENT_SECONDS:
        advice = "if people are on the site, check that its pages still send"
        yield Finding("events", State.TODO, f"{found}, {ago / 86_400:,.1f} days ago", advice)
    else:
        yield Finding("events", State.WELL, found)


def _facts(engine: Engine, home: Path, journey: Journey) -> Iterator[Finding]:
    behind = EventLog(engine, journey.name).last_position()
    if behind is None:
        return
    try:
        building = current_building(home, journey.name)
    except FactsError as error:
        yield Finding("pages", State.BROKEN, str(error), f"remove {facts_home(home, journey.name)}; they are made anew")
        return
    if building is None:
        yield Finding("pages", State.TODO, "their figures have not been made yet", "dropoff serve makes them")
    elif building.position < behind:
        found = f"{behind - building.position:,} rows of the database came after their figures"
        yield Finding("pages", State.WELL, f"{found}; a running service makes them anew")
    else:
        yield Finding("pages", State.WELL, "their figures hold every event")


def _quarantine(refused: Sequence[RefusedReason]) -> Finding:
    if not refused:
        return Finding("quarantine", State.WELL, "nothing was refused")
    worst = "; ".join(f"{one.rows:,} x {one.reason[:_CHARACTERS_SHOWN]}" for one in refused[:3])
    rows = sum(one.rows for one in refused)
    return Finding(
        "quarantine",
        State.TODO,
        f"{rows:,} events were refused: {worst}",
        "have their senders changed; examples follow",
    )
