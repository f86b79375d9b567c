"""``dropoff cohorts`` as people type it: its tables, its errors, its file."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import duckdb
from newsletter import EXAMPLE, call, fit_version, publish_version, write_log

from insights.build_facts import build_facts
from journeys.load import load_journey

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("cohorts") / "log.jsonl", sessions=500, seed=5)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def counted(log: Path) -> dict[str, tuple[int, int]]:
    """Sessions and those that confirmed, by the device of the first event, straight from the log."""
    rows = duckdb.sql(
        f"""SELECT device, count(*), count(*) FILTER (WHERE confirmed) FROM (
            SELECT arg_min(device, occurred_at) AS device, bool_or(name = 'confirm') AS confirmed
            FROM read_json('{log}') GROUP BY session_id) GROUP BY device"""
    ).fetchall()
    return {device: (sessions, confirmed) for device, sessions, confirmed in rows}


def test_cohorts_are_shown_and_written_as_the_log_has_them(log: Path) -> None:
    ran = call("cohorts", EXAMPLE, "--log", log, "--by", "device", "--json", "out.json")
    assert ran.status == 0, ran.err
    assert "500 sessions by device" in ran.out
    assert "What sets a device apart from all others" in ran.out
    assert "These are associations" in ran.out
    found = json.loads(Path("out.json").read_text())["cohorts"]
    assert {cohort["value"]: cohort["sessions"] for cohort in found["cohorts"]} == {
        device: sessions for device, (sessions, _) in counted(log).items()
    }
    for cohort in found["cohorts"]:
        ended = [stage["reached"] for stage in cohort["stages"]]
        assert ended == sorted(ended, reverse=True)
        assert cohort["conversion"]["low"] <= cohort["conversion"]["value"] <= cohort["conversion"]["high"]


def test_two_cohorts_are_compared_and_facts_made_before_say_the_same(log: Path, tmp_path: Path) -> None:
    ran = call("cohorts", EXAMPLE, "--log", log, "--compare", "device=mobile,device=desktop", "--json", "a.json")
    assert ran.status == 0, ran.err
    assert "device=mobile (" in " ".join(ran.out.split())
    build_facts(load_journey(str(EXAMPLE)), log, tmp_path / "facts")
    again = call(
        "cohorts",
        EXAMPLE,
        "--facts",
        tmp_path / "facts",
        "--compare",
        "device=mobile,device=desktop",
        "--json",
        "b.json",
    )
    assert again.status == 0, again.err
    assert json.loads(Path("a.json").read_text()) == json.loads(Path("b.json").read_text())
    conversion = {one["kind"]: one for one in json.loads(Path("a.json").read_text())["comparison"]["contrasts"]}[
        "conversion"
    ]
    hits = {device: confirmed for device, (_, confirmed) in counted(log).items()}
    sizes = {device: sessions for device, (sessions, _) in counted(log).items()}
    assert conversion["of_one"]["value"] == pytest.approx(hits["mobile"] / sizes["mobile"], abs=0.01)


def test_what_goes_with_going_on_is_shown_for_a_stage(log: Path) -> None:
    stage = load_journey(str(EXAMPLE)).stages[-1].name
    ran = call("cohorts", EXAMPLE, "--log", log, "--progress-from", stage, "--json", "out.json")
    assert ran.status == 0, ran.err
    assert f"What goes with going on from {stage}" in ran.out
    told = json.loads(Path("out.json").read_text())["associations"]["associations"]
    errors = next(one for one in told if one["what"] == "form_error")
    # The log is made so that errors go with leaving.
    assert errors["contrast"]["difference"]["high"] < 0


def test_blockers_are_told_where_a_model_names_them(log: Path, tmp_path: Path) -> None:
    model = fit_version(log, "1", trees=5)
    publish_version(tmp_path / "home", model)
    ran = call("cohorts", EXAMPLE, "--log", log, "--by", "blocker", "--model", "1")
    assert ran.status == 0, ran.err
    assert "abandoned sessions by blocker" in ran.out
    assert "compared by where and with what people left" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--by", "size"], "cannot be told apart by 'size'"),
        (["--compare", "device=mobile"], "names 1 cohorts; name two"),
        (["--compare", "device=mobile,device=tv"], "there is no cohort device=tv"),
        (["--only", "since=june"], "is no day"),
        (["--only", "device"], "chooses no sessions"),
        (["--progress-from", "till"], "has no stage 'till'"),
        (["--correction", "lots"], "there is no correction 'lots'; write one of discovery, every, none"),
        (["--facts", "nowhere"], "name either a log with --log PATH, or the facts"),
    ],
)
def test_a_mistake_is_told_in_one_line(log: Path, arguments: list[str], told: str) -> None:
    ran = call("cohorts", EXAMPLE, "--log", log, *arguments)
    assert ran.status == 1
    assert told in ran.err
    assert ran.err.count("\n") == 1


def test_facts_of_another_journey_are_refused(log: Path, tmp_path: Path) -> None:
    build_facts(load_journey(str(EXAMPLE)), log, tmp_path / "facts")
    ran = call("cohorts", "ecommerce", "--facts", tmp_path / "facts")
    assert ran.status == 1
    assert "are of newsletter_signup, not of ecommerce" in ran.err
