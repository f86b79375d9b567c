"""``dropoff follow-ups`` as people type it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import call

from storage.database import database_url, open_database, writing
from storage.follow_ups import FollowUp, FollowUps

pytestmark = pytest.mark.xdist_group("cli")
MOMENT_US = 1_772_368_200_000_000  # 2026-03-01T12:30:00Z


def test_what_was_given_up_is_listed_with_its_reason_and_sent_again_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    assert call("follow-ups", "ecommerce").out == "0 delivered, 0 pending, 0 given up.\n"
    engine = open_database(database_url(tmp_path / "home"))
    store = FollowUps(engine, "ecommerce")
    with writing(engine) as connection:
        for name in ("a", "b", "c"):
            store.add(connection, FollowUp(name, "s", "v", "d", "email", '{"x":1}', MOMENT_US, MOMENT_US))
        store.give_up(connection, "b", MOMENT_US, "status 410")
        store.record_delivery(connection, "c", MOMENT_US)
    first, second, last = call("follow-ups", "ecommerce", "--json", "out.json").out.splitlines()
    assert first == "2026-03-01T12:30:00Z  a  email: 0 attempts, the next one from 2026-03-01T12:30:00Z on"
    assert second == "2026-03-01T12:30:00Z  b  email: given up after 0 attempts (status 410)"
    assert last == "1 delivered, 1 pending, 1 given up."
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["counts"] == {"pending": 1, "delivered": 1, "given_up": 1}
    assert [one["id"] for one in told["follow_ups"]] == ["a", "b"]
    again = call("follow-ups", "ecommerce", "--retry").out.splitlines()
    assert (again[0], again[-1]) == ("1 will be sent again.", "1 delivered, 2 pending, 0 given up.")
    engine.dispose()
