"""Champions changed under load, on two replicas that have nothing in common but a database: nobody notices.

`python -m benchmarks swap` measures the same for longer, with the commands of an operator's machine.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import shop, shop_model
from newsletter import Ran, call
from servers import PostgresServer, serving

from benchmarks.swap import JOURNEY
from benchmarks.swap_load import Answered, SwapLoad, make_bodies, mixed, switch_seconds, versions_of
from decisions.risk import RiskModel
from journeys.load import load_journey
from storage.database import open_database
from storage.models import champion_version, point_champion, publish, versions
from storage.shared_registry import shared_home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replicas")]

__all__ = ["shop", "shop_model"]  # fixtures

NAME = "ecommerce"
# Replicas hash ids with one key.
SETTINGS = {"shared": 1, "id_secret": "k" * 32, "insights_refresh": 0, "sweep_seconds": 0, "model_watch_seconds": 0.5}
BODIES = make_bodies(40)


@dataclass(frozen=True)
class Swapped:
    """What a load saw while the champion went from the first version to the second, to the third, and back."""

    answers: list[Answered]
    wrong: list[Answered]
    by_version: dict[str, int]
    seconds: list[float | None]
    rolled_back: Ran
    listed: dict[str, object]
    homes: tuple[Path, Path]


@pytest.fixture(scope="module")
def swapped(
    shop_model: RiskModel, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Swapped]:
    folder = tmp_path_factory.mktemp("swap")
    operator, homes = folder / "operator", (folder / "first", folder / "second")
    with ExitStack() as stack:
        address = postgres_server.new_database("swap")
        engine = open_database(address)
        stack.callback(engine.dispose)
        first, second, third = versions_of(shop_model, 3)
        stack.enter_context(shared_home(engine, operator, NAME))
        for one in (first, second, third):
            publish(operator, NAME, one.version, one.save)
        point_champion(operator, NAME, first.version)
        opened = [serving(JOURNEY, home, database_url=address, **SETTINGS) for home in homes]
        ports = [int(stack.enter_context(one).url.rpartition(":")[2]) for one in opened]
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DROPOFF_HOME", str(operator))
        patch.setenv("DROPOFF_DATABASE_URL", address)
        patch.chdir(folder)
        moves: list[tuple[float, str]] = []
        with SwapLoad(ports, BODIES) as load:
            for one in (second, third):
                moves.append((time.time(), one.version))
                point_champion(operator, NAME, one.version, reason="better")
                time.sleep(3)
            moves.append((time.time(), second.version))
            rolled_back = call("rollback", JOURNEY, "--wait")
            moves.append((time.time(), ""))
        call("models", JOURNEY, "--json", "models.json")
        listed = json.loads((folder / "models.json").read_text())
        wrong, by_version = mixed(
            [one for one in load.answers if one.status == 200], BODIES, load_journey(JOURNEY), operator
        )
        seconds = [
            switch_seconds(load.answers, port, version, since, until)
            for (since, version), (until, _) in pairwise(moves)
            for port in ports
        ]
        yield Swapped(load.answers, wrong, by_version, seconds, rolled_back, listed, homes)


def test_no_request_fails_while_champions_change(swapped: Swapped) -> None:
    assert len(swapped.answers) > 300
    assert [one for one in swapped.answers if one.status != 200] == []


def test_every_answer_is_what_the_version_that_it_names_says(swapped: Swapped) -> None:
    assert set(swapped.by_version) == {"7.1", "7.2", "7.3"}
    assert min(swapped.by_version.values()) > 20
    assert swapped.wrong == []


def test_an_answer_that_named_another_version_would_have_been_found(swapped: Swapped) -> None:
    forged = [
        one._replace(answer={**one.answer, "model_version": "7.1"})
        for one in swapped.answers
        if one.answer["model_version"] == "7.3"
    ]
    wrong, _ = mixed(forged, BODIES, load_journey(JOURNEY), swapped.homes[0].parent / "operator")
    assert len(wrong) == len(forged)


def test_every_replica_switches_within_thirty_seconds(swapped: Swapped) -> None:
    assert len(swapped.seconds) == 6
    assert all(seconds is not None and seconds < 30 for seconds in swapped.seconds), swapped.seconds


def test_one_rollback_is_that_of_all_replicas_and_waits_for_them(swapped: Swapped) -> None:
    assert swapped.rolled_back.status == 0, swapped.rolled_back.err
    assert "Version 7.2 is the champion of ecommerce, in place of version 7.3." in swapped.rolled_back.out
    assert "All 2 running processes answer with version 7.2." in swapped.rolled_back.out
    processes = swapped.listed["processes"]
    assert isinstance(processes, list)
    assert [(one["version"], one["refused"]) for one in processes] == [("7.2", "")] * 2


def test_the_homes_came_to_hold_what_they_served_and_no_more(swapped: Swapped) -> None:
    for home in swapped.homes:
        assert champion_version(home, NAME) == "7.2"
        assert versions(home, NAME) == ("7.1", "7.2", "7.3")
