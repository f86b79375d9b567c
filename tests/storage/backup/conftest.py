"""A home to keep, and where to restore it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.database import database_url
from storage.models import point_champion, publish
from storage.secrets import local_secret


@pytest.fixture(params=["sqlite", "postgresql"])
def other_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database to restore into, which nobody has opened yet."""
    if request.param == "sqlite":
        return database_url(tmp_path / "other")
    copying: Callable[[], str] = request.getfixturevalue("copy_tables")
    return copying()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a champion and a secret, and with what is made anew."""
    home = tmp_path / "home"
    publish(home, "shop", "1", lambda folder: _write(folder / "model.txt", "trees"))
    point_champion(home, "shop", "1")
    local_secret(home, "cookie")
    _write(home / "models/shop/.2-half-written/model.txt", "half")
    _write(home / "insights/shop/facts.bin", "made of the log")
    return home


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
