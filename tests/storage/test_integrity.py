"""Damage is found, whatever it hit, and a sound database is called so."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, insert, text

from storage.database import database_url, open_database
from storage.integrity import check_integrity
from storage.tables import quarantine

_PAGE_BYTES = 4_096


def _filled(folder: Path) -> Path:
    engine = open_database(database_url(folder))
    with engine.begin() as connection:
        rows = [
            {
                "journey": "j",
                "received_at_us": number,
                "visitor_id": f"v{number}",
                "reason": "r",
                "payload": f"{number:04}" * 225,
            }
            for number in range(500)
        ]
        connection.execute(insert(quarantine), rows)
    engine.dispose()
    return folder / "dropoff.db"


def _damage(path: Path, needle: bytes) -> None:
    content = bytearray(path.read_bytes())
    start = content.index(needle) // _PAGE_BYTES * _PAGE_BYTES
    content[start : start + 64] = bytes(64)
    path.write_bytes(content)


def test_a_sound_database_is_sound(engine: Engine) -> None:
    assert check_integrity(engine) == []


def test_a_page_of_a_table_that_was_overwritten_is_found(tmp_path: Path) -> None:
    path = _filled(tmp_path)
    engine = open_database(database_url(tmp_path))
    assert check_integrity(engine) == []
    engine.dispose()
    _damage(path, b"0250" * 200)
    engine = open_database(database_url(tmp_path))
    assert check_integrity(engine)
    engine.dispose()


def test_an_index_that_does_not_match_its_table_is_found(tmp_path: Path) -> None:
    _filled(tmp_path)
    engine = open_database(database_url(tmp_path))
    with engine.begin() as connection:
        # SQLite lets its own description of the tables be changed, which makes it overlook the index.
        kept = "type = 'index' AND name = 'ix_quarantine_journey_visitor_id'"
        described = connection.execute(text(f"SELECT sql, rootpage FROM sqlite_master WHERE {kept}")).one()
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        connection.execute(text(f"DELETE FROM sqlite_master WHERE {kept}"))
    engine.dispose()
    engine = open_database(database_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM quarantine WHERE received_at_us < 3"))
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        connection.execute(
            text(
                "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) "
                "VALUES ('index', 'ix_quarantine_journey_visitor_id', 'quarantine', :rootpage, :sql)"
            ),
            {"rootpage": described.rootpage, "sql": described.sql},
        )
    engine.dispose()
    engine = open_database(database_url(tmp_path))
    assert any("ix_quarantine_journey_visitor_id" in one for one in check_integrity(engine))
    engine.dispose()


def test_a_table_of_postgresql_that_is_gone_is_found(copy_tables: Callable[[], str]) -> None:
    engine = open_database(copy_tables())
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE quarantine"))
    found = check_integrity(engine)
    engine.dispose()
    assert len(found) == 1
    assert "quarantine" in found[0]
