"""What commands print for people, and where they say that things are."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from console import terminal
from features.read_log import ReadSummary

START_US = 1_772_368_200 * 1_000_000


def summary(quarantined: int = 0) -> ReadSummary:
    reasons = {"the line is not JSON": quarantined} if quarantined else {}
    return ReadSummary(5 + quarantined, 5, 0, quarantined, reasons, {}, 1, START_US, START_US)


def test_the_quarantine_is_named_only_where_something_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.tell(summary(), Path("home/quarantine.jsonl"))
    assert capsys.readouterr().out == "5 events read; 5 used\n"
    terminal.tell(summary(2), Path("home/[quarantine].jsonl"))
    assert capsys.readouterr().out == (
        "7 events read; 5 used; 2 quarantined (2: the line is not JSON)\n"
        "The quarantined rows are in home/[quarantine].jsonl, each with its reason.\n"
    )


def test_what_became_of_the_rows_is_told_also_where_the_work_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with terminal.telling(Path("bad.jsonl")) as on_read:
            on_read(summary(1))
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert capsys.readouterr().out.startswith("6 events read; 5 used; 1 quarantined")


def test_progress_and_waiting_are_silent_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with terminal.progress() as report, terminal.waiting("warming up") as over:
        report("reading", 0.0)
        report("reading", 1.0)
        over()
    assert capsys.readouterr() == ("", "")


def test_progress_shows_a_bar_for_each_phase_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "errors", Console(file=screen, width=80, force_terminal=True, color_system=None))
    with terminal.progress() as report:
        report("reading [x]", 0.0)
        report("reading [x]", 0.5)
        report("fitting", 0.0)
    last = screen.getvalue().split("\x1b[2K")[-1]
    assert "✓ fitting" in last
    assert "✓ reading [x]" in screen.getvalue()


def test_long_addresses_are_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    address = "http://127.0.0.1:3000/" + "x" * 200 + "[1]"
    terminal.say(address)
    assert capsys.readouterr().out == address + "\n"


def test_figures_are_written_as_json_into_a_new_folder(tmp_path: Path) -> None:
    terminal.write_json(None, {"a": 1})
    terminal.write_json(tmp_path / "new" / "figures.json", {"a": [1, None]})
    assert json.loads((tmp_path / "new" / "figures.json").read_text()) == {"a": [1, None]}
