"""What was kept comes back, whichever kind of database it came from and goes to."""

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from filled_database import ROWS, every_row, fill, kept, put
from sqlalchemy import Engine, delete, func, insert, select, text

from storage.backup.archive import Archive, open_archive
from storage.backup.make import make_backup
from storage.database import database_url, migrate, open_database, reach_database, writing
from storage.models import point_champion, publish
from storage.registry_tables import registry_files, serving_processes
from storage.running_tables import follow_ups, leases
from storage.schema import metadata
from storage.tables import annotations, events


def test_every_row_of_every_table_comes_back_in_either_kind_of_database(
    engine: Engine, address: str, other_address: str, home: Path, tmp_path: Path
) -> None:
    fill(engine)
    expected = every_row(engine)
    assert all(len(rows) == ROWS for rows in expected.values())

    put(kept(address, home), other_address, tmp_path / "new home")

    other = open_database(other_address)
    found = every_row(other)
    other.dispose()
    # What was being done when the backup was made is done by nobody any more.
    for row in expected[leases.name]:
        row["until_us"] = 0
    expected[serving_processes.name] = []
    for row, restored in zip(expected[follow_ups.name], found[follow_ups.name], strict=True):
        if row["delivered_us"] is None and row["given_up_us"] is None:
            assert restored["given_up_us"] > 0
            row |= {"given_up_us": restored["given_up_us"], "said": "restored from a backup"}
    assert found == expected


def test_numbers_of_rows_that_were_erased_are_not_given_again(
    engine: Engine, address: str, other_address: str, home: Path, tmp_path: Path
) -> None:
    fill(engine)
    with writing(engine) as connection:
        # Rows that came without a number of their own, as they do in service; then the latest of them goes.
        for table in (events, annotations):
            (row,) = connection.execute(select(table).limit(1)).mappings().all()
            key = next(iter(table.primary_key.columns)).name
            unnumbered = {name: value for name, value in row.items() if name != key}
            for number in range(ROWS + 2):
                fresh = unnumbered | ({"event_id": f"fresh-{number}"} if table is events else {})
                if engine.dialect.name == "postgresql" and number < ROWS:
                    connection.execute(text(f"SELECT nextval(pg_get_serial_sequence('{table.name}', '{key}'))"))
                    continue
                connection.execute(insert(table), fresh)
        last = connection.execute(select(func.max(events.c.position))).scalar_one()
        connection.execute(delete(events).where(events.c.position == last))

    put(kept(address, home), other_address, tmp_path / "new home")

    other = open_database(other_address)
    with writing(other) as connection:
        row = dict(connection.execute(select(events).limit(1)).mappings().one()) | {"event_id": "after"}
        del row["position"]
        connection.execute(insert(events), row)
        given = connection.execute(select(events.c.position).where(events.c.event_id == "after")).scalar_one()
    other.dispose()
    assert given > last


def test_numbers_that_the_replaced_database_gave_since_are_not_given_again(
    engine: Engine, address: str, home: Path, tmp_path: Path
) -> None:
    fill(engine)
    backup = kept(address, home)
    with writing(engine) as connection:
        row = dict(connection.execute(select(events).limit(1)).mappings().one())
        connection.execute(insert(events), row | {"event_id": "since", "position": 500})
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT setval(pg_get_serial_sequence('events', 'position'), 500)"))

    put(backup, address, tmp_path / "new home", replace=True)

    del row["position"]
    with writing(engine) as connection:
        connection.execute(insert(events), row | {"event_id": "after"})
        given = connection.execute(select(events.c.position).where(events.c.event_id == "after")).scalar_one()
    assert given == 501


def test_postgresql_knows_at_once_how_much_was_loaded(
    tmp_path: Path, home: Path, copy_tables: Callable[[], str]
) -> None:
    other_address = copy_tables()
    source = open_database(database_url(tmp_path / "kept"))
    fill(source)
    source.dispose()
    put(kept(database_url(tmp_path / "kept"), home), other_address, tmp_path / "new home")
    other = reach_database(other_address)
    with other.connect() as connection:
        known = connection.execute(text("SELECT reltuples FROM pg_class WHERE relname = 'events'")).scalar_one()
    other.dispose()
    # It would be -1 where nobody has counted.
    assert known == ROWS


def test_files_of_models_are_read_a_few_at_a_time(engine: Engine, address: str, home: Path) -> None:
    row = {"area": "models", "journey": "shop", "version": "1", "content": b"trees"}
    with writing(engine) as connection:
        connection.execute(insert(registry_files), [row | {"name": f"{number:03}"} for number in range(40)])
    with open_archive(kept(address, home), "the backup") as archive:
        assert archive.contents.rows["registry_files"] == 40
        assert len(archive.names("database", "registry_files")) == 3
        assert len(archive.names("database", "events")) == 1


