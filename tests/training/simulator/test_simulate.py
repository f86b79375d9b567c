"""The simulation as people run it: what it writes, what is planted in it, and what it refuses."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_world import WORLDS, alike, close_to, walks_of

from training.simulator import SimulationError, simulate
from training.simulator.dynamics import reach_goal, step_odds
from training.simulator.rules import Rules, compile_world
from training.simulator.simulate import CHUNK_SESSIONS, draw, starting_odds, world_of
from training.simulator.simulate import WORLDS as SHIPPED
from training.simulator.walk import ONWARD
from training.simulator.world import World

SESSIONS = 20_000
worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())


@dataclass(frozen=True)
class Simulated:
    """A simulation, as files."""

    world: World
    folder: Path

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Answer a query over ``events`` (without duplicates) and ``truth``."""
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                "CREATE VIEW events AS SELECT DISTINCT ON (event_id) * "
                f"FROM read_parquet('{self.folder}/events/*.parquet') ORDER BY event_id, received_at"
            )
            connection.execute(f"CREATE VIEW truth AS FROM read_parquet('{self.folder}/truth.parquet')")
            return connection.execute(query).fetchall()

    def truth(self, column: str) -> np.ndarray:
        return np.array([value for (value,) in self.ask(f"SELECT {column} FROM truth ORDER BY session_id")])


def simulated(journey: str, folder: Path, sessions: int = SESSIONS, seed: int = 1) -> Simulated:
    simulate(journey, sessions=sessions, seed=seed, out=folder)
    return Simulated(world_of(journey), folder)


@pytest.fixture(scope="module", params=SHIPPED.keys())
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated("ecommerce", tmp_path_factory.mktemp("shop"))


