"""One service for all clients, and the log it writes."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from browsers import chromium
from playwright.sync_api import Browser
from real_clients import installed
from servers import Service, serving, wait_for
from web_visits import Site

from features.events import Event
from storage.database import Durability, database_url, open_database
from storage.event_log import EventLog


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, model_home: Path) -> Path:
    copied = tmp_path_factory.mktemp("clients") / "home"
    shutil.copytree(model_home, copied)
    return copied


@pytest.fixture(scope="session")
def service(home: Path) -> Iterator[Service]:
    """The real service, which keeps every property, so that tests see what came."""
    with serving("ecommerce", home, keep_properties="*", insights_refresh=0) as service:
        yield service


Stored = Callable[[str, int], Sequence[Event]]


@pytest.fixture(scope="session")
def stored(home: Path, service: Service) -> Iterator[Stored]:
    """Return a visitor's events in the log, in their order, once there are so many."""
    engine = open_database(database_url(home), Durability.NORMAL)
    log = EventLog(engine, "ecommerce")

    def reading(visitor_id: str, count: int) -> Sequence[Event]:
        wait_for(lambda: len(log.visitor_events(visitor_id)) >= count, seconds=15)
        return sorted(log.visitor_events(visitor_id), key=lambda event: event.occurred_at_us)

    yield reading
    engine.dispose()


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm packages, installed once for all processes that run tests."""
    base = tmp_path_factory.getbasetemp()
    return installed((base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "npm")


# Playwright keeps a loop running in this thread: whatever ran while the browser is open could start none of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()