def test_a_pointer_that_moves_meanwhile_names_a_version_that_is_in_the_backup(
    engine: Engine, address: str, home: Path
) -> None:
    def publish_another(phase: str, _fraction: float) -> None:
        if phase.startswith("reading models") and not (home / "models/shop/0").exists():
            publish(home, "shop", "0", lambda folder: (folder / "model.txt").write_text("leaves") and None)
            point_champion(home, "shop", "0")

    out = io.BytesIO()
    make_backup(address, home, out, progress=publish_another)
    with open_archive(out, "the backup") as archive:
        pointed = [one.content.read() for one in archive.members("home") if one.name == "home/models/shop/champion"]
        assert pointed == [b"0\n"]
        assert "home/models/shop/0/model.txt" in archive.names("home")


def test_the_rows_are_those_of_one_moment_while_others_write(engine: Engine, address: str, home: Path) -> None:
    fill(engine)
    stop, written = threading.Event(), 0

    def write_pairs() -> None:
        nonlocal written
        with engine.connect() as reading:
            row = dict(reading.execute(select(events).limit(1)).mappings().one())
            note = dict(reading.execute(select(annotations).limit(1)).mappings().one())
        del row["position"], note["id"]
        while not stop.is_set():
            # One transaction, two tables: a reader of two moments would find unequal numbers.
            with writing(engine) as connection:
                connection.execute(insert(events), row | {"event_id": f"pair-{written}"})
                connection.execute(insert(annotations), note)
            written += 1

    if engine.dialect.name == "postgresql":
        # What `fill` numbered by itself, the database does not know of.
        with writing(engine) as connection:
            for table, key in (("events", "position"), ("annotations", "id")):
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), 1000)"))
    writer = threading.Thread(target=write_pairs)
    writer.start()
    try:
        backups = [kept(address, home) for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    pairs = []
    for backup in backups:
        with open_archive(backup, "the backup") as archive:
            rows = archive.contents.rows
            assert rows["events"] == rows["annotations"]
            pairs.append(rows["events"])
    assert pairs[-1] > pairs[0]


def test_a_backup_of_an_older_version_is_brought_up_to_date(
    tmp_path: Path, home: Path, other_address: str, engine: Engine
) -> None:
    old = reach_database(database_url(tmp_path / "old"))
    migrate(old, "0009")
    with writing(old) as connection:
        connection.execute(
            text(
                "INSERT INTO annotations (journey, at_us, kind, text, author, created_us) "
                "VALUES ('shop', 1, 'other', 'then', 'me', 2)"
            )
        )
    backup = kept(database_url(tmp_path / "old"), home)
    old.dispose()

    put(backup, other_address, tmp_path / "new home")

    other = open_database(other_address)
    assert other.dialect.has_table(other.connect(), "experiments")
    assert [row["text"] for row in every_row(other)["annotations"]] == ["then"]
    other.dispose()


def test_a_home_comes_back_with_its_secrets_unreadable_to_others(
    engine: Engine, address: str, home: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new home"
    put(kept(address, home), database_url(tmp_path / "other"), new)
    files = {path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file()}
    assert files == {
        "models/shop/1/digest.json",
        "models/shop/1/model.txt",
        "models/shop/champion",
        "models/shop/champions.jsonl",
        "secrets/cookie",
    }
    assert (new / "models/shop/1/model.txt").read_text() == "trees"
    assert (new / "models/shop/champion").read_text() == "1\n"
    assert (new / "secrets/cookie").read_bytes() == (home / "secrets/cookie").read_bytes()
    assert (new / "secrets/cookie").stat().st_mode & 0o777 == 0o600
    assert (new / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_secrets_and_the_database_can_be_left_out(engine: Engine, address: str, home: Path) -> None:
    out = io.BytesIO()
    make_backup(address, home, out, with_database=False, with_secrets=False)
    with open_archive(out, "the backup") as archive:
        assert _folders(archive) == {"backup.json", "home/models"}


def _folders(archive: Archive) -> set[str]:
    return {"/".join(name.split("/")[:2]) for name in archive.contents.files}


@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_backup_is_read_from_a_pipe(chunk: int, engine: Engine, address: str, home: Path, tmp_path: Path) -> None:
    content = kept(address, home).getvalue()

    class Pipe(io.RawIOBase):
        place = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            part = content[self.place : self.place + min(chunk * 64, len(buffer))]
            buffer[: len(part)] = part
            self.place += len(part)
            return len(part)

    with open_archive(io.BufferedReader(Pipe()), "the pipe") as archive:
        assert set(archive.contents.rows) == set(metadata.tables)
