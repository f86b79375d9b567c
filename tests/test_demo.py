"""The demo from end to end, as `make demo` runs it, with a real service that must not outlive it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest

from demo import DemoError, choose_exhibits, refuse_to_replace, running_service
from insights.pages.site import PAGES
from journeys.load import load_journey
from storage.models import point_champion, publish
from training.simulator import simulate

pytestmark = pytest.mark.xdist_group("demo")

SESSIONS = 3_000
ROW = re.compile(r"^ ?\d+ +\d+:\d\d +(?P<event>\w+) +(?P<stage>[\w-]+) +[█░]{5} +(?P<risk>\d+)% +(?P<rest>\S.*)$")


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "DROPOFF_HOME": str(folder / "home"), "COLUMNS": "100"}


def processes_of(folder: Path) -> list[str]:
    """The commands of all processes that work in a folder, or in one under it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    simulate("ecommerce", sessions=SESSIONS, seed=3, out=folder)
    return folder


def test_a_champion_that_the_demo_did_not_train_is_not_put_at_risk(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "demo" / "events", tmp_path / "shop.parquet"

    def trained_on(log: Path, version: str) -> None:
        card = json.dumps({"data": {"path": str(log)}})
        publish(tmp_path, "ecommerce", version, lambda folder: (folder / "card.json").write_text(card) and None)
        point_champion(tmp_path, "ecommerce", version)

    refuse_to_replace(tmp_path, ours)
    trained_on(ours, "1")
    refuse_to_replace(tmp_path, ours)
    trained_on(theirs, "2")
    with pytest.raises(DemoError, match=r"version 2, was trained on .*shop\.parquet, and"):
        refuse_to_replace(tmp_path, ours)


def test_the_exhibits_are_late_sessions_of_which_one_bought_and_others_met_a_planted_blocker(shop: Path) -> None:
    exhibits = choose_exhibits(shop)
    assert 2 <= len(exhibits) <= 4
    facts = duckdb.sql(
        f"""
        SELECT session_id, count(*), count(*) FILTER (name = 'purchase') > 0, min(occurred_at) >= (
            SELECT quantile_cont(started, .9) FROM (
                SELECT min(occurred_at) AS started FROM '{shop}/events/*.parquet' GROUP BY session_id)),
            any_value(blocker), any_value(caused_exit)
        FROM '{shop}/events/*.parquet' JOIN '{shop}/truth.parquet' USING (session_id) GROUP BY session_id
        """
    ).fetchall()
    known = {session_id: told for session_id, *told in facts}
    for exhibit in exhibits:
        length, bought, late, blocker, caused = known[exhibit.session_id]
        assert 10 <= length <= 22
        assert late
        if bought:
            assert exhibit.truth == "bought in the end"
        else:
            assert caused
            assert exhibit.truth == f"left in the end; planted blocker: {blocker.lower()}"
    assert sum(exhibit.truth == "bought in the end" for exhibit in exhibits) == 1
    assert choose_exhibits(shop) == exhibits


def test_a_log_without_a_session_to_show_says_to_simulate_more(tmp_path: Path) -> None:
    simulate("ecommerce", sessions=20, seed=3, out=tmp_path)
    with pytest.raises(DemoError, match="simulate more with --sessions"):
        choose_exhibits(tmp_path)


def test_a_service_that_cannot_start_is_said_with_its_own_words_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def use() -> None:
        with running_service(tmp_path / "home", tmp_path / "service.log"):
            pass

    with pytest.raises(DemoError, match="the service did not start: dropoff: no model is registered"):
        use()
    assert [command for command in processes_of(tmp_path) if "serve" in command] == []


def sections(text: str) -> Iterator[list[str]]:
    """The lines of each replayed session: its title, its table, and the narrative below it."""
    for part in re.split(r"^(?=Session )", text, flags=re.MULTILINE)[1:]:
        yield part.strip().splitlines()


@pytest.mark.slow
def test_the_demo_shows_how_stage_risk_blockers_and_recommendation_evolve_and_leaves_no_process(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "cli", "demo", "--no-serve", "--sessions", str(SESSIONS)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    journey = load_journey("ecommerce")
    stages = {"-", *(stage.name for stage in journey.stages)}
    frictions = {friction.name for friction in journey.frictions}
    advised = {intervention.name for intervention in journey.interventions}
    replayed = list(sections(ran.stdout.partition("4. Replay sessions")[2]))
    assert 2 <= len(replayed) <= 4
    seen_blockers: set[str] = set()
    seen_advice: set[str] = set()
    for lines in replayed:
        assert re.match(r"Session s\d+: (bought in the end|left in the end; planted blocker: \w+)$", lines[0])
        assert lines[1].split() == ["#", "Time", "Event", "Stage", "Risk", "Top", "blocker", "Recommendation"]
        rows = [match for line in lines if (match := ROW.match(line))]
        assert len(rows) >= 9
        assert {row["event"] for row in rows} <= set(journey.events)
        assert {row["stage"] for row in rows} <= stages
        assert len({row["stage"] for row in rows}) >= 3
        assert len({row["risk"] for row in rows}) >= 2
        seen_blockers |= {row["rest"].split()[0] for row in rows}
        seen_advice |= {row["rest"].split()[-1] for row in rows}
        assert any(line.startswith("Sessions like this one ") for line in lines)
    assert seen_blockers - {"none"}
    assert seen_blockers - {"none"} <= frictions
    assert seen_advice & advised
    assert all(len(line) <= 100 for lines in replayed for line in lines if ROW.match(line))
    assert "Version 1 of ecommerce is champion: it is the first model." in ran.stdout
    [tactics] = re.findall(r"^(\d+) tactics are in the playbook", ran.stdout, re.MULTILINE)
    assert int(tactics) > 0
    assert "The service is stopped." in ran.stdout
    report = tmp_path / "home" / "demo" / "report.html"
    assert f"  report     {report}" in ran.stdout
    assert report.read_text(encoding="utf-8").count('<section class="report-page"') == len(PAGES)
    assert (tmp_path / "mlruns" / "mlflow.db").exists()
    assert (tmp_path / "home" / "models" / "ecommerce" / "champion").read_text() == "1\n"
    assert (tmp_path / "home" / "demo" / "service.log").read_text().startswith("Serving ecommerce at http://127.0.0.1:")
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_the_demo_stays_up_on_another_port_until_ctrl_c_and_takes_its_service_with_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # Where somebody else serves already, another port is used.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 3000))
            taken.listen()
        except OSError:
            pass  # It is taken by somebody else already.
        demo = subprocess.Popen(
            [sys.executable, "-m", "cli", "demo", "--sessions", "2500"],
            cwd=tmp_path,
            env={**environment(tmp_path), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        said: list[str] = []
        watchdog = threading.Timer(240, demo.kill)
        watchdog.start()
        try:
            assert demo.stdout is not None
            for line in demo.stdout:
                said.append(line)
                if "stays up until Ctrl-C" in line:
                    break
            told = "".join(said)
            [address] = re.findall(r"^  service +(http://127\.0\.0\.1:\d+)$", told, re.MULTILINE)
            assert address != "http://127.0.0.1:3000"
            assert httpx.get(f"{address}/readyz").status_code == 200
            assert httpx.get(f"{address}/docs.json").json()["openapi"].startswith("3.")
            [session] = re.findall(r"^  a session +(\S+)$", told, re.MULTILINE)
            assert len(httpx.get(session).json()["events"]) >= 10
            assert re.search(
                r"^  runs +\S+python\S* -m mlflow ui --backend-store-uri sqlite:///\S+ ", told, re.MULTILINE
            )
            demo.send_signal(signal.SIGINT)
            rest, _ = demo.communicate(timeout=30)
        finally:
            watchdog.cancel()
            if demo.poll() is None:
                demo.kill()
                demo.communicate()
    assert (demo.returncode, rest.split()) == (0, ["The", "service", "is", "stopped."])
    until = time.monotonic() + 10
    while processes_of(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_of(tmp_path) == []
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/livez")
