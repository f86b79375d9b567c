"""The challenger: a second model that is asked what the champion was asked, off the answers' path.

An answer waits for nothing here: it is put into a queue, and a thread of its own asks the challenger the very same, on
at most a fifth of one core. Where the queue is full the answer is dropped and counted; whatever the challenger raises
is counted, too. Nobody is ever shown what it says.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import Full, Queue
from time import perf_counter

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from decisions.decision import Decision
from decisions.onlookers import Answered, Timer, ask_nobody, ignore_decision, ignore_row
from decisions.policy import NOTHING
from decisions.risk import RiskModel
from decisions.scorer import Scorer
from serving.errors import StartError
from serving.runtime import Runtime
from serving.start import load_version, rehearse
from storage.challenge_store import ChallengeCounts, ChallengeStore
from storage.failures import explain
from storage.models import ModelNotFound, challenger_version, model_folder
from storage.writer import WriterClosed

_LOG = logging.getLogger("dropoff.serving")
_LOOK_SECONDS = 2.0
_MOST_WAITING = 256
_REST = 4.0
"""How long the thread rests after an answer, as a multiple of what the answer took."""


class Challenger:
    """One model beside the champion, in one process, until :meth:`close`."""

    def __init__(self, model: RiskModel, timer: Timer, gap: Callable[[float], None], rest: float = _REST) -> None:
        self.model = model
        self._timer, self._gap, self._rest = timer, gap, rest
        self._queue: Queue[tuple[Scorer, Answered] | None] = Queue(_MOST_WAITING)
        self._guard, self._ending = threading.Lock(), threading.Event()
        self._counts: dict[str, ChallengeCounts] = {}
        self._failed = False
        self._thread = threading.Thread(target=self._work, name=f"challenger-{model.version}", daemon=True)
        self._thread.start()

    def look(self, scorer: Scorer, answered: Answered) -> None:
        """Ask the challenger later what ``scorer`` has answered; returns at once."""
        try:
            self._queue.put_nowait((scorer, answered))
        except Full:
            self.add(answered.score.model_version, ChallengeCounts(dropped=1))

    def take(self) -> Mapping[str, ChallengeCounts]:
        """Return what was counted since the last time, by the champion's version."""
        with self._guard:
            found, self._counts = self._counts, {}
        return found

    def add(self, champion: str, counts: ChallengeCounts) -> None:
        """Count, or count once more what could not be kept."""
        with self._guard:
            self._counts[champion] = self._counts.get(champion, ChallengeCounts()) + counts

    def wait(self) -> None:
        """Return when the challenger has been asked everything that was put in by now."""
        self._queue.join()

    def close(self) -> None:
        """Ask nothing more; what waits is forgotten."""
        self._ending.set()
        # Where it is full, the thread looks at the event before it asks anything more.
        with suppress(Full):
            self._queue.put_nowait(None)
        self._thread.join()

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None and not self._ending.is_set():
            scorer, answered = asked
            started = perf_counter()
            try:
                self.add(answered.score.model_version, self._compare(scorer, answered))
            except Exception:  # noqa: BLE001 (whatever a challenger raises, nobody is to notice it but who counts)
                if not self._failed:
                    _LOG.exception("Version %s failed as challenger; later failures are counted", self.model.version)
                self._failed = True
                self.add(answered.score.model_version, ChallengeCounts(failed=1))
            finally:
                self._queue.task_done()
            self._ending.wait(self._rest * (perf_counter() - started))

    def _compare(self, scorer: Scorer, answered: Answered) -> ChallengeCounts:
        second = replace(
            scorer,
            model=self.model,
            experiments=(),
            timer=self._timer,
            watcher=ignore_row,
            onlooker=ignore_decision,
            second=ask_nobody,
        )
        started = perf_counter()
        score, decision = answered.ask(second)
        seconds = perf_counter() - started
        gap = abs(score.risk - answered.score.risk)
        self._gap(gap)
        low = scorer.settings.low_risk
        found = ChallengeCounts(
            answers=1,
            same_side=int((score.risk < low) == (answered.score.risk < low)),
            gap=gap,
            squared_gap=gap * gap,
            seconds=seconds,
            champion_seconds=answered.seconds,
        )
        if decision is None or answered.decision is None:
            return found
        return found + _compare_decisions(answered.decision, decision)


