"""The registry that replicas share: homes that have nothing in common but a database come to hold the same."""

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from storage.database import open_database, writing
from storage.digest import DigestMismatch, verify_digest
from storage.history import Action
from storage.models import (
    ChallengerMoved,
    ChampionMoved,
    challenger_version,
    champion_history,
    champion_version,
    model_folder,
    point_challenger,
    point_champion,
    publish,
    versions,
    withdraw_challenger,
)
from storage.policies import live_version, point_live, policy_versions, publish_policy, withdraw_live
from storage.registry import NotJoined
from storage.registry_tables import registry_files
from storage.shared_registry import SharedRegistry, VersionTaken, shared_home

Join = Callable[..., Path]


def write(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "model.txt").write_text(text)
        (folder / "part").mkdir()
        (folder / "part" / "more.json").write_text("{}")

    return fill


@pytest.fixture
def join(address: str, tmp_path: Path) -> Iterator[Join]:
    """Join a home of that name to the database, as a process of its own would, until the test ends."""
    with ExitStack() as stack:

        def joining(name: str, *, whole: bool = True) -> Path:
            engine = open_database(address)
            stack.callback(engine.dispose)
            stack.enter_context(shared_home(engine, tmp_path / name, "shop", whole=whole))
            return tmp_path / name

        yield joining


def draw(engine: Engine, home: Path) -> None:
    SharedRegistry(engine).draw(home, "shop")


