"""Servers that many tests share, one of each, and a database of its own for every test, in SQLite and PostgreSQL."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import PostgresServer
from sqlalchemy import Engine

from storage.database import database_url, open_database
from storage.writer import Writer

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests, each of which makes a database of its own in it."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def copy_tables(postgres_server: PostgresServer) -> Callable[[], str]:
    """Make a PostgreSQL database that has all tables, as a copy of one that was migrated, and return its address."""
    open_database(postgres_server.new_database("storage")).dispose()
    return lambda: postgres_server.new_database(f"storage-{next(_NUMBERS)}", template="storage")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of one's own."""
    if request.param == "sqlite":
        return database_url(tmp_path)
    copying: Callable[[], str] = request.getfixturevalue("copy_tables")
    return copying()


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    opened = open_database(address)
    yield opened
    opened.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    opened = Writer(engine)
    yield opened
    opened.close()
