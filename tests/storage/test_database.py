"""Opening, migrating and what SQLite is told to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from storage.database import DatabaseError, Durability, database_url, migrate, open_database
from storage.schema import metadata
from storage.tables import events

ROOT = Path(__file__).parents[2]


def test_migrations_lead_to_the_tables_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_every_table_can_be_taken_back_and_made_again(engine: Engine) -> None:
    with engine.connect() as connection:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(ROOT / "storage" / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    assert inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())


def test_opening_twice_keeps_what_is_there(tmp_path: Path) -> None:
    first = open_database(database_url(tmp_path))
    with first.begin() as connection:
        connection.execute(
            text("INSERT INTO quarantine (journey, received_at_us, reason, payload) VALUES ('j',1,'r','p')")
        )
    first.dispose()
    second = open_database(database_url(tmp_path))
    with second.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM quarantine")).scalar() == 1
    second.dispose()


@pytest.mark.parametrize(("durability", "level"), [(Durability.NORMAL, 1), (Durability.FULL, 2)])
def test_sqlite_writes_ahead_and_waits_as_told(tmp_path: Path, durability: Durability, level: int) -> None:
    engine = open_database(database_url(tmp_path), durability)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == level
        assert connection.execute(text("PRAGMA secure_delete")).scalar() == 1
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 10_000
    engine.dispose()


def test_a_file_that_is_no_database_is_refused_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "dropoff.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(DatabaseError, match=r"dropoff.db cannot be opened \(file is not a database\)"):
        open_database(database_url(tmp_path))


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match=r"of another version of dropoff .*'later'"):
        open_database(database_url(tmp_path))


def test_a_database_that_lacks_a_table_is_refused_before_the_first_request(tmp_path: Path) -> None:
    engine = open_database(database_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE quarantine"))
    engine.dispose()
    with pytest.raises(DatabaseError, match="no such table: quarantine"):
        open_database(database_url(tmp_path))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("dropoff.db", "address is none: write it like sqlite:"),
        ("postgresql+psycopg://me:secret@127.0.0.1:secret/shop", "address is none"),
        ("mysql://me:secret@127.0.0.1/shop", "write sqlite or postgresql"),
        ("nonsense://x", "write sqlite or postgresql"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/shop", "cannot be opened .*: check that the server runs"),
        ("sqlite:////proc/none/dropoff.db", "cannot be opened .*folder is writable"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(DatabaseError, match=said) as caught:
        open_database(url)
    assert "secret" not in str(caught.value)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_database(database_url(tmp_path / "home"))


def test_migrations_run_without_the_checkout_as_working_directory(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from storage.database import *; "
        "open_database(database_url(Path('here'))).dispose(); print(Path('here/dropoff.db').exists())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
    assert done.stderr == ""


def test_events_keep_their_positions_through_the_migrations_and_users_are_found_by_an_index(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    row = {"journey": "j", "session_id": "s", "visitor_id": "v", "name": "n", "occurred_at_us": 1, "received_at_us": 1}
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(ROOT / "storage" / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")
        connection.execute(
            events.insert(),
            [row | {"position": 7 * number, "event_id": f"e{number}", "properties": "{}"} for number in range(1, 4)],
        )
        connection.commit()
    migrate(engine)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT position, event_id FROM events ORDER BY position")).all()
        asked = "SELECT session_id FROM events WHERE journey = 'j' AND user_id = 'u' ORDER BY occurred_at_us DESC"
        if engine.dialect.name == "sqlite":
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
        else:
            connection.execute(text("SET enable_seqscan = off"))
            plan = connection.execute(text(f"EXPLAIN {asked}")).all()
    assert [tuple(one) for one in kept] == [(7, "e1"), (14, "e2"), (21, "e3")]
    assert "ix_events_journey_user_id_occurred_at_us" in str(plan)