def digests(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        simulate("ecommerce", sessions=400, seed=seed, out=tmp_path / name)
    first, second, third = (digests(tmp_path / name) for name in "abc")
    parts = {f"{folder}/part-00000.parquet" for folder in ("events", "touchpoints")}
    assert first.keys() == {"truth.parquet", "touchpoints_truth.parquet", *parts}
    assert first == second
    assert all(first[name] != third[name] for name in first)


GOLDEN = {
    "ecommerce": "56f744124af79e844a8b11d55cc57f7f477d4bd57b67084cbb1c270ef4b51250",
    "onboarding": "ecdf04678d7500144f46ce50251de503123b0fe168f606be61ff85959be25a86",
}


@pytest.mark.parametrize("journey", SHIPPED)
def test_a_seed_draws_the_sessions_that_it_always_drew(journey: str) -> None:
    # Figures in the documentation are those of a seed: whoever changes a draw has to measure them again.
    digest = hashlib.sha256()
    for chunk in draw(world_of(journey), sessions=CHUNK_SESSIONS + 200, seed=5):
        for drawn in (*chunk.walks, *chunk.visits.setting, chunk.visits.visitor, chunk.visits.started_us):
            digest.update(np.ascontiguousarray(drawn[-2_000:]).tobytes())
    assert digest.hexdigest() == GOLDEN[journey]


def test_an_earlier_simulation_is_replaced(tmp_path: Path) -> None:
    simulate("ecommerce", sessions=60_000, seed=1, out=tmp_path)
    assert len(digests(tmp_path)) == 2 + 2 * 2
    simulate("ecommerce", sessions=30, seed=1, out=tmp_path)
    assert len(digests(tmp_path)) == 2 + 2
    assert len(Simulated(world_of("ecommerce"), tmp_path).truth("session_id")) == 30


def test_the_truth_has_the_columns_that_others_rely_on(shipped: Simulated) -> None:
    columns = [name for name, *_ in shipped.ask("DESCRIBE truth")]
    assert {"session_id", "blocker", "caused_exit", "p_convert"} <= set(columns)
    [(sessions, distinct_sessions, logged)] = shipped.ask(
        "SELECT count(*), count(DISTINCT session_id), (SELECT count(DISTINCT session_id) FROM events) FROM truth"
    )
    assert sessions == distinct_sessions == logged == SESSIONS
    planted = {blocker for (blocker,) in shipped.ask("SELECT DISTINCT blocker FROM truth")}
    assert planted == {None, *(obstacle.friction.name for obstacle in shipped.world.obstacles)}
    assert shipped.ask("SELECT count(*) FROM events ANTI JOIN truth USING (session_id)") == [(0,)]


def test_five_to_nine_sessions_in_a_hundred_convert(shipped: Simulated) -> None:
    converted, goal = shipped.truth("converted"), shipped.world.goal_events[1]
    assert 0.05 <= converted.mean() <= 0.09
    assert shipped.ask(f"SELECT count(DISTINCT session_id) FROM events WHERE name = '{goal}'") == [
        (int(converted.sum()),)
    ]


def test_the_commonest_blocker_ends_less_than_half_of_the_sessions_that_blockers_end(shipped: Simulated) -> None:
    ended = [count for (count,) in shipped.ask("SELECT count(*) FROM truth WHERE caused_exit GROUP BY blocker")]
    assert len(ended) == 4
    assert 0.38 < max(ended) / sum(ended) < 0.52
    # None is so rare that nobody would need to know it.
    assert min(ended) / sum(ended) > 0.07


def test_a_session_lasts_minutes_in_the_shop_and_days_in_a_trial(shipped: Simulated) -> None:
    [(half, tenth)] = shipped.ask(
        """WITH lasted AS (SELECT epoch(max(occurred_at) - min(occurred_at)) AS seconds FROM events GROUP BY session_id)
        SELECT median(seconds), quantile_cont(seconds, .9) FROM lasted"""
    )
    lasting = {"ecommerce": ((60, 600), (300, 3_600)), "onboarding": ((3_600, 86_400), (3 * 86_400, 14 * 86_400))}
    for seconds, (low, high) in zip((half, tenth), lasting[shipped.world.journey], strict=True):
        assert low < seconds < high


def test_a_blocker_ends_sessions_that_have_one_and_none_that_reach_the_goal(shipped: Simulated) -> None:
    wrong = "SELECT count(*) FROM truth WHERE caused_exit AND (blocker IS NULL OR converted)"
    assert shipped.ask(wrong) == [(0,)]
    for blocker, ended in shipped.ask(
        "SELECT blocker, sum(caused_exit::INT) FROM truth GROUP BY 1 HAVING blocker <> ''"
    ):
        assert ended > 50, blocker


def test_true_probabilities_agree_with_what_happened(shipped: Simulated) -> None:
    odds, converted = shipped.truth("p_convert"), shipped.truth("converted")
    assert ((odds > 0) & (odds < 1)).all()
    assert close_to(converted, odds)
    # The blocked convert less, in truth and in the event.
    blocked = np.array([blocker is not None for blocker in shipped.truth("blocker")])
    for values in (odds, converted):
        assert values[blocked].mean() < values[~blocked].mean()


@worlds
def test_without_interventions_true_probabilities_are_exact_in_every_part(world: World) -> None:
    untouched = World(**{**vars(world), "decide_at": {}})
    [chunk] = draw(untouched, sessions=30_000, seed=9)
    odds, converted = starting_odds(compile_world(untouched), chunk.visits), chunk.walks.converted
    for part in np.array_split(np.argsort(odds), 10):
        assert close_to(converted[part], odds[part])
    for blocker in range(1 + len(world.obstacles)):
        for changed in (0, 1):
            chosen = (chunk.visits.setting.blocker == blocker) & (chunk.visits.setting.changed == changed)
            assert close_to(converted[chosen], odds[chosen]), (blocker, changed)


def test_from_the_middle_of_the_log_more_people_leave_at_one_stage_and_not_before(shipped: Simulated) -> None:
    [(first, last, changed_from)] = shipped.ask(
        "SELECT min(started_at), max(started_at), min(started_at) FILTER (after_policy_change) FROM truth"
    )
    assert 0.4 < (changed_from - first) / (last - first) < 0.6
    assert shipped.ask(f"SELECT count(*) FROM truth WHERE after_policy_change <> (started_at >= '{changed_from}')") == [
        (0,)
    ]

    def leaving(entered: str, onward: str) -> list[tuple[int, float]]:
        """How many sessions were at a stage before and after the change, and the share that never got past it."""
        return shipped.ask(
            f"""WITH those AS (SELECT session_id, max((name = '{onward}')::INT) AS past FROM events
                GROUP BY 1 HAVING max((name = '{entered}')::INT) = 1)
            SELECT count(*), 1 - avg(past) FROM those JOIN truth USING (session_id)
            GROUP BY after_policy_change ORDER BY after_policy_change"""
        )

    def deviations(pair: Sequence[tuple[int, float]]) -> float:
        (before_count, before), (after_count, after) = pair
        return (after - before) / np.sqrt(before * (1 - before) / before_count + after * (1 - after) / after_count)

    places = shipped.world.places
    [changed] = [number for number, place in enumerate(places) if place.name in shipped.world.policy_change]
    assert changed > 0
    for number in range(changed + 1):
        found = deviations(leaving(places[number].entry[0], places[number + 1].entry[0]))
        assert found > 4.5 if number == changed else abs(found) < 4.5, places[number].name


def test_bots_are_there_and_as_fast_as_bots_are(shop: Simulated) -> None:
    gaps = dict(
        shop.ask(
            """WITH gaps AS (SELECT session_id, epoch(occurred_at - lag(occurred_at) OVER (
                PARTITION BY session_id ORDER BY occurred_at, event_id)) AS seconds FROM events)
            SELECT kind = 'bot', median(seconds) FROM gaps JOIN truth USING (session_id) GROUP BY 1"""
        )
    )
    assert gaps[True] < gaps[False] / 4
    assert 10 < (shop.truth("kind") == "bot").sum() < SESSIONS / 20


def test_people_come_back_and_some_come_from_another_device(shipped: Simulated) -> None:
    [(sessions, visitors, people)] = shipped.ask(
        "SELECT count(*), count(DISTINCT visitor_id), count(DISTINCT person) FROM truth"
    )
    # Nearly everybody's next visit falls into the log of a shop, and behind the end of most trials'.
    assert sessions > (1.2 if shipped.world.journey == "ecommerce" else 1.05) * visitors
    assert visitors > 1.001 * people


def test_interventions_are_logged_with_their_propensity(shipped: Simulated) -> None:
    rows = shipped.ask(
        "SELECT properties->>'intervention', CAST(properties->>'propensity' AS DOUBLE), intervention "
        "FROM events JOIN truth USING (session_id) WHERE name = 'intervention_shown'"
    )
    world = shipped.world
    options = {stage: 1 + sum(stage in remedy.stages for remedy in world.remedies) for stage in world.decide_at}
    assert {name for name, _odds, _known in rows} == {remedy.name for remedy in world.remedies}
    for name, odds, known in rows:
        assert name == known
        assert any(odds == pytest.approx(1 / count, abs=1e-4) for count in options.values())


INTENTS = np.linspace(-3, 3, 13)
PEOPLE = np.exp(-(INTENTS**2) / 2) / np.exp(-(INTENTS**2) / 2).sum()
"""The share of each intent among people."""


def effects(world: World) -> list[tuple[str, str | None, str, np.ndarray]]:
    """Remedy, blocker, stage, and the change of the odds to reach the goal from that stage by intent."""
    rules = compile_world(world)
    stages = [place.name for place in world.places]
    found = []
    for t, remedy in enumerate(world.remedies, 1):
        for b, obstacle in enumerate((None, *world.obstacles)):
            for stage in remedy.stages:
                changes = []
                for intent in INTENTS:
                    chance = []
                    for shown in (0, t):
                        leave, advance, _own = step_odds(rules, 0, 0.0, 0.0, intent, b, 0, shown)
                        chance.append(reach_goal(rules, 0, leave, advance, b, 0, shown)[stages.index(stage), 0])
                    changes.append(chance[1] - chance[0])
                found.append((remedy.name, obstacle.friction.name if obstacle else None, stage, np.array(changes)))
    return found


def relation(world: World, remedy: str, blocker: str | None, stage: str) -> str:
    """Whether a remedy is the right one for a blocker that can still act from a stage on, a wrong one, or in between.

    In between is what helps somebody else as well: a discount, or a remedy that relieves a part.
    """
    [chosen] = [one for one in world.remedies if one.name == remedy]
    relief = max((part for friction, part in chosen.relief.items() if friction.name == blocker), default=0.0)
    planted = [one for one in world.obstacles if one.friction.name == blocker]
    stages = [place.name for place in world.places]
    ahead = set(stages[stages.index(stage) :])
    acts = any(ahead & {*one.exits, *one.drags} or one.failure is not None for one in planted)
    if relief == 0.0 or not acts:
        return "wrong" if chosen.advance <= 0 else "in between"
    return "right" if relief > 0.5 else "in between"


@worlds
def test_the_right_intervention_raises_conversion_and_a_wrong_one_never_does(world: World) -> None:
    helped = set()
    for remedy, blocker, stage, changes in effects(world):
        match relation(world, remedy, blocker, stage):
            case "right":
                assert changes @ PEOPLE > 0, (remedy, blocker, stage)
                helped.add(blocker)
            case "wrong":
                assert (changes <= 1e-12).all(), (remedy, blocker, stage)
    assert helped == {obstacle.friction.name for obstacle in world.obstacles}


@worlds
def test_randomised_interventions_show_those_effects_to_who_compares_outcomes(world: World) -> None:
    def often(rules: Rules) -> Rules:
        return rules._replace(decide=np.where(rules.decide > 0, 0.9, 0.0))

    rules = compile_world(world)
    stages = [place.name for place in world.places]
    deviations: dict[str, list[float]] = {"right": [], "wrong": [], "in between": []}
    for b, obstacle in enumerate(world.obstacles, 1):
        blocker, count = obstacle.friction.name, 40_000
        walks = walks_of(world, alike(world, count, intent=1.0, blocker=b, leave=-1.5, advance=0.8), b, often)
        session = np.repeat(np.arange(count), np.diff(walks.starts))
        for stage in np.flatnonzero(rules.decide):
            entries = np.flatnonzero((walks.move == ONWARD) & (walks.stage == stage))
            first = entries[np.unique(session[entries], return_index=True)[1]]
            untreated = first[walks.remedy[first - 1] == 0]
            # At the same entry chance decided who was shown what, and who nothing (that time).
            outcome = {
                t: walks.converted[session[untreated[walks.remedy[untreated] == t]]] for t in range(len(rules.relief))
            }
            for t in np.flatnonzero(rules.options[stage]):
                leave, advance, _own = step_odds(rules, 0, -1.5, 0.8, 1.0, b, 0, t)
                remedy = world.remedies[t - 1].name
                expected = reach_goal(rules, 0, leave, advance, b, 0, t)[stage, 0]
                assert close_to(outcome[t], expected), (remedy, blocker, stages[stage])
                treated, control = outcome[t], outcome[0]
                error = np.sqrt(treated.var() / len(treated) + control.var() / len(control))
                named = relation(world, remedy, blocker, stages[stage])
                deviations[named].append(float((treated.mean() - control.mean()) / error))
    assert np.mean(deviations["right"]) > 2
    assert min(deviations["right"]) > -4.5
    assert np.mean(deviations["wrong"]) < 0
    assert max(deviations["wrong"]) < 4.5


@pytest.mark.parametrize("sessions", [0, -5])
def test_no_sessions_are_refused_and_what_is_there_stays(tmp_path: Path, sessions: int) -> None:
    simulate("ecommerce", sessions=20, seed=1, out=tmp_path)
    before = digests(tmp_path)
    with pytest.raises(SimulationError, match="simulate at least one session"):
        simulate("ecommerce", sessions=sessions, seed=1, out=tmp_path)
    assert digests(tmp_path) == before


def test_a_log_of_no_days_is_refused(tmp_path: Path) -> None:
    for days in (0.0, -1.0, float("nan")):
        with pytest.raises(SimulationError, match="more than zero days"):
            simulate("ecommerce", sessions=5, seed=1, out=tmp_path, days=days)
    assert not list(tmp_path.iterdir())


def test_a_journey_without_a_world_is_named_beside_those_with_one(tmp_path: Path) -> None:
    with pytest.raises(
        SimulationError, match="no world is simulated for 'loans'; there is one for ecommerce, onboarding"
    ):
        simulate("loans", sessions=5, seed=1, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["notes.txt", "my_log.parquet", "part-1.parquet", "part-00000.csv"])
def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path, name: str) -> None:
    other = tmp_path / "events" / name
    other.parent.mkdir()
    other.write_text("precious")
    with pytest.raises(SimulationError, match="holds something else; give an empty folder"):
        simulate("ecommerce", sessions=5, seed=1, out=tmp_path)
    assert other.read_text() == "precious"
    assert [file.name for file in other.parent.iterdir()] == [name]


def test_progress_names_the_work_and_ends_at_one(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    simulate("ecommerce", sessions=10, seed=1, out=tmp_path, progress=lambda what, part: told.append((what, part)))
    assert {what for what, _ in told} == {"simulating 10 sessions"}
    parts = [part for _, part in told]
    assert parts == sorted(parts)
    assert parts[-1] == 1.0


def test_a_single_session_is_a_simulation(tmp_path: Path) -> None:
    simulate("ecommerce", sessions=1, seed=3, out=tmp_path, days=1.0)
    assert len(Simulated(world_of("ecommerce"), tmp_path).truth("session_id")) == 1
