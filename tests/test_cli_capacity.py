"""What so many sessions a day need, from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_costs import COSTS
from matplotlib import image

from capacity.costs import write_costs
from cli import main


def run(*arguments: str) -> int:
    """Run the command and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(["capacity", *arguments])
    return int(str(ended.value.code))


@pytest.fixture
def costs(tmp_path: Path) -> str:
    path = tmp_path / "costs.json"
    write_costs(COSTS, path)
    return str(path)


def test_a_plan_names_the_bottleneck_first_and_what_one_bears(
    costs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "plan.json"
    given = ("--sessions-per-day", "864000", "--events-per-session", "10", "--decisions-per-session", "0")
    assert run(*given, "--peak", "2", "--fullest", ".5", "--costs", costs, "--json", str(told)) == 0
    said = capsys.readouterr().out
    # 200 events a second, at 10 ms of the turn each: two databases' worth, each half full.
    assert "200 requests with events a second" in said
    assert "Full first: database's turn. One bears 216,000 sessions a day when 50% full." in said
    assert "4 groups that share nothing" in said
    assert said.index("database's turn ") < said.index("Redis core") < said.index("worker ")
    plan = json.loads(told.read_text())
    assert plan["groups"] == 4
    assert plan["bottleneck"] == plan["needs"][0]["name"] == "database's turn"
    assert plan["needs"][0]["amount"] == pytest.approx(2.0)
    assert plan["workload"]["open_sessions"] == pytest.approx(20 * 36 * 60)
    assert "simulated" not in plan


def test_requests_larger_than_those_that_were_measured_are_told_to_be(
    costs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for events in ("100", "1000"):
        assert run("--sessions-per-day", "1e6", "--events-per-request", events, "--costs", costs) == 0
        said.append("Requests of more than 100 events were not measured" in capsys.readouterr().out)
    assert said == [False, True]


def test_a_small_site_needs_one_group(costs: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--sessions-per-day", "1000", "--costs", costs) == 0
    assert "One group is enough" in capsys.readouterr().out


def test_a_simulated_group_says_how_long_people_wait(
    costs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "plan.json"
    assert run("--sessions-per-day", "1e5", "--simulate", "--costs", costs, "--json", str(told)) == 0
    assert "99 of 100, within: requests with events" in capsys.readouterr().out
    found = json.loads(told.read_text())["simulated"]
    # A request with one event that is alone takes 1 ms of the loop, 12 of the turn and .1 of Redis.
    assert found["latency_ms"]["event"]["p50"] >= 13.1
    assert found["latency_ms"]["event"]["p99"] > found["latency_ms"]["event"]["p50"]


@pytest.mark.parametrize("events", ["12", "1e6"])
def test_a_site_of_one_session_a_day_is_simulated_until_some_have_come(
    events: str, costs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "plan.json"
    given = ("--sessions-per-day", "1", "--events-per-session", events, "--costs", costs, "--json", str(told))
    assert run(*given, "--simulate") == 0
    assert "nan" not in capsys.readouterr().out
    latencies = json.loads(told.read_text(), parse_constant=pytest.fail)["simulated"]["latency_ms"]
    assert latencies["event"]["p50"] > 0
    # A decision among a million events is too rare to come.
    assert latencies["recommend"]["p99"] is None if events == "1e6" else latencies["recommend"]["p99"] > 0


def test_the_picture_of_a_plan_is_whole(costs: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.png"
    assert run("--sessions-per-day", "1e8", "--costs", costs, "--picture", str(path)) == 0
    seen = image.imread(path)[..., :3]
    # What is cut off would reach the edge.
    for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]):
        assert edge.min() == 1.0
    assert len(set(map(tuple, seen.reshape(-1, 3)))) > 20


def test_the_costs_that_ship_are_used_without_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--sessions-per-day", "1e8") == 0
    assert "Costs of 20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sessions-per-day", "0"), "sessions per day must be 1 or more, not 0"),
        (("--sessions-per-day", "nan"), "sessions per day must be 1 or more"),
        (("--sessions-per-day", "10", "--fullest", "1"), "the fullest share must be above 0 and below 1"),
        (
            ("--sessions-per-day", "10", "--costs", "absent.json"),
            "absent.json: No such file or directory; measure with",
        ),
        (("--sessions-per-day", "10", "--picture", "plan.txt"), "plan.txt should end in .png or .svg"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    arguments: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_plan_needs_none_of_the_heavy_libraries() -> None:
    heavy = "{'simpy', 'matplotlib', 'numba', 'lightgbm', 'duckdb', 'bentoml', 'mlflow'}"
    program = f"""
import sys
sys.argv = ["dropoff", "capacity", "--sessions-per-day", "1e6"]
from cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)
"""
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, stdout=subprocess.DEVNULL)
