"""Whom a blocker is named of at the end of a stage, also where the session goes on."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from newsletter import EXAMPLE, fit_version, write_log

from insights.build_facts import build_facts
from insights.facts import Facts
from journeys.load import load_journey

FORM = 1


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Facts, Facts]:
    """Facts of a log, and of the same log without what came after the form."""
    folder = tmp_path_factory.mktemp("named")
    whole = write_log(folder / "whole.jsonl", sessions=400, seed=3)
    rows = [json.loads(line) for line in whole.read_text().splitlines()]
    kept = [row for row in rows if row["name"] not in ("submit_signup", "confirm")]
    cut = folder / "cut.jsonl"
    cut.write_text("".join(json.dumps(row) + "\n" for row in kept))
    journey = load_journey(str(EXAMPLE))
    model = fit_version(whole, "1", trees=5)
    # So few sessions teach no blocker: here the blocked leave nine times as often as the others.
    shape = model.blockers.leaving.shape
    leaving = np.where(np.arange(shape[1]) > 0, 0.9, 0.1) * np.ones(shape)
    blockers = replace(model.blockers, presence=np.full(shape, 1 / shape[1]), leaving=leaving)
    model = replace(model, blockers=replace(blockers, weights=np.ones_like(blockers.weights)))
    return tuple(  # type: ignore[return-value]
        build_facts(journey, log, Path(folder / name), model) for name, log in (("facts", whole), ("cut_facts", cut))
    )


def test_at_the_stage_where_a_session_was_left_its_blocker_is_named(logs: tuple[Facts, Facts]) -> None:
    with logs[0].connect() as connection:
        named, others = connection.execute(
            """SELECT count(named), count(*) FILTER (named IS DISTINCT FROM sessions.blocker)
            FROM stages JOIN sessions USING (session, stage_index) WHERE outcome = 'abandoned'"""
        ).fetchall()[0]
    assert named > 20
    assert others == 0


def test_what_comes_after_a_stage_does_not_change_what_was_named_in_it(logs: tuple[Facts, Facts]) -> None:
    query = """SELECT session_id, named FROM stages JOIN sessions USING (session)
        WHERE stages.stage_index = ? ORDER BY session_id"""
    seen = []
    for facts in logs:
        with facts.connect() as connection:
            seen.append(connection.execute(query, [FORM]).fetchall())
    assert len(seen[0]) == 400
    assert seen[0] == seen[1]
    with logs[0].connect() as connection:
        went_on = connection.execute(
            "SELECT count(named) FROM stages WHERE stage_index = ? AND advanced", [FORM]
        ).fetchall()[0][0]
    assert went_on > 0


def test_a_stage_that_was_skipped_names_nobody_and_so_does_a_log_without_a_model(
    logs: tuple[Facts, Facts], tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log.jsonl", sessions=30, seed=1)
    facts = build_facts(load_journey(str(EXAMPLE)), log, tmp_path / "facts")
    with facts.connect() as connection:
        assert connection.execute("SELECT count(*), count(named) FROM stages").fetchall()[0][1] == 0
    with logs[0].connect() as connection:
        assert connection.execute("SELECT count(named) FROM stages WHERE events = 0").fetchall() == [(0,)]


def test_what_is_named_has_the_probability_that_it_stands_there(logs: tuple[Facts, Facts]) -> None:
    with logs[0].connect() as connection:
        [(named, known, least, most)] = connection.execute(
            """SELECT count(named), count(named_probability), min(named_probability), max(named_probability)
            FROM stages"""
        ).fetchall()
    assert named == known > 0
    assert 0 < least <= most < 1
