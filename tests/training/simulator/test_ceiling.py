"""The filter that knows the rules: it is Bayes' theorem, it is calibrated, and it has converged."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

sys.path.insert(0, str(Path(__file__).parent))

from small_world import SMALL, WORLDS, close_to, solve

from training.simulator.ceiling import filter_goal, intent_nodes, true_probabilities
from training.simulator.dynamics import failure_odds, step_odds
from training.simulator.rules import Rules, compile_world
from training.simulator.simulate import Chunk, draw
from training.simulator.walk import ATTEMPT, BACK, FAILURE, ONWARD, SHOWN, START, STAY, SUCCESS
from training.simulator.world import World

worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())


def chunk_of(world: World, sessions: int, seed: int = 11) -> Chunk:
    [chunk] = draw(world, sessions=sessions, seed=seed)
    return chunk


def session_of(chunk: Chunk) -> np.ndarray:
    return np.repeat(np.arange(chunk.visits.session_count), np.diff(chunk.walks.starts))


def filtered(world: World, chunk: Chunk, nodes: np.ndarray) -> np.ndarray:
    kinds = np.array([kind.share for kind in world.kinds])
    visits = chunk.visits
    rules = compile_world(world)
    return filter_goal(rules, visits.setting, chunk.walks, visits.visitor, visits.blocker_prior, kinds, nodes)


class Naive:
    """The same posterior, one combination of latent things at a time, with its chances from linear algebra."""

    def __init__(self, world: World, chunk: Chunk, nodes: np.ndarray) -> None:
        self.rules: Rules = compile_world(world)
        self.chunk, self.nodes = chunk, nodes
        self.kinds = [kind.share for kind in world.kinds]

    def visitor(self, sessions: list[int]) -> list[float]:
        person = {
            (c, i): np.log(share) - intent**2 / 2
            for c, share in enumerate(self.kinds)
            for i, intent in enumerate(self.nodes)
        }
        answers: list[float] = []
        for s in sessions:
            found = {(b, c, i): self._session(s, b, c, i) for b in range(len(self.rules.exits)) for (c, i) in person}
            prior = {(b, c, i): person[c, i] + np.log(self.chunk.visits.blocker_prior[s, b]) for (b, c, i) in found}
            for n in range(len(found[0, 0, 0][1])):
                logs = np.array([prior[latent] + found[latent][0][n] for latent in found])
                weights = np.exp(logs - logs.max())
                answers.append(float(weights @ np.array([found[latent][1][n] for latent in found]) / weights.sum()))
            person = {
                (c, i): np.logaddexp.reduce(
                    [prior[b, c, i] + found[b, c, i][0][-1] for b in range(len(self.rules.exits))]
                )
                for (c, i) in person
            }
        return answers

    def _session(self, s: int, b: int, c: int, i: int) -> tuple[list[float], list[float]]:
        """Log-likelihood after each event and after the end; chance to reach the goal after each event."""
        setting, walks, rules = self.chunk.visits.setting, self.chunk.walks, self.rules
        changed = int(setting.changed[s])

        def odds(remedy: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            context = setting.leave[s], setting.advance[s], self.nodes[i]
            leave, advance, _own = step_odds(rules, changed, *context, b, c, remedy)
            return leave, advance, solve(rules, changed, leave, advance, b, c, remedy)

        stage, level, remedy, log = 0, 0, 0, 0.0
        logs, chances = [], []
        leave, advance, value = odds(0)
        for n in range(walks.starts[s], walks.starts[s + 1]):
            move, event, after = int(walks.move[n]), int(walks.code[n]), int(walks.stage[n])
            rest = 1 - leave[stage, level] - advance[stage, level]
            match move:
                case _ if move == STAY:
                    log += np.log(rest * (1 - rules.back[stage]))
                    log += np.log(rules.emission[changed, stage, b, c, event] + 1e-300)
                case _ if move == BACK:
                    log += np.log(rest * rules.back[stage])
                case _ if move in (ONWARD, ATTEMPT):
                    log += np.log(advance[stage, level])
                case _ if move == FAILURE:
                    log += np.log(failure_odds(rules, b, remedy))
                case _ if move == SUCCESS:
                    log += np.log(1 - failure_odds(rules, b, remedy))
            if rules.has_marks[event]:
                log += np.log(rules.marks[event, b, walks.mark[n]])
            if walks.gap_us[n] > 0 and move in (STAY, BACK, ONWARD, ATTEMPT, FAILURE, SUCCESS):
                log += np.log(self._pause((walks.gap_us[n] - 1_000) / 1e6, after, b, c, move in (FAILURE, SUCCESS)))
            if walks.remedy[n] != remedy:
                remedy = int(walks.remedy[n])
                leave, advance, value = odds(remedy)
            if move not in (START, SHOWN):
                stage, level = after, int(walks.level[n])
            logs.append(log)
            chances.append(1.0 if move == SUCCESS else float(value[-1, 0] if move == ATTEMPT else value[stage, level]))
        if not walks.converted[s]:
            logs.append(log + np.log(leave[stage, level]))
        else:
            logs.append(log)
        return logs, chances

    def _pause(self, seconds: float, stage: int, b: int, c: int, answered: bool) -> float:
        """Density of a pause; of one that was cut off, the probability of anything longer."""
        rules = self.rules
        longest = seconds >= rules.longest_pause - 0.0005
        odds = norm.sf if longest else norm.pdf
        away = 0.0 if answered else rules.away[stage]
        usual = odds(np.log(seconds + 1e-6), rules.gap_log[stage, b, c], rules.gap_spread[c])
        return float(
            (1 - away) * usual + away * odds(np.log(seconds + 1e-6), rules.away_log[stage, b, c], rules.away_spread)
        )


def test_the_filter_is_bayes_theorem_over_every_combination() -> None:
    # Something is shown on most entries, and people come back.
    world = replace(SMALL, decide_at={"choose": 0.8, "pay": 0.8})
    chunk, nodes = chunk_of(world, 60), np.linspace(-3.0, 3.0, 5)
    ours = filtered(world, chunk, nodes)
    naive = Naive(world, chunk, nodes)
    expected: list[float] = []
    visitors = chunk.visits.visitor
    for visitor in np.unique(visitors):
        expected += naive.visitor(np.flatnonzero(visitors == visitor).tolist())
    np.testing.assert_allclose(ours, expected, rtol=1e-7)
    assert (np.unique(visitors, return_counts=True)[1] > 1).sum() > 5
    assert (chunk.walks.move == SHOWN).sum() > 20
    # Some pauses last until another sitting, and some of those are cut off.
    pauses = chunk.walks.gap_us / 1e6
    assert (pauses > 1_000).sum() > 20
    assert (pauses >= world.longest_pause_seconds).sum() > 5


def test_an_earlier_visit_is_remembered_and_a_later_one_never_is() -> None:
    chunk = chunk_of(SMALL, 400)
    visits, nodes = chunk.visits, intent_nodes()
    whole = filtered(SMALL, chunk, nodes)
    alone = replace(chunk, visits=replace(visits, visitor=np.arange(400)))
    separate = filtered(SMALL, alone, nodes)
    again = np.append(False, visits.visitor[1:] == visits.visitor[:-1])[session_of(chunk)]
    np.testing.assert_array_equal(whole[~again], separate[~again])
    unfinished = again & (chunk.walks.move != SUCCESS)
    assert np.mean(whole[unfinished] != separate[unfinished]) > 0.99


@worlds
def test_answers_are_probabilities_and_one_at_the_goal_alone(world: World) -> None:
    chunk = chunk_of(world, 1_500)
    answer = true_probabilities(world, chunk)
    assert answer.shape == chunk.walks.code.shape
    assert ((answer > 0) & (answer <= 1)).all()
    np.testing.assert_array_equal(answer == 1.0, chunk.walks.move == SUCCESS)
    assert (chunk.walks.move == SUCCESS).any()


@worlds
def test_more_nodes_of_the_intent_change_nothing(world: World) -> None:
    chunk = chunk_of(world, 400)
    usual, many = (filtered(world, chunk, nodes) for nodes in (intent_nodes(), intent_nodes(72)))
    assert np.abs(usual - many).max() < 1e-3


Untreated = tuple[Chunk, np.ndarray, dict[str, np.ndarray]]


@pytest.fixture(scope="module", params=WORLDS.keys())
def untreated(request: pytest.FixtureRequest) -> Untreated:
    """Sessions without interventions, so that what the filter foresees is all that happens; its answers; and rows.

    The rows are moments that nobody needs to know the future for.
    """
    world = replace(WORLDS[request.param], decide_at={})
    chunk = chunk_of(world, 5_000, seed=5)
    walks, session = chunk.walks, session_of(chunk)
    starts, lengths = walks.starts[:-1], np.diff(walks.starts)
    moments = {f"after {count} events": starts[lengths >= count] + count - 1 for count in (1, 3, 5, 10)}
    for stage, place in enumerate(world.places[1:], 1):
        entered = np.flatnonzero((walks.move == ONWARD) & (walks.stage == stage))
        moments[f"on entering {place.name}"] = entered[np.unique(session[entered], return_index=True)[1]]
    moments = {name: rows[walks.move[rows] != SUCCESS] for name, rows in moments.items()}
    return chunk, true_probabilities(world, chunk), moments


def test_the_filter_is_calibrated_whatever_has_been_seen(untreated: Untreated) -> None:
    chunk, answer, moments = untreated
    converted = chunk.walks.converted[session_of(chunk)]
    for name, rows in moments.items():
        for part in np.array_split(rows[np.argsort(answer[rows])], 10):
            assert close_to(converted[part], answer[part]), name


def log_loss(outcome: np.ndarray, odds: np.ndarray | float) -> float:
    return float(-np.mean(np.where(outcome == 1, np.log(odds), np.log(1 - odds))))


def test_the_filter_beats_the_base_rate_at_every_moment(untreated: Untreated) -> None:
    chunk, answer, moments = untreated
    converted = chunk.walks.converted[session_of(chunk)]
    for name, rows in moments.items():
        assert log_loss(converted[rows], answer[rows]) < log_loss(converted[rows], converted[rows].mean()), name


def test_a_blocker_that_shows_itself_lowers_the_answer() -> None:
    # Untreated: whom a remedy keeps in spite of the blocker must want it all the more.
    world = replace(SMALL, obstacles=SMALL.obstacles[:1], decide_at={})
    chunk = chunk_of(world, 300)
    alone = replace(chunk, visits=replace(chunk.visits, visitor=np.arange(300)))
    bills = np.flatnonzero(chunk.walks.code == world.names.index("bill"))
    first = bills[np.unique(session_of(chunk)[bills], return_index=True)[1]]
    answers = []
    for mark in (0, 1, 2):
        marks = chunk.walks.mark.copy()
        marks[bills] = mark
        marked = replace(alone, walks=chunk.walks._replace(mark=marks))
        answers.append(filtered(world, marked, intent_nodes())[first])
    # Without the blocker the marks come as .6, .3 and .1, with it as .1, .2 and .7.
    assert len(first) > 30
    assert (answers[2] < answers[1]).all()
    assert (answers[1] < answers[0]).all()
