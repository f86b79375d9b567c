"""``dropoff insights`` as people type it: the file, its figures as JSON, and what is refused."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from newsletter import EXAMPLE, call

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty visits on four days, every second of them a sign-up, every fourth on a phone."""
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))
    lines = []
    for session in range(40):
        moment = datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(days=session // 10, minutes=40 * (session % 10))
        names = ["page_view", "view_signup", "edit_field"] + ["submit_signup", "confirm"] * (session % 2)
        for place, name in enumerate(names):
            row = {"event_id": f"{session}-{place}", "session_id": f"s{session}", "visitor_id": f"v{session}"}
            row |= {"device": "phone" if session % 4 == 0 else "desktop"}
            lines.append(json.dumps({**row, "name": name, "occurred_at": moment.isoformat()}))
            moment += timedelta(seconds=6)
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_pages_are_one_file_and_their_figures_another(log: Path, tmp_path: Path) -> None:
    out, figures = tmp_path / "made" / "report.html", tmp_path / "report.json"
    ran = call("insights", EXAMPLE, "--log", log, "--out", out, "--json", figures)
    assert ran.status == 0, ran.err
    assert "newsletter_signup has no model" in ran.out
    assert f"in {out}" in ran.out
    html = out.read_text()
    assert html.startswith("<!doctype html>")
    written = json.loads(figures.read_text())
    overview = written["pages"]["overview"]["figures"]
    assert overview["sessions"]["rows"][0]["sessions"] == 40
    assert overview["conversion"]["rows"][0]["goals"] == 20


def test_a_period_and_a_cohort_are_chosen_when_it_is_written(log: Path, tmp_path: Path) -> None:
    figures = tmp_path / "report.json"
    chosen = ("--since", "2026-03-02", "--until", "2026-03-03", "--only", "device=phone")
    ran = call("insights", EXAMPLE, "--log", log, "--out", tmp_path / "r.html", "--json", figures, *chosen)
    assert ran.status == 0, ran.err
    overview = json.loads(figures.read_text())["pages"]["overview"]["figures"]
    # Of the visits 10 to 29, those that can be divided by four: 12, 16, 20, 24 and 28.
    assert overview["sessions"]["rows"][0]["sessions"] == 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--only", "devise=phone"), "did you mean device"),
        (("--only", "phone"), "'phone' is no cohort; write it like device=mobile"),
        (("--since", "soon"), "is no day; write it like since=2026-06-01"),
        (("--out", "report.txt"), ".html"),
        (("--model", "9"), "no model"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_before_the_log_is_read(
    log: Path, tmp_path: Path, more: tuple[str, str], said: str
) -> None:
    ran = call("insights", EXAMPLE, "--log", log, "--out", tmp_path / "r.html", *more)
    assert ran.status == 1
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "r.html").exists()
