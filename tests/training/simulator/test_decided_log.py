"""A log with decisions: people go on under what was shown, and the file of decisions says what the log says."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_world import WORLDS, close_to

from decisions.logged_files import read_decisions
from features.build import build
from features.events import Cutoffs
from features.plan import compile_plan
from features.read_log import read_log
from training.simulator.decided_log import DECISIONS, show, simulate_decisions
from training.simulator.decision_points import DecisionPoints
from training.simulator.points import NEVER, draw_moments, true_remedies
from training.simulator.remedies import DECIDING_SHOP
from training.simulator.rules import compile_world
from training.simulator.simulate import draw
from training.simulator.walk import MAX_EVENTS, SHOWN
from training.simulator.world import World

if TYPE_CHECKING:
    from conftest import Trained

pytestmark = [pytest.mark.xdist_group("training"), pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]
SESSIONS = 6_000


@pytest.mark.parametrize("world", [*WORLDS.values(), DECIDING_SHOP], ids=[*WORLDS, "decisions"])
def test_as_many_reach_the_goal_under_what_is_shown_as_the_truth_says(world: World) -> None:
    world, rules = replace(world, decide_at={}), compile_world(world)
    [chunk] = draw(world, sessions=20_000, seed=9)
    rng = np.random.default_rng(4)
    decided = draw_moments(chunk.walks, chunk.walks.stage >= 1, rng)
    chosen = rng.integers(0, 1 + len(world.remedies), len(decided))
    after = show(rules, chunk, decided, chosen, np.full(len(decided), 0.5), rng)
    truth = true_remedies(rules, chunk.visits.setting, chunk.walks, decided)
    asked = decided != NEVER
    for t in range(1 + len(world.remedies)):
        those = asked & (chosen == t)
        assert those.sum() > 300
        assert close_to(after.walks.converted[those], truth[those, t])
    # Nothing before the moment changed, and whoever was shown nothing is as before.
    lengths, before = np.diff(after.walks.starts), np.diff(chunk.walks.starts)
    spared = ~asked | (chosen == 0)
    np.testing.assert_array_equal(lengths[spared], before[spared])
    np.testing.assert_array_equal(after.walks.converted[spared], chunk.walks.converted[spared])
    for s in np.flatnonzero(~spared)[:200]:
        head = slice(after.walks.starts[s], after.walks.starts[s] + decided[s] + 1)
        was = slice(chunk.walks.starts[s], chunk.walks.starts[s] + decided[s] + 1)
        np.testing.assert_array_equal(after.walks.code[head], chunk.walks.code[was])
        assert after.walks.move[head.stop] == SHOWN
        assert after.walks.remedy[head.stop - 1] == 0
        assert (after.walks.remedy[head.stop : after.walks.starts[s + 1]] == chosen[s]).all()
    assert lengths.max() <= MAX_EVENTS + 10


@pytest.fixture(scope="module")
def decided(trained: "Trained", tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DecisionPoints]:
    out = tmp_path_factory.mktemp("decided")
    return out, simulate_decisions(trained.journey, trained.result.model, sessions=SESSIONS, seed=8, out=out)


def test_the_file_of_decisions_holds_what_was_decided(decided: tuple[Path, DecisionPoints], trained: "Trained") -> None:
    out, points = decided
    wrote, journey = points.situations, trained.journey
    read = read_decisions(
        out / DECISIONS,
        options=[one.name for one in journey.interventions],
        stages=[stage.name for stage in journey.stages],
        frictions=[friction.name for friction in journey.frictions],
    )
    assert len(read) == len(wrote) > 1_000
    for name in ("decision_ids", "session_ids", "at_us", "stage", "risk", "confidence", "converted", "policy_versions"):
        np.testing.assert_array_equal(getattr(read, name), getattr(wrote, name))
    assert [read.options[place] for place in read.chosen] == [wrote.options[place] for place in wrote.chosen]
    places = [read.options.index(name) for name in wrote.options]
    np.testing.assert_allclose(read.propensities[:, places], wrote.propensities)
    np.testing.assert_allclose(read.propensities.sum(axis=1), 1.0)
    assert set(read.cohorts) == {"device", "source", "country"}
    assert set(read.cohorts["device"]) == {"desktop", "mobile", "tablet"}
    # The same people, whatever they are called.
    assert len(set(zip(read.units, wrote.units, strict=True))) == len(set(wrote.units)) == len(set(read.units))


def test_the_log_tells_of_the_same_decisions(decided: tuple[Path, DecisionPoints]) -> None:
    out, points = decided
    found = duckdb.execute(
        f"""SELECT d.chosen, s.intervention, s.propensity, d.converted, t.converted, d.propensities->>d.chosen,
            s.occurred_at >= d.at, s.shown
        FROM read_parquet('{out}/{DECISIONS}') d
        JOIN read_parquet('{out}/truth.parquet') t USING (session_id)
        LEFT JOIN (SELECT session_id, min(properties->>'intervention') AS intervention, min(occurred_at) AS occurred_at,
            min((properties->>'propensity')::DOUBLE) AS propensity, count(DISTINCT event_id) AS shown
            FROM read_parquet('{out}/events/*.parquet') WHERE name = 'intervention_shown' GROUP BY 1) s
        USING (session_id)"""
    ).fetchall()
    assert len(found) == len(points)
    for chosen, shown, propensity, converted, truth, logged, later, count in found:
        assert chosen == shown
        assert converted == truth
        if chosen is not None:
            assert propensity == pytest.approx(float(logged), abs=1e-4)
            assert later
            assert count == 1
    [(unasked,)] = duckdb.execute(
        f"SELECT count(DISTINCT session_id) FROM read_parquet('{out}/events/*.parquet') "
        f"WHERE name = 'intervention_shown' AND session_id NOT IN "
        f"(SELECT session_id FROM read_parquet('{out}/{DECISIONS}'))"
    ).fetchall()
    assert unasked == 0


def test_features_can_be_read_from_the_log_at_the_moment_of_a_decision(
    decided: tuple[Path, DecisionPoints], trained: "Trained"
) -> None:
    out, points = decided
    logged, plan = points.situations, compile_plan(trained.journey.table)
    assert logged.rows is not None
    with read_log(out / "events", plan, timeout_seconds=trained.journey.session_timeout_seconds) as read:
        log = read.whole()
    place = {session_id: s for s, session_id in enumerate(log.session_ids)}
    session = np.array([place[session_id] for session_id in logged.session_ids])
    seen = [
        np.searchsorted(log.at_us[log.starts[s] : log.starts[s + 1]], at_us, side="right")
        for s, at_us in zip(session, logged.at_us, strict=True)
    ]
    order = np.argsort(session)
    rows = build(plan, log, Cutoffs(session[order], np.array(seen)[order], logged.at_us[order]))
    np.testing.assert_array_equal(rows, logged.rows[order])
    np.testing.assert_allclose(logged.risk, trained.result.model.predict(logged.rows))


def test_outcomes_are_those_of_the_truth(decided: tuple[Path, DecisionPoints]) -> None:
    _out, points = decided
    logged = points.situations
    assert points.eligible[np.arange(len(points)), logged.chosen].all()
    for option in range(len(logged.options)):
        chose = logged.chosen == option
        assert close_to(chose, logged.propensities[:, option])
        assert close_to(logged.converted[chose], points.true_goal[chose, option])
