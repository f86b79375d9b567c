"""Comparing two versions: the figures that evaluation gives, a verdict in words, and a warning about seen sessions."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, NAME, START, Ran, call, fit_version, publish_version, write_log

from training.trained import digest_files

pytestmark = pytest.mark.xdist_group("compare")

DAY_US = 86_400_000_000
START_US = int(START.timestamp()) * 1_000_000
SESSIONS = 600
"""Every twenty minutes one: more than eight days."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log and a later one, and two versions, of 2 and of 60 trees, that were trained on six days of the first."""
    folder = tmp_path_factory.mktemp("compared")
    log = write_log(folder / "log.jsonl", SESSIONS, 1)
    write_log(folder / "later.jsonl", SESSIONS, 2, START + timedelta(days=30))
    write_log(folder / "beside.jsonl", SESSIONS, 3)
    data = {"digest": digest_files(log), "first_at_us": START_US, "held_out_from_us": START_US + 6 * DAY_US}
    for version, trees in (("1", 2), ("2", 60)):
        publish_version(folder / "home", fit_version(log, version, trees=trees, card={"data": data}))
    return folder


@pytest.fixture
def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DROPOFF_HOME", "home")
    yield folder
    (folder / "out.json").unlink(missing_ok=True)


def compared(folder: Path, *arguments: str) -> tuple[Ran, Any]:
    ran = call("compare", EXAMPLE, *arguments, "--resamples", 50, "--json", "out.json")
    assert (ran.status, ran.err) == (0, "")
    return ran, json.loads((folder / "out.json").read_text())


def test_the_verdict_names_the_better_version_and_stands_last(at: Path) -> None:
    ran, written = compared(at, "1", "2", "--log", "later.jsonl")
    assert written["better"] == "2"
    assert ran.out.splitlines()[-1] == written["verdict"]
    assert written["verdict"].startswith("Version 2 predicts better than version 1: the log loss of version 2 is ")
    assert "Warning" not in ran.out
    assert written["trained_on"] == []


def test_the_figures_are_those_that_evaluate_gives(at: Path) -> None:
    _, written = compared(at, "1", "2", "--log", "later.jsonl")
    for version, side in (("1", "first"), ("2", "second")):
        call("evaluate", EXAMPLE, "--log", "later.jsonl", "--model", version, "--resamples", 0, "--json", "out.json")
        block = json.loads((at / "out.json").read_text())["held_out"]
        parts = [(written["overall"], block), (written["session_weighted"], block["session_weighted"])]
        parts += [(part, block["by_events"][name]) for name, part in written["by_events"].items()]
        parts += [(part, block["by_stage"][name]) for name, part in written["by_stage"].items()]
        assert len(parts) > 6
        for ours, theirs in parts:
            assert {name: figure[side] for name, figure in ours["figures"].items()} == {
                name: theirs[name] for name in ("log_loss", "auc", "ap", "brier", "ece")
            }
            counts = ("n_rows", "n_sessions", "n_visitors")
            assert [ours[name] for name in counts] == [theirs[name] for name in counts]


def test_a_difference_is_b_minus_a_with_an_interval_around_it(at: Path) -> None:
    _, written = compared(at, "1", "2", "--log", "later.jsonl")
    for figure in written["overall"]["figures"].values():
        assert figure["difference"] == pytest.approx(figure["second"] - figure["first"])
        low, high = figure["interval"]
        assert low <= figure["difference"] <= high


def test_sessions_that_a_version_was_trained_on_are_counted_and_warned_of(at: Path) -> None:
    ran, written = compared(at, "1", "2", "--log", "log.jsonl")
    # Six of eight days: every session that had ended by then, 72 a day, but for the latest that was still running.
    [first, second] = written["trained_on"]
    assert (first["version"], second["version"]) == ("1", "2")
    assert first["is_same_log"]
    assert 6 * 72 - 3 <= first["sessions"] <= 6 * 72
    total = written["overall"]["n_sessions"]
    assert (
        f"Warning: Version 1 was trained on {first['sessions']} of these {total} sessions, so its figures look better "
        "than they are. --unseen leaves them out."
    ) in ran.out


def test_another_log_of_the_same_time_may_hold_the_same_sessions(at: Path) -> None:
    ran, written = compared(at, "1", "2", "--log", "beside.jsonl")
    assert not written["trained_on"][0]["is_same_log"]
    assert "sessions lie in the time that version 1 was trained on (2026-03-01T00:00:00Z to 2026-03-07T00:00:00Z)" in (
        ran.out
    )
    assert "if it has seen them, its figures look better than they are. --unseen leaves them out." in ran.out


def test_unseen_leaves_out_what_a_version_was_trained_on(at: Path) -> None:
    _, everything = compared(at, "1", "2", "--log", "log.jsonl")
    ran, written = compared(at, "1", "2", "--log", "log.jsonl", "--unseen")
    seen = everything["trained_on"][0]["sessions"]
    assert written["overall"]["n_sessions"] == everything["overall"]["n_sessions"] - seen
    assert written["trained_on"] == []
    assert "Warning" not in ran.out


def test_where_nothing_unseen_is_left_it_says_so(at: Path) -> None:
    write_log(at / "early.jsonl", 100, 4)
    ran = call("compare", EXAMPLE, "1", "2", "--log", "early.jsonl", "--unseen")
    assert (ran.status, ran.err) == (
        1,
        "dropoff: no session of early.jsonl outside the time that the versions were trained on has a known end after "
        "its first event, so nothing can be compared\n",
    )


def test_without_resamples_the_verdict_does_not_call_hundreds_of_visitors_too_few(at: Path) -> None:
    ran = call("compare", EXAMPLE, "1", "2", "--log", "later.jsonl", "--resamples", 0)
    assert ran.status == 0
    assert ran.out.splitlines()[-1].endswith("without resamples nobody can tell whether that is chance.")


def test_the_same_seed_draws_the_same_visitors(at: Path) -> None:
    results = [compared(at, "1", "2", "--log", "later.jsonl", "--seed", seed)[1] for seed in ("1", "1", "2")]
    assert results[0] == results[1] != results[2]


def test_tables_fit_the_screen(at: Path) -> None:
    ran, _ = compared(at, "1", "2", "--log", "later.jsonl")
    shown = ran.out.split("Version 2 predicts")[0].splitlines()
    assert max(map(len, shown)) <= 80
    assert "Differences after so many events (*: more than chance)" in shown


def test_a_version_that_is_not_there_is_refused(at: Path) -> None:
    ran = call("compare", EXAMPLE, "1", "9", "--log", "later.jsonl")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"dropoff: {NAME} has no model version '9' under home (versions: 1, 2)\n"
