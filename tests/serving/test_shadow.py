"""A policy in the shadow: asked about what was decided, never noticed by whoever waits for the answer."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from decisions.decision import Decision
from decisions.eligibility import Eligibility
from decisions.intervention import Effort, Intervention
from decisions.policy import Assessment, Option, PolicySettings, PriorPolicy, Situation
from decisions.trial import Moment
from features.friction import Friction
from serving.shadow import Shadow, are_propensities
from storage.rollout_store import ShadowCounts

CHAT = Intervention("chat", "Chat", "", "on_site", ("cart",), (Friction.TRUST,), 0.05, 0.1, Effort.QUICK_WIN, "Shop")
SETTINGS = PolicySettings(goal_value=10.0, exploration=0.04)
MOMENT = Moment(
    "shop",
    "a",
    "d",
    Situation("cart", 0.9, (), {}),
    Eligibility((CHAT,), {}),
    lambda: Eligibility((CHAT,), {}),
    lambda _name: float("nan"),
    PriorPolicy(SETTINGS),
    SETTINGS,
)


@dataclass
class Told:
    """A policy that answers as it is told to, and remembers who asked."""

    answer: Callable[[], Assessment]
    version: str = "9"
    threads: set[str] = field(default_factory=set)

    def assess(self, eligible: Sequence[Intervention], situation: Situation) -> Assessment:
        assert (tuple(eligible), situation) == (MOMENT.allowed.eligible, MOMENT.situation)
        self.threads.add(threading.current_thread().name)
        return self.answer()


def best(nothing: float) -> Assessment:
    return Assessment((Option("chat", 0.05, 1.0),), np.array([nothing, 1 - nothing]))


@pytest.fixture
def shadow_of() -> "Callable[..., Shadow]":
    opened: list[Shadow] = []

    def opening(policy: Told, **settings: object) -> Shadow:
        opened.append(Shadow(policy.version, policy, **({"slow_seconds": 0.5} | settings)))  # type: ignore[arg-type]
        return opened[-1]

    yield opening
    for one in opened:
        one.close()


@dataclass
class Decided:
    """What of a decision is looked at."""

    propensities: Mapping[str, float]


def look(shadow: Shadow, propensities: Mapping[str, float]) -> None:
    decision: Decision = Decided(propensities)  # type: ignore[assignment]
    shadow.look(MOMENT, decision)


def test_it_counts_how_likely_both_choose_the_same_and_act(shadow_of: Callable[..., Shadow]) -> None:
    policy = Told(lambda: best(0.0))
    shadow = shadow_of(policy)
    look(shadow, {"nothing": 0.96, "chat": 0.04})
    shadow.wait()
    found = shadow.take()
    # With exploration of .04 the version has nothing at .04 and the chat at .96.
    assert (found.compared, found.failed, found.invalid, found.slow) == (1, 0, 0, 0)
    assert (found.agreement, found.acted, found.acted_live) == pytest.approx((0.08, 0.96, 0.04))
    assert shadow.take() == ShadowCounts()
    assert policy.threads == {"shadow-9"}


def test_what_it_raises_is_counted_and_nobody_else_notices(
    shadow_of: Callable[..., Shadow], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Assessment:
        raise ZeroDivisionError

    shadow = shadow_of(Told(fail))
    for _ in range(3):
        look(shadow, {"nothing": 1.0, "chat": 0.0})
    shadow.wait()
    assert shadow.take() == ShadowCounts(compared=3, failed=3)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("wrong", [[0.5, 0.2], [1.5, -0.5], [float("nan"), 1.0]])
def test_propensities_that_are_none_are_counted(shadow_of: Callable[..., Shadow], wrong: list[float]) -> None:
    shadow = shadow_of(Told(lambda: Assessment((Option("chat", 0.0, 0.0),), np.array(wrong))))
    look(shadow, {"nothing": 1.0, "chat": 0.0})
    shadow.wait()
    assert (shadow.take().invalid, are_propensities({"a": 0.25, "b": 0.75})) == (1, True)


def test_a_version_that_leaves_an_option_out_has_no_propensities(shadow_of: Callable[..., Shadow]) -> None:
    shadow = shadow_of(Told(lambda: Assessment((), np.ones(1))))
    look(shadow, {"nothing": 1.0, "chat": 0.0})
    shadow.wait()
    assert shadow.take().invalid == 1


def test_nobody_waits_for_a_version_that_takes_its_time(shadow_of: Callable[..., Shadow]) -> None:
    going = threading.Event()

    def slowly() -> Assessment:
        assert going.wait(10)
        return best(0.0)

    shadow = shadow_of(Told(slowly), slow_seconds=0.0, most_waiting=5)
    started = time.perf_counter()
    for _ in range(20):
        look(shadow, {"nothing": 1.0, "chat": 0.0})
    assert time.perf_counter() - started < 1.0
    going.set()
    shadow.wait()
    found = shadow.take()
    # Five wait, one is being asked about; the others are dropped.
    assert found.compared + found.dropped == 20
    assert found.compared in (5, 6)
    assert found.slow == found.compared


def test_counts_that_could_not_be_kept_are_counted_again(shadow_of: Callable[..., Shadow]) -> None:
    shadow = shadow_of(Told(lambda: best(0.5)))
    shadow.give_back(ShadowCounts(compared=2, agreement=1.5))
    shadow.give_back(ShadowCounts(compared=1, agreement=0.5))
    assert shadow.take() == ShadowCounts(compared=3, agreement=2.0)
