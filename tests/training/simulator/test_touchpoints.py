"""Touchpoints outside of sessions: what is planted is there, and the sessions do not notice."""

import hashlib
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.log_files import find_files
from features.source import CANONICAL_COLUMNS
from training.simulator.rules import compile_world
from training.simulator.shop import SHOP
from training.simulator.simulate import WORLDS, SimulationError, draw, simulate, starting_odds
from training.simulator.touchpoints import draw_reached
from training.simulator.world import Outreach


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("touched")
    simulate("ecommerce", sessions=4_000, seed=3, out=folder)
    return folder


def test_the_sessions_are_those_that_were_simulated_before_there_were_touchpoints(tmp_path: Path) -> None:
    # Written down from the commit before touchpoints; the columns, not the bytes, which differ between writers.
    simulate("ecommerce", sessions=500, seed=5, out=tmp_path)
    digest = hashlib.sha256()
    for name in ("events/part-00000.parquet", "truth.parquet"):
        for row in pq.read_table(tmp_path / name).select(["session_id", "visitor_id"]).to_pylist():
            digest.update(repr(sorted(row.items())).encode())
    for row in pq.read_table(tmp_path / "events").select(["event_id", "name", "occurred_at", "properties"]).to_pylist():
        digest.update(repr(sorted(row.items())).encode())
    assert digest.hexdigest() == "4cfa5df53cb6d967a643f82a540658a816a1dc94b783f0b671a0f9d543b7d379"


def test_a_world_without_outreach_has_the_same_sessions_and_no_touchpoints(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WORLDS, "ecommerce", replace(SHOP, outreach=()))
    simulate("ecommerce", sessions=4_000, seed=3, out=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events", "truth.parquet"]
    for name in ("events/part-00000.parquet", "truth.parquet"):
        assert pq.read_table(tmp_path / name).equals(pq.read_table(shop / name))


def test_touchpoints_are_canonical_without_a_session_and_in_order_of_arrival(shop: Path) -> None:
    table = pq.read_table(shop / "touchpoints")
    assert set(table.column_names) <= set(CANONICAL_COLUMNS) - {"session_id"}
    assert len(set(table["event_id"].to_pylist())) == len(table)
    assert set(table["channel"].to_pylist()) == {"email", "ads", "in_app", "call"}
    at = table["occurred_at"].cast(pa.int64()).to_numpy()
    assert (np.diff(at) >= 0).all()


def test_a_folder_of_both_is_read_as_its_events(shop: Path) -> None:
    assert find_files(shop) == find_files(shop / "events")
    assert [file.parent.name for file in find_files(shop / "touchpoints")] == ["touchpoints"]


def test_the_same_seed_gives_the_same_touchpoints_and_an_earlier_simulation_goes(shop: Path, tmp_path: Path) -> None:
    simulate("ecommerce", sessions=100, seed=1, out=tmp_path)
    simulate("ecommerce", sessions=4_000, seed=3, out=tmp_path)
    for name in ("touchpoints", "touchpoints_truth.parquet"):
        assert pq.read_table(tmp_path / name).equals(pq.read_table(shop / name))
    (tmp_path / "touchpoints" / "mine.csv").touch()
    with pytest.raises(SimulationError, match="holds something else"):
        simulate("ecommerce", sessions=100, seed=1, out=tmp_path)


def test_the_planted_odds_ratio_is_in_the_touches() -> None:
    source = np.random.default_rng(2)
    size = 400_000
    outreach = (Outreach("email", "open", "mail", 0.3, 1, pull=0.8), Outreach("ads", "view", "ads", 0.4, 1, aim=1.0))
    # One true probability for all, so that nothing has to be held fixed.
    converted = (source.random(size) < 0.2).astype(np.int64)
    intent = source.standard_normal(size)
    reached = draw_reached(outreach, intent, np.full(size, 0.2), converted, source)

    def log_odds(touched: np.ndarray) -> float:
        share = touched.mean()
        return float(np.log(share / (1 - share)))

    for place, one in enumerate(outreach):
        with_it, without = (reached.touched[converted == end, place] for end in (1, 0))
        assert log_odds(with_it) - log_odds(without) == pytest.approx(one.pull, abs=0.03)
        assert reached.touched[:, place].mean() == pytest.approx(one.reach, abs=0.03)
    seen = np.corrcoef(intent, reached.touched[:, 1])[0, 1]
    assert seen > 0.3
    assert abs(np.corrcoef(intent, reached.touched[:, 0])[0, 1]) < 0.01


def test_extra_conversions_are_those_that_the_pull_adds() -> None:
    # Odds without a touch a, with it a e^b; of 1,000 sessions, half of them touched, 1,000 / 2 (p1 - p0) are extra.
    size, pull = 1_000, np.log(3.0)
    p0 = 0.25
    p1 = 3.0 * p0 / (1 - p0) / (1 + 3.0 * p0 / (1 - p0))
    reached = draw_reached(
        (Outreach("email", "open", "mail", 0.5, 1, pull=float(pull)), Outreach("ads", "view", "ads", 0.2, 1)),
        np.zeros(size),
        np.full(size, (p0 + p1) / 2),
        np.zeros(size, np.int64),
        np.random.default_rng(1),
    )
    assert reached.extra == pytest.approx([size / 2 * (p1 - p0), 0.0])


def test_touches_before_sessions_leave_the_true_probabilities_as_they_were() -> None:
    [chunk] = draw(SHOP, sessions=20_000, seed=4)
    odds = starting_odds(compile_world(SHOP), chunk.visits)
    reached = draw_reached(
        SHOP.outreach, chunk.visits.setting.intent, odds, chunk.walks.converted, np.random.default_rng(1)
    )
    for place, one in enumerate(SHOP.outreach):
        if one.aim == 0:
            assert reached.touched[:, place].mean() == pytest.approx(one.reach, abs=0.01)


def test_people_who_never_visit_are_reached_too(shop: Path) -> None:
    with duckdb.connect() as connection:
        [(strangers, known)] = connection.execute(
            "SELECT count(DISTINCT visitor_id) FILTER (visitor_id NOT IN (SELECT visitor_id FROM "
            f"'{shop}/truth.parquet')), count(DISTINCT visitor_id) FROM '{shop}/touchpoints/*.parquet'"
        ).fetchall()
    assert 0 < strangers < known
