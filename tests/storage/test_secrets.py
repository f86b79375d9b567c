"""Secrets of an installation."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.secrets import SecretUnreadable, local_secret


def test_a_secret_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    made = local_secret(tmp_path, "ids")
    assert len(made) == 32
    assert local_secret(tmp_path, "ids") == made
    assert local_secret(tmp_path, "cookies") != made
    assert stat.S_IMODE((tmp_path / "secrets" / "ids").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "secrets").iterdir()) == ["cookies", "ids"]


def test_many_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: local_secret(tmp_path, "ids"), range(64)))) == 1


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    local_secret(tmp_path, "ids")
    (tmp_path / "secrets" / "ids").chmod(0o644)
    with pytest.raises(SecretUnreadable, match="chmod 600"):
        local_secret(tmp_path, "ids")


def test_a_secret_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    local_secret(tmp_path, "ids")
    (tmp_path / "secrets" / "ids").write_bytes(b"short")
    with pytest.raises(SecretUnreadable, match="5 bytes"):
        local_secret(tmp_path, "ids")
