"""``dropoff story`` as people type it: its file, its exit status, its one line for what is wrong."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call, write_steady_log

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sign-up every hour for sixteen days from Monday, 2 March 2026, in Paris; every second is done."""
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DROPOFF_REPHRASE", raising=False)
    return write_steady_log(
        tmp_path / "log.jsonl", 16 * 24, first=datetime(2026, 3, 1, 23, tzinfo=UTC), apart=timedelta(hours=1)
    )


def test_the_last_whole_week_is_written_in_words(log: Path, tmp_path: Path) -> None:
    ran = call("story", EXAMPLE, "--log", log, "--out", tmp_path / "week.md")
    assert ran.status == 0, ran.err
    assert "The week of 2026-03-09 in" in ran.out
    text = (tmp_path / "week.md").read_text(encoding="utf-8")
    assert "* 168 sessions of 168 visitors began in the week, against 168 the week before. ([week](#week))" in text
    assert "* 50.0% of the 168 sessions that have ended reached the goal" in text


def test_a_week_can_be_chosen_and_a_mail_written(log: Path, tmp_path: Path) -> None:
    ran = call("story", EXAMPLE, "--log", log, "--week", "2026-03-04", "--out", tmp_path / "week.eml")
    assert ran.status == 0, ran.err
    assert "Mon 2 Mar 2026 to Sun 8 Mar 2026" in " ".join((tmp_path / "week.eml").read_text().split())


def test_a_local_command_may_rephrase_and_cannot_add_a_number(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys; text = sys.stdin.read(); "
        "sys.stdout.write(text.replace('began in the week', 'started then') + ' 99' * ('goal' in text))"
    )
    monkeypatch.setenv("DROPOFF_REPHRASE", f'{sys.executable} -c "{script}"')
    ran = call("story", EXAMPLE, "--log", log, "--out", tmp_path / "week.md")
    assert ran.status == 0, ran.err
    text = (tmp_path / "week.md").read_text(encoding="utf-8")
    assert "* 168 sessions of 168 visitors started then, against 168 the week before." in text
    assert "99" not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "week.pdf"), ".md or .html or .eml"),
        (("--out", "week.md", "--week", "2026-01-01"), "has nothing in the week of 2025-12-29"),
        (("--out", "week.md", "--week", "soon"), "no day"),
    ],
)
def test_what_is_wrong_is_one_line(log: Path, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    out, name, *more = options
    ran = call("story", EXAMPLE, "--log", log, out, tmp_path / name, *more)
    assert ran.status == 1
    assert said in ran.err


def test_a_model_of_another_machine_is_refused_before_the_log_is_read(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPOFF_REPHRASE", "https://models.example.com/")
    ran = call("story", EXAMPLE, "--log", log, "--out", tmp_path / "week.md")
    assert ran.status == 1
    assert "no address of this machine" in ran.err
