import csv
from pathlib import Path

from made_facts import SHOP, MadeSession, write_facts

from insights.build_facts import build_facts

VIEWS = ("sessions", "stages", "blockers", "events", "timelines", "hours", "touches", "persons")


def test_made_facts_have_the_columns_and_types_of_facts_that_are_built_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    with log.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["event_id", "visitor_id", "name", "occurred_at", "device"])
        rows.writerow(["e0", "v0", "page_view", "2026-06-01T12:00:00Z", "mobile"])
        rows.writerow(["e1", "v0", "view_product", "2026-06-01T12:00:10Z", "mobile"])
        rows.writerow(["e2", "v1", "page_view", "2026-06-02T12:00:10Z", "mobile"])
    built = build_facts(SHOP, log, tmp_path / "built")
    made = write_facts(tmp_path / "made", [MadeSession(stage=1, device="mobile"), MadeSession(outcome="open")])
    with built.connect() as ours, made.connect() as theirs:
        for view in VIEWS:
            wanted = sorted(ours.execute(f"DESCRIBE {view}").fetchall())
            assert sorted(theirs.execute(f"DESCRIBE {view}").fetchall()) == wanted, view
        of_stages = (
            "SELECT session, stage_index, stage, dwell_seconds, events, advanced, exited FROM stages ORDER BY ALL"
        )
        first_session = [row for row in ours.execute(of_stages).fetchall() if row[0] == 0]
        assert [row for row in theirs.execute(of_stages).fetchall() if row[0] == 0] == [
            (0, 0, "browse", 10.0, 1, True, False),
            (0, 1, "product", 10.0, 1, False, True),
        ]
        # The log knows no dwell after the last event; all else is told by the same events.
        assert [row[:3] + row[4:] for row in first_session if row[1] >= 0] == [
            (0, 0, "browse", 1, True, False),
            (0, 1, "product", 1, False, True),
        ]


def test_a_made_session_has_what_it_is_told_and_follows_from_it(tmp_path: Path) -> None:
    sessions = [
        MadeSession(stage=2, outcome="goal", value=30.0, skipped=(1,), dwell=(5, 0, 7), cohorts={"country": "DE"}),
        MadeSession(stage=-1),
        MadeSession(stage=0, confidences={"price": 0.25, "trust": 0.05}),
    ]
    with write_facts(tmp_path, sessions).connect() as connection:
        told = "SELECT stage_index, dwell_seconds, events, advanced, exited FROM stages WHERE session = ? ORDER BY 1"
        assert connection.execute(told, [0]).fetchall() == [
            (0, 5.0, 1, True, False),
            (1, 0.0, 0, True, False),
            (2, 7.0, 1, True, False),
        ]
        assert connection.execute(told, [1]).fetchall() == [(-1, 10.0, 1, False, True)]
        assert connection.execute("SELECT * FROM blockers ORDER BY friction").fetchall() == [
            (2, 0, "price", "value proposition mismatch", 0.25, True),
            (2, 0, "trust", "trust barrier", 0.05, False),
        ]
        said = "SELECT country, value, blocker, round(share, 4), confidence, epoch(last_at - started_at) FROM sessions"
        assert connection.execute(f"{said} ORDER BY session").fetchall() == [
            ("DE", 30.0, None, None, None, 12.0),
            (None, None, None, None, None, 10.0),
            (None, None, "price", 0.8333, 0.25, 10.0),
        ]
