"""Published models: whole or not there, unchanged since, and one champion that never points nowhere."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.models import (
    DigestMismatch,
    ModelNotFound,
    champion_folder,
    champion_version,
    model_folder,
    point_champion,
    publish,
    trained_on,
    verify_digest,
    versions,
)


def _write(text: str):
    return lambda folder: (folder / "model.txt").write_text(text) and None


def test_a_published_model_is_found_and_unchanged(tmp_path: Path) -> None:
    folder = publish(tmp_path, "shop", "1", _write("one"))
    assert model_folder(tmp_path, "shop", "1") == folder
    assert (folder / "model.txt").read_text() == "one"
    verify_digest(folder)


def test_versions_come_the_oldest_first_by_number(tmp_path: Path) -> None:
    for version in ("10", "2", "1"):
        publish(tmp_path, "shop", version, _write(version))
    assert versions(tmp_path, "shop") == ("1", "2", "10")
    assert versions(tmp_path, "loan") == ()


def test_a_model_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    publish(tmp_path, "shop", "1", _write("one"))

    def fail(folder: Path) -> None:
        (folder / "model.txt").write_text("half")
        raise RuntimeError("disk full")

    for version in ("1", "2"):
        with pytest.raises(RuntimeError, match="disk full"):
            publish(tmp_path, "shop", version, fail)
    assert (model_folder(tmp_path, "shop", "1") / "model.txt").read_text() == "one"
    assert [path.name for path in (tmp_path / "models" / "shop").iterdir()] == ["1"]


def test_publishing_a_version_again_replaces_it(tmp_path: Path) -> None:
    publish(tmp_path, "shop", "1", _write("one"))
    folder = publish(tmp_path, "shop", "1", _write("other"))
    assert (folder / "model.txt").read_text() == "other"
    verify_digest(folder)


def test_the_champion_is_a_published_version(tmp_path: Path) -> None:
    publish(tmp_path, "shop", "1", _write("one"))
    assert champion_version(tmp_path, "shop") is None
    with pytest.raises(ModelNotFound, match="run `dropoff train shop --log PATH` first"):
        champion_folder(tmp_path, "shop")
    with pytest.raises(ModelNotFound, match=r"no model version '2' .*versions: 1"):
        point_champion(tmp_path, "shop", "2")
    point_champion(tmp_path, "shop", "1")
    assert champion_version(tmp_path, "shop") == "1"
    assert champion_folder(tmp_path, "shop") == model_folder(tmp_path, "shop", "1")
    assert sorted(path.name for path in (tmp_path / "models" / "shop").iterdir()) == [
        "1",
        "champion",
        "champions.jsonl",
    ]


@pytest.mark.parametrize("pointer", [b"", b"2", b"\xff\xfe\x00", b"../..", b"\x00"])
def test_a_pointer_that_leads_nowhere_is_no_model(tmp_path: Path, pointer: bytes) -> None:
    publish(tmp_path, "shop", "1", _write("one"))
    (tmp_path / "models" / "shop" / "champion").write_bytes(pointer)
    with pytest.raises(ModelNotFound):
        champion_folder(tmp_path, "shop")


def test_a_file_that_was_changed_added_or_removed_is_noticed(tmp_path: Path) -> None:
    folder = publish(tmp_path, "shop", "1", _write("one"))
    (folder / "model.txt").write_text("two")
    with pytest.raises(DigestMismatch, match=r"model\.txt"):
        verify_digest(folder)
    (folder / "model.txt").write_text("one")
    (folder / "more.txt").write_text("x")
    with pytest.raises(DigestMismatch, match=r"more\.txt"):
        verify_digest(folder)
    (folder / "more.txt").unlink()
    (folder / "model.txt").unlink()
    with pytest.raises(DigestMismatch, match=r"model\.txt"):
        verify_digest(folder)


@pytest.mark.parametrize("digests", [b"{", b"[]", b"\xff", b"{}", b'"x"'])
def test_digests_that_were_changed_are_noticed(tmp_path: Path, digests: bytes) -> None:
    folder = publish(tmp_path, "shop", "1", _write("one"))
    (folder / "digest.json").write_bytes(digests)
    with pytest.raises(DigestMismatch, match="changed after it was published"):
        verify_digest(folder)


def test_models_that_may_have_learnt_from_a_time_are_those_whose_data_spans_it(tmp_path: Path) -> None:
    def write(first_us: int, last_us: int) -> Callable[[Path], None]:
        card = json.dumps({"data": {"first_at_us": first_us, "last_at_us": last_us}})
        return lambda folder: _put(folder / "card.json", card)

    publish(tmp_path, "shop", "1", write(0, 10))
    publish(tmp_path, "shop", "2", write(20, 30))
    publish(tmp_path, "shop", "3", lambda folder: _put(folder / "other.json", "{}"))
    assert trained_on(tmp_path, "shop", 10, 19) == ("1", "3")
    assert trained_on(tmp_path, "shop", 11, 19) == ("3",)
    assert trained_on(tmp_path, "shop", 0, 99) == ("1", "2", "3")


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("version", ["../1", "../../elsewhere/1", "/etc", "", ".", "..", "1/../1", ".hidden"])
def test_a_version_cannot_lead_out_of_the_registry(tmp_path: Path, version: str) -> None:
    publish(tmp_path, "shop", "1", _write("one"))
    publish(tmp_path / "models", "elsewhere", "1", _write("other"))
    with pytest.raises(ModelNotFound):
        model_folder(tmp_path, "shop", version)
    (tmp_path / "models" / "shop" / "champion").write_text(version)
    with pytest.raises(ModelNotFound):
        champion_folder(tmp_path, "shop")


def test_a_folder_that_is_a_link_out_of_the_registry_is_no_model(tmp_path: Path) -> None:
    publish(tmp_path, "shop", "1", _write("one"))
    outside = publish(tmp_path / "outside", "shop", "1", _write("other"))
    (tmp_path / "models" / "shop" / "2").symlink_to(outside)
    with pytest.raises(ModelNotFound):
        model_folder(tmp_path, "shop", "2")
    # Within the registry it would be found, and is refused before anything of it is read.
    (tmp_path / "models" / "shop" / "3").symlink_to(tmp_path / "models" / "shop" / "1")
    with pytest.raises(DigestMismatch, match="is a link"):
        verify_digest(model_folder(tmp_path, "shop", "3"))


@pytest.mark.parametrize("place", ["model.txt", "another.txt", "sub/file.txt"])
def test_a_link_in_a_model_is_refused_even_to_the_same_content(tmp_path: Path, place: str) -> None:
    folder = publish(tmp_path, "shop", "1", _write("one"))
    copy = tmp_path / "copy.txt"
    copy.write_text("one")
    link = folder / place
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(copy)
    with pytest.raises(DigestMismatch, match="is a link"):
        verify_digest(folder)


@pytest.mark.parametrize("name", ["more.txt", ".hidden", "sub/digest.json", "sub/model.txt"])
def test_no_file_is_beyond_the_digests(tmp_path: Path, name: str) -> None:
    folder = publish(tmp_path, "shop", "1", _write("one"))
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(DigestMismatch, match=name.replace(".", r"\.")):
        verify_digest(folder)


def test_a_file_that_is_missing_or_not_regular_is_refused(tmp_path: Path) -> None:
    folder = publish(tmp_path, "shop", "1", _write("one"))
    os.mkfifo(folder / "pipe")
    with pytest.raises(DigestMismatch, match="no file at all"):
        verify_digest(folder)
    (folder / "pipe").unlink()
    (folder / "model.txt").unlink()
    with pytest.raises(DigestMismatch, match=r"model\.txt"):
        verify_digest(folder)
