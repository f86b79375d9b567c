"""Which failures are the database's, and what is said about them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from servers import free_port
from sqlalchemy import create_engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from storage.database import database_url, open_database
from storage.failures import explain, is_lost, is_unavailable
from storage.tables import outcomes, quarantine

ORPHAN = {"decision_id": "none", "outcome": "shown", "at_us": 1}


def _failure(act: Callable[[], object]) -> SQLAlchemyError:
    with pytest.raises(SQLAlchemyError) as caught:
        act()
    return caught.value


def test_what_was_asked_is_at_fault_where_a_row_breaks_a_rule(address: str) -> None:
    engine = open_database(address)
    with engine.connect() as connection:
        for table, row in ((quarantine, {"journey": "j"}), (outcomes, ORPHAN)):
            error = _failure(lambda table=table, row=row: connection.execute(insert(table), row))
            connection.rollback()
            assert not is_unavailable(error)
    engine.dispose()


def test_a_server_that_nobody_started_is_unavailable() -> None:
    engine = create_engine(f"postgresql+psycopg://me@127.0.0.1:{free_port()}/none")
    error = _failure(engine.connect)
    assert is_unavailable(error)
    assert "refused" in explain(error)


def test_a_connection_that_the_server_ended_is_lost_and_unavailable(copy_tables: Callable[[], str]) -> None:
    engine = open_database(copy_tables())
    with engine.connect() as connection:
        error = _failure(lambda: connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())"))
        assert is_lost(error)
        assert is_unavailable(error)
    engine.dispose()


def test_a_damaged_file_is_unavailable_and_the_text_says_how_to_save_it(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path))
    rows = [{"journey": "j", "received_at_us": 1, "reason": "r", "payload": "p" * 1_000} for _ in range(200)]
    with engine.begin() as connection:
        connection.execute(insert(quarantine), rows)
    engine.dispose()
    path = tmp_path / "dropoff.db"
    content = bytearray(path.read_bytes())
    for page in range(content.index(b"p" * 900) // 4_096, len(content) // 4_096):
        content[page * 4_096 : page * 4_096 + 100] = b"\xff" * 100
    path.write_bytes(content)
    damaged = create_engine(database_url(tmp_path))
    with damaged.connect() as connection:
        error = _failure(lambda: connection.execute(select(quarantine)).all())
    damaged.dispose()
    assert is_unavailable(error)
    assert not is_lost(error)
    assert "malformed" in explain(error)
    assert ".recover" in explain(error)


def test_a_lock_that_another_holds_is_unavailable(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path))
    with engine.connect() as holding, engine.connect() as waiting:
        waiting.exec_driver_sql("PRAGMA busy_timeout = 10")
        waiting.rollback()
        holding.execution_options(immediate=True).begin()
        row = {"journey": "j", "received_at_us": 1, "reason": "r", "payload": "p"}
        error = _failure(lambda: waiting.execute(insert(quarantine), row))
    engine.dispose()
    assert is_unavailable(error)
    assert "another process writes" in explain(error)