def _compare_decisions(champion: Decision, challenger: Decision) -> ChallengeCounts:
    first, second = (next((blocker.friction.name for blocker in one.blockers), None) for one in (champion, challenger))
    found = (
        ChallengeCounts()
        if first is None and second is None
        else ChallengeCounts(blockers=1, same_blocker=int(first == second))
    )
    odds, other_odds = (one.withheld or one.propensities for one in (champion, challenger))
    # Where an experiment has decided, the models had no say; where both can only do nothing, none was needed.
    if champion.met or (odds.keys() | other_odds.keys()) == {NOTHING}:
        return found
    same = sum(min(value, other_odds.get(name, 0.0)) for name, value in odds.items())
    return found + ChallengeCounts(decisions=1, same_choice=same)


async def watch_challenger(runtime: Runtime, look_seconds: float = _LOOK_SECONDS) -> None:
    """Ask the model that is challenger beside the champion, and keep what it was seen to do, until cancelled."""
    store, refused, unkept = ChallengeStore(runtime.engine, runtime.journey.name), "", False
    try:
        while True:
            try:
                await keep_challenge(runtime, store)
                unkept = False
            except (SQLAlchemyError, WriterClosed) as error:
                if not unkept:
                    _LOG.warning("What the challenger does cannot be kept: %s", explain(error))
                unkept = True
            refused = await renew_challenger(runtime, refused)
            await asyncio.sleep(look_seconds)
    finally:
        end_challenge(runtime)


async def renew_challenger(runtime: Runtime, refused: str = "") -> str:
    """Begin or end asking a challenger as the pointer says; return why it cannot be asked, told once."""
    wanted: str | None = None
    try:
        wanted = await asyncio.to_thread(challenger_version, runtime.configuration.home, runtime.journey.name)
        if wanted == runtime.model_version:
            wanted = None
        asked = runtime.challenger
        if asked is not None and asked.model.version != wanted:
            runtime.challenge(None)
            # It may be in the midst of an answer.
            await asyncio.to_thread(asked.close)
        if wanted is None or runtime.challenger is not None:
            return ""
        model = await asyncio.to_thread(_load, runtime, wanted)
    except Exception as error:  # noqa: BLE001 (whatever one challenger is like, the next one has to be noticed)
        told = str(error) if isinstance(error, StartError | ModelNotFound) else f"{type(error).__name__}: {error}"
        if told != refused:
            _LOG.warning("The challenger %s is not asked: %s", wanted or "that is named", told)
        return told
    metrics = runtime.metrics.models
    runtime.challenge(Challenger(model, metrics.observe_challenger, metrics.risk_gap.observe))
    _LOG.warning("Version %s is asked beside the champion from now on.", wanted)
    return ""


async def keep_challenge(runtime: Runtime, store: ChallengeStore) -> None:
    """Keep what the challenger was seen to do since the last time."""
    challenger = runtime.challenger
    if challenger is None:
        return
    taken, now_us, version = dict(challenger.take()), runtime.now_us(), challenger.model.version

    def keep(connection: Connection) -> None:
        for champion, counts in taken.items():
            store.add(connection, version, champion, counts, now_us)

    if not taken:
        return
    try:
        await runtime.commit(keep)
    except (SQLAlchemyError, WriterClosed):
        for champion, counts in taken.items():
            challenger.add(champion, counts)
        raise
    for counts in taken.values():
        runtime.metrics.models.count(counts)


def end_challenge(runtime: Runtime) -> None:
    """Ask no second model any more."""
    challenger = runtime.challenger
    runtime.challenge(None)
    if challenger is not None:
        challenger.close()


def _load(runtime: Runtime, version: str) -> RiskModel:
    journey = runtime.journey
    model = load_version(journey, model_folder(runtime.configuration.home, journey.name, version))
    rehearse(runtime, runtime.scorer_with(model))
    return model