def test_what_one_home_promotes_another_comes_to_hold_with_its_history(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    publish(here, "shop", "2", write("two"))
    point_champion(here, "shop", "1", reason="the first", now=datetime(2026, 3, 1, tzinfo=UTC))
    point_champion(here, "shop", "2", reason="better")
    assert champion_version(there, "shop") is None
    draw(engine, there)
    assert champion_version(there, "shop") == "2"
    verify_digest(model_folder(there, "shop", "2"))
    assert (model_folder(there, "shop", "2") / "model.txt").read_text() == "two"
    assert champion_history(there, "shop") == champion_history(here, "shop")
    told = [(one.version, one.previous, one.reason) for one in champion_history(there, "shop").promotions]
    assert told == [("1", None, "the first"), ("2", "1", "better")]
    # A service needs the version that is pointed to; a command has all.
    assert versions(there, "shop") == ("2",)
    SharedRegistry(engine).draw(there, "shop", whole=True)
    assert versions(there, "shop") == ("1", "2")


def test_challenger_and_policies_are_shared_and_withdrawn_for_all(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    publish_policy(here, "shop", "3", write("a policy"))
    publish_policy(here, "shop", "4", write("another"))
    point_challenger(here, "shop", "1")
    point_live(here, "shop", "3")
    draw(engine, there)
    assert (challenger_version(there, "shop"), live_version(there, "shop")) == ("1", "3")
    # Experiments name policies that are not live.
    assert policy_versions(there, "shop") == ("3", "4")
    withdraw_challenger(there, "shop", reason="seen enough")
    withdraw_live(there, "shop")
    draw(engine, here)
    assert (challenger_version(here, "shop"), live_version(here, "shop")) == (None, None)


def test_of_two_that_promote_at_once_one_is_told_and_has_the_other_s(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    for version in "123":
        publish(here, "shop", version, write(version))
    point_champion(here, "shop", "1")
    SharedRegistry(engine).draw(there, "shop", whole=True)
    point_champion(here, "shop", "2", instead_of="1")
    with pytest.raises(ChampionMoved, match="version 2 became champion of shop meanwhile, nothing was changed"):
        point_champion(there, "shop", "3", instead_of="1")
    # Who tries again with what it sees now must get on.
    assert champion_version(there, "shop") == "2"
    point_champion(there, "shop", "3", instead_of="2")
    assert [one.version for one in champion_history(there, "shop").promotions] == ["1", "2", "3"]


def test_whoever_moves_pointers_at_once_the_history_is_one_chain(join: Join, engine: Engine) -> None:
    homes = [join(name) for name in ("a", "b", "c")]
    for version in "12":
        publish(homes[0], "shop", version, write(version))
    for home in homes:
        SharedRegistry(engine).draw(home, "shop", whole=True)

    def move(home: Path) -> None:
        for number in range(5):
            point_champion(home, "shop", "12"[number % 2])

    threads = [threading.Thread(target=move, args=(home,)) for home in homes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for home in homes:
        draw(engine, home)
        lines = champion_history(home, "shop").promotions
        assert len(lines) == 15
        assert [line.previous for line in lines] == [None, *(line.version for line in lines[:-1])]
        assert champion_version(home, "shop") == lines[-1].version


def test_a_home_with_a_champion_brings_it_in_where_nothing_is_shared_yet(
    join: Join, engine: Engine, tmp_path: Path
) -> None:
    for name, version in (("here", "1"), ("late", "9")):
        publish(tmp_path / name, "shop", version, write(version))
        point_champion(tmp_path / name, "shop", version, reason="before")
    join("here")
    there, late = join("there"), join("late")
    assert champion_version(there, "shop") == "1"
    assert champion_history(there, "shop").promotions[0].reason == "before"
    # The first one counts; what the other's history was stands beside it.
    assert champion_version(late, "shop") == "1"
    assert '"9"' in (late / "models" / "shop" / "champions.jsonl.aside").read_text()


def test_a_version_whose_shared_files_were_changed_is_not_taken(join: Join, engine: Engine) -> None:
    import zlib

    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    point_champion(here, "shop", "1")
    draw(engine, there)
    publish(here, "shop", "2", write("two"))
    point_champion(here, "shop", "2")
    with writing(engine) as connection:
        forged = registry_files.c.version == "2", registry_files.c.name == "model.txt"
        connection.execute(update(registry_files).where(*forged).values(content=zlib.compress(b"three")))
    with pytest.raises(DigestMismatch, match=r"model\.txt"):
        draw(engine, there)
    assert champion_version(there, "shop") == "1"
    assert versions(there, "shop") == ("1",)


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "part/../../outside.txt", "..", ".hidden"])
def test_a_file_s_name_that_leads_elsewhere_is_written_nowhere(
    join: Join, engine: Engine, tmp_path: Path, name: str
) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    point_champion(here, "shop", "1")
    with writing(engine) as connection:
        connection.execute(update(registry_files).where(registry_files.c.name == "model.txt").values(name=name))
    with pytest.raises(DigestMismatch, match="names that lead elsewhere"):
        draw(engine, there)
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_number_that_another_machine_has_given_is_taken_and_not_given_again(
    join: Join, engine: Engine, tmp_path: Path
) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    publish(here, "shop", "1", write("one"))
    with pytest.raises(VersionTaken, match="another model is version 1 of shop in the registry"):
        publish(there, "shop", "1", write("other"))


def test_a_copy_is_not_changed_by_who_has_not_joined(address: str, tmp_path: Path) -> None:
    engine = open_database(address)
    with shared_home(engine, tmp_path, "shop"):
        publish(tmp_path, "shop", "1", write("one"))
        point_champion(tmp_path, "shop", "1")
    with pytest.raises(NotJoined, match="set DROPOFF_DATABASE_URL to their database, or remove"):
        point_champion(tmp_path, "shop", "1", action=Action.ROLLBACK)
    assert len(champion_history(tmp_path, "shop").promotions) == 1
    (tmp_path / "models" / "shop" / ".shared").unlink()
    point_champion(tmp_path, "shop", "1")
    engine.dispose()


def test_a_look_at_a_registry_that_has_not_moved_says_so(join: Join, engine: Engine) -> None:
    here, there, sharing = join("here"), join("there"), SharedRegistry(engine)
    empty = sharing.standing("shop")
    publish(here, "shop", "1", write("one"))
    published = sharing.standing("shop")
    point_champion(here, "shop", "1")
    moved = sharing.standing("shop")
    assert len({empty, published, moved}) == 3
    assert sharing.standing("shop") == moved
    assert sharing.agrees(here, "shop")
    assert not sharing.agrees(there, "shop")


def test_a_challenger_of_a_home_that_joins_second_is_not_that_of_all(
    join: Join, engine: Engine, tmp_path: Path
) -> None:
    for name in ("here", "late"):
        publish(tmp_path / name, "shop", "1", write(name))
        point_champion(tmp_path / name, "shop", "1")
    publish(tmp_path / "late", "shop", "2", write("its own"))
    point_challenger(tmp_path / "late", "shop", "2")
    here = join("here")
    publish(here, "shop", "2", write("another"))
    late = join("late")
    assert challenger_version(late, "shop") is None
    draw(engine, here)
    assert challenger_version(here, "shop") is None
    assert (model_folder(late, "shop", "2") / "model.txt").read_text() == "another"


def test_what_a_home_had_under_numbers_of_others_is_kept_aside(join: Join, tmp_path: Path) -> None:
    for name in ("here", "late"):
        publish(tmp_path / name, "shop", "1", write(name))
        point_champion(tmp_path / name, "shop", "1")
    join("here")
    late = join("late")
    assert (model_folder(late, "shop", "1") / "model.txt").read_text() == "here"
    [aside] = (late / "models" / "shop").glob(".1.aside-*")
    verify_digest(aside)
    assert (aside / "model.txt").read_text() == "late"
    assert versions(late, "shop") == ("1",)


def test_a_damaged_champion_hinders_nobody_from_joining_and_promoting_another(join: Join, tmp_path: Path) -> None:
    for version in "12":
        publish(tmp_path / "here", "shop", version, write(version))
    point_champion(tmp_path / "here", "shop", "2", reason="before")
    (tmp_path / "here" / "models" / "shop" / "2" / "model.txt").write_text("torn")
    (tmp_path / "here" / "models" / "shop" / "1 (copy)").mkdir()
    (tmp_path / "here" / "models" / "shop" / "1 (copy)" / "digest.json").write_text("{}")
    here = join("here")
    assert champion_version(here, "shop") == "2"
    point_champion(here, "shop", "1", instead_of="2")
    there = join("there")
    assert [one.version for one in champion_history(there, "shop").promotions] == ["2", "1"]
    assert versions(there, "shop") == ("1",)


def test_a_live_policy_whose_number_is_another_s_is_told_with_a_way_out(join: Join, tmp_path: Path) -> None:
    publish_policy(tmp_path / "late", "shop", "1", write("late"))
    point_live(tmp_path / "late", "shop", "1")
    publish_policy(join("here"), "shop", "1", write("here"))
    folder = tmp_path / "late" / "policies" / "shop"
    with pytest.raises(VersionTaken, match=f"policy 1 of shop is another one .* move {folder} elsewhere"):
        join("late")
    folder.rename(tmp_path / "elsewhere")
    assert policy_versions(join("late"), "shop") == ("1",)


def test_a_copy_that_was_damaged_is_fetched_anew(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    point_champion(here, "shop", "1")
    draw(engine, there)
    (model_folder(there, "shop", "1") / "model.txt").write_text("torn")
    draw(engine, there)
    verify_digest(model_folder(there, "shop", "1"))
    assert not list((there / "models" / "shop").glob(".1.aside*"))


def test_shared_files_that_cannot_be_unpacked_are_not_taken(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    point_champion(here, "shop", "1")
    with writing(engine) as connection:
        connection.execute(update(registry_files).where(registry_files.c.name == "model.txt").values(content=b"torn"))
    with pytest.raises(DigestMismatch, match=r"model\.txt of version 1 is damaged where it is shared"):
        draw(engine, there)
    assert champion_version(there, "shop") is None


def test_who_waits_for_another_to_copy_copies_nothing_older(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    for version in "12":
        publish(here, "shop", version, write(version))
    point_champion(here, "shop", "1")
    draw(engine, there)
    waiting = threading.Thread(target=draw, args=(engine, there))
    with (there / "models" / "shop" / ".shared").open() as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        waiting.start()
        # Time to have read what stands now, and to wait for its turn.
        waiting.join(0.5)
        point_champion(here, "shop", "2")
    waiting.join()
    assert champion_version(there, "shop") == "2"
    assert not (there / "models" / "shop" / "champions.jsonl.aside").exists()


def test_of_two_that_withdraw_the_second_is_told_that_nothing_is_pointed_to(join: Join, engine: Engine) -> None:
    here, there = join("here"), join("there")
    publish(here, "shop", "1", write("one"))
    point_challenger(here, "shop", "1")
    draw(engine, there)
    withdraw_challenger(here, "shop")
    with pytest.raises(ChallengerMoved, match="no version is challenger of shop any more, nothing was changed"):
        withdraw_challenger(there, "shop")


def test_a_damaged_version_that_nobody_goes_by_hinders_nobody(
    join: Join, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = join("here"), join("there")
    for version in "12":
        publish_policy(here, "shop", version, write(version))
    point_live(here, "shop", "2")
    with writing(engine) as connection:
        connection.execute(update(registry_files).where(registry_files.c.version == "1").values(content=b"torn"))
    draw(engine, there)
    assert (live_version(there, "shop"), policy_versions(there, "shop")) == ("2", ("2",))
    assert "Version 1 of shop is not fetched" in caplog.text


def test_in_place_of_a_damaged_champion_another_can_be_named_from_any_home(join: Join, engine: Engine) -> None:
    here = join("here")
    for version in "12":
        publish(here, "shop", version, write(version))
        point_champion(here, "shop", version)
    with writing(engine) as connection:
        connection.execute(update(registry_files).where(registry_files.c.version == "2").values(content=b"torn"))
    with pytest.raises(DigestMismatch):
        join("a service", whole=False)
    command = join("a command")
    assert champion_version(command, "shop") is None
    point_champion(command, "shop", "1")
    assert champion_version(command, "shop") == "1"
    assert champion_version(join("a service", whole=False), "shop") == "1"
